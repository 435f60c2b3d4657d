//! Logs of a call together with its transfers of ether, told as an ERC-20 token tells them.
//!
//! `revm-inspectors` has an inspector for this, too; but it writes into the journal before the frame
//! of the call begins, so that its log outlives a revert of that frame, and stands in the receipt.

use alloy_primitives::{Address, Log, LogData, U256};
use plasma_evm::revm::{
    Inspector,
    context_interface::{ContextTr, JournalTr},
    interpreter::{CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome},
};
use revm_inspectors::transfer::{TRANSFER_EVENT_TOPIC, TRANSFER_LOG_EMITTER};

/// Collects logs and transfers in their order, without those of frames that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct TransferLogs {
    logs: Vec<Log>,
    /// How many logs there were when each open frame began.
    frames: Vec<usize>,
}

impl TransferLogs {
    /// The logs of a finished call.
    pub(super) fn into_logs(self) -> Vec<Log> {
        self.logs
    }

    fn begin(&mut self) {
        self.frames.push(self.logs.len());
    }

    fn end(&mut self, succeeded: bool) {
        if let Some(before) = self.frames.pop()
            && !succeeded
        {
            self.logs.truncate(before);
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER_EVENT_TOPIC, from.into_word(), to.into_word()];
        let data = LogData::new_unchecked(topics, value.to_be_bytes_vec().into());
        self.logs.push(Log { address: TRANSFER_LOG_EMITTER, data });
    }
}

impl<C: ContextTr> Inspector<C> for TransferLogs {
    fn log(&mut self, _context: &mut C, log: Log) {
        self.logs.push(log);
    }

    fn call(&mut self, _context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.begin();
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
        self.begin();
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
