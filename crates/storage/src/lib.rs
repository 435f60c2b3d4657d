//! Plasma storage.

mod error;
mod state;

pub use error::StorageError;
pub use state::{
    Account, AccountChange, Receipt, StateChanges, StateReader, Transaction, TrieNodeKey,
    TrieUpdates,
};
