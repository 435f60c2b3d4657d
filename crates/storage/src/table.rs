//! Typed tables: what keys and values look like on disk.

mod key;
#[cfg(test)]
mod tests;
mod value;

use crate::{Account, ContractOrigin, TrieNodeKey, codec::Damage};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::Nibbles;
use smallvec::SmallVec;

/// Bytes of a key; all keys fit in place.
pub(crate) type KeyBytes = SmallVec<[u8; 96]>;

/// Name of a table and the lengths that its keys may have, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableSpec {
    pub(crate) name: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// A table of an environment.
pub(crate) trait Table {
    /// Name and lengths of keys.
    const SPEC: &'static TableSpec;
    /// Place in its environment's list of tables.
    const INDEX: usize;
    /// What it is searched by.
    type Key: TableKey;
    /// What it holds.
    type Value: TableValue;
}

/// Key and value of a record.
pub(crate) type Record<T> = (<T as Table>::Key, <T as Table>::Value);

/// A key with an order-preserving encoding.
pub(crate) trait TableKey: Sized {
    /// The bytes by which the table is ordered.
    fn encode(&self) -> KeyBytes;
    /// Reads back what [`Self::encode`] wrote.
    fn decode(bytes: &[u8]) -> Result<Self, Damage>;
}

/// A value with an encoding of its own.
pub(crate) trait TableValue: Sized {
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads back what [`Self::encode`] wrote.
    fn decode(bytes: &[u8]) -> Result<Self, Damage>;
}

/// Defines the tables of one environment.
macro_rules! tables {
    ($list:ident: $($(#[$doc:meta])* $index:literal $name:ident($least:literal..=$most:literal): $key:ty => $value:ty;)+) => {
        /// The environment's tables, in the order of their indexes.
        pub(crate) static $list: &[TableSpec] = &[
            $(TableSpec { name: stringify!($name), least: $least, most: $most }),+
        ];
        $(
            $(#[$doc])*
            pub(crate) struct $name;
            impl Table for $name {
                const SPEC: &'static TableSpec =
                    &TableSpec { name: stringify!($name), least: $least, most: $most };
                const INDEX: usize = $index;
                type Key = $key;
                type Value = $value;
            }
        )+
    };
}

tables! { JOURNAL_TABLES:
    /// Schema version, genesis hash, checkpoints.
    0 JournalMeta(1..=32): Name => Bytes;
    /// Hash and header of each block.
    1 Headers(8..=8): u64 => Bytes;
    /// Transactions, senders, uncles, withdrawals and patch of each block.
    2 Bodies(8..=8): u64 => Bytes;
    /// Receipts of each block.
    3 Receipts(8..=8): u64 => Bytes;
    /// The keeper's decisions of each block.
    4 KeeperRecords(8..=8): u64 => Bytes;
    /// Ticks of the open block.
    5 Ticks(12..=12): (u64, u32) => Bytes;
    /// RLP of the access list of each block that has one (EIP-7928).
    6 AccessLists(8..=8): u64 => Bytes;
}

tables! { STATE_TABLES:
    /// Schema version, genesis hash, number of the persisted block.
    0 StateMeta(1..=32): Name => Bytes;
    /// Accounts of the persisted block.
    1 Accounts(20..=20): Address => Account;
    /// Storage of the persisted block; empty slots are absent.
    2 Storage(52..=52): (Address, U256) => U256;
    /// Code by Keccak-256 hash.
    3 Codes(32..=32): B256 => Bytes;
    /// RLP of the account trie's nodes by path.
    4 AccountTrie(1..=33): NodePath => Bytes;
    /// RLP of the storage tries' nodes by hashed address and path.
    5 StorageTrie(33..=65): (B256, NodePath) => Bytes;
    /// An account before the block of the key changed it.
    6 AccountHistory(28..=28): (Address, u64) => Option<Account>;
    /// A slot before the block of the key changed it.
    7 StorageHistory(60..=60): (Address, U256, u64) => U256;
    /// Accounts and slots that a block changed, as they were before it, in chunks.
    8 ChangeSets(12..=12): (u64, u32) => Bytes;
    /// What taking a block back needs beside that, in chunks: trie nodes as they were before it,
    /// and the transactions, codes and log keys that it brought.
    9 UnwindSets(12..=12): (u64, u32) => Bytes;
    /// Block and index of each transaction.
    10 TransactionLocations(32..=32): B256 => (u64, u64);
    /// Number of each canonical block.
    11 BlockNumbers(32..=32): B256 => u64;
    /// Hash of each canonical block.
    12 BlockHashes(8..=8): u64 => B256;
    /// Blocks with logs by what a log can be searched by and window: see `log_index`.
    13 LogIndex(9..=41): (LogKey, u64) => Bytes;
    /// Indexes of the transactions of a block in which an address appears: see `address_index`.
    14 AddressIndex(28..=28): (Address, u64) => Bytes;
    /// Block and index of the transaction with which a sender used a nonce.
    15 SenderNonces(28..=28): (Address, u64) => (u64, u64);
    /// Where and by whom a contract was created, the last time that it was.
    16 Creations(20..=20): Address => ContractOrigin;
}

/// Key of a table of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) &'static str);

/// Schema version (4 bytes).
pub(crate) const META_SCHEMA: Name = Name("schema");
/// Genesis hash (32 bytes).
pub(crate) const META_GENESIS: Name = Name("genesis");
/// What a consensus layer has called safe and final.
pub(crate) const META_CHECKPOINTS: Name = Name("checkpoints");
/// Number of the persisted block (8 bytes).
pub(crate) const META_BLOCK: Name = Name("block");

/// Path of a trie node: nibbles in pairs, then their number, so that 3 and 30 differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodePath(pub(crate) Nibbles);

/// What a log can be searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum LogKey {
    /// Every log has this one: it leads to the blocks that have logs at all.
    Any,
    /// The contract that emitted the log.
    Address(Address),
    /// A topic at its position, 0 to 3.
    Topic(u8, B256),
}

/// Where a trie node is stored.
pub(crate) enum NodePlace {
    /// In the account trie.
    Account(NodePath),
    /// In the storage trie of an account.
    Storage((B256, NodePath)),
}

impl From<&TrieNodeKey> for NodePlace {
    fn from(key: &TrieNodeKey) -> Self {
        let path = NodePath(key.path);
        match key.owner {
            None => Self::Account(path),
            Some(owner) => Self::Storage((owner, path)),
        }
    }
}
