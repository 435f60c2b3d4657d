//! Calls that no transaction could make: `msg.sender` and `tx.origin` differ, and the callee gets
//! an exact amount of gas. Nothing is committed.

use crate::{
    KeeperError,
    recording::{Reads, RecordingState, WatchedBlock},
};
use alloy_primitives::{Address, Bytes, TxKind};
use plasma_evm::{
    BlockEnv, EVMError, EvmEnv, ExecutionResult, HaltReason, InvalidTransaction, MainnetMachine,
    StateDb, StateDbError, TxEnv,
    revm::{
        context::{CfgEnv, Context, Journal},
        context_interface::{Cfg, ContextTr, LocalContextTr},
        database_interface::WrapDatabaseRef,
        handler::{EvmTr, Handler, execution::create_init_frame},
        interpreter::{FrameInput, GasTracker, SharedMemory, interpreter_action::FrameInit},
    },
};
use plasma_storage::StateReader;

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct FreeCall {
    pub(crate) caller: Address,
    pub(crate) origin: Address,
    pub(crate) target: Address,
    pub(crate) data: Bytes,
    /// Gas that the callee has at its first instruction.
    pub(crate) gas: u64,
    /// What GASPRICE answers, in wei.
    pub(crate) gas_price: u128,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    Returned(Bytes),
    Reverted(Bytes),
    OutOfGas,
    Halted(String),
}

/// Runs `call` on `state` and tells how it ended and what it read.
pub(crate) fn free_call(
    state: &dyn StateReader,
    env: &EvmEnv,
    call: &FreeCall,
) -> Result<(CallEnd, Reads), KeeperError> {
    let recording = RecordingState::new(state);
    let (end, block_read, gas) = run(&recording, env, call)?;
    let mut reads = recording.into_reads();
    reads.block |= block_read;
    reads.gas = gas;
    Ok((end, reads))
}

type CallDb<'a> = WrapDatabaseRef<StateDb<&'a dyn StateReader>>;
type BlockContext<'a, B> = Context<B, TxEnv, CfgEnv, CallDb<'a>, Journal<CallDb<'a>>, ()>;
type CallContext<'a> = BlockContext<'a, WatchedBlock<'a>>;
type CallEvm<'a> = MainnetMachine<CallContext<'a>>;

fn run(
    state: &dyn StateReader,
    env: &EvmEnv,
    call: &FreeCall,
) -> Result<(CallEnd, bool, u64), KeeperError> {
    let database = WrapDatabaseRef(StateDb(state));
    let tx = TxEnv {
        caller: call.origin,
        kind: TxKind::Call(call.target),
        data: call.data.clone(),
        gas_limit: call.gas,
        gas_price: call.gas_price,
        chain_id: Some(env.cfg_env.chain_id),
        ..TxEnv::default()
    };
    let context = BlockContext::<'_, BlockEnv>::new(database, env.cfg_env.spec)
        .with_block(WatchedBlock::new(&env.block_env))
        .with_cfg(env.cfg_env.clone())
        .with_tx(tx);
    let mut evm = MainnetMachine::new(context);
    let result = CallHandler { caller: call.caller, state: std::marker::PhantomData }
        .run_system_call(&mut evm)
        .map_err(|error| match error {
            EVMError::Database(StateDbError::Storage(error)) => KeeperError::Storage(error),
            other => KeeperError::Execution { target: call.target, reason: other.to_string() },
        })?;
    let gas = result.tx_gas_used();
    let end = match result {
        ExecutionResult::Success { output, .. } => CallEnd::Returned(output.into_data()),
        ExecutionResult::Revert { output, .. } => CallEnd::Reverted(output),
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => CallEnd::OutOfGas,
        ExecutionResult::Halt { reason, .. } => CallEnd::Halted(format!("halted: {reason:?}")),
    };
    Ok((end, evm.context().block.was_read(), gas))
}

/// Runs only the execution phase, with a caller of its own choice.
struct CallHandler<'a> {
    caller: Address,
    state: std::marker::PhantomData<&'a ()>,
}

impl<'a> Handler for CallHandler<'a> {
    type Evm = CallEvm<'a>;
    type Error = EVMError<StateDbError, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn first_frame_input(
        &mut self,
        evm: &mut Self::Evm,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameInit>, Self::Error> {
        self.load_accounts(evm)?;
        let context = evm.ctx_mut();
        context.block.forget();
        let mut memory =
            SharedMemory::new_with_buffer(context.local().shared_memory_buffer().clone());
        memory.set_memory_limit(context.cfg().memory_limit());
        let Some(mut frame_input) = create_init_frame(context, gas)? else {
            return Ok(None);
        };
        if let FrameInput::Call(inputs) = &mut frame_input {
            inputs.caller = self.caller;
        }
        Ok(Some(FrameInit { depth: 0, memory, frame_input }))
    }
}
