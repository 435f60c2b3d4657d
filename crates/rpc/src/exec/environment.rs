//! From a call's request to what the EVM executes.

use super::{CallState, deadline::watched_evm};
use crate::{
    api::Api,
    error::{self, RpcResult},
};
use alloy_eips::BlockId;
use alloy_evm::{
    Evm,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use plasma_evm::{
    EvmEnv, EvmState, HaltReason, ResultAndState, SimulationError, TxEnv,
    revm::{DatabaseCommit, Inspector, database_interface::WrapDatabaseRef},
};
use plasma_storage::StateReader;
use std::sync::Arc;

/// What a request puts in place of the chain's own values.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Accounts.
    pub state: Option<StateOverride>,
    /// Members of the block's environment.
    pub block: Option<Box<BlockOverrides>>,
}

/// A state and an environment, ready for executing calls.
#[derive(Debug)]
pub struct Prepared {
    /// The state that calls see.
    pub state: CallState,
    /// The environment, with the checks that calls skip switched off.
    pub env: EvmEnv,
    moved_precompiles: Vec<(Address, Address)>,
    chain_id: u64,
    gas_cap: u64,
}

/// Prepares calls on the block that `block` names.
///
/// # Errors
/// -32000 where there is no such block, its state is pruned, or the overrides contradict
/// themselves.
pub fn prepare(api: &Api, block: Option<BlockId>, overrides: Overrides) -> RpcResult<Prepared> {
    let (state, env) = api.state_and_env(block)?;
    Prepared::new(api, state, env, overrides)
}

impl Prepared {
    /// Calls on `state` in `env`, both under `overrides`.
    ///
    /// # Errors
    /// -32000 where the state cannot be read or the overrides contradict themselves.
    pub fn new(
        api: &Api,
        state: Arc<dyn StateReader>,
        mut env: EvmEnv,
        overrides: Overrides,
    ) -> RpcResult<Self> {
        relax(&mut env);
        let mut state = CallState::new(state);
        if let Some(block) = overrides.block {
            apply_block_overrides(*block, state.overlay(), &mut env.block_env);
        }
        let mut moved_precompiles = Vec::new();
        if let Some(accounts) = overrides.state {
            moved_precompiles = accounts
                .iter()
                .filter_map(|(from, account)| Some((*from, account.move_precompile_to?)))
                .collect();
            apply_state_overrides(accounts, state.overlay()).map_err(override_error)?;
        }
        if !moved_precompiles.is_empty() {
            // Tried here, where it is the request that is at fault.
            let mut evm = watched_evm(WrapDatabaseRef(&state), env.clone());
            evm.precompiles_mut()
                .move_precompiles(moved_precompiles.iter().copied())
                .map_err(|reason| error::server_error(reason.to_string()))?;
        }
        Ok(Self {
            state,
            env,
            moved_precompiles,
            chain_id: api.chain.spec().chain_id(),
            gas_cap: api.config.call_gas_cap,
        })
    }

    /// Puts members of the block's environment in place of what they are now.
    pub(crate) fn override_block(&mut self, overrides: BlockOverrides) {
        apply_block_overrides(overrides, self.state.overlay(), &mut self.env.block_env);
    }

    /// Lets later calls see what an execution changed.
    pub(crate) fn commit(&mut self, changes: EvmState) {
        self.state.overlay().commit(changes);
    }

    /// The gas that a call gets which asks for `wanted`: at most the cap.
    pub fn capped_gas(&self, wanted: Option<u64>) -> u64 {
        match (wanted, self.gas_cap) {
            (wanted, 0) => wanted.unwrap_or(u64::MAX / 2),
            (wanted, cap) => wanted.unwrap_or(cap).min(cap),
        }
    }

    /// The execution form of `request`.
    ///
    /// # Errors
    /// -32000 or -32602 where members of the request contradict each other or the chain.
    pub fn transaction(&self, mut request: TransactionRequest) -> RpcResult<TxEnv> {
        if let Some(asked) = request.chain_id
            && asked != self.chain_id
        {
            return Err(error::server_error(format!(
                "chainId does not match node's (have={asked}, want={})",
                self.chain_id
            )));
        }
        request.gas = Some(self.capped_gas(request.gas));
        request.try_into_tx_env(&self.env).map_err(|reason| error::server_error(reason.to_string()))
    }

    /// Executes `transaction`; nothing is kept.
    ///
    /// # Errors
    /// Where the transaction is invalid or the state cannot be read.
    pub fn execute(
        &self,
        transaction: TxEnv,
    ) -> Result<ResultAndState<HaltReason>, SimulationError> {
        let env = self.env_for(&transaction);
        let mut evm = watched_evm(WrapDatabaseRef(&self.state), env);
        if !self.moved_precompiles.is_empty() {
            self.move_precompiles(evm.precompiles_mut())?;
        }
        evm.transact_raw(transaction)
    }

    /// As [`Self::execute`], with `inspector` listening.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn inspect<I>(
        &self,
        transaction: TxEnv,
        inspector: I,
    ) -> Result<(ResultAndState<HaltReason>, I), SimulationError>
    where
        I: for<'a> Inspector<alloy_evm::eth::EthEvmContext<WrapDatabaseRef<&'a CallState>>>,
    {
        let env = self.env_for(&transaction);
        let mut evm = watched_evm(WrapDatabaseRef(&self.state), env).with_inspector(inspector);
        if !self.moved_precompiles.is_empty() {
            self.move_precompiles(evm.precompiles_mut())?;
        }
        let result = evm.transact_raw(transaction)?;
        Ok((result, evm.into_inspector()))
    }

    /// A call that offers no fee sees no base fee, as in geth: otherwise contracts would meet a
    /// gas price below the base fee, which cannot be on the chain.
    pub(crate) fn env_for(&self, transaction: &TxEnv) -> EvmEnv {
        let mut env = self.env.clone();
        if transaction.gas_price == 0 {
            env.block_env.basefee = 0;
        }
        env
    }

    fn move_precompiles(
        &self,
        precompiles: &mut alloy_evm::precompiles::PrecompilesMap,
    ) -> Result<(), SimulationError> {
        precompiles
            .move_precompiles(self.moved_precompiles.iter().copied())
            .map_err(|reason| SimulationError::Custom(reason.to_string()))
    }
}

/// Switches off what geth does not check in calls: nonce, fees below the base fee, code at the
/// sender, and the gas limits of blocks and (EIP-7825) transactions.
fn relax(env: &mut EvmEnv) {
    let config = &mut env.cfg_env;
    config.disable_nonce_check = true;
    config.disable_base_fee = true;
    config.disable_eip3607 = true;
    config.disable_block_gas_limit = true;
    config.tx_gas_limit_cap = Some(u64::MAX);
}

fn override_error(
    source: StateOverrideError<plasma_evm::StateDbError>,
) -> jsonrpsee::types::ErrorObjectOwned {
    match source {
        StateOverrideError::Database(source) => {
            error::from_simulation(SimulationError::Database(source))
        }
        StateOverrideError::BothStateAndStateDiff(account) => {
            error::server_error(format!("account {account} has both 'state' and 'stateDiff'"))
        }
        StateOverrideError::InvalidBytecode(reason) => {
            error::invalid_params(format!("the code of an override is malformed: {reason}"))
        }
    }
}

/// The balance of `address` in `state`.
pub(super) fn balance(state: &CallState, address: Address) -> RpcResult<U256> {
    use plasma_evm::revm::DatabaseRef as _;
    let account = state.basic_ref(address);
    let account = account.map_err(|e| error::from_simulation(SimulationError::Database(e)))?;
    Ok(account.map(|account| account.balance).unwrap_or_default())
}

/// True where `address` has code in `state`.
pub(super) fn has_code(state: &CallState, address: Address) -> RpcResult<bool> {
    use plasma_evm::revm::DatabaseRef as _;
    let account = state.basic_ref(address);
    let account = account.map_err(|e| error::from_simulation(SimulationError::Database(e)))?;
    Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
}
