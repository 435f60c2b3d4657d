//! Typed tables: what keys and values look like on disk.

use crate::{
    Account, TrieNodeKey,
    codec::{Damage, Input, decode_compact, put_u32, put_u64},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::Nibbles;
use reth_codecs::Compact;
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
    /// Schema version, genesis hash.
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
    /// All that a block changed, as values before it, in chunks.
    8 ChangeSets(12..=12): (u64, u32) => Bytes;
    /// Trie nodes that a block changed, as they were before it, in chunks.
    9 TrieChangeSets(12..=12): (u64, u32) => Bytes;
    /// Block and index of each transaction.
    10 TransactionLocations(32..=32): B256 => (u64, u64);
    /// Number of each canonical block.
    11 BlockNumbers(32..=32): B256 => u64;
    /// Hash of each canonical block.
    12 BlockHashes(8..=8): u64 => B256;
}

/// Key of a table of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) &'static str);

/// Schema version (4 bytes).
pub(crate) const META_SCHEMA: Name = Name("schema");
/// Genesis hash (32 bytes).
pub(crate) const META_GENESIS: Name = Name("genesis");
/// Number of the persisted block (8 bytes).
pub(crate) const META_BLOCK: Name = Name("block");

/// Path of a trie node: nibbles in pairs, then their number, so that 3 and 30 differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodePath(pub(crate) Nibbles);

impl TableKey for Name {
    fn encode(&self) -> KeyBytes {
        KeyBytes::from_slice(self.0.as_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        [META_SCHEMA, META_GENESIS, META_BLOCK]
            .into_iter()
            .find(|name| name.0.as_bytes() == bytes)
            .ok_or(Damage("the name of a setting is unknown"))
    }
}

impl TableKey for NodePath {
    fn encode(&self) -> KeyBytes {
        let mut key = KeyBytes::from_slice(&self.0.pack());
        key.push(u8::try_from(self.0.len()).expect("a path has at most 64 nibbles"));
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (&count, packed) = bytes.split_last().ok_or(Damage("a node's path is empty"))?;
        let count = usize::from(count);
        if count > 64 || packed.len() != count.div_ceil(2) {
            return Err(Damage("a node's path has a wrong length"));
        }
        Ok(Self(Nibbles::unpack(packed).slice(..count)))
    }
}

/// Joins the parts of a key.
macro_rules! key {
    ($(($($part:ident: $type:ty),+))+) => {
        $(impl TableKey for ($($type),+) {
            fn encode(&self) -> KeyBytes {
                let ($($part),+) = self;
                let mut key = KeyBytes::new();
                $(key.extend_from_slice(&TableKey::encode($part));)+
                key
            }

            fn decode(bytes: &[u8]) -> Result<Self, Damage> {
                let mut input = Input::new(bytes);
                $(let $part = <$type as TableKey>::decode(input.take(<$type as FixedKey>::BYTES)?)?;)+
                input.finish()?;
                Ok(($($part),+))
            }
        })+
    };
}

key! {
    (address: Address, slot: U256)
    (address: Address, number: u64)
    (address: Address, slot: U256, number: u64)
    (number: u64, part: u32)
}

impl TableKey for (B256, NodePath) {
    fn encode(&self) -> KeyBytes {
        let mut key = TableKey::encode(&self.0);
        key.extend_from_slice(&TableKey::encode(&self.1));
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (owner, path) =
            bytes.split_at_checked(32).ok_or(Damage("a node's key is cut short"))?;
        Ok((<B256 as TableKey>::decode(owner)?, NodePath::decode(path)?))
    }
}

/// A key that always has the same length.
trait FixedKey: TableKey {
    /// Length in bytes.
    const BYTES: usize;
}

/// Keys that are plain bytes.
macro_rules! fixed_key {
    ($($type:ty, $bytes:literal, $to:expr, $from:expr;)+) => {
        $(impl FixedKey for $type {
            const BYTES: usize = $bytes;
        }
        impl TableKey for $type {
            fn encode(&self) -> KeyBytes {
                let to: fn(&$type) -> [u8; $bytes] = $to;
                KeyBytes::from_slice(&to(self))
            }

            fn decode(bytes: &[u8]) -> Result<Self, Damage> {
                let array: [u8; $bytes] =
                    bytes.try_into().map_err(|_| Damage("a key has a wrong length"))?;
                let from: fn([u8; $bytes]) -> $type = $from;
                Ok(from(array))
            }
        })+
    };
}

fixed_key! {
    u32, 4, |n| n.to_be_bytes(), u32::from_be_bytes;
    u64, 8, |n| n.to_be_bytes(), u64::from_be_bytes;
    Address, 20, |a| a.into_array(), Address::new;
    B256, 32, |h| h.0, B256::new;
    U256, 32, |n| n.to_be_bytes(), U256::from_be_bytes;
}

impl TableValue for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        Ok(Self::copy_from_slice(bytes))
    }
}

impl TableValue for Account {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_compact(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_compact(bytes)
    }
}

impl TableValue for Option<Account> {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(account) = self {
            account.to_compact(out);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.is_empty() { Ok(None) } else { decode_compact(bytes).map(Some) }
    }
}

impl TableValue for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes_trimmed_vec());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        Self::try_from_be_slice(bytes).ok_or(Damage("a number exceeds 256 bits"))
    }
}

impl TableValue for B256 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        <Self as TableKey>::decode(bytes)
    }
}

impl TableValue for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, *self);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        <Self as TableKey>::decode(bytes)
    }
}

impl TableValue for (u64, u64) {
    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.0);
        put_u32(out, u32::try_from(self.1).expect("a block has fewer than 2^32 transactions"));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input::new(bytes);
        let location = (input.u64()?, u64::from(input.u32()?));
        input.finish()?;
        Ok(location)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::fmt::Debug;

    fn key_round_trip<K: TableKey + PartialEq + Debug>(key: &K) {
        assert_eq!(K::decode(&key.encode()).as_ref(), Ok(key));
    }

    fn value_round_trip<V: TableValue + PartialEq + Debug>(value: &V) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(V::decode(&bytes).as_ref(), Ok(value));
    }

    fn index<T: Table>(tables: &[TableSpec]) {
        assert_eq!(tables[T::INDEX], *T::SPEC);
    }

    #[test]
    fn indexes_name_their_tables() {
        index::<JournalMeta>(JOURNAL_TABLES);
        index::<Headers>(JOURNAL_TABLES);
        index::<Bodies>(JOURNAL_TABLES);
        index::<Receipts>(JOURNAL_TABLES);
        index::<KeeperRecords>(JOURNAL_TABLES);
        index::<Ticks>(JOURNAL_TABLES);
        index::<StateMeta>(STATE_TABLES);
        index::<Accounts>(STATE_TABLES);
        index::<Storage>(STATE_TABLES);
        index::<Codes>(STATE_TABLES);
        index::<AccountTrie>(STATE_TABLES);
        index::<StorageTrie>(STATE_TABLES);
        index::<AccountHistory>(STATE_TABLES);
        index::<StorageHistory>(STATE_TABLES);
        index::<ChangeSets>(STATE_TABLES);
        index::<TrieChangeSets>(STATE_TABLES);
        index::<TransactionLocations>(STATE_TABLES);
        index::<BlockNumbers>(STATE_TABLES);
        index::<BlockHashes>(STATE_TABLES);
    }

    proptest! {
        #[test]
        fn keys_come_back(
            address: [u8; 20], slot: [u8; 32], number: u64, part: u32,
            path in vec(0u8..16, 0..=64),
        ) {
            let (address, slot) = (Address::from(address), U256::from_be_bytes(slot));
            key_round_trip(&number);
            key_round_trip(&(address, slot));
            key_round_trip(&(address, number));
            key_round_trip(&(address, slot, number));
            key_round_trip(&(number, part));
            let path = NodePath(Nibbles::from_nibbles(path));
            prop_assert!((1..=33).contains(&path.encode().len()));
            key_round_trip(&path);
            key_round_trip(&(B256::from(slot), path));
        }

        #[test]
        fn keys_are_ordered_like_their_numbers(one: (u64, u32), two: (u64, u32)) {
            prop_assert_eq!(one.cmp(&two), one.encode().cmp(&two.encode()));
        }

        #[test]
        fn values_come_back(
            nonce: u64, balance: [u8; 32], small: u8, hash: Option<[u8; 32]>, number: u64, index: u32,
        ) {
            let mut account = Account {
                nonce,
                balance: U256::from_be_bytes(balance),
                bytecode_hash: hash.map(B256::from),
            };
            value_round_trip(&account);
            account.balance = U256::from(small);
            account.nonce %= 3;
            value_round_trip(&account);
            value_round_trip(&Some(account));
            value_round_trip(&Some(Account::default()));
            value_round_trip(&None::<Account>);
            value_round_trip(&account.balance);
            value_round_trip(&U256::from_be_bytes(balance));
            value_round_trip(&(number, u64::from(index)));
            value_round_trip(&number);
        }

        /// Whatever stands on disk, reading it ends in a value or an error.
        #[test]
        fn damaged_values_are_no_panic(bytes in vec(any::<u8>(), 0..80)) {
            let _ = Account::decode(&bytes);
            let _ = Option::<Account>::decode(&bytes);
            let _ = <U256 as TableValue>::decode(&bytes);
            let _ = <(u64, u64) as TableValue>::decode(&bytes);
            let _ = NodePath::decode(&bytes);
            let _ = <(B256, NodePath)>::decode(&bytes);
        }
    }
}
