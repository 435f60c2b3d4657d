//! The conflict report: how often each transaction was executed, and which earlier transaction's
//! write made an execution void or made it wait.
//!
//! The report describes one run. It depends on the threads' timing; the outcomes never do.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// The part of the state that a conflict was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocationKind {
    /// Balance of an account.
    Balance,
    /// Nonce of an account.
    Nonce,
    /// Code of an account (an EIP-7702 delegation is code).
    Code,
    /// Whether the account exists, or whether its storage was wiped.
    Existence,
    /// One storage slot.
    Storage,
}

/// One read that an earlier transaction of the batch had yet to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Index of the transaction that read.
    pub reader: u32,
    /// Index of the earlier transaction that wrote.
    pub writer: u32,
    /// Account that was read.
    pub address: Address,
    /// Storage slot, for [`LocationKind::Storage`].
    pub slot: Option<U256>,
    /// What was read.
    pub kind: LocationKind,
}

/// Executions and conflicts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictReport {
    /// Whether the batch ran through the parallel path.
    pub parallel: bool,
    /// Worker threads that took part.
    pub threads: u32,
    /// Executions of each transaction; 1 is the minimum. Executions cut short by a wait count too.
    pub incarnations: Vec<u32>,
    /// Executions that were thrown away because a read had changed: its first changed location.
    pub conflicts: Vec<Conflict>,
    /// Executions that were cut short because a value was known to be changing: where they waited.
    pub waits: Vec<Conflict>,
}

impl ConflictReport {
    /// A report of a batch that was executed one by one.
    pub(crate) fn sequential(transactions: usize) -> Self {
        Self { parallel: false, threads: 1, incarnations: vec![1; transactions], ..Self::default() }
    }

    /// Executions per transaction, 1.0 being the ideal; 1.0 for an empty batch.
    pub fn executions_per_transaction(&self) -> f64 {
        if self.incarnations.is_empty() {
            return 1.0;
        }
        let executions: u64 = self.incarnations.iter().map(|n| u64::from(*n)).sum();
        executions as f64 / self.incarnations.len() as f64
    }
}
