//! What can go wrong in storage.

use alloy_primitives::B256;
use std::{path::PathBuf, sync::Arc};

/// A failure of the storage layer. Every message is a sentence for the person who runs the node.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// State that is no longer kept was asked for.
    #[error("state of block {number} is pruned: answers exist from block {oldest} on")]
    Pruned {
        /// The block that was asked for.
        number: u64,
        /// The oldest block whose state is kept.
        oldest: u64,
    },
    /// State of a block that does not exist yet was asked for.
    #[error("block {number} is not known: the latest block is {latest}")]
    Unknown {
        /// The block that was asked for.
        number: u64,
        /// The latest block.
        latest: u64,
    },
    /// The chain was to be taken back further than the way back is kept.
    #[error(
        "the chain cannot be taken back to block {number}: the way back is kept down to block {oldest} (--history.reorg-blocks)"
    )]
    BeyondReorgs {
        /// The block to which the chain was to be taken back.
        number: u64,
        /// The oldest block to which it can be taken back.
        oldest: u64,
    },
    /// Another process works on the data directory.
    #[error(
        "the data directory {path} is in use by another process{holder}: stop that process or choose another directory"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// `" (process 123)"` where the lock file tells who holds it, else empty.
        holder: String,
    },
    /// The data directory belongs to another chain.
    #[error(
        "the data directory holds another chain: its genesis hash is {found}, this chain's is {expected}; choose another data directory or start with the genesis file it was made with"
    )]
    ForeignChain {
        /// The genesis hash that the caller expects.
        expected: B256,
        /// The genesis hash in the database.
        found: B256,
    },
    /// The data directory was written by a newer version of the program.
    #[error(
        "the data directory {path} has schema version {found}, this program knows versions up to {supported}: use the newer program that wrote it"
    )]
    NewerSchema {
        /// The environment's directory.
        path: PathBuf,
        /// The version that the directory says it has.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The data directory was written by an older version of the program.
    #[error(
        "the data directory {path} has schema version {found}, this program reads version {supported} only: export the chain with the program that wrote it (plasma-node export) and import it into a new data directory (plasma-node import)"
    )]
    OlderSchema {
        /// The environment's directory.
        path: PathBuf,
        /// The version that the directory says it has.
        found: u32,
        /// The version that this program reads.
        supported: u32,
    },
    /// A database was to be written where one lies already.
    #[error("{path} holds a database already: choose an empty directory")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The files in the data directory are not a database of this program, or are damaged.
    #[error(
        "{path} does not hold a readable database ({reason}): restore it from a backup, or choose another data directory"
    )]
    Unreadable {
        /// The environment's directory.
        path: PathBuf,
        /// What the engine said.
        reason: Arc<str>,
    },
    /// An import has written state whose blocks it has not journaled yet.
    #[error(
        "{path} holds the state of block {state_block}, but its journal ends with block {journal_head}, as is so while blocks are imported: try again when the import has ended; where none runs, one was cut short: start the node there once"
    )]
    StateAhead {
        /// The data directory.
        path: PathBuf,
        /// The block whose state is there.
        state_block: u64,
        /// The last block of the journal.
        journal_head: u64,
    },
    /// The disk or the database's size limit is exhausted.
    #[error(
        "no space is left for the database in {path} ({reason}): free disk space and start again; nothing that was acknowledged is lost"
    )]
    Full {
        /// The environment's directory.
        path: PathBuf,
        /// Which limit was met.
        reason: Arc<str>,
    },
    /// The disk failed.
    #[error(
        "the database in {path} failed to {action}: {reason}; check the disk and the system's log, then start again: what was acknowledged before is in the journal"
    )]
    Disk {
        /// The environment's directory, the data directory or the file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system answered.
        reason: Arc<str>,
    },
    /// The operating system or the engine refused an operation.
    #[error("the database in {path} failed to {action}: {reason}")]
    Engine {
        /// The environment's directory or the file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the engine or the operating system answered.
        reason: Arc<str>,
    },
    /// A stored value cannot be decoded.
    #[error(
        "a record of table {table} is damaged ({reason}): restore the data directory from a backup"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with the record.
        reason: Arc<str>,
    },
    /// A key of a wrong length was about to reach the engine, which would end the process.
    #[error(
        "a key of {length} bytes was used for table {table}, whose keys have {least} to {most} bytes: this is a fault of the program"
    )]
    KeyLength {
        /// The table.
        table: &'static str,
        /// The key's length in bytes.
        length: usize,
        /// Shortest key of the table, in bytes.
        least: usize,
        /// Longest key of the table, in bytes.
        most: usize,
    },
    /// The database has no genesis block yet.
    #[error("the database is empty: initialise it with a genesis block first")]
    Empty,
    /// The database has a genesis block already.
    #[error(
        "the database already holds a chain with genesis hash {found}: it is initialised once only"
    )]
    AlreadyInitialised {
        /// The genesis hash in the database.
        found: B256,
    },
    /// A record does not follow the one before it.
    #[error("{what} {given} cannot be stored: {expected} is the next one")]
    OutOfOrder {
        /// Which kind of record: `block`, `tick`, `state of block`.
        what: &'static str,
        /// The number that is next.
        expected: u64,
        /// The number that was given.
        given: u64,
    },
    /// Trie nodes were asked for at a block for which they are not kept.
    #[error("trie nodes of block {number} are not kept: they exist from block {oldest} on")]
    NoTrieNodes {
        /// The block that was asked for.
        number: u64,
        /// The oldest block with trie nodes.
        oldest: u64,
    },
    /// Writing state in the background failed earlier; nothing more is accepted.
    #[error(
        "state could not be written to disk, so no more blocks are accepted until a restart: {0}"
    )]
    PersistFailed(Arc<Self>),
    /// The database was shut down.
    #[error("the database is shut down")]
    Closed,
    /// Any other failure, as a sentence.
    #[error("{0}")]
    Other(Arc<str>),
}
