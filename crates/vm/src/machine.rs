//! revm's EVM with a look at storage before each creation.

use crate::{StorageProbe, collision::storage_collision};
use alloy_primitives::{Address, Bytes};
use revm::{
    Database, ExecuteEvm, InspectEvm, Inspector, MainBuilder, SystemCallEvm,
    context::{
        ContextSetters, Evm, FrameStack,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState},
    },
    context_interface::{ContextTr, JournalTr},
    handler::{
        EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, FrameTr, Handler,
        ItemOrResult, MainnetHandler, PrecompileProvider,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
        system_call::SystemCallTx,
    },
    inspector::{InspectorEvmTr, InspectorHandler, JournalExt},
    interpreter::{InterpreterResult, interpreter::EthInterpreter, interpreter_action::FrameInit},
    state::EvmState,
};

type Inner<CTX, INSP, P> =
    Evm<CTX, INSP, EthInstructions<EthInterpreter, CTX>, P, EthFrame<EthInterpreter>>;

/// revm's mainnet EVM, in which a creation fails where there is storage (EIP-7610).
///
/// It stands wherever revm's own stands: handlers are generic over it.
#[expect(missing_debug_implementations, reason = "tables of instructions tell nobody anything")]
pub struct Machine<CTX, INSP = (), P = EthPrecompiles> {
    /// revm's EVM. Executed directly it knows nothing of EIP-7610.
    pub inner: Inner<CTX, INSP, P>,
}

/// A [`Machine`] with revm's precompiles.
pub type MainnetMachine<CTX, INSP = ()> = Machine<CTX, INSP, EthPrecompiles>;

impl<CTX: MainBuilder<Context = CTX>> MainnetMachine<CTX> {
    /// A machine on `context`, with the instructions and precompiles of its fork.
    pub fn new(context: CTX) -> Self {
        Self { inner: context.build_mainnet() }
    }
}

impl<CTX, INSP, P> Machine<CTX, INSP, P> {
    /// The context: environment, journal and database.
    pub const fn context(&self) -> &CTX {
        &self.inner.ctx
    }

    /// The context: environment, journal and database.
    pub const fn context_mut(&mut self) -> &mut CTX {
        &mut self.inner.ctx
    }
}

impl<CTX, INSP, P> EvmTr for Machine<CTX, INSP, P>
where
    CTX: ContextTr<Db: StorageProbe>,
    P: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    type Context = CTX;
    type Instructions = EthInstructions<EthInterpreter, CTX>;
    type Precompiles = P;
    type Frame = EthFrame<EthInterpreter>;

    #[inline]
    fn all(&self) -> (&CTX, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.inner.all()
    }

    #[inline]
    fn all_mut(
        &mut self,
    ) -> (&mut CTX, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Self::Frame>)
    {
        self.inner.all_mut()
    }

    #[inline]
    fn frame_init(
        &mut self,
        frame_input: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<CTX>> {
        if let Some(result) = storage_collision(&mut self.inner.ctx, &frame_input)? {
            return Ok(ItemOrResult::Result(result));
        }
        self.inner.frame_init(frame_input)
    }

    #[inline]
    fn frame_run(&mut self) -> Result<FrameInitOrResult<Self::Frame>, ContextDbError<CTX>> {
        self.inner.frame_run()
    }

    #[inline]
    fn frame_return_result(
        &mut self,
        result: <Self::Frame as FrameTr>::FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<CTX>> {
        self.inner.frame_return_result(result)
    }
}

impl<CTX, INSP, P> InspectorEvmTr for Machine<CTX, INSP, P>
where
    CTX: ContextTr<Db: StorageProbe, Journal: JournalExt> + ContextSetters,
    INSP: Inspector<CTX, EthInterpreter>,
    P: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    type Inspector = INSP;

    fn all_inspector(
        &self,
    ) -> (&CTX, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>, &INSP) {
        self.inner.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut CTX,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
        &mut INSP,
    ) {
        self.inner.all_mut_inspector()
    }
}

impl<CTX, INSP, P> ExecuteEvm for Machine<CTX, INSP, P>
where
    CTX: ContextTr<Db: StorageProbe, Journal: JournalTr<State = EvmState>> + ContextSetters,
    P: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    type ExecutionResult = ExecutionResult<HaltReason>;
    type State = EvmState;
    type Error = EVMError<<CTX::Db as Database>::Error, InvalidTransaction>;
    type Tx = CTX::Tx;
    type Block = CTX::Block;

    fn set_block(&mut self, block: Self::Block) {
        self.inner.ctx.set_block(block);
    }

    fn transact_one(&mut self, tx: Self::Tx) -> Result<Self::ExecutionResult, Self::Error> {
        self.inner.ctx.set_tx(tx);
        MainnetHandler::default().run(self)
    }

    fn finalize(&mut self) -> EvmState {
        self.inner.ctx.journal_mut().finalize()
    }

    fn replay(&mut self) -> Result<ResultAndState<HaltReason>, Self::Error> {
        let result: Result<_, Self::Error> = MainnetHandler::default().run(self);
        // An error, too, leaves an empty journal behind.
        let state = self.finalize();
        Ok(ResultAndState::new(result?, state))
    }
}

impl<CTX, INSP, P> InspectEvm for Machine<CTX, INSP, P>
where
    CTX: ContextTr<Db: StorageProbe, Journal: JournalTr<State = EvmState> + JournalExt>
        + ContextSetters,
    INSP: Inspector<CTX, EthInterpreter>,
    P: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    type Inspector = INSP;

    fn set_inspector(&mut self, inspector: INSP) {
        self.inner.inspector = inspector;
    }

    fn inspect_one_tx(&mut self, tx: Self::Tx) -> Result<Self::ExecutionResult, Self::Error> {
        self.inner.ctx.set_tx(tx);
        MainnetHandler::default().inspect_run(self)
    }
}

impl<CTX, INSP, P> SystemCallEvm for Machine<CTX, INSP, P>
where
    CTX: ContextTr<Db: StorageProbe, Journal: JournalTr<State = EvmState>, Tx: SystemCallTx>
        + ContextSetters,
    P: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    fn system_call_one_with_caller(
        &mut self,
        caller: Address,
        system_contract_address: Address,
        data: Bytes,
    ) -> Result<Self::ExecutionResult, Self::Error> {
        let tx = CTX::Tx::new_system_tx_with_caller(caller, system_contract_address, data);
        self.inner.ctx.set_tx(tx);
        MainnetHandler::default().run_system_call(self)
    }
}
