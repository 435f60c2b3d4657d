//! Why a block takes the time that it takes: which transactions depend on which, and over what.
//!
//! Invariant: an explanation follows from the block and its parent's state alone. The block is
//! executed again, one transaction after the other, and every transaction weighs the gas that it
//! used; neither clocks nor threads come in. What the executor's threads met when the block was
//! made is another thing, the [`ConflictReport`](crate::ConflictReport).

mod explanation;
mod graph;
#[cfg(test)]
mod tests;
mod verdict;

pub use explanation::{Explanation, HotAccount, HotLocation, PathStep, Totals};
pub use graph::{Cause, CauseKind, Dependencies, Dependency, Weighed};

use crate::{ChainError, inner::Inner, replay};
use alloy_consensus::transaction::Recovered;
use plasma_evm::{BlockError, EVMError, StateDbError, record_accesses, tx_env};
use plasma_parallel::ExecutorError;
use plasma_storage::BlockRecord;
use std::sync::Arc;

/// The dependencies of block `number`, which is executed again for them.
pub(crate) fn dependencies(chain: &Inner, number: u64) -> Result<Dependencies, ChainError> {
    let record = chain.db.block_record(number)?.ok_or(ChainError::UnknownBlock(number))?;
    // Genesis has no parent, and nothing to execute.
    let Some(parent) = number.checked_sub(1) else {
        return Ok(Dependencies::default());
    };
    if record.transactions.is_empty() {
        return Ok(Dependencies::default());
    }
    let state = Arc::new(chain.db.snapshot(parent)?);
    let mut committer = replay::begin(chain, &record, state)?;
    let env = committer.env().clone();
    let mut transactions = Vec::with_capacity(record.transactions.len());
    for (index, (transaction, sender)) in
        record.transactions.iter().zip(&record.senders).enumerate()
    {
        let recovered = Recovered::new_unchecked(transaction.clone(), *sender);
        let recorded = record_accesses(committer.state_mut(), &env, tx_env(&recovered))
            .map_err(|failure| failed(&record, index, failure))?;
        transactions.push(Weighed {
            sender: *sender,
            gas: recorded.outcome.result.tx_gas_used(),
            accesses: recorded.accesses,
        });
        committer.commit([(transaction, recorded.outcome.result, recorded.outcome.state)]);
    }
    Ok(Dependencies::new(env.block_env.beneficiary, transactions))
}

fn failed(record: &BlockRecord, index: usize, failure: EVMError<StateDbError>) -> ChainError {
    match failure {
        EVMError::Transaction(reason) => ChainError::InvalidTransaction {
            number: record.header.number,
            index,
            hash: *record.transactions[index].tx_hash(),
            reason: reason.to_string(),
        },
        EVMError::Database(source) => BlockError::State(source).into(),
        other => ExecutorError::Evm { index, message: other.to_string() }.into(),
    }
}
