//! Executing one simulated block.

use super::{
    overrides::{MovedPrecompiles, state_changes},
    request::{PlannedBlock, Simulation},
    transaction::{self, Defaults, unsigned},
    transfers::{CallLogs, NumberedLog},
};
use crate::{
    api::Api,
    convert::{RpcTransaction, rpc_block, rpc_log},
    error::{self, RpcResult, simulation},
    exec,
};
use alloy_consensus::{Header, Transaction as _, transaction::Recovered};
use alloy_eips::eip4895::Withdrawals;
use alloy_evm::Evm;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, Bytes, map::AddressSet};
use alloy_rpc_types_eth::{
    Block, TransactionRequest,
    simulate::{SimCallResult, SimulatedBlock},
};
use plasma_chain::{ExecutedBlock, StateFork};
use plasma_evm::{
    BlockCommitter, BlockContext, BlockParts, BlockState, EvmEnv, ExecutionResult, LayeredState,
    NextBlockAttributes, ResultAndState, SimulationError, TxEnv, assemble_header, next_block_env,
    revm::{
        database_interface::WrapDatabaseRef,
        precompile::{PrecompileSpecId, Precompiles},
    },
    tx_env,
};
use plasma_storage::{StateChanges, StateReader, Transaction};
use std::sync::Arc;

/// The transaction type that has an access list and nothing else new (EIP-2930).
const ACCESS_LIST_TYPE: u8 = 1;

/// Simulates block after block.
pub(super) struct Simulator<'a> {
    api: &'a Api,
    request: &'a Simulation,
    parent: Header,
    parent_hash: B256,
    /// An empty block, as a start for the answers.
    template: ExecutedBlock,
    /// The state after `base` and what was simulated on top of it.
    state: LayeredState,
    fork: StateFork,
    /// What a developer has patched over the base's state.
    patch: StateChanges,
    /// Gas that the calls of the request may still use.
    budget: u64,
}

/// A finished call.
struct Called {
    transaction: Recovered<Transaction>,
    result: ExecutionResult,
    logs: Vec<NumberedLog>,
}

/// What the calls of a block have in common.
struct Calls {
    /// The precompiles before any was moved.
    precompiles: AddressSet,
    moved: MovedPrecompiles,
    /// Index of the next log.
    next_log: u64,
}

impl<'a> Simulator<'a> {
    /// Begins on top of `base`.
    ///
    /// # Errors
    /// -32000 where the state of `base` is pruned.
    pub(super) fn new(
        api: &'a Api,
        request: &'a Simulation,
        base: &ExecutedBlock,
    ) -> RpcResult<Self> {
        let number = base.number();
        let patch = match api.chain.dev() {
            Some(dev) => {
                let (head, patch) = dev.patch().map_err(error::from_chain)?;
                if head == number { patch } else { StateChanges::default() }
            }
            None => StateChanges::default(),
        };
        let fork = api.chain.fork(number).map_err(error::from_chain)?;
        let state = api.chain.database().snapshot(number).map_err(error::from_storage)?;
        let budget = match api.config.call_gas_cap {
            0 => u64::MAX,
            cap => cap,
        };
        Ok(Self {
            api,
            request,
            parent: base.header.clone(),
            parent_hash: base.hash,
            template: ExecutedBlock {
                transactions: Vec::new(),
                receipts: Vec::new(),
                ommers: Vec::new(),
                ..base.clone()
            },
            state: LayeredState::new(Arc::new(state), Vec::new()),
            fork,
            patch,
            budget,
        })
    }

    /// Executes the next block.
    ///
    /// # Errors
    /// Where a call cannot be part of the block, or overrides contradict each other.
    pub(super) fn run(
        &mut self,
        planned: PlannedBlock,
    ) -> RpcResult<SimulatedBlock<Block<RpcTransaction>>> {
        exec::check_time()?;
        let spec = self.api.chain.spec();
        let timestamp = planned.timestamp;
        let env = self.environment(&planned);
        let parent_beacon_block_root = spec
            .is_cancun_active_at_timestamp(timestamp)
            .then(|| planned.overrides.header.beacon_root.unwrap_or_default());
        let withdrawals = spec
            .is_shanghai_active_at_timestamp(timestamp)
            .then(|| planned.overrides.withdrawals.clone().unwrap_or_default());
        let (state, mut calls) = self.begin_state(planned.state, &env)?;
        let context = BlockContext {
            parent_hash: self.parent_hash,
            parent_beacon_block_root,
            withdrawals: withdrawals.clone(),
            ommers: &[],
            extra_data: Bytes::new(),
        };
        let mut committer = BlockCommitter::new(spec.clone(), env.clone(), context, state);
        let unfit = |failure: plasma_evm::BlockError| {
            error::server_error(format!(
                "block {} cannot be simulated: {failure}",
                env.block_env.number
            ))
        };
        committer.begin().map_err(unfit)?;
        let mut called = Vec::with_capacity(planned.calls.len());
        for call in planned.calls {
            exec::check_time()?;
            called.push(self.call(&mut committer, &mut calls, call)?);
        }
        let finished = committer.finish().map_err(unfit)?;
        let state_root = self.fork.apply(&finished.changes).map_err(error::from_chain)?;
        let transactions: Vec<Transaction> =
            called.iter().map(|call| call.transaction.inner().clone()).collect();
        let access_list = finished.encoded_access_list();
        let parts = BlockParts {
            access_list: access_list.as_ref(),
            parent_hash: self.parent_hash,
            state_root,
            transactions: &transactions,
            withdrawals: withdrawals.as_ref(),
            parent_beacon_block_root,
            extra_data: Bytes::new(),
        };
        let mut header = assemble_header(spec, &env, &parts, &finished);
        header.transactions_root = transaction::root(&transactions);
        let hash = header.hash_slow();
        self.parent = header.clone();
        self.parent_hash = hash;
        self.state.push_block(header.number, hash, Arc::new(finished.changes));
        Ok(self.answer(header, hash, withdrawals, called))
    }

    fn environment(&self, planned: &PlannedBlock) -> EvmEnv {
        let overrides = &planned.overrides.header;
        let base_fee = match overrides.base_fee {
            Some(base_fee) => Some(base_fee.saturating_to()),
            None => (!self.request.validation).then_some(0),
        };
        let attributes = NextBlockAttributes {
            timestamp: planned.timestamp,
            beneficiary: overrides.coinbase.unwrap_or(self.parent.beneficiary),
            prev_randao: overrides.random.unwrap_or_default(),
            gas_limit: overrides.gas_limit.unwrap_or(self.parent.gas_limit),
            base_fee,
            slot_number: None,
        };
        let mut env = next_block_env(self.api.chain.spec(), &self.parent, &attributes);
        if let Some(blobs) = &mut env.block_env.blob_excess_gas_and_price
            && let Some(price) = overrides.blob_base_fee
        {
            blobs.blob_gasprice = price.saturating_to();
        }
        // Callers are not asked for signatures, so contracts may call, too. The gas limit of the
        // block is checked here, since a call without one gets what is left.
        let config = &mut env.cfg_env;
        config.disable_nonce_check = !self.request.validation;
        config.disable_eip3607 = true;
        config.disable_block_gas_limit = true;
        config.tx_gas_limit_cap = Some(u64::MAX);
        env
    }

    /// The state of the block before its system calls.
    fn begin_state(
        &mut self,
        overrides: alloy_rpc_types_eth::state::StateOverride,
        env: &EvmEnv,
    ) -> RpcResult<(BlockState, Calls)> {
        let mut state = BlockState::new(Arc::new(self.state.clone()));
        state.apply(std::mem::take(&mut self.patch));
        let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(env.cfg_env.spec));
        let precompiles = precompiles.addresses_set().clone();
        let (changes, moved) = state_changes(overrides, &state, &precompiles)?;
        state.apply(changes);
        Ok((state, Calls { precompiles, moved, next_log: 0 }))
    }

    fn call(
        &mut self,
        committer: &mut BlockCommitter<'_>,
        calls: &mut Calls,
        call: TransactionRequest,
    ) -> RpcResult<Called> {
        let sender = call.from.unwrap_or_default();
        let account = committer.state().account(sender).map_err(error::from_storage)?;
        let nonce = account.unwrap_or_default().nonce;
        let (used, limit) = (committer.gas_used(), committer.env().block_env.gas_limit);
        let gas = call.gas.unwrap_or_else(|| limit.saturating_sub(used));
        if used.checked_add(gas).is_none_or(|needed| needed > limit) {
            return Err(simulation::block_gas_limit(used, limit));
        }
        if self.budget == 0 {
            return Err(simulation::out_of_budget(self.api.config.call_gas_cap));
        }
        let defaults = Defaults {
            chain_id: self.api.chain.spec().chain_id(),
            nonce: call.nonce.unwrap_or(nonce),
            gas: gas.min(self.budget),
        };
        let access_list = call.access_list.clone();
        let transaction = unsigned(call, defaults)?;
        let env = self.environment_of(committer.env(), &transaction);
        let mut to_execute = tx_env(&transaction);
        if let Some(access_list) = access_list
            && transaction.is_legacy()
        {
            // As in geth, it counts although the transaction in the block cannot have it.
            to_execute.tx_type = ACCESS_LIST_TYPE;
            to_execute.chain_id = Some(defaults.chain_id);
            to_execute.access_list = access_list;
        }
        if !self.request.validation && to_execute.nonce == u64::MAX {
            // The EVM knows no such nonce; without validation it is not compared with the account's.
            to_execute.nonce = 0;
        }
        let creates = to_execute.kind.is_create();
        let executed =
            execute(committer.state(), env, to_execute, calls, self.request.trace_transfers);
        let (ResultAndState { result, mut state }, logs) = executed.map_err(simulation::refused)?;
        if nonce == u64::MAX
            && !creates
            && let Some(sender) = state.get_mut(&sender)
        {
            // geth adds one without looking, the EVM here not at all.
            sender.info.nonce = 0;
        }
        self.budget = self.budget.saturating_sub(result.tx_gas_used());
        committer.commit([(transaction.inner(), result.clone(), state)]);
        Ok(Called { transaction, result, logs })
    }

    /// Without validation, a call that offers no fee need not offer the base fee.
    fn environment_of(&self, env: &EvmEnv, transaction: &Transaction) -> EvmEnv {
        let mut env = env.clone();
        if self.request.validation {
            return env;
        }
        let tip = transaction.max_priority_fee_per_gas().unwrap_or_default();
        env.cfg_env.disable_base_fee = transaction.max_fee_per_gas() == 0 && tip == 0;
        if transaction.max_fee_per_blob_gas() == Some(0)
            && let Some(blobs) = &mut env.block_env.blob_excess_gas_and_price
        {
            blobs.blob_gasprice = 0;
        }
        env
    }

    fn answer(
        &self,
        header: Header,
        hash: B256,
        withdrawals: Option<Withdrawals>,
        called: Vec<Called>,
    ) -> SimulatedBlock<Block<RpcTransaction>> {
        let block = ExecutedBlock {
            header,
            hash,
            transactions: called.iter().map(|call| call.transaction.clone()).collect(),
            withdrawals,
            ..self.template.clone()
        };
        let mut calls = Vec::with_capacity(called.len());
        for (index, call) in called.into_iter().enumerate() {
            let logs = call.logs.iter();
            let logs = logs.map(|(at, log)| rpc_log(&block, index, log, *at, false)).collect();
            calls.push(call_result(call.result, logs));
        }
        SimulatedBlock { inner: rpc_block(&block, self.request.return_full_transactions), calls }
    }
}

fn call_result(result: ExecutionResult, logs: Vec<alloy_rpc_types_eth::Log>) -> SimCallResult {
    let gas = *result.gas();
    SimCallResult {
        logs,
        gas_used: gas.tx_gas_used(),
        max_used_gas: Some(gas.total_gas_spent().max(gas.floor_gas())),
        status: result.is_success(),
        error: simulation::of_call(&result),
        return_data: match result {
            ExecutionResult::Success { output, .. } => output.into_data(),
            // A revert's data stands in the error.
            _ => Bytes::new(),
        },
    }
}

/// Executes a call on `state`; answers its outcome and the logs that are told, which with
/// `transfers` hold the transfers of ether, too.
fn execute(
    state: &BlockState,
    env: EvmEnv,
    transaction: TxEnv,
    calls: &mut Calls,
    transfers: bool,
) -> Result<(ResultAndState, Vec<NumberedLog>), SimulationError> {
    let logs = CallLogs::new(calls.next_log, transfers, calls.precompiles.clone());
    let mut evm = exec::watched_evm(WrapDatabaseRef(state), env).with_inspector(logs);
    calls.moved.apply(evm.precompiles_mut());
    let outcome = evm.transact_raw(transaction)?;
    let (logs, next) = evm.into_inspector().finish();
    calls.next_log = next;
    Ok((outcome, logs))
}
