//! The database against a model that keeps the full state of every block.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::HashSet};
use alloy_trie::Nibbles;
use plasma_storage::{
    Account, AccountChange, AddressBlock, AddressPage, Appearances, ContractCreation,
    ContractOrigin, Database, DatabaseOptions, StateChanges, StateReader, StateSnapshot,
    StorageError, TransactionEntry, TrieNodeKey, TrieUpdates,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

const HISTORY_BLOCKS: u64 = 4;

/// The full state after one block.
#[derive(Clone, Debug, Default)]
struct State {
    accounts: BTreeMap<Address, Account>,
    storage: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    nodes: BTreeMap<TrieNodeKey, Bytes>,
}

/// One block as it is pushed.
#[derive(Clone, Debug)]
struct Block {
    hash: B256,
    transactions: Vec<TransactionEntry>,
    changes: Arc<StateChanges>,
    trie: Arc<TrieUpdates>,
}

impl State {
    fn apply_changes(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            if change.storage_wiped || change.account.is_none() {
                self.storage.retain(|(owner, _), _| owner != address);
            }
            match change.account {
                Some(account) => self.accounts.insert(*address, account),
                None => self.accounts.remove(address),
            };
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    self.storage.remove(&(*address, *slot));
                } else {
                    self.storage.insert((*address, *slot), *value);
                }
            }
        }
        self.codes.extend(changes.codes.clone());
    }

    fn apply(&mut self, block: &Block) {
        self.apply_changes(&block.changes);
        self.nodes.retain(|key, _| !key.owner.is_some_and(|o| block.trie.wiped.contains(&o)));
        for (key, node) in &block.trie.nodes {
            match node {
                Some(node) => self.nodes.insert(key.clone(), node.clone()),
                None => self.nodes.remove(key),
            };
        }
    }
}

fn address(i: u8) -> Address {
    Address::repeat_byte(i + 1)
}

fn slot(i: u8) -> U256 {
    // The last two differ in their most significant byte only.
    if i == 3 { U256::MAX } else { U256::from(i) }
}

fn code(i: u8) -> Bytes {
    Bytes::from(vec![i; 3 + usize::from(i)])
}

fn node_key(i: u8) -> TrieNodeKey {
    let owner = (i >= 4).then(|| B256::repeat_byte(i / 4));
    let path = match i % 4 {
        0 => Nibbles::default(),
        1 => Nibbles::from_nibbles([3]),
        2 => Nibbles::from_nibbles([3, 0]),
        _ => Nibbles::from_nibbles([3, 0, 15]),
    };
    TrieNodeKey { owner, path }
}

fn account_change() -> impl Strategy<Value = AccountChange> {
    let storage = vec((0u8..4, 0u64..3), 0..4);
    (proptest::option::weighted(0.8, (0u64..3, 0u64..3, any::<bool>())), any::<u8>(), storage)
        .prop_map(|(account, wipe, storage)| {
            let storage = if account.is_some() { storage } else { Vec::new() };
            AccountChange {
                account: account.map(|(nonce, balance, code)| {
                    let bytecode_hash = code.then(|| B256::repeat_byte(7));
                    Account { nonce, balance: U256::from(balance), bytecode_hash }
                }),
                storage_wiped: wipe % 4 == 0,
                storage: storage.into_iter().map(|(s, v)| (slot(s), U256::from(v))).collect(),
            }
        })
}

/// Few addresses and nonces, so that most come again.
fn transaction() -> impl Strategy<Value = TransactionEntry> {
    let creations = btree_map(0u8..4, proptest::option::of(0u8..4), 0..3);
    let creation = |(contract, creator): (u8, Option<u8>)| {
        let creator = creator.map(address);
        ContractCreation { contract: address(contract), creator }
    };
    (0u8..4, 0u64..4, vec(0u8..5, 0..6), creations).prop_map(
        move |(sender, nonce, addresses, creations)| TransactionEntry {
            hash: B256::ZERO,
            sender: address(sender),
            nonce,
            appearances: Appearances {
                addresses: addresses.into_iter().map(address).collect(),
                creations: creations.into_iter().map(creation).collect(),
            },
        },
    )
}

type Parts = (StateChanges, TrieUpdates, Vec<TransactionEntry>);

fn block_parts() -> impl Strategy<Value = Parts> {
    let accounts = vec((0u8..4, account_change()), 0..4);
    let codes = vec(0u8..4, 0..2);
    let nodes = vec((0u8..12, proptest::option::of(0u8..3)), 0..8);
    let wiped = vec(1u8..3, 0..2);
    let transactions = vec(transaction(), 0..3);
    (accounts, codes, nodes, wiped, transactions).prop_map(
        |(accounts, codes, nodes, wiped, sent)| {
            let changes = StateChanges {
                accounts: accounts.into_iter().map(|(a, change)| (address(a), change)).collect(),
                codes: codes.into_iter().map(|c| (keccak256(code(c)), code(c))).collect(),
            };
            let trie = TrieUpdates {
                wiped: wiped.into_iter().map(B256::repeat_byte).collect(),
                nodes: nodes
                    .into_iter()
                    .map(|(k, v)| (node_key(k), v.map(|v| Bytes::from(vec![v; 33]))))
                    .collect(),
            };
            (changes, trie, sent)
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Push(Parts),
    Flush,
    Reopen,
    /// The process ends without a chance to write anything.
    Crash,
    Revert(u64),
    /// The way back by this many blocks, told in parts of this size.
    Reverse(u64, usize),
    /// Keeps a snapshot of this many blocks ago open, to be checked at the end.
    Hold(u64),
    Check,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => block_parts().prop_map(Step::Push),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => (0u64..5).prop_map(Step::Revert),
        1 => (0u64..5, 1usize..12).prop_map(|(back, part)| Step::Reverse(back, part)),
        1 => (0u64..4).prop_map(Step::Hold),
        2 => Just(Step::Check),
    ]
}

/// A database with the model beside it.
struct Pair {
    dir: TempDir,
    options: DatabaseOptions,
    db: Option<Database>,
    /// State after each block, from genesis.
    states: Vec<State>,
    /// Blocks from 1.
    blocks: Vec<Block>,
    /// Snapshots with the states of their chain up to them.
    held: Vec<(StateSnapshot, Vec<State>)>,
    pushed: u64,
    /// The highest block ever: what a longer chain forgot stays forgotten after a revert.
    highest: u64,
}

impl Pair {
    fn new(options: DatabaseOptions, genesis: Parts) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(dir.path(), options.clone()).unwrap();
        let hash = B256::repeat_byte(0xee);
        let (changes, trie, _) = genesis;
        db.init_genesis(&Header::default(), hash, &changes, &trie).unwrap();
        let block =
            Block { hash, transactions: Vec::new(), changes: changes.into(), trie: trie.into() };
        let mut state = State::default();
        state.apply(&block);
        let states = vec![state];
        Self {
            dir,
            options,
            db: Some(db),
            states,
            blocks: Vec::new(),
            held: Vec::new(),
            pushed: 0,
            highest: 0,
        }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    fn tip(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn push_to_database(&self, number: u64) {
        let block = self.blocks[number as usize - 1].clone();
        self.db()
            .push_block_state(
                number,
                block.hash,
                block.transactions,
                block.changes,
                block.trie,
                &[],
            )
            .unwrap();
    }

    fn append_to_journal(&self, number: u64) {
        let record = plasma_storage::BlockRecord {
            header: Header { number, ..Default::default() },
            hash: self.blocks[number as usize - 1].hash,
            ..Default::default()
        };
        self.db().append_block(&record).unwrap();
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Push((changes, trie, mut transactions)) => {
                self.pushed += 1;
                let hash = keccak256(self.pushed.to_be_bytes());
                for (index, transaction) in (0u8..).zip(&mut transactions) {
                    transaction.hash = keccak256([hash.as_slice(), &[index]].concat());
                }
                let block =
                    Block { hash, transactions, changes: changes.into(), trie: trie.into() };
                let mut state = self.states.last().unwrap().clone();
                state.apply(&block);
                self.states.push(state);
                self.blocks.push(block);
                self.highest = self.highest.max(self.tip());
                self.append_to_journal(self.tip());
                self.push_to_database(self.tip());
            }
            Step::Flush => {
                self.db().flush().unwrap();
                assert_eq!(self.db().state_block(), self.tip());
            }
            Step::Reopen => {
                self.check_held();
                self.db = None;
                self.db = Some(Database::open(self.dir.path(), self.options.clone()).unwrap());
                assert_eq!(self.db().state_block(), self.tip(), "closing persists what waits");
            }
            Step::Crash => {
                self.check_held();
                let copy = tempfile::tempdir().unwrap();
                copy_database(self.dir.path(), copy.path());
                self.db = None;
                self.dir = copy;
                self.db = Some(Database::open(self.dir.path(), self.options.clone()).unwrap());
                assert_eq!(self.db().journal_head().unwrap(), self.tip());
                for number in self.db().state_block() + 1..=self.tip() {
                    self.push_to_database(number);
                }
            }
            Step::Revert(back) => self.revert(self.tip().saturating_sub(back)),
            Step::Reverse(back, most) => {
                let target = self.tip().saturating_sub(back);
                let mut state = self.states.last().unwrap().clone();
                let latest = self.db().latest().unwrap();
                let reversed = latest.reverse_changes(target, most, |part| {
                    state.apply_changes(&part);
                    Ok::<_, StorageError>(())
                });
                match reversed {
                    Ok(()) => {
                        let expected = &self.states[target as usize];
                        assert_eq!(state.accounts, expected.accounts);
                        assert_eq!(state.storage, expected.storage);
                    }
                    Err(error) => self.assert_too_old(&error, target),
                }
            }
            Step::Hold(back) => {
                let number = self.tip().saturating_sub(back);
                let states = self.states[..=number as usize].to_vec();
                match self.db().snapshot(number) {
                    Ok(snapshot) => self.held.push((snapshot, states)),
                    Err(error) => self.assert_too_old(&error, number),
                }
            }
            Step::Check => self.check(),
        }
    }

    fn revert(&mut self, target: u64) {
        match self.db().revert_to(target) {
            Ok(()) => {
                let removed = self.blocks.split_off(target as usize);
                self.states.truncate(target as usize + 1);
                for block in removed {
                    assert_eq!(self.db().block_number(block.hash).unwrap(), None);
                    for transaction in block.transactions {
                        let found = self.db().transaction_location(transaction.hash).unwrap();
                        assert_eq!(found, None);
                    }
                }
                assert_eq!(self.db().journal_head().unwrap(), target);
            }
            Err(error) => self.assert_too_old(&error, target),
        }
    }

    fn assert_too_old(&self, error: &StorageError, target: u64) {
        let too_old =
            matches!(error, StorageError::Pruned { .. } | StorageError::BeyondReorgs { .. });
        assert!(too_old, "{error}");
        assert!(target + HISTORY_BLOCKS < self.highest, "{target} of {} is kept", self.highest);
    }

    fn check_held(&mut self) {
        for (snapshot, states) in self.held.drain(..) {
            let (state, earlier) = states.split_last().unwrap();
            check_state(&snapshot, state);
            // The way back is that of its own chain, whatever was pushed and taken back since.
            for (target, expected) in (0..).zip(earlier) {
                let mut state = state.clone();
                let reversed = snapshot.reverse_changes(target, 3, |part| {
                    state.apply_changes(&part);
                    Ok::<_, StorageError>(())
                });
                match reversed {
                    Ok(()) => {
                        assert_eq!(state.accounts, expected.accounts);
                        assert_eq!(state.storage, expected.storage);
                    }
                    Err(StorageError::Pruned { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn check(&self) {
        let db = self.db();
        let tip = self.tip();
        assert_eq!(db.latest().unwrap().number(), tip);
        for (number, state) in self.states.iter().enumerate() {
            let number = number as u64;
            match db.snapshot(number) {
                Ok(snapshot) => {
                    check_state(&snapshot, state);
                    for n in 0..=tip + 1 {
                        let hash = match n {
                            0 => Some(B256::repeat_byte(0xee)),
                            n if n > number => None,
                            n => Some(self.blocks[n as usize - 1].hash),
                        };
                        assert_eq!(snapshot.block_hash(n).unwrap(), hash);
                    }
                }
                Err(error) => self.assert_too_old(&error, number),
            }
        }
        check_nodes(&db.latest().unwrap(), self.states.last().unwrap());
        for (number, block) in (1..).zip(&self.blocks) {
            assert_eq!(db.block_number(block.hash).unwrap(), Some(number));
            assert_eq!(db.block_hash(number).unwrap(), Some(block.hash));
            for (index, transaction) in (0..).zip(&block.transactions) {
                let found = db.transaction_location(transaction.hash).unwrap();
                assert_eq!(found, Some((number, index)));
            }
        }
        self.check_indexes();
        let unknown = db.snapshot(tip + 1).unwrap_err();
        assert!(matches!(unknown, StorageError::Unknown { .. }), "{unknown}");
    }
}

impl Pair {
    /// The indexes find what a scan of all blocks finds: pages in both directions from every block,
    /// the last use of each nonce, and the last creation of each contract.
    fn check_indexes(&self) {
        let db = self.db();
        let tip = self.tip();
        for address in (0..5).map(address) {
            let all: Vec<AddressBlock> = (1..)
                .zip(&self.blocks)
                .filter_map(|(number, block)| appearances_in(number, block, address))
                .collect();
            for bound in std::iter::once(None).chain((0..=tip + 1).map(Some)) {
                let below = |block: &&AddressBlock| bound.is_none_or(|bound| block.number < bound);
                let above = |block: &&AddressBlock| bound.is_none_or(|bound| block.number > bound);
                for least in [1, 2, 4, usize::MAX] {
                    let found = db.address_transactions_before(address, bound, least).unwrap();
                    assert_eq!(found, page(all.iter().rev().filter(below), least));
                    let found = db.address_transactions_after(address, bound, least).unwrap();
                    assert_eq!(found, page(all.iter().filter(above), least));
                }
            }
            let mut origin = None;
            let mut nonces = BTreeMap::new();
            for (block, transactions) in (1..).zip(self.blocks.iter().map(|b| &b.transactions)) {
                for (index, transaction) in (0..).zip(transactions) {
                    if transaction.sender == address {
                        nonces.insert(transaction.nonce, (block, index));
                    }
                    let created = &transaction.appearances.creations;
                    if let Some(found) = created.iter().find(|it| it.contract == address) {
                        let creator = found.creator;
                        origin = Some(ContractOrigin { block, index, creator });
                    }
                }
            }
            assert_eq!(db.contract_origin(address).unwrap(), origin);
            for nonce in 0..5 {
                let found = db.nonce_location(address, nonce).unwrap();
                assert_eq!(found, nonces.get(&nonce).copied());
            }
        }
    }
}

fn appearances_in(number: u64, block: &Block, address: Address) -> Option<AddressBlock> {
    let appears = |it: &TransactionEntry| it.appearances.addresses.contains(&address);
    let all = (0..).zip(&block.transactions);
    let transactions: Vec<u64> =
        all.filter(|(_, entry)| appears(entry)).map(|(index, _)| index).collect();
    let hash = block.hash;
    (!transactions.is_empty()).then_some(AddressBlock { number, hash, transactions })
}

/// As many whole blocks as it takes for `least` transactions.
fn page<'a>(blocks: impl Iterator<Item = &'a AddressBlock>, least: usize) -> AddressPage {
    let mut page = AddressPage::default();
    let mut count = 0;
    for block in blocks {
        if count >= least {
            page.more = true;
            break;
        }
        count += block.transactions.len();
        page.blocks.push(block.clone());
    }
    page
}

fn check_state(snapshot: &StateSnapshot, state: &State) {
    assert_eq!(snapshot.accounts().unwrap(), state.accounts, "at {}", snapshot.number());
    for (most, look) in [(1, 9), (2, 2), (9, 1), (9, 9)] {
        let (mut found, mut next) = (BTreeMap::new(), Some(Address::ZERO));
        while let Some(start) = next {
            let range = snapshot.account_range(start, most, look).unwrap();
            assert!(range.accounts.len() <= most.min(look) && range.next != Some(start));
            found.extend(range.accounts);
            next = range.next;
        }
        assert_eq!(found, state.accounts, "at {}", snapshot.number());
    }
    for a in 0..5 {
        let address = address(a);
        let slots = state.storage.range((address, U256::ZERO)..=(address, U256::MAX));
        let slots: BTreeMap<U256, U256> = slots.map(|((_, slot), value)| (*slot, *value)).collect();
        assert_eq!(snapshot.slots(address).unwrap(), slots, "{address} at {}", snapshot.number());
        for most in 0..6 {
            // Slots without a value may have to be looked at, too.
            match snapshot.slots_within(address, most).unwrap() {
                Some(found) => assert!(found == slots && found.len() <= most),
                None => assert!(most < 5),
            }
        }
        assert_eq!(snapshot.account(address).unwrap(), state.accounts.get(&address).copied());
        for s in 0..5 {
            let expected = state.storage.get(&(address, slot(s))).copied().unwrap_or_default();
            let found = snapshot.storage(address, slot(s)).unwrap();
            assert_eq!(found, expected, "{address} {s} at {}", snapshot.number());
        }
        for from in 0..=5 {
            let hidden: HashSet<U256> = (0..from).map(slot).collect();
            let value = |s| state.storage.get(&(address, slot(s)));
            let expected = (from..5).any(|s| value(s).is_some_and(|value| !value.is_zero()));
            let found = snapshot.has_storage(address, &hidden).unwrap();
            assert_eq!(found, expected, "{address} from {from} at {}", snapshot.number());
        }
    }
    for (hash, code) in &state.codes {
        assert_eq!(snapshot.code(*hash).unwrap().as_ref(), Some(code));
    }
    assert_eq!(snapshot.code(B256::repeat_byte(0xcc)).unwrap(), None);
}

fn check_nodes(snapshot: &StateSnapshot, state: &State) {
    for key in (0..12).map(node_key) {
        assert_eq!(snapshot.trie_node(&key).unwrap(), state.nodes.get(&key).cloned(), "{key:?}");
    }
}

/// Copies what a killed process would leave behind.
fn copy_database(from: &Path, to: &Path) {
    for name in ["journal", "state"] {
        std::fs::create_dir_all(to.join(name)).unwrap();
        std::fs::copy(from.join(name).join("mdbx.dat"), to.join(name).join("mdbx.dat")).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Writes only when told to, so that a crash loses everything since the last flush.
    #[test]
    fn follows_the_model_with_crashes(genesis in block_parts(), steps in vec(step(), 1..40)) {
        let options = DatabaseOptions {
            history_blocks: Some(HISTORY_BLOCKS),
            max_unpersisted_blocks: 1000,
            persist_batch: 1000,
            persist_interval: Duration::from_secs(3600),
            cache_entries: 1 << 12,
            ..DatabaseOptions::default()
        };
        let mut pair = Pair::new(options, genesis);
        for step in steps {
            pair.run(step);
        }
        pair.check();
        pair.check_held();
    }

    /// The background writer works at the same time, and pushing waits for it.
    #[test]
    fn follows_the_model_while_persisting(genesis in block_parts(), steps in vec(step(), 1..40)) {
        let options = DatabaseOptions {
            history_blocks: Some(HISTORY_BLOCKS),
            max_unpersisted_blocks: 3,
            persist_batch: 2,
            persist_interval: Duration::from_millis(5),
            // Small enough that values are pushed out.
            cache_entries: 1 << 9,
            ..DatabaseOptions::default()
        };
        let mut pair = Pair::new(options, genesis);
        for step in steps {
            // A copy of a file that is being written is no crash.
            let step = if matches!(step, Step::Crash) { Step::Reopen } else { step };
            pair.run(step);
            pair.check();
        }
        pair.check_held();
    }
}
