//! Logs of a call, with its transfers of ether among them where they are asked for, told as an
//! ERC-20 token tells them.
//!
//! `revm-inspectors` has an inspector for this, too; but it writes into the journal before the frame
//! of the call begins, so that its log outlives a revert of that frame, and stands in the receipt.
//!
//! Logs are numbered as geth numbers them here: through all calls of the block, and those that a
//! revert took back have had their numbers, too.

use alloy_primitives::{Address, Log, LogData, U256, map::AddressSet};
use plasma_evm::revm::{
    Inspector,
    context_interface::{ContextTr, JournalTr},
    interpreter::{CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome},
};
use revm_inspectors::transfer::{TRANSFER_EVENT_TOPIC, TRANSFER_LOG_EMITTER};

/// A log and its index within the block.
pub(super) type NumberedLog = (u64, Log);

/// Collects logs in their order, without those of frames that failed.
#[derive(Clone, Debug)]
pub(super) struct CallLogs {
    logs: Vec<NumberedLog>,
    /// The index of the next log.
    next: u64,
    /// How many logs there were when each open frame began.
    frames: Vec<usize>,
    /// Whether transfers of ether are told.
    transfers: bool,
    /// The precompiles' addresses before any was moved: these are warm (EIP-2929), as in geth.
    warm: AddressSet,
}

impl CallLogs {
    /// For one call, whose first log has index `first`.
    pub(super) fn new(first: u64, transfers: bool, warm: AddressSet) -> Self {
        Self { logs: Vec::new(), next: first, frames: Vec::new(), transfers, warm }
    }

    /// The logs of a finished call, and the index of the first log of the next one.
    pub(super) fn finish(self) -> (Vec<NumberedLog>, u64) {
        (self.logs, self.next)
    }

    fn begin<C: ContextTr>(&mut self, context: &mut C) {
        if self.frames.is_empty() {
            context.journal_mut().warm_precompiles(&self.warm);
        }
        self.frames.push(self.logs.len());
    }

    fn end(&mut self, succeeded: bool) {
        if let Some(before) = self.frames.pop()
            && !succeeded
        {
            self.logs.truncate(before);
        }
    }

    fn push(&mut self, log: Log) {
        self.logs.push((self.next, log));
        self.next += 1;
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !self.transfers || value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER_EVENT_TOPIC, from.into_word(), to.into_word()];
        let data = LogData::new_unchecked(topics, value.to_be_bytes_vec().into());
        self.push(Log { address: TRANSFER_LOG_EMITTER, data });
    }
}

impl<C: ContextTr> Inspector<C> for CallLogs {
    fn log(&mut self, _context: &mut C, log: Log) {
        self.push(log);
    }

    fn call(&mut self, context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.begin(context);
        // CALLCODE names a value, but sends it to the caller itself.
        if inputs.scheme != CallScheme::CallCode
            && let Some(value) = inputs.transfer_value()
        {
            self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        }
        None
    }

    fn call_end(&mut self, _context: &mut C, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.end(outcome.result.result.is_ok());
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.begin(context);
        if !self.transfers {
            return None;
        }
        // Where the creator cannot be read, execution fails with the same error just after this.
        let creator = context.journal_mut().load_account(inputs.caller()).ok()?;
        let created = inputs.created_address(creator.data.info.nonce);
        self.transfer(inputs.caller(), created, inputs.value());
        None
    }

    fn create_end(
        &mut self,
        _context: &mut C,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.end(outcome.result.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
