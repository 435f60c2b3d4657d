//! Encodings come back, and damage is no panic.

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
    index::<AccessLists>(JOURNAL_TABLES);
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
    index::<UnwindSets>(STATE_TABLES);
    index::<TransactionLocations>(STATE_TABLES);
    index::<BlockNumbers>(STATE_TABLES);
    index::<BlockHashes>(STATE_TABLES);
    index::<LogIndex>(STATE_TABLES);
    index::<AddressIndex>(STATE_TABLES);
    index::<SenderNonces>(STATE_TABLES);
    index::<Creations>(STATE_TABLES);
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
        for log in [
            LogKey::Any,
            LogKey::Address(address),
            LogKey::Topic(part as u8 % 4, B256::from(slot)),
        ] {
            key_round_trip(&log);
            key_round_trip(&(log, number));
            prop_assert!((9..=41).contains(&(log, number).encode().len()));
        }
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
        let _ = <(LogKey, u64)>::decode(&bytes);
    }
}
