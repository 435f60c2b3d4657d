//! Optimistic parallel execution of an ordered batch of EVM transactions.
//!
//! [`ParallelExecutor::execute`] runs a batch on several threads and returns, for each transaction,
//! exactly what executing the batch one by one would have returned. [`execute_sequential`] is that
//! one-by-one execution, written as lean as revm allows; it is the reference and the baseline.
//!
//! # How it works
//!
//! The order of the batch is fixed beforehand (Block-STM, arXiv 2203.06871). The calling thread, the
//! *committer*, goes through the batch in that order. The other threads, the *workers*, execute
//! transactions ahead of it against a *multi-version memory*: a reader at position `i` sees, for each
//! location, the latest value written by a transaction before `i`, or the base. What it reads is
//! recorded. When the committer comes to a transaction that a worker has executed, it resolves the
//! recorded reads again, now that every earlier transaction is final, and takes the execution over if
//! each gives the same value. Otherwise, and where no worker came by, it executes the transaction
//! itself, where nothing that it reads can change any more. Everything else (early warnings,
//! windows, trust) only decides *who* executes *when*, never what comes out.
//!
//! The committer alone is a sequential executor, and it goes on as one, without versions and
//! recording, while workers are still waking up or have proved useless: a batch of transactions that
//! all depend on each other takes as long as sequential execution.
//!
//! A block that comes with its block access list (EIP-7928) is verified without any of this: the list
//! tells the state before each transaction, so [`ParallelExecutor::verify`] executes them all at once
//! and holds what they do against the list.
//!
//! # Map
//!
//! | file | role |
//! |---|---|
//! | [`executor`](ParallelExecutor) | the public entry: worker threads, choice of path |
//! | `committer` (`one`) | the thread that commits in order, alone or with workers |
//! | `pace` | whether workers are worth having |
//! | `worker` | executing ahead of the commits; what a batch shares |
//! | `scheduler` | which transaction stands where in the window; who begins with it |
//! | `affinity` | which thread had best execute what |
//! | `memory` (`publish`, `tables`), `page`, `versions` | multi-version memory over the base |
//! | `written` | the part of it that is found by who wrote it |
//! | `appended` | outcomes that are read while others come |
//! | `stamps`, `announce` | whether a location was written since it was read, or at all, and by whom |
//! | `near` | storage that one thread has at hand |
//! | `own_code` | code that one thread has a copy of |
//! | `validation` | the reads of an execution, and resolving them again |
//! | `write_set` | what an executed transaction writes, derived from revm's state |
//! | `vm` | one reusable EVM: handler that defers the beneficiary's fee |
//! | `recording` | its database, which records |
//! | `sender` | what is known of a sender beforehand |
//! | `payment` | plain payments, which need no interpreter |
//! | `placement` | where workers run |
//! | `ledger` | the beneficiary's account |
//! | `cache` | the base state with committed transactions on top |
//! | `report` | the conflict report |
//! | `sequential` | the reference |
//! | `access_list` | a block access list as state and as claim |
//! | `verify` | executing a block by its list |

#![deny(unsafe_code)]

/// What the scheduler and the stamps are made of; their models take loom's.
mod atomics {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}
mod access_list;
mod affinity;
mod announce;
mod appended;
mod cache;
mod committer;
mod error;
mod executor;
mod interleave;
mod ledger;
mod memory;
mod near;
mod outcome;
mod own_code;
mod pace;
mod page;
mod payment;
mod placement;
mod recording;
mod report;
mod scheduler;
mod sender;
mod sequential;
mod stamps;
mod validation;
mod verify;
mod versions;
mod vm;
mod worker;
mod write_set;
mod written;

pub use access_list::{AccessList, AccessListError, ChangeDifference, ListedField};
pub use error::ExecutorError;
pub use executor::{DEFAULT_MIN_TRANSACTIONS, ParallelConfig, ParallelExecutor};
pub use outcome::{BatchOutcome, TransactionOutcome};
pub use report::{Conflict, ConflictReport, LocationKind};
pub use sequential::execute_sequential;
pub use verify::{VerifiedTransactions, VerifyError};

#[cfg(test)]
mod tests;
