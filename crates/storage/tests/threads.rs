//! Readers, the background writer and a killed process.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Database, DatabaseOptions, StateChanges, StateReader,
    StateSnapshot, TransactionEntry, TrieUpdates,
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const ADDRESSES: u8 = 20;
const CHILD_DIRECTORY: &str = "PLASMA_STORAGE_TEST_CHILD_DIRECTORY";

fn options() -> DatabaseOptions {
    DatabaseOptions {
        history_blocks: Some(8),
        max_unpersisted_blocks: 4,
        persist_batch: 1,
        persist_interval: Duration::ZERO,
        ..DatabaseOptions::default()
    }
}

fn init(dir: &Path) -> Database {
    let db = Database::open(dir, options()).unwrap();
    let (changes, trie) = (StateChanges::default(), TrieUpdates::default());
    db.init_genesis(&Header::default(), B256::ZERO, &changes, &trie).unwrap();
    db
}

/// Sets every nonce and slot to the block's number.
fn push(db: &Database, number: u64) {
    let mut changes = StateChanges::default();
    for i in 0..ADDRESSES {
        let account = Some(Account { nonce: number, ..Default::default() });
        // Every seventh block wipes before it writes.
        let storage_wiped = number.is_multiple_of(7);
        let storage = (0..4u64).map(|s| (U256::from(s), U256::from(number))).collect();
        let change = AccountChange { account, storage_wiped, storage };
        changes.accounts.insert(Address::repeat_byte(i), change);
    }
    let hash = B256::from(U256::from(number));
    let entry = TransactionEntry { hash, ..Default::default() };
    db.push_block_state(number, hash, vec![entry], Arc::new(changes), Arc::default(), &[]).unwrap();
}

fn check(snapshot: &StateSnapshot) {
    let number = snapshot.number();
    for i in 0..ADDRESSES {
        let address = Address::repeat_byte(i);
        let nonce = snapshot.account(address).unwrap().map(|account| account.nonce);
        assert_eq!(nonce, (number > 0).then_some(number), "account {i} at {number}");
        for s in 0..4u64 {
            let value = snapshot.storage(address, U256::from(s)).unwrap();
            assert_eq!(value, U256::from(number), "slot {s} of {i} at {number}");
        }
    }
}

#[test]
fn readers_see_one_block_while_blocks_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let db = init(dir.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let (db, done) = (&db, &done);
            scope.spawn(move || {
                let mut held = db.latest().unwrap();
                let mut rounds = 0u64;
                while !done.load(Ordering::Relaxed) {
                    let latest = db.latest().unwrap();
                    check(&latest);
                    check(&held);
                    let back = latest.number().saturating_sub(reader + 1);
                    if let Ok(past) = db.snapshot(back) {
                        check(&past);
                    }
                    rounds += 1;
                    if rounds.is_multiple_of(5) {
                        held = latest;
                    }
                }
            });
        }
        let mut number = 0;
        for round in 0..120u64 {
            number += 1;
            push(&db, number);
            if round % 20 == 19 {
                number -= 3;
                db.revert_to(number).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    db.flush().unwrap();
    check(&db.latest().unwrap());
}

/// Not a test of its own: the process that the test below kills.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let db = init(Path::new(&dir));
    for number in 1.. {
        let header = Header { number, ..Default::default() };
        let hash = B256::from(U256::from(number));
        db.append_block(&BlockRecord { header, hash, ..Default::default() }).unwrap();
        println!("\nacknowledged {number}");
        push(&db, number);
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    for wait_for in [1u64, 17, 40] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture"])
            .env(CHILD_DIRECTORY, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(number) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged = number.parse().unwrap();
            }
            if acknowledged >= wait_for {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= wait_for, "the child ended early");
        let db = Database::open(dir.path(), options()).unwrap();
        let head = db.journal_head().unwrap();
        assert!(head >= acknowledged);
        assert!(db.state_block() <= head);
        check(&db.latest().unwrap());
        for number in db.state_block() + 1..=head {
            push(&db, number);
        }
        db.flush().unwrap();
        check(&db.latest().unwrap());
        assert_eq!(db.state_block(), head);
        for number in 1..=head {
            let hash = B256::from(U256::from(number));
            assert_eq!(db.transaction_location(hash).unwrap(), Some((number, 0)));
        }
    }
}
