//! What opening a data directory refuses, and with which words.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Database, DatabaseOptions, Inspection, StateChanges,
    StateReader, StorageError, TickRecord, TrieUpdates,
};
use std::{path::Path, sync::Arc, time::Duration};

fn open(dir: &Path) -> Result<Database, StorageError> {
    Database::open(dir, DatabaseOptions::default())
}

fn initialised(dir: &Path, hash: B256) -> Database {
    let db = open(dir).unwrap();
    db.init_genesis(&Header::default(), hash, &StateChanges::default(), &TrieUpdates::default())
        .unwrap();
    db
}

#[test]
fn a_fresh_database_has_no_chain() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).unwrap();
    assert_eq!(db.genesis_hash().unwrap(), None);
    assert!(matches!(db.latest(), Err(StorageError::Empty)));
    assert!(matches!(db.journal_head(), Err(StorageError::Empty)));
    assert!(matches!(db.append_block(&BlockRecord::default()), Err(StorageError::Empty)));
    assert!(matches!(db.check_genesis(B256::ZERO), Err(StorageError::Empty)));
}

#[test]
fn a_foreign_chain_is_refused_with_both_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (B256::repeat_byte(1), B256::repeat_byte(2));
    drop(initialised(dir.path(), theirs));
    let db = open(dir.path()).unwrap();
    db.check_genesis(theirs).unwrap();
    let sentence = db.check_genesis(ours).unwrap_err().to_string();
    assert!(sentence.contains(&ours.to_string()), "{sentence}");
    assert!(sentence.contains(&theirs.to_string()), "{sentence}");
    let again = db.init_genesis(
        &Header::default(),
        ours,
        &StateChanges::default(),
        &TrieUpdates::default(),
    );
    assert!(matches!(again, Err(StorageError::AlreadyInitialised { found }) if found == theirs));
}

#[test]
fn a_directory_in_use_is_refused_and_free_again_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    let sentence = open(dir.path()).unwrap_err().to_string();
    let holder = format!("process {}", std::process::id());
    assert!(sentence.contains("in use") && sentence.contains(&holder), "{sentence}");
    // A snapshot keeps the files open, and so the directory taken.
    let snapshot = db.latest().unwrap();
    drop(db);
    assert!(matches!(open(dir.path()), Err(StorageError::Locked { .. })));
    drop(snapshot);
    open(dir.path()).unwrap();
}

#[test]
fn garbage_is_refused() {
    for name in ["journal", "state"] {
        let dir = tempfile::tempdir().unwrap();
        drop(initialised(dir.path(), B256::repeat_byte(1)));
        let file = dir.path().join(name).join("mdbx.dat");
        std::fs::write(&file, vec![0x5a; 1 << 16]).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "text").unwrap();
    let error = open(&file).unwrap_err();
    assert!(matches!(error, StorageError::Engine { .. }), "{error}");
}

#[test]
fn environments_of_different_chains_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(initialised(one.path(), B256::repeat_byte(1)));
    drop(initialised(two.path(), B256::repeat_byte(2)));
    std::fs::copy(two.path().join("state/mdbx.dat"), one.path().join("state/mdbx.dat")).unwrap();
    let error = open(one.path()).unwrap_err();
    assert!(error.to_string().contains("another chain"), "{error}");
}

#[test]
fn a_lost_environment_is_refused() {
    for lost in ["journal", "state"] {
        let dir = tempfile::tempdir().unwrap();
        let db = initialised(dir.path(), B256::repeat_byte(1));
        db.push_block_state(1, B256::ZERO, Vec::new(), Arc::default(), Arc::default(), &[])
            .unwrap();
        db.append_block(&BlockRecord {
            header: Header { number: 1, ..Default::default() },
            ..Default::default()
        })
        .unwrap();
        drop(db);
        std::fs::remove_dir_all(dir.path().join(lost)).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
    }
}

#[test]
fn state_ahead_of_the_journal_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    let address = Address::repeat_byte(1);
    let account = |nonce| Account { nonce, ..Default::default() };
    for number in 1..=3u64 {
        let change = AccountChange { account: Some(account(number)), ..Default::default() };
        let changes = StateChanges {
            accounts: [(address, change)].into_iter().collect(),
            ..Default::default()
        };
        let hash = B256::with_last_byte(number as u8);
        db.push_block_state(number, hash, Vec::new(), Arc::new(changes), Arc::default(), &[])
            .unwrap();
        if number == 1 {
            let header = Header { number, ..Default::default() };
            db.append_block(&BlockRecord { header, hash, ..Default::default() }).unwrap();
        }
    }
    drop(db);
    let db = open(dir.path()).unwrap();
    assert_eq!((db.journal_head().unwrap(), db.state_block()), (1, 1));
    assert_eq!(db.latest().unwrap().account(address).unwrap(), Some(account(1)));
    assert_eq!(db.block_number(B256::with_last_byte(2)).unwrap(), None);
}

#[test]
fn state_ahead_of_the_journal_is_not_inspected() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    for number in 1..=2 {
        db.push_block_state(number, B256::ZERO, Vec::new(), Arc::default(), Arc::default(), &[])
            .unwrap();
    }
    drop(db);
    let error = Inspection::open(dir.path()).unwrap_err();
    let sentence = error.to_string();
    assert!(
        matches!(error, StorageError::StateAhead { state_block: 2, journal_head: 0, .. }),
        "{sentence}"
    );
    assert!(sentence.contains("start the node there once"), "{sentence}");
    // As the sentence says.
    drop(open(dir.path()).unwrap());
    let inspection = Inspection::open(dir.path()).unwrap();
    assert_eq!((inspection.state_block(), inspection.journal_head()), (0, 0));
}

#[test]
fn records_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    let block = |number| BlockRecord {
        header: Header { number, ..Default::default() },
        ..Default::default()
    };
    let tick = |block_number, tick| TickRecord { block_number, tick, ..Default::default() };
    let refused = |result: Result<(), StorageError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StorageError::OutOfOrder { .. }), "{error}");
    };
    refused(db.append_block(&block(0)));
    refused(db.append_block(&block(2)));
    refused(db.append_tick(&tick(2, 0)));
    refused(db.append_tick(&tick(1, 1)));
    db.append_tick(&tick(1, 0)).unwrap();
    refused(db.append_tick(&tick(1, 0)));
    db.append_tick(&tick(1, 1)).unwrap();
    assert_eq!(db.open_ticks().unwrap().len(), 2);
    db.append_block(&block(1)).unwrap();
    assert_eq!(db.open_ticks().unwrap(), Vec::new());
    let push =
        |n| db.push_block_state(n, B256::ZERO, Vec::new(), Arc::default(), Arc::default(), &[]);
    refused(push(0));
    refused(push(2));
}

#[test]
fn a_full_database_says_so_and_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let options = DatabaseOptions {
        map_bytes: 1 << 20,
        persist_batch: 1,
        persist_interval: Duration::ZERO,
        ..Default::default()
    };
    let db = Database::open(dir.path(), options.clone()).unwrap();
    db.init_genesis(
        &Header::default(),
        B256::ZERO,
        &StateChanges::default(),
        &TrieUpdates::default(),
    )
    .unwrap();
    let code = |n: u64| Bytes::from(n.to_be_bytes().repeat(40_000));
    let mut pushed = 0;
    let error = loop {
        let code = code(pushed + 1);
        let changes = StateChanges {
            codes: [(keccak256(&code), code)].into_iter().collect(),
            ..Default::default()
        };
        let result = db.push_block_state(
            pushed + 1,
            B256::ZERO,
            Vec::new(),
            changes.into(),
            Arc::default(),
            &[],
        );
        match result {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
        assert!(pushed < 100, "the database never became full");
    };
    assert!(
        matches!(&error, StorageError::PersistFailed(cause) if matches!(**cause, StorageError::Full { .. })),
        "{error}"
    );
    assert!(db.flush().is_err());
    assert!(db.failure().is_some());
    let latest = db.latest().unwrap();
    assert_eq!(latest.number(), pushed);
    for n in 1..=pushed {
        assert_eq!(latest.code(keccak256(code(n))).unwrap(), Some(code(n)));
    }
    let persisted = db.state_block();
    assert!(persisted < pushed);
    // The journal has room of its own, and an end of it too.
    let keeper = Bytes::from(vec![7; 300_000]);
    let mut number = 1;
    let error = loop {
        let header = Header { number, ..Default::default() };
        let record = BlockRecord { header, keeper: keeper.clone(), ..Default::default() };
        match db.append_block(&record) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100, "the journal never became full");
    };
    assert!(matches!(error, StorageError::Full { .. }), "{error}");
    assert_eq!(db.journal_head().unwrap(), number - 1);
    assert_eq!(db.keeper_record(number - 1).unwrap(), Some(keeper));
    drop((db, latest));
    let db = Database::open(dir.path(), options).unwrap();
    assert_eq!(db.state_block(), persisted.min(number - 1));
}

#[test]
fn stats_count_records() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    let change = AccountChange {
        account: Some(Account::default()),
        storage: [(U256::from(1), U256::from(2))].into_iter().collect(),
        ..Default::default()
    };
    let changes = StateChanges {
        accounts: [(Address::ZERO, change)].into_iter().collect(),
        ..Default::default()
    };
    db.push_block_state(1, B256::ZERO, Vec::new(), changes.into(), Arc::default(), &[]).unwrap();
    db.flush().unwrap();
    let stats = db.stats().unwrap();
    let entries = |environment: usize, table: &str| {
        let tables = &stats.environments[environment].tables;
        tables.iter().find(|found| found.name == table).unwrap().entries
    };
    assert_eq!((stats.state_block, stats.oldest_state, stats.unpersisted_blocks), (1, 0, 0));
    assert_eq!(entries(0, "Headers"), 1);
    assert_eq!(entries(1, "Accounts"), 1);
    assert_eq!(entries(1, "Storage"), 1);
    assert_eq!(entries(1, "StorageHistory"), 1);
    assert!(stats.environments.iter().all(|e| e.file_bytes > 0 && e.file_bytes < 64 << 20));
}

#[test]
fn writing_after_shutdown_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = initialised(dir.path(), B256::repeat_byte(1));
    db.push_block_state(1, B256::ZERO, Vec::new(), Arc::default(), Arc::default(), &[]).unwrap();
    db.shutdown().unwrap();
    assert_eq!(db.state_block(), 1);
    let late = db.push_block_state(2, B256::ZERO, Vec::new(), Arc::default(), Arc::default(), &[]);
    assert!(matches!(late, Err(StorageError::Closed)));
    db.shutdown().unwrap();
}
