//! Long histories: the state of every past block and the log index against a naive model, while the
//! chain is taken back, pruned and reopened with other bounds.

mod support;

use plasma_storage::{Database, DatabaseOptions, StateReader, StorageError};
use proptest::{collection::vec, prelude::*};
use std::time::Duration;
use support::{Block, Model, address, block, filter, slot};
use tempfile::TempDir;

#[derive(Clone, Debug)]
enum Step {
    Push(Block),
    /// This many blocks that change little, so that windows of the log index are crossed.
    PushMany(u64),
    Flush,
    /// Close and open with other bounds.
    Reopen(Option<u64>, u64),
    Revert(u64),
    CheckStates,
    CheckLogs(support::Filter),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => block().prop_map(Step::Push),
        1 => (1u64..200).prop_map(Step::PushMany),
        3 => Just(Step::Flush),
        2 => (proptest::option::of(1u64..40), 1u64..300).prop_map(|(h, r)| Step::Reopen(h, r)),
        1 => (0u64..12).prop_map(Step::Revert),
        1 => (0u64..300).prop_map(Step::Revert),
        1 => Just(Step::CheckStates),
        4 => filter().prop_map(Step::CheckLogs),
    ]
}

fn options(history_blocks: Option<u64>, reorg_blocks: u64) -> DatabaseOptions {
    DatabaseOptions {
        history_blocks,
        reorg_blocks,
        persist_interval: Duration::from_millis(20),
        cache_entries: 1 << 10,
        ..DatabaseOptions::default()
    }
}

/// A database with the model beside it.
struct Pair {
    dir: TempDir,
    db: Option<Database>,
    model: Model,
    history: Option<u64>,
    reorg: u64,
    /// State before this block may be forgotten.
    state_floor: u64,
    /// The chain may be unable to go back before this block.
    reorg_floor: u64,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(dir.path(), options(None, 256)).unwrap();
        let model = Model::new(&db);
        Self { dir, db: Some(db), model, history: None, reorg: 256, state_floor: 0, reorg_floor: 0 }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    fn push(&mut self, blocks: Vec<Block>) {
        let db = self.db.as_ref().unwrap();
        self.model.push(db, blocks);
        let tip = self.model.tip();
        let kept = self.history.map_or(tip, |blocks| blocks.min(tip));
        self.state_floor = self.state_floor.max(tip - kept);
        self.reorg_floor = self.reorg_floor.max(tip.saturating_sub(self.reorg));
        self.reorg_floor = self.reorg_floor.max(self.state_floor);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Push(block) => self.push(vec![block]),
            Step::PushMany(count) => {
                let next = self.model.tip() + 1;
                self.push((next..next + count).map(Block::plain).collect());
            }
            Step::Flush => {
                let waits = self.db().state_block() < self.model.tip();
                self.db().flush().unwrap();
                // All that is overdue here is little enough for one commit.
                if let (true, Some(blocks)) = (waits, self.history) {
                    let oldest = self.model.tip().saturating_sub(blocks);
                    assert!(self.db().oldest_state() >= oldest, "not pruned to {oldest}");
                }
            }
            Step::Reopen(history, reorg) => {
                (self.history, self.reorg) = (history, reorg);
                self.db = None;
                let db = Database::open(self.dir.path(), options(history, reorg)).unwrap();
                assert_eq!(db.state_block(), self.model.tip());
                self.db = Some(db);
            }
            Step::Revert(back) => {
                let target = self.model.tip().saturating_sub(back);
                match self.db().revert_to(target) {
                    Ok(()) => self.model.truncate(target),
                    Err(StorageError::BeyondReorgs { number, oldest }) => {
                        assert_eq!(number, target);
                        assert!(target < oldest && target < self.reorg_floor);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            Step::CheckStates => self.check_states(),
            Step::CheckLogs(filter) => self.model.check_logs(self.db(), &filter),
        }
    }

    fn check_states(&self) {
        let db = self.db();
        let oldest = db.oldest_state();
        assert!(oldest <= self.state_floor, "{oldest} is above {}", self.state_floor);
        for (number, state) in (0..).zip(&self.model.states) {
            let snapshot = match db.snapshot(number) {
                Ok(snapshot) => snapshot,
                Err(StorageError::Pruned { number: asked, oldest: told }) => {
                    // The background writer may have pruned more meanwhile.
                    assert_eq!(asked, number);
                    assert!(number < told && told <= self.state_floor, "{number}, {told}");
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            assert!(number >= oldest);
            for a in 0..support::ADDRESSES {
                let address = address(a);
                let expected = state.accounts.get(&address).copied();
                assert_eq!(snapshot.account(address).unwrap(), expected, "{address} at {number}");
                for s in 0..support::SLOTS {
                    let key = (address, slot(s));
                    let expected = state.storage.get(&key).copied().unwrap_or_default();
                    assert_eq!(snapshot.storage(key.0, key.1).unwrap(), expected, "at {number}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_past_stays_as_it_was(steps in vec(step(), 1..40)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.run(step);
        }
        pair.check_states();
    }
}

#[test]
fn an_archive_forgets_nothing_and_a_lower_bound_prunes_it_later() {
    let mut pair = Pair::new();
    pair.push((1..=600).map(Block::plain).collect());
    pair.run(Step::Flush);
    assert_eq!(pair.db().oldest_state(), 0);
    pair.check_states();
    // The way back is bounded all the same.
    let refused = pair.db().revert_to(100).unwrap_err().to_string();
    assert!(refused.contains("down to block 344"), "{refused}");
    pair.run(Step::Reopen(Some(10), 5));
    assert_eq!(pair.db().oldest_state(), 0);
    pair.run(Step::PushMany(1));
    pair.run(Step::Flush);
    assert_eq!(pair.db().oldest_state(), 591);
    let refused = pair.db().snapshot(590).unwrap_err().to_string();
    assert!(refused.contains("answers exist from block 591 on"), "{refused}");
    pair.check_states();
    let refused = pair.db().revert_to(595).unwrap_err().to_string();
    assert!(refused.contains("down to block 596"), "{refused}");
    pair.run(Step::Revert(5));
    assert_eq!(pair.model.tip(), 596);
    pair.check_states();
}

/// Bytes that the state's file gains between blocks 200 and 1200, each of which changes 40 slots.
fn growth(history: Option<u64>) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path(), options(history, 16)).unwrap();
    let mut model = Model::new(&db);
    let mut size_at = |tip: u64| {
        let blocks = (model.tip() + 1..=tip).map(|number| Block::busy(number, 40)).collect();
        model.push(&db, blocks);
        db.flush().unwrap();
        db.stats().unwrap().environments[1].file_bytes
    };
    let early = size_at(200);
    size_at(1_200) - early
}

#[test]
fn pruned_space_is_used_again() {
    let (pruned, archive) = (growth(Some(16)), growth(None));
    // The file grows by 4 MiB at a time.
    assert!(pruned <= 4 << 20, "{pruned} bytes");
    assert!(archive >= 8 << 20, "{archive} bytes");
}
