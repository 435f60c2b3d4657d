//! `plasma-node db`: what it finds, copies and restores, beside an open database and without one.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Database, DatabaseOptions, StateChanges, StateReader,
};
use plasma_trie::{EmptyNodes, StateTrie};
use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
};
use tempfile::TempDir;

const ACCOUNTS: u64 = 120;

fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

fn code() -> Bytes {
    Bytes::from_static(&[0x60, 0x00])
}

fn change(nonce: u64, slots: u64, contract: bool) -> AccountChange {
    let bytecode_hash = contract.then(|| keccak256(code()));
    let account = Account { nonce, balance: U256::from(nonce * 3 + 1), bytecode_hash };
    let storage = (0..slots).map(|slot| (U256::from(slot), U256::from(slot + nonce + 1))).collect();
    AccountChange { account: Some(account), storage, ..AccountChange::default() }
}

/// A data directory with a chain whose roots are right.
struct Chain {
    dir: TempDir,
    db: Option<Database>,
    trie: StateTrie,
    tip: u64,
}

impl Chain {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("genesis.json"), "{}\n").unwrap();
        let db = Database::open(dir.path(), DatabaseOptions::default()).unwrap();
        // Some have no storage, some a small trie, one a larger one.
        let slots = |n| if n == 5 { 90 } else { n % 4 };
        let accounts = (0..ACCOUNTS).map(|n| (address(n), change(n, slots(n), n % 10 == 0)));
        let changes = StateChanges {
            accounts: accounts.collect(),
            codes: [(keccak256(code()), code())].into_iter().collect(),
        };
        let mut trie = StateTrie::new(alloy_trie::EMPTY_ROOT_HASH);
        let updates = trie.update(&EmptyNodes, &changes).unwrap();
        let header = Header { state_root: trie.root(), ..Header::default() };
        db.init_genesis(&header, header.hash_slow(), &changes, &updates).unwrap();
        Self { dir, db: Some(db), trie, tip: 0 }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a block whose state is `told`, but whose trie follows `meant`.
    fn push(&mut self, told: StateChanges, meant: &StateChanges) {
        let db = self.db.as_ref().unwrap();
        self.tip += 1;
        let updates = self.trie.update(&db.latest().unwrap(), meant).unwrap();
        let header = Header { number: self.tip, state_root: self.trie.root(), ..Header::default() };
        let hash = header.hash_slow();
        db.append_block(&BlockRecord { header, hash, ..BlockRecord::default() }).unwrap();
        db.push_block_state(self.tip, hash, vec![], Arc::new(told), Arc::new(updates), &[])
            .unwrap();
    }

    /// Adds a block that changes a few accounts, removes one and empties a slot.
    fn grow(&mut self) {
        let n = self.tip % 40;
        let mut accounts = vec![
            (address(n), change(1000 + self.tip, 3, false)),
            (address(n + 50), AccountChange::default()),
        ];
        let mut cleared = change(7, 0, false);
        cleared.storage.insert(U256::ZERO, U256::ZERO);
        accounts.push((address(5), cleared));
        let changes =
            StateChanges { accounts: accounts.into_iter().collect(), ..StateChanges::default() };
        self.push(changes.clone(), &changes);
    }

    fn close(&mut self) {
        self.db = None;
    }
}

fn plasma(arguments: &[&str], datadir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plasma-node"));
    command.arg("db").args(arguments).arg("--datadir").arg(datadir);
    command.output().unwrap()
}

/// What a command that succeeds prints.
fn succeed(arguments: &[&str], datadir: &Path) -> String {
    let output = plasma(arguments, datadir);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that fails says.
fn fail(arguments: &[&str], datadir: &Path) -> String {
    let output = plasma(arguments, datadir);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_sound_state_is_verified_with_any_memory() {
    let mut chain = Chain::new();
    for _ in 0..30 {
        chain.grow();
    }
    chain.close();
    let all = succeed(&["verify"], chain.path());
    assert!(all.contains("state of block 30 is sound"), "{all}");
    assert!(all.contains(&chain.trie.root().to_string()), "{all}");
    assert_eq!(succeed(&["verify", "--batch", "7"], chain.path()), all);
}

#[test]
fn the_first_difference_is_named() {
    type Twist = fn(&mut StateChanges);
    let who = address(5);
    let twists: [(Twist, &str); 5] = [
        (|told| account(told).nonce += 1, "its nonce is 2001 in flat state, but 2000 in the trie"),
        (|told| account(told).balance -= U256::ONE, "its balance is 6000 wei in flat state"),
        (
            |told| {
                let change = told.accounts.get_mut(&address(5)).unwrap();
                change.storage.insert(U256::ONE, U256::MAX);
            },
            "slot 0x1 (hash",
        ),
        (|told| *told.accounts.get_mut(&address(5)).unwrap() = AccountChange::default(), "lacks"),
        (|told| told.codes.clear(), "is not stored"),
    ];
    for (number, (twist, expected)) in twists.into_iter().enumerate() {
        let mut chain = Chain::new();
        chain.grow();
        let code = Bytes::from_static(b"only here");
        let mut contract = change(2000, 3, false);
        contract.account.as_mut().unwrap().bytecode_hash = Some(keccak256(&code));
        let meant = StateChanges {
            accounts: [(who, contract)].into_iter().collect(),
            codes: [(keccak256(&code), code)].into_iter().collect(),
        };
        let mut told = meant.clone();
        twist(&mut told);
        chain.push(told, &meant);
        chain.close();
        let said = fail(&["verify"], chain.path());
        assert!(said.contains(expected), "{number}: {said}");
        let by_hash = keccak256(who).to_string();
        assert!(said.contains(&who.to_string()) || said.contains(&by_hash), "{number}: {said}");
    }
}

fn account(changes: &mut StateChanges) -> &mut Account {
    changes.accounts.get_mut(&address(5)).unwrap().account.as_mut().unwrap()
}

#[test]
fn a_damaged_code_and_a_false_root_are_named() {
    let mut chain = Chain::new();
    let wrong = B256::repeat_byte(7);
    let told =
        StateChanges { codes: [(wrong, code())].into_iter().collect(), ..Default::default() };
    chain.push(told, &StateChanges::default());
    chain.close();
    let said = fail(&["verify"], chain.path());
    assert!(said.contains(&format!("the code stored as {wrong} hashes to")), "{said}");

    let mut chain = Chain::new();
    let header = Header { number: 1, state_root: B256::repeat_byte(9), ..Header::default() };
    let hash = header.hash_slow();
    let db = chain.db.as_ref().unwrap();
    db.append_block(&BlockRecord { header, hash, ..BlockRecord::default() }).unwrap();
    db.push_block_state(1, hash, vec![], Arc::default(), Arc::default(), &[]).unwrap();
    chain.close();
    let said = fail(&["verify"], chain.path());
    assert!(said.contains("of the account trie: it hashes to"), "{said}");
}

#[test]
fn a_backup_is_taken_beside_an_open_database_and_restored() {
    let mut chain = Chain::new();
    for _ in 0..12 {
        chain.grow();
    }
    chain.db.as_ref().unwrap().flush().unwrap();
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    std::fs::write(chain.path().join("keeper.key"), "secret").unwrap();
    let said = succeed(&["backup", backup.to_str().unwrap()], chain.path());
    assert!(said.contains("keeper.key is a secret and was not copied"), "{said}");
    assert!(!backup.join("keeper.key").exists());
    assert!(succeed(&["verify"], chain.path()).contains("state of block 12"));
    assert!(succeed(&["stats", "--json"], chain.path()).contains("\"state_block\": 12"));
    // Life goes on meanwhile and afterwards.
    for _ in 0..5 {
        chain.grow();
    }
    let again = fail(&["backup", backup.to_str().unwrap()], chain.path());
    assert!(again.contains("already"), "{again}");

    let restored = place.path().join("restored");
    succeed(&["restore", backup.to_str().unwrap()], &restored);
    assert_eq!(std::fs::read(restored.join("genesis.json")).unwrap(), b"{}\n");
    assert!(succeed(&["verify"], &restored).contains("state of block 12 is sound"));
    let occupied = fail(&["restore", backup.to_str().unwrap()], &restored);
    assert!(occupied.contains("already"), "{occupied}");
    let copy = Database::open(&restored, DatabaseOptions::default()).unwrap();
    let db = chain.db.as_ref().unwrap();
    assert_eq!((copy.journal_head().unwrap(), db.journal_head().unwrap()), (12, 17));
    for number in 0..=12 {
        let (ours, theirs) = (db.snapshot(number).unwrap(), copy.snapshot(number).unwrap());
        assert_eq!(db.block_record(number).unwrap(), copy.block_record(number).unwrap());
        for n in 0..ACCOUNTS {
            let address = address(n);
            assert_eq!(ours.account(address).unwrap(), theirs.account(address).unwrap());
            let slot = U256::from(n % 4);
            assert_eq!(
                ours.storage(address, slot).unwrap(),
                theirs.storage(address, slot).unwrap()
            );
        }
    }
}

#[test]
fn compacting_keeps_the_content_and_waits_for_the_node() {
    let mut chain = Chain::new();
    let filler = |n: u64| Bytes::from(n.to_be_bytes().repeat(20_000));
    for n in 0..40 {
        let code = filler(n);
        let codes = [(keccak256(&code), code)].into_iter().collect();
        let changes = StateChanges { codes, ..StateChanges::default() };
        chain.push(changes, &StateChanges::default());
    }
    let db = chain.db.as_ref().unwrap();
    db.flush().unwrap();
    // What the removed blocks brought is free space now.
    db.revert_to(1).unwrap();
    let said = fail(&["compact"], chain.path());
    assert!(said.contains("in use by another process"), "{said}");
    let root = chain.trie.root();
    chain.close();
    let before = succeed(&["verify"], chain.path());
    let said = succeed(&["compact"], chain.path());
    let sizes: Vec<u64> = said.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
    assert!(sizes[1] < sizes[0], "{said}");
    assert_eq!(succeed(&["verify"], chain.path()), before);
    assert!(before.contains(&root.to_string()), "{before}");
    let db = Database::open(chain.path(), DatabaseOptions::default()).unwrap();
    assert_eq!((db.journal_head().unwrap(), db.state_block()), (1, 1));
}

#[test]
fn directories_without_a_database_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["stats", "verify", "compact"] {
        let said = fail(&[command], dir.path());
        assert!(said.contains("is not a data directory of a node"), "{said}");
    }
    std::fs::write(dir.path().join("genesis.json"), "{}\n").unwrap();
    for command in ["stats", "verify", "compact"] {
        let said = fail(&[command], dir.path());
        assert!(said.contains("journal/mdbx.dat"), "{said}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
}
