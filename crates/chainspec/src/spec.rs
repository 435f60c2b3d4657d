//! [`ChainSpec`]: one chain's rules.

use crate::{
    BaseFeeParams, BlobParams, ChainSpecError, EthereumHardfork, EthereumHardforks, ForkCondition,
    Genesis, GenesisAllocation, PlasmaParams,
    blobs::{BlobSchedule, blob_schedule, params_at},
    forks::{EXPERIMENTAL, fork_conditions},
    genesis, read,
};
use alloy_consensus::Header;
use alloy_eips::{eip1559::INITIAL_BASE_FEE, eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS};
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_primitives::{Address, B256, U256};

/// The rules of one chain by block number and time, and its genesis block.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    genesis: Genesis,
    /// By fork, in the order of [`EthereumHardfork`].
    forks: Vec<(EthereumHardfork, ForkCondition)>,
    blobs: BlobSchedule,
    plasma: PlasmaParams,
    header: Header,
    hash: B256,
    ignored: Vec<String>,
}

impl ChainSpec {
    /// Reads a genesis file in geth's format.
    ///
    /// Numbers may be JSON numbers, hex or decimal strings; field names match without regard to
    /// case; fields that nothing here reads are tolerated and listed by [`Self::ignored_fields`].
    ///
    /// # Errors
    /// Names the first field that is missing, malformed or at odds with another.
    pub fn from_json(json: &str) -> Result<Self, ChainSpecError> {
        let parsed = read::read_genesis(json)?;
        let mut spec = Self::from_genesis(parsed.genesis)?;
        spec.ignored = parsed.ignored;
        Ok(spec)
    }

    /// Takes a genesis that is in memory already; `config.plasma` is read from its extra fields.
    ///
    /// # Errors
    /// Names the field that contradicts another: fork order, blob parameters, `config.plasma`.
    pub fn from_genesis(genesis: Genesis) -> Result<Self, ChainSpecError> {
        let state_root = genesis::state_root(&genesis);
        Self::with_state_root(genesis, state_root)
    }

    /// [`Self::from_json`] for a file without its accounts, whose state root is known. It serves
    /// where the genesis state is stored already; reading millions of accounts takes seconds.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_json_without_accounts(
        json: &str,
        state_root: B256,
    ) -> Result<Self, ChainSpecError> {
        let parsed = read::read_genesis(json)?;
        let mut spec = Self::with_state_root(parsed.genesis, state_root)?;
        spec.ignored = parsed.ignored;
        Ok(spec)
    }

    fn with_state_root(genesis: Genesis, state_root: B256) -> Result<Self, ChainSpecError> {
        let forks = fork_conditions(&genesis)?;
        let blobs = blob_schedule(&genesis.config)?;
        let plasma = match genesis.config.extra_fields.get("plasma") {
            Some(value) => PlasmaParams::read(value)?,
            None => PlasmaParams::default(),
        };
        if let Some(fee) = genesis.base_fee_per_gas
            && u64::try_from(fee).is_err()
        {
            return Err(ChainSpecError::field(
                "baseFeePerGas",
                "a base fee in wei of at most 2^64-1",
                fee.to_string(),
            ));
        }
        let mut spec = Self {
            genesis,
            forks,
            blobs,
            plasma,
            header: Header::default(),
            hash: B256::ZERO,
            ignored: Vec::new(),
        };
        spec.header = genesis::header(&spec.genesis, &spec, state_root);
        spec.hash = spec.header.hash_slow();
        Ok(spec)
    }

    /// Chain id (EIP-155).
    pub fn chain_id(&self) -> u64 {
        self.genesis.config.chain_id
    }

    /// The genesis file's content.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The accounts of the genesis state, by rising address.
    pub fn genesis_alloc(&self) -> impl Iterator<Item = GenesisAllocation<'_>> {
        genesis::allocations(&self.genesis)
    }

    /// Root of the genesis state, computed from scratch with `alloy_trie` when the spec was made.
    pub fn genesis_state_root(&self) -> B256 {
        self.header.state_root
    }

    /// Header of block 0.
    pub fn genesis_header(&self) -> &Header {
        &self.header
    }

    /// Hash of block 0: it names the chain.
    pub fn genesis_hash(&self) -> B256 {
        self.hash
    }

    /// Plasma's own parameters (`config.plasma`).
    pub fn plasma(&self) -> &PlasmaParams {
        &self.plasma
    }

    /// JSON paths under `config` that nothing reads: other clients' fields, or slips of the pen.
    /// Empty for a spec made by [`Self::from_genesis`].
    pub fn ignored_fields(&self) -> &[String] {
        &self.ignored
    }

    /// The latest fork active in a block of this number and time (seconds). Blob-parameter forks
    /// count as forks here.
    pub fn fork_at(&self, number: u64, timestamp: u64) -> EthereumHardfork {
        let active = self
            .forks
            .iter()
            .rev()
            .find(|(_, condition)| condition.active_at_timestamp_or_number(timestamp, number));
        active.map_or(EthereumHardfork::Frontier, |(fork, _)| *fork)
    }

    /// All forks of the chain that have an activation, in order.
    pub fn forks(&self) -> impl Iterator<Item = (EthereumHardfork, ForkCondition)> + '_ {
        self.forks.iter().copied().filter(|(_, condition)| *condition != ForkCondition::Never)
    }

    /// Forks that the file sets although their rules are not final: to be warned of.
    pub fn experimental_forks(&self) -> Vec<(EthereumHardfork, ForkCondition)> {
        self.forks().filter(|(fork, _)| EXPERIMENTAL.contains(fork)).collect()
    }

    /// Blob parameters that hold at `timestamp` (seconds); `None` before Cancun.
    pub fn blob_params_at(&self, timestamp: u64) -> Option<BlobParams> {
        params_at(&self.blobs, timestamp)
    }

    /// Base fee parameters at `timestamp`. They are Ethereum's (EIP-1559) at all times, or else
    /// other clients could not import the chain.
    pub fn base_fee_params_at(&self, _timestamp: u64) -> BaseFeeParams {
        BaseFeeParams::ethereum()
    }

    /// Base fee (wei) of the block on top of `parent` at `timestamp` (seconds); `None` before
    /// London. The first London block has EIP-1559's initial base fee.
    pub fn next_base_fee(&self, parent: &Header, timestamp: u64) -> Option<u64> {
        if !self.is_london_active_at_block(parent.number.saturating_add(1)) {
            return None;
        }
        let Some(base_fee) = parent.base_fee_per_gas else {
            return Some(INITIAL_BASE_FEE);
        };
        let params = self.base_fee_params_at(timestamp);
        // Headers that no valid chain has: a gas target of zero has no "above" or "below" to follow
        // (and would divide by zero), and a fee near 2^64 could not be added to.
        if u128::from(parent.gas_limit) < params.elasticity_multiplier || base_fee > u64::MAX / 4 {
            return Some(base_fee);
        }
        let gas_used = parent.gas_used.min(parent.gas_limit);
        Some(params.next_block_base_fee(gas_used, parent.gas_limit, base_fee))
    }

    /// The total difficulty from which on blocks are proof of stake (EIP-3675); `None`: never.
    pub fn terminal_total_difficulty(&self) -> Option<U256> {
        match self.ethereum_fork_activation(EthereumHardfork::Paris) {
            ForkCondition::TTD { total_difficulty, .. } => Some(total_difficulty),
            _ => None,
        }
    }

    /// The deposit contract whose logs become EIP-6110 requests.
    pub fn deposit_contract_address(&self) -> Option<Address> {
        let mainnet = (self.chain_id() == 1).then_some(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
        self.genesis.config.deposit_contract_address.or(mainnet)
    }
}

impl AsRef<Self> for ChainSpec {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let found = self.forks.iter().find(|(known, _)| *known == fork);
        found.map_or(ForkCondition::Never, |(_, condition)| *condition)
    }
}

impl EthExecutorSpec for ChainSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        Self::deposit_contract_address(self)
    }
}
