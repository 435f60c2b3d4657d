//! Optimistic parallel execution of an ordered batch of EVM transactions.
//!
//! [`ParallelExecutor::execute`] runs a batch on several threads and returns, for each transaction,
//! exactly what executing the batch one by one would have returned. [`execute_sequential`] is that
//! one-by-one execution, written as lean as revm allows; it is the reference and the baseline.
//!
//! # How it works
//!
//! The order of the batch is fixed beforehand (Block-STM, arXiv 2203.06871). Workers execute
//! transactions ahead of their turn against a *multi-version memory*: a reader at position `i` sees,
//! for each location, the latest value written by a transaction before `i`, or the base state. What
//! it read is recorded. Transactions are *committed* strictly in order; a commit first resolves the
//! recorded reads again, now that every earlier transaction is final, and only if each gives the same
//! value is the execution accepted. Otherwise the transaction is executed again on the spot, where
//! everything that it reads is final. Everything else (early validation, estimates, predicted
//! dependencies) only decides *when* something is executed, never what comes out.
//!
//! # Map
//!
//! | file | role |
//! |---|---|
//! | [`executor`](ParallelExecutor) | the public entry: worker threads, choice of path, error collection |
//! | `memory` | multi-version memory over the base state, with the shared read cache |
//! | `scheduler` | which worker does what next; suspension and wake-up; the order of commits |
//! | `worker` | one thread's loop, panics included |
//! | `vm` | one reusable EVM per worker: database wrapper, handler that defers the beneficiary's fee |
//! | `write_set` | what an executed transaction writes, derived from revm's state |
//! | `validation` | resolving recorded reads again |
//! | `commit` | ordered commit: final states, the beneficiary's ledger |
//! | `report` | the conflict report |
//! | `sequential` | the reference |

#![forbid(unsafe_code)]

mod commit;
mod error;
mod executor;
mod interleave;
mod memory;
mod outcome;
mod report;
mod scheduler;
mod sequential;
mod validation;
mod vm;
mod worker;
mod write_set;

pub use error::ExecutorError;
pub use executor::{DEFAULT_MIN_TRANSACTIONS, ParallelConfig, ParallelExecutor};
pub use outcome::{BatchOutcome, TransactionOutcome};
pub use report::{Conflict, ConflictReport, LocationKind};
pub use sequential::execute_sequential;

#[cfg(test)]
mod tests;
