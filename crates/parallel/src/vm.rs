//! One worker's EVM: its database records what it reads; the beneficiary's fee is not paid but noted down.
//!
//! Invariant: whatever ends an execution (result, invalid transaction, blocked read, error), the
//! journal is finalised and the EVM is as good as new for the next one. After a panic the whole
//! [`Vm`] is thrown away.

use std::{convert::Infallible, marker::PhantomData, mem, sync::Arc};

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, U256};
use plasma_vm::{MainnetMachine, StorageProbeRef};
use revm::{
    Context, Journal,
    bytecode::opcode::BALANCE,
    context::{
        BlockEnv, CfgEnv, LocalContext, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    context_interface::{Block, Cfg, ContextTr, JournalTr, Transaction},
    handler::{FrameResult, Handler, post_execution},
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, instructions::host,
        interpreter::EthInterpreter,
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};

use crate::{
    ledger::Ledger,
    memory::Memory,
    payment::{Payment, Payments},
    recording::{Interrupt, ReadError, RecordingDb},
    sender,
    sequential::keeps_loaded,
    validation::ReadSet,
    write_set::WriteSet,
};

/// How an execution ended.
#[derive(Debug)]
pub(crate) enum Speculation<E> {
    /// The transaction was included.
    Executed {
        result: ExecutionResult<HaltReason>,
        /// Touched accounts only.
        state: EvmState,
        /// The fee still to be paid to the beneficiary; `None` if it has been, or if the
        /// environment charges no fees.
        deferred_fee: Option<U256>,
    },
    /// The transaction is invalid.
    Invalid(InvalidTransaction),
    /// The batch must end, if what the execution read proves right.
    Failed(Failure<E>),
}

impl<E> Speculation<E> {
    /// Gas used by a transaction that was included.
    pub(crate) fn gas_used(&self) -> Option<u64> {
        match self {
            Self::Executed { result, .. } => Some(result.tx_gas_used()),
            Self::Invalid(_) | Self::Failed(_) => None,
        }
    }
}

/// An error or panic met by an execution.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    Error(EVMError<ReadError<E>, InvalidTransaction>),
    Panic(String),
}

/// What an execution read and what it writes. Lists that go from thread to thread, and back for the
/// next execution: memory that one thread takes and another gives back costs both of them.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
}

/// An execution: what it read, what it writes and how it ended.
#[derive(Debug)]
pub(crate) struct Attempt<E> {
    pub(crate) buffers: Buffers,
    pub(crate) speculation: Speculation<E>,
}

/// What is noted down beside revm's own results.
#[derive(Debug, Default)]
struct Notes {
    /// The fee that the beneficiary is still to get.
    deferred_fee: Option<U256>,
    /// The sender's balance was asked for.
    asked_for_sender: bool,
}

type WorkerContext<'a, D> = Context<
    &'a BlockEnv,
    &'a TxEnv,
    &'a CfgEnv,
    RecordingDb<'a, D>,
    Journal<RecordingDb<'a, D>>,
    Notes,
>;
type WorkerEvm<'a, D> = MainnetMachine<WorkerContext<'a, D>>;

/// revm's mainnet handler, except that the beneficiary is not loaded just to be paid.
struct DeferredFeeHandler<'a, D>(PhantomData<fn(&'a D) -> Infallible>);

impl<'a, D: StorageProbeRef> Handler for DeferredFeeHandler<'a, D> {
    type Evm = WorkerEvm<'a, D>;
    type Error = EVMError<ReadError<D::Error>, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(
        &self,
        evm: &mut Self::Evm,
        exec_result: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        let context = evm.context_mut();
        // A transaction that has loaded the beneficiary did so with all earlier fees paid, so that
        // its own can be paid as usual.
        if context.journaled_state.state.contains_key(&context.block.beneficiary()) {
            return post_execution::reward_beneficiary(context, exec_result.gas())
                .map_err(From::from);
        }
        if context.cfg().is_fee_charge_disabled() {
            return Ok(());
        }
        let basefee = u128::from(context.block.basefee());
        let mut price = context.tx.effective_gas_price(basefee);
        // EIP-1559: the base fee is burnt.
        if context.cfg.spec.is_enabled_in(SpecId::LONDON) {
            price = price.saturating_sub(basefee);
        }
        let gas = exec_result.gas();
        // EIP-8037: the reservoir is unused gas.
        let used = gas.used().saturating_sub(gas.reservoir());
        // Multiplied as revm does, in 128 bits.
        context.chain.deferred_fee = Some(U256::from(price.wrapping_mul(u128::from(used))));
        Ok(())
    }
}

/// BALANCE, which notes down where the sender's is asked for.
fn balance<D: StorageProbeRef>(
    context: InstructionContext<'_, WorkerContext<'_, D>, EthInterpreter>,
) -> InstructionExecResult {
    if let Some(top) = context.interpreter.stack.data().last()
        && Address::from_word(B256::from(*top)) == context.host.tx.caller
    {
        context.host.chain.asked_for_sender = true;
    }
    host::balance(context)
}

/// Stamps of an execution that are looked through for those that its own writes change.
const MOST_PASSED: usize = 256;

/// One worker's reusable EVM.
pub(crate) struct Vm<'a, D: StorageProbeRef> {
    evm: WorkerEvm<'a, D>,
    payments: &'a Payments<'a>,
    /// Whether something may be assumed of senders.
    may_assume: bool,
    /// Empty lists for the next execution.
    spare: Buffers,
}

impl<'a, D: StorageProbeRef + 'a> Vm<'a, D> {
    /// An EVM for the batch; `placeholder` is any transaction of it.
    pub(crate) fn new(
        memory: Arc<Memory<D>>,
        ledger: &'a Ledger,
        env: &'a EvmEnv,
        payments: &'a Payments<'a>,
        placeholder: &'a TxEnv,
    ) -> Self {
        let db = RecordingDb::new(memory, ledger, env.block_env.beneficiary);
        let mut journal: Journal<_> = Journal::new(db);
        journal.set_spec_id(env.cfg_env.spec);
        journal.set_eip7708_config(
            env.cfg_env.is_eip7708_disabled(),
            env.cfg_env.is_eip8246_delayed_clear_disabled(),
        );
        let mut evm = MainnetMachine::new(Context {
            block: &env.block_env,
            tx: placeholder,
            cfg: &env.cfg_env,
            journaled_state: journal,
            chain: Notes::default(),
            local: LocalContext::default(),
            error: Ok(()),
        });
        let instructions = &mut evm.inner.instruction;
        let gas = instructions.gas_table()[usize::from(BALANCE)];
        instructions.insert_instruction(BALANCE, Instruction::new(balance), gas);
        let may_assume = sender::may_assume(env);
        Self { evm, payments, may_assume, spare: Buffers::default() }
    }

    /// The memory that it reads.
    pub(crate) fn memory(&self) -> &Arc<Memory<D>> {
        &self.evm.context().journaled_state.database.memory
    }

    /// Publishes what `buffers` hold as the writes of transaction `writer`, which are executed ahead of their turn, see
    /// [`Memory::publish_ahead`].
    pub(crate) fn publish_ahead(&mut self, writer: u32, buffers: &mut Buffers, floor: u32) {
        let RecordingDb { memory, near, .. } = &mut self.evm.context_mut().journaled_state.database;
        let Buffers { reads, writes } = buffers;
        // To look through many stamps for each write costs more than to look at each read again.
        let pass = reads.stamps.len() <= MOST_PASSED;
        memory.publish_ahead(writer, writes, floor, |(before, after), page| {
            if pass {
                for stamp in &mut reads.stamps {
                    stamp.pass(before, after);
                }
            }
            if let Some((address, page, slots)) = page {
                near.wrote((before, after), (address, page), writer, slots);
            }
        });
    }

    /// Publishes the writes of transaction `writer`, whose outcome is there, see [`Memory::publish_committed`].
    pub(crate) fn publish_committed(&mut self, writer: u32, writes: &mut WriteSet, void: bool) {
        let RecordingDb { memory, near, .. } = &mut self.evm.context_mut().journaled_state.database;
        if void {
            writes.sort();
        }
        memory.publish_committed(writer, writes, void, |passed, page| {
            if let Some((address, page, slots)) = page {
                near.wrote(passed, (address, page), writer, slots);
            }
        });
    }

    /// Ends with the memory.
    pub(crate) fn into_memory(self) -> Arc<Memory<D>> {
        self.evm.inner.ctx.journaled_state.database.memory
    }

    /// Takes lists that nobody needs any more for the next execution.
    pub(crate) fn reuse(&mut self, Buffers { mut reads, mut writes }: Buffers) {
        reads.clear();
        writes.clear();
        self.spare = Buffers { reads, writes };
    }

    /// What an execution that panicked had read.
    pub(crate) fn take_reads(&mut self) -> ReadSet {
        mem::take(&mut self.evm.context_mut().journaled_state.database.reads)
    }

    /// Executes the transaction at position `index`. `ahead` of its turn something may be assumed of its
    /// sender.
    ///
    /// # Errors
    ///
    /// [`Interrupt`] if it read something that is about to change.
    pub(crate) fn execute(
        &mut self,
        index: u32,
        transaction: &'a TxEnv,
        ahead: bool,
    ) -> Result<Attempt<D::Error>, Interrupt> {
        let Buffers { reads, mut writes } = mem::take(&mut self.spare);
        let context = self.evm.context_mut();
        context.tx = transaction;
        context.chain = Notes::default();
        context.error = Ok(());
        let db = &mut context.journaled_state.database;
        let may_assume =
            ahead && self.may_assume && sender::may_assume_of(transaction, db.beneficiary);
        db.begin(index, may_assume.then_some(transaction), !ahead, reads);
        // An error of the state is left to revm, which meets it again.
        if let Ok(Some(Payment { result, state, fee })) = self.payments.pay(db, transaction) {
            let reads = mem::take(&mut db.reads);
            writes.derive(&state, &reads, db.beneficiary);
            let speculation = Speculation::Executed { result, state, deferred_fee: Some(fee) };
            return Ok(Attempt { buffers: Buffers { reads, writes }, speculation });
        }
        if let Some(interrupt) = db.interrupt.take() {
            let reads = mem::take(&mut db.reads);
            self.reuse(Buffers { reads, writes });
            return Err(interrupt);
        }
        db.reads.clear();

        let result = DeferredFeeHandler::<'a, D>(PhantomData).run(&mut self.evm);

        let context = self.evm.context_mut();
        let Notes { deferred_fee, asked_for_sender } = mem::take(&mut context.chain);
        let mut state = context.journaled_state.finalize();
        let db = &mut context.journaled_state.database;
        let mut reads = mem::take(&mut db.reads);
        if let Some(interrupt) = db.interrupt.take() {
            self.reuse(Buffers { reads, writes });
            return Err(interrupt);
        }
        if let Some(assumed) = &mut reads.assumed {
            assumed.look_back(&reads.accounts, &state, db.beneficiary, asked_for_sender);
        }
        let speculation = match result {
            Ok(result) => {
                reads.finish();
                if !keeps_loaded(context.cfg.spec) {
                    state.retain(|_, account| account.is_touched());
                }
                writes.derive(&state, &reads, db.beneficiary);
                Speculation::Executed { result, state, deferred_fee }
            }
            Err(EVMError::Transaction(reason)) => Speculation::Invalid(reason),
            Err(error) => Speculation::Failed(Failure::Error(error)),
        };
        Ok(Attempt { buffers: Buffers { reads, writes }, speculation })
    }
}
