//! A chain with the state and the logs of every block in plain maps.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Database, LogBlocks, Receipt, StateChanges, TrieUpdates,
};
use proptest::{collection::vec, prelude::*};
use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

pub(crate) const ADDRESSES: u8 = 4;
pub(crate) const SLOTS: u8 = 4;

pub(crate) fn address(i: u8) -> Address {
    Address::repeat_byte(i + 1)
}

pub(crate) fn slot(i: u8) -> U256 {
    // The last two differ in their most significant byte only.
    if i == 3 { U256::MAX } else { U256::from(i) }
}

fn topic(i: u8) -> B256 {
    B256::repeat_byte(i + 1)
}

/// What one block did.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    changes: StateChanges,
    /// Logs of each transaction.
    logs: Vec<Vec<Log>>,
}

impl Block {
    /// A block that counts and now and then logs.
    pub(crate) fn plain(number: u64) -> Self {
        let account = Account { nonce: number, ..Default::default() };
        let storage = [(slot((number % 3) as u8), U256::from(number))].into_iter().collect();
        let change = AccountChange { account: Some(account), storage, ..Default::default() };
        let changes = StateChanges {
            accounts: [(address((number % 2) as u8), change)].into_iter().collect(),
            ..Default::default()
        };
        let log = || log(((number / 7) % 3) as u8, &[(number % 4) as u8]);
        let logs = if number.is_multiple_of(7) { vec![vec![log()]] } else { Vec::new() };
        Self { changes, logs }
    }
}

impl Block {
    /// A block that changes this many of 400 slots.
    pub(crate) fn busy(number: u64, slots: u64) -> Self {
        let value = |i: u64| U256::from_be_bytes(keccak256((number * slots + i).to_be_bytes()).0);
        let storage = (0..slots).map(|i| (value(i) % U256::from(400), value(i)));
        let account = Some(Account { nonce: number, ..Default::default() });
        let change = AccountChange { account, storage: storage.collect(), ..Default::default() };
        let changes = StateChanges {
            accounts: [(address(0), change)].into_iter().collect(),
            ..Default::default()
        };
        Self { changes, logs: Vec::new() }
    }
}

fn log(emitter: u8, topics: &[u8]) -> Log {
    let topics = topics.iter().copied().map(topic).collect();
    Log::new_unchecked(address(emitter), topics, Default::default())
}

fn account_change() -> impl Strategy<Value = AccountChange> {
    let storage = vec((0..SLOTS, 0u64..3), 0..4);
    (proptest::option::weighted(0.8, (0u64..3, 0u64..4)), storage).prop_map(|(account, storage)| {
        let storage = if account.is_some() { storage } else { Vec::new() };
        AccountChange {
            account: account.map(|(nonce, _)| Account { nonce, ..Default::default() }),
            storage_wiped: account.is_some_and(|(_, wipe)| wipe == 0),
            storage: storage.into_iter().map(|(s, v)| (slot(s), U256::from(v))).collect(),
        }
    })
}

/// A block that changes and logs anything.
pub(crate) fn block() -> impl Strategy<Value = Block> {
    let accounts = vec((0..ADDRESSES, account_change()), 0..4);
    let logs = vec(vec((0u8..3, vec(0u8..4, 0..5)), 0..3), 0..3);
    (accounts, logs).prop_map(|(accounts, logs)| Block {
        changes: StateChanges {
            accounts: accounts.into_iter().map(|(a, change)| (address(a), change)).collect(),
            ..Default::default()
        },
        logs: logs
            .into_iter()
            .map(|logs| logs.into_iter().map(|(emitter, topics)| log(emitter, &topics)).collect())
            .collect(),
    })
}

/// A search.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    range: (u64, u64),
    addresses: Vec<Address>,
    topics: Vec<Vec<B256>>,
    limit: usize,
}

/// A search of any kind; some find nothing, some everything.
pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let range = (0u64..400, prop_oneof![Just(u64::MAX), 0u64..600]);
    let topics = vec(vec(0u8..5, 0..3), 0..6);
    (range, vec(0u8..4, 0..3), topics, 0usize..60).prop_map(|(range, addresses, topics, limit)| {
        let topics = topics.into_iter().map(|topics| topics.into_iter().map(topic).collect());
        let addresses = addresses.into_iter().map(address).collect();
        Filter { range, addresses, topics: topics.collect(), limit }
    })
}

impl Filter {
    fn range(&self) -> RangeInclusive<u64> {
        self.range.0..=self.range.1
    }

    /// What the protocol says that the filter wants.
    fn matches(&self, log: &Log) -> bool {
        let emitter = self.addresses.is_empty() || self.addresses.contains(&log.address);
        let position = |(position, wanted): (usize, &Vec<B256>)| match log.topics().get(position) {
            Some(topic) => wanted.is_empty() || wanted.contains(topic),
            // A wish for any topic is one for a topic, but the index cannot tell.
            None => wanted.is_empty(),
        };
        emitter && self.topics.iter().enumerate().all(position)
    }
}

/// The full state after one block.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) storage: BTreeMap<(Address, U256), U256>,
}

impl State {
    fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            if change.storage_wiped || change.account.is_none() {
                self.storage.retain(|(owner, _), _| owner != address);
            }
            match change.account {
                Some(account) => self.accounts.insert(*address, account),
                None => self.accounts.remove(address),
            };
            for (slot, value) in &change.storage {
                self.storage.insert((*address, *slot), *value);
            }
        }
    }
}

/// State and logs of every block, from genesis.
pub(crate) struct Model {
    pub(crate) states: Vec<State>,
    logs: Vec<Vec<Log>>,
    pushed: u64,
}

impl Model {
    /// Initialises `db` with an empty genesis block.
    pub(crate) fn new(db: &Database) -> Self {
        let hash = B256::repeat_byte(0xee);
        let (changes, trie) = (StateChanges::default(), TrieUpdates::default());
        db.init_genesis(&Header::default(), hash, &changes, &trie).unwrap();
        Self { states: vec![State::default()], logs: vec![Vec::new()], pushed: 0 }
    }

    pub(crate) fn tip(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    pub(crate) fn truncate(&mut self, tip: u64) {
        self.states.truncate(tip as usize + 1);
        self.logs.truncate(tip as usize + 1);
    }

    pub(crate) fn push(&mut self, db: &Database, blocks: Vec<Block>) {
        let first = self.tip() + 1;
        let mut hashes = Vec::new();
        for _ in &blocks {
            self.pushed += 1;
            hashes.push(keccak256(self.pushed.to_be_bytes()));
        }
        let record = |(number, hash): (u64, &B256)| BlockRecord {
            header: Header { number, ..Default::default() },
            hash: *hash,
            ..Default::default()
        };
        let records: Vec<_> = (first..).zip(&hashes).map(record).collect();
        db.append_blocks(&records).unwrap();
        for ((number, hash), block) in (first..).zip(hashes).zip(blocks) {
            let mut state = self.states[number as usize - 1].clone();
            state.apply(&block.changes);
            self.states.push(state);
            self.logs.push(block.logs.concat());
            let receipt = |logs| Receipt { logs, ..Default::default() };
            let receipts: Vec<_> = block.logs.into_iter().map(receipt).collect();
            let changes = Arc::new(block.changes);
            db.push_block_state(number, hash, vec![], changes, Arc::default(), &receipts).unwrap();
        }
    }

    /// The index finds what reading every block finds.
    pub(crate) fn check_logs(&self, db: &Database, filter: &Filter) {
        let search = |limit| {
            db.log_blocks(filter.range(), &filter.addresses, &filter.topics, limit).unwrap()
        };
        let all = search(usize::MAX);
        assert_eq!(all.stopped_at, None);
        assert!(all.blocks.is_sorted_by(|one, two| one < two));
        assert!(all.blocks.iter().all(|number| filter.range().contains(number)));
        let wanted = |logs: &[Log]| logs.iter().any(|log| filter.matches(log));
        let scan: Vec<u64> = (0..)
            .zip(&self.logs)
            .filter(|(number, logs)| filter.range().contains(number) && wanted(logs))
            .map(|(number, _)| number)
            .collect();
        let read = |blocks: &[u64]| -> Vec<u64> {
            blocks.iter().copied().filter(|n| wanted(&self.logs[*n as usize])).collect()
        };
        assert_eq!(read(&all.blocks), scan);
        // Every block that is named fulfils each wish on its own.
        for number in &all.blocks {
            let logs = &self.logs[*number as usize];
            assert!(!logs.is_empty());
            let emitted = |log: &Log| filter.addresses.contains(&log.address);
            assert!(filter.addresses.is_empty() || logs.iter().any(emitted));
            for (position, topics) in filter.topics.iter().enumerate() {
                let has =
                    |log: &Log| log.topics().get(position).is_some_and(|t| topics.contains(t));
                assert!(topics.is_empty() || logs.iter().any(has));
            }
        }
        let stopped_at = all.blocks.get(filter.limit).copied();
        let blocks = all.blocks.iter().copied().take(filter.limit).collect();
        assert_eq!(search(filter.limit), LogBlocks { blocks, stopped_at });
    }
}
