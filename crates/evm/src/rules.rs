//! A chain's rules with what a block itself tells of the merge.
//!
//! Where the merge happened is not written in most genesis files: it follows from total
//! difficulties. But a block tells by its difficulty on which side it stands (EIP-3675), and that
//! it stands there rightly is checked before it is executed.

use alloy_consensus::Header;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256};
use plasma_chainspec::ChainSpec;

/// The rules by which one block executes.
#[derive(Clone, Debug)]
pub(crate) struct BlockRules<S> {
    spec: S,
    proof_of_stake: bool,
}

impl<S: AsRef<ChainSpec>> BlockRules<S> {
    /// The rules of the block with `header`.
    pub(crate) fn of(spec: S, header: &Header) -> Self {
        let merges = spec.as_ref().terminal_total_difficulty().is_some();
        Self { proof_of_stake: merges && header.difficulty.is_zero() && header.number > 0, spec }
    }

    /// The rules of a block that this node makes: it makes no proof of work.
    pub(crate) fn of_next(spec: S) -> Self {
        Self { proof_of_stake: spec.as_ref().terminal_total_difficulty().is_some(), spec }
    }

    /// The rules of a block whose environment says whether it is proof of stake.
    pub(crate) fn of_environment(spec: S, proof_of_stake: bool) -> Self {
        Self { spec, proof_of_stake }
    }

    /// Whether block `number` is the one that moves the DAO's money (EIP-779).
    pub(crate) fn moves_dao_money(&self, number: u64) -> bool {
        self.spec
            .as_ref()
            .ethereum_fork_activation(EthereumHardfork::Dao)
            .transitions_at_block(number)
    }
}

impl<S: AsRef<ChainSpec>> EthereumHardforks for BlockRules<S> {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        if fork == EthereumHardfork::Paris && self.proof_of_stake {
            return ForkCondition::TTD {
                activation_block_number: 0,
                fork_block: None,
                total_difficulty: U256::ZERO,
            };
        }
        if fork == EthereumHardfork::Dao {
            // The committer moves the money itself, at another place than upstream's executor.
            return ForkCondition::Never;
        }
        self.spec.as_ref().ethereum_fork_activation(fork)
    }
}

impl<S: AsRef<ChainSpec> + std::fmt::Debug> EthExecutorSpec for BlockRules<S> {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.spec.as_ref().deposit_contract_address()
    }
}
