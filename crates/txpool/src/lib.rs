//! Transactions that wait for a block: validation by geth's rules and in geth's words, nonce order
//! per sender, replacement, limits, and the choice of the next batch.
//!
//! A transaction is *pending* where its nonce follows without a gap on its sender's account, and
//! *queued* where a gap lies before it. [`TxPool::best`] chooses among the pending ones.
//!
//! Decoding and sender recovery ([`decode_and_recover`], [`recover_batch`]) take most of the time a
//! transaction costs here, need no pool and no lock, and belong on a blocking thread.

#![forbid(unsafe_code)]

mod account;
mod admit;
mod blobs;
mod config;
mod decode;
mod error;
mod index;
mod intrinsic;
pub mod limits;
mod pool;
mod select;
mod transaction;
mod validate;

pub use blobs::{load_trusted_setup, with_cell_proofs};
pub use config::{AddOutcome, PoolConfig, PoolContent, PoolHead, PoolStatus};
pub use decode::{PooledTransaction, decode_and_recover, recover, recover_batch, recover_senders};
pub use error::{Overdraft, PoolError};
pub use intrinsic::{floor_data_gas, intrinsic_gas};
pub use pool::TxPool;
pub use transaction::PoolTransaction;
