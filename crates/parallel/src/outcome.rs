//! What a batch gives back.

use revm::{
    context::result::{ExecutionResult, HaltReason, InvalidTransaction},
    state::EvmState,
};

use crate::{
    ConflictReport,
    appended::{Appended, Appender},
};

/// The outcome of one transaction of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactionOutcome {
    /// The transaction was included: it succeeded, reverted or halted.
    Executed {
        /// Result, gas, output and logs.
        result: ExecutionResult<HaltReason>,
        /// Every account that the transaction touched, in absolute values, with revm's statuses
        /// (created, self-destructed); the beneficiary with its fee included. Committing the states
        /// of a batch in order onto the base state gives the batch's post-state. From Amsterdam on
        /// accounts that were only loaded are there, too: the block access list (EIP-7928) names
        /// them.
        state: EvmState,
    },
    /// The transaction cannot be included at its place (nonce, funds, gas, ...). It changed nothing.
    Invalid(InvalidTransaction),
}

impl TransactionOutcome {
    /// Result of the execution; `None` for an invalid transaction.
    pub fn result(&self) -> Option<&ExecutionResult<HaltReason>> {
        match self {
            Self::Executed { result, .. } => Some(result),
            Self::Invalid(_) => None,
        }
    }

    /// Gas that counts towards the receipt; 0 for an invalid transaction.
    pub fn gas_used(&self) -> u64 {
        self.result().map_or(0, |result| result.tx_gas_used())
    }
}

/// The outcomes of a batch, in its order, and what the executor can tell about their conflicts.
#[derive(Clone, Debug)]
pub struct BatchOutcome {
    /// One outcome per transaction.
    pub outcomes: Vec<TransactionOutcome>,
    /// Executions and conflicts.
    pub report: ConflictReport,
}

/// The outcomes of a batch as they are committed.
#[derive(Debug)]
pub(crate) enum Outcomes {
    /// The committer has them for itself.
    Own(Vec<TransactionOutcome>),
    /// Workers read what is committed.
    Shared(Appender<TransactionOutcome>),
}

impl Outcomes {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(outcomes) => outcomes.len(),
            Self::Shared(outcomes) => outcomes.len(),
        }
    }

    pub(crate) fn push(&mut self, outcome: TransactionOutcome) {
        match self {
            Self::Own(outcomes) => outcomes.push(outcome),
            Self::Shared(outcomes) => outcomes.push(outcome),
        }
    }

    /// Shares them with others, as far as they have space for what is to come.
    pub(crate) fn share(&mut self) -> Appended<TransactionOutcome> {
        if let Self::Own(outcomes) = self {
            *self = Self::Shared(Appender::new(std::mem::take(outcomes)));
        }
        match self {
            Self::Shared(outcomes) => outcomes.appended(),
            Self::Own(_) => unreachable!("they were shared just above"),
        }
    }

    /// Takes them back; `None` where somebody still reads them.
    pub(crate) fn into_own(self) -> Option<Vec<TransactionOutcome>> {
        match self {
            Self::Own(outcomes) => Some(outcomes),
            Self::Shared(outcomes) => outcomes.into_vec(),
        }
    }
}
