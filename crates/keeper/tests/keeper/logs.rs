//! Upkeeps that logs make due: when, with what, how often, and what becomes of logs that cannot be served.

use crate::chain::*;
use alloy_primitives::{B256, Bytes, Log, U256, keccak256};
use alloy_sol_types::{SolEvent, SolValue, sol};
use plasma_keeper::{
    BlockDecisions, Decision, DeferReason, DropReason, Keeper, KeeperConfig, LOG_PATIENCE_BLOCKS,
    LogPosition, MAX_WAITING_LOGS, Outcome, PlannedPerform,
};

sol! {
    interface Keys {
        event DedupKeyAdded(bytes32 indexed dedupKey);
        function hasDedupKey(bytes32 key) external view returns (bool);
        function setUpkeepTriggerConfig(uint256 id, bytes triggerConfig) external;
    }
    struct Heard {
        uint256 index;
        uint256 timestamp;
        bytes32 txHash;
        uint256 blockNumber;
        bytes32 blockHash;
        address source;
        bytes32[] topics;
        bytes data;
    }
}

const NEXT_BLOCK: Trigger = Trigger::Log { of: 7, same_block: false };
const SAME_BLOCK: Trigger = Trigger::Log { of: 7, same_block: true };

fn listener(chain: &mut TestChain, trigger: Trigger, kind: u64, key: u64) -> U256 {
    chain.register(trigger, kind, key, 500_000, ETHER)
}

fn of(record: &BlockDecisions, id: U256) -> Vec<&Decision> {
    record.decisions.iter().filter(|decision| decision.upkeep == id).collect()
}

fn at(block_number: u64, log_index: u64) -> Option<LogPosition> {
    Some(LogPosition { block_number, log_index })
}

/// The hash of a log as the subject sees it.
fn heard(chain: &TestChain, log: &Log, index: u64, block: Option<u64>) -> B256 {
    let block_number = block.unwrap_or(chain.number());
    let sealed = chain.sealed.get(block_number as usize - 1);
    let logs = sealed.map_or(&chain.block_logs, |sealed| &sealed.logs);
    let heard = Heard {
        index: U256::from(index),
        timestamp: sealed
            .map_or(chain.env.block_env.timestamp, |sealed| U256::from(sealed.timestamp)),
        txHash: logs[index as usize].tx_hash,
        blockNumber: U256::from(block_number),
        blockHash: block.map(block_hash).unwrap_or_default(),
        source: log.address,
        topics: log.topics().to_vec(),
        data: log.data.data.clone(),
    };
    keccak256(heard.abi_encode())
}

#[test]
fn a_log_is_served_in_the_next_block_with_all_that_is_known_of_it() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, NEXT_BLOCK, 13, 1);
    assert!(!keeper.listens());
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), Outcome::NotNeeded);
    assert!(keeper.listens());

    chain.shout(3, 1, 1);
    let logs = chain.shout(7, 1, 1);
    let record = chain.finish_block(&mut keeper);
    assert_eq!(outcome(&record, id), Outcome::NotNeeded, "its block has no hash yet");
    assert!(keeper.stats().logs_waiting > 0);

    let record = chain.finish_block(&mut keeper);
    assert!(outcome(&record, id).is_performed(), "{record:?}");
    assert_eq!(of(&record, id)[0].log, at(2, 1));
    assert_eq!(chain.count(1), 1);
    let seen = chain.call(SUBJECT, Subject::seenLogCall {});
    assert_eq!(seen, heard(&chain, &logs[0], 1, Some(2)));
    assert_eq!(keeper.stats().logs_waiting, 0);

    // Once.
    let record = chain.finish_block(&mut keeper);
    assert_eq!((outcome(&record, id), record.not_needed), (Outcome::NotNeeded, 1));
    let last = upkeep(&keeper, id).last_outcome.unwrap();
    assert!(last.is_performed(), "{last:?}");
}

#[test]
fn a_log_is_served_within_its_block_where_that_is_wanted() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, SAME_BLOCK, 0, 1);
    chain.finish_block(&mut keeper);
    let logs = chain.shout(7, 1, 1);
    chain.rounds(&mut keeper);
    let seen = chain.call(SUBJECT, Subject::seenLogCall {});
    assert_eq!(seen, heard(&chain, &logs[0], 0, None));
    // A later tick of the same block.
    chain.shout(7, 2, 1);
    chain.rounds(&mut keeper);
    assert_eq!(chain.count(1), 2);
    let record = chain.finish_block(&mut keeper);
    let positions: Vec<_> = of(&record, id).iter().map(|decision| decision.log).collect();
    assert_eq!(positions, [at(2, 0), at(2, 3)], "its performs emit two logs each");
    chain.finish_block(&mut keeper);
    assert_eq!(chain.count(1), 2);
}

#[test]
fn only_what_matches_counts() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, NEXT_BLOCK, 0, 1);
    chain.finish_block(&mut keeper);
    chain.shout(6, 1, 1);
    chain.set(7, 1);
    chain.finish_block(&mut keeper);
    let record = chain.finish_block(&mut keeper);
    assert_eq!((outcome(&record, id), chain.count(1)), (Outcome::NotNeeded, 0));

    // The configuration at the end of the log's block decides.
    chain.shout(6, 1, 1);
    let topic = Subject::Happened::SIGNATURE_HASH;
    let (any, none) = (U256::ZERO, B256::ZERO);
    let all = (SUBJECT, any, topic, none, none, none).abi_encode_params();
    chain.admin(Keys::setUpkeepTriggerConfigCall { id, triggerConfig: all.into() });
    chain.finish_block(&mut keeper);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn logs_from_before_the_registration_are_not_meant() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    chain.shout(7, 1, 2);
    let late = listener(&mut chain, NEXT_BLOCK, 0, 1);
    let same = listener(&mut chain, SAME_BLOCK, 0, 2);
    chain.shout(7, 3, 1);
    chain.finish_block(&mut keeper);
    chain.finish_block(&mut keeper);
    assert_eq!((chain.count(1), chain.count(2)), (1, 1));
    assert!(upkeep(&keeper, late).last_outcome.unwrap().is_performed());
    assert!(upkeep(&keeper, same).last_outcome.unwrap().is_performed());
}

#[test]
fn many_logs_of_one_block_are_served_each_once() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, NEXT_BLOCK, 0, 1);
    chain.finish_block(&mut keeper);
    chain.shout(7, 1, 40); // the word 5 is not wanted
    chain.finish_block(&mut keeper);
    let record = chain.finish_block(&mut keeper);
    let told = of(&record, id);
    assert_eq!(told.len(), 39);
    assert!(told.iter().all(|decision| decision.outcome.is_performed()));
    assert!(told.windows(2).all(|pair| pair[0].log < pair[1].log));
    assert_eq!((record.active, record.not_needed), (1, 0));
    assert_eq!(chain.count(1), 39);
    let keys = chain.sealed[2].logs.iter();
    let keys: Vec<_> =
        keys.filter_map(|emitted| Keys::DedupKeyAdded::decode_log(&emitted.log).ok()).collect();
    assert_eq!(keys.len(), 39);
    for key in keys {
        assert!(chain.call(REGISTRY, Keys::hasDedupKeyCall { key: key.dedupKey }));
    }
}

#[test]
fn failing_checks_are_told_and_final() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let reverting = listener(&mut chain, NEXT_BLOCK, 1, 1);
    let endless = listener(&mut chain, NEXT_BLOCK, 4, 2);
    let streams = listener(&mut chain, NEXT_BLOCK, 22, 3);
    chain.set(3, 1);
    chain.finish_block(&mut keeper);
    chain.shout(7, 1, 1);
    chain.finish_block(&mut keeper);
    let record = chain.finish_block(&mut keeper);
    let expected = Outcome::CheckReverted { reason: "not today".into() };
    assert_eq!(outcome(&record, reverting), expected);
    assert_eq!(outcome(&record, endless), Outcome::CheckOutOfGas);
    assert!(outcome(&record, streams).is_performed(), "through its error handler");
    let record = chain.finish_block(&mut keeper);
    assert_eq!(record.not_needed, 3);
    assert_eq!(upkeep(&keeper, reverting).last_outcome, Some(Box::new(expected)));
}

#[test]
fn a_perform_that_would_fail_is_tried_again_until_patience_ends() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let mended = listener(&mut chain, NEXT_BLOCK, 16, 1); // wants value[2] to be zero
    let stuck = listener(&mut chain, NEXT_BLOCK, 16, 10);
    chain.set(2, 1);
    chain.set(11, 1);
    chain.finish_block(&mut keeper);
    chain.shout(7, 1, 1);
    chain.finish_block(&mut keeper);
    let evaluations = keeper.stats().evaluations;
    for _ in 0..3 {
        let record = chain.finish_block(&mut keeper);
        for id in [mended, stuck] {
            let Outcome::SimulationReverted { .. } = outcome(&record, id) else {
                panic!("{record:?}");
            };
            assert_eq!(of(&record, id)[0].log, at(2, 0));
        }
    }
    assert!(keeper.stats().evaluations - evaluations <= 6);
    chain.set(2, 0);
    assert!(outcome(&chain.finish_block(&mut keeper), mended).is_performed());

    let (mut blocks, mut dropped) = (0, None);
    while keeper.stats().logs_waiting > 0 {
        let record = chain.finish_block(&mut keeper);
        if let Outcome::Dropped { reason } = outcome(&record, stuck) {
            dropped = Some((record.block, reason));
        }
        blocks += 1;
        assert!(blocks <= LOG_PATIENCE_BLOCKS, "it waits for ever");
    }
    assert_eq!(dropped, Some((2 + LOG_PATIENCE_BLOCKS + 1, DropReason::TooOld)));
    chain.set(11, 0);
    assert_eq!(outcome(&chain.finish_block(&mut keeper), stuck), Outcome::NotNeeded);
    assert_eq!(chain.count(10), 0);
}

#[test]
fn what_exceeds_the_queue_is_dropped_and_told() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(NEXT_BLOCK, 0, 1, 500_000, 0);
    chain.finish_block(&mut keeper);
    for _ in 0..3 {
        chain.shout(7, 10, MAX_WAITING_LOGS as u64 / 2);
    }
    chain.finish_block(&mut keeper);
    let record = chain.finish_block(&mut keeper);
    let told = of(&record, id);
    // The first that is too much stands for all after it.
    assert_eq!(told.len(), MAX_WAITING_LOGS + 1);
    assert_eq!(told[MAX_WAITING_LOGS].log, at(2, MAX_WAITING_LOGS as u64));
    let (kept, dropped) = told.split_at(MAX_WAITING_LOGS);
    assert!(kept.iter().all(|one| matches!(one.outcome, Outcome::Underfunded { .. })));
    let too_many = Outcome::Dropped { reason: DropReason::TooMany };
    assert!(dropped.iter().all(|one| one.outcome == too_many));
    let record = chain.finish_block(&mut keeper);
    assert_eq!(of(&record, id).len(), MAX_WAITING_LOGS);
}

/// Each perform alone could be paid, but not all of them: none is sent in vain.
#[test]
fn an_upkeep_that_can_pay_for_some_is_performed_for_those() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(NEXT_BLOCK, 0, 1, 500_000, ETHER / 500); // two or three
    chain.finish_block(&mut keeper);
    chain.shout(7, 10, 30);
    chain.finish_block(&mut keeper);
    let (mut performs, mut done) = (0, false);
    for _ in 0..4 {
        let all = chain.rounds(&mut keeper);
        performs += all.len();
        let record = chain.seal(&mut keeper);
        let (performed, waiting): (Vec<_>, Vec<_>) =
            of(&record, id).into_iter().partition(|one| one.outcome.is_performed());
        assert_eq!(performed.len(), all.len(), "every one that was sent was performed");
        let spent = waiting.iter().all(|one| matches!(one.outcome, Outcome::Underfunded { .. }));
        // Before the money is spent, the others wait until it is known what the first ones cost.
        let waits = [DeferReason::RoundLimit, DeferReason::PerformsBefore]
            .map(|reason| Outcome::Deferred { reason, since: 3 });
        assert!(spent || waiting.iter().all(|one| waits.contains(&one.outcome)), "{waiting:?}");
        done = spent;
    }
    assert!(done);
    assert!((2..30).contains(&performs), "{performs}");
    assert_eq!(chain.count(1), performs as u64);
    chain.fund(id, ETHER);
    chain.finish_block(&mut keeper);
    assert_eq!(chain.count(1), 30);
}

#[test]
fn a_paused_upkeep_keeps_what_waits_and_hears_nothing_new() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, NEXT_BLOCK, 0, 1);
    chain.finish_block(&mut keeper);
    chain.shout(7, 10, 1);
    chain.finish_block(&mut keeper);
    chain.admin(Registration::pauseUpkeepCall { id });
    let record = chain.finish_block(&mut keeper);
    let told: Vec<_> = of(&record, id).iter().map(|one| (one.log, &one.outcome)).collect();
    assert_eq!(told, [(None, &Outcome::Paused), (at(2, 0), &Outcome::Paused)]);
    chain.shout(7, 20, 1);
    let record = chain.finish_block(&mut keeper);
    assert_eq!(of(&record, id).len(), 2);
    let mut restarted = chain.restart(config(), &record.encode());
    chain.admin(Registration::unpauseUpkeepCall { id });
    let performs = chain.plan(&mut keeper).performs;
    assert_eq!(performs, chain.plan(&mut restarted).performs);
    chain.round_done();
    let executed = chain.perform(&performs);
    report(&mut restarted, &executed);
    chain.finish_block(&mut restarted);
    assert_eq!(chain.count(1), 1, "what was emitted during the pause is not meant");
}

#[test]
fn a_cancelled_upkeeps_logs_end_with_it() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = listener(&mut chain, NEXT_BLOCK, 0, 1);
    chain.finish_block(&mut keeper);
    chain.shout(7, 10, 2);
    chain.finish_block(&mut keeper);
    chain.admin(Registration::cancelUpkeepCall { id });
    let record = chain.finish_block(&mut keeper);
    let told: Vec<_> = of(&record, id).iter().map(|one| (one.log, &one.outcome)).collect();
    let cancelled = &Outcome::Cancelled;
    assert_eq!(told, [(None, cancelled), (at(2, 0), cancelled), (at(2, 1), cancelled)]);
    assert_eq!((keeper.stats().logs_waiting, keeper.listens()), (0, false));
    let record = chain.finish_block(&mut keeper);
    assert_eq!((record.active, record.decisions.len(), chain.count(1)), (0, 0, 0));
}

/// A perform that emits what its own upkeep waits for is one perform per block, not an endless cascade; within the block
/// the rounds are the limit.
#[test]
fn logs_of_performs_are_heard() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let echo = |same_block| Trigger::Log { of: if same_block { 8 } else { 7 }, same_block };
    listener(&mut chain, echo(false), 26, 7);
    listener(&mut chain, echo(true), 26, 8);
    chain.finish_block(&mut keeper);
    chain.shout(7, 1, 1);
    chain.shout(8, 1, 1);
    chain.finish_block(&mut keeper);
    assert_eq!((chain.count(7), chain.count(8)), (0, u64::from(keeper.max_rounds())));
    for block in 1..4 {
        chain.finish_block(&mut keeper);
        assert_eq!(chain.count(7), block);
        assert_eq!(chain.count(8), (block + 1) * u64::from(keeper.max_rounds()));
    }
}

/// What became due in the last round is told as waiting, not as what it was before.
#[test]
fn the_record_tells_what_the_last_performs_made_due() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    // Each perform makes the next upkeep due: more of them than there are rounds.
    let ids: Vec<_> = (0..6).map(|key| chain.conditional(15, key)).collect();
    chain.finish_block(&mut keeper);
    chain.set(0, 1);
    let record = chain.finish_block(&mut keeper);
    let rounds = keeper.max_rounds() as usize;
    assert!(ids[..rounds].iter().all(|id| outcome(&record, *id).is_performed()));
    let waits = Outcome::Deferred { reason: DeferReason::RoundLimit, since: 2 };
    assert_eq!(outcome(&record, ids[rounds]), waits);
    assert_eq!(outcome(&record, ids[rounds + 1]), Outcome::NotNeeded);
    let record = chain.finish_block(&mut keeper);
    assert!(ids[rounds..].iter().all(|id| outcome(&record, *id).is_performed()));
}

fn replay(executed: &[(PlannedPerform, Option<plasma_storage::Receipt>)], keeper: &mut Keeper) {
    let again = read_back(executed);
    assert_eq!(again, executed);
    report(keeper, &again);
}

/// Killed between a journaled tick and the seal: performs of the tick are not repeated, and the record is the same.
#[test]
fn a_restart_within_a_block_performs_no_log_twice() {
    for trigger in [NEXT_BLOCK, SAME_BLOCK] {
        let mut chain = TestChain::new();
        let mut keeper = chain.load(config());
        listener(&mut chain, trigger, 0, 1);
        let mut record = chain.finish_block(&mut keeper);
        chain.shout(7, 10, 2);
        if let Trigger::Log { same_block: false, .. } = trigger {
            record = chain.finish_block(&mut keeper);
        }
        let performs = chain.plan(&mut keeper).performs;
        assert_eq!(performs.len(), 2);
        let of_tick = chain.logs.clone();
        chain.round_done();
        let executed = chain.perform(&performs);
        report(&mut keeper, &executed);
        chain.rounds(&mut keeper);

        let mut restarted = chain.restart(config(), &record.encode());
        replay(&executed, &mut restarted);
        chain.logs = of_tick.into_iter().chain(chain.block_logs.clone()).collect();
        assert!(chain.plan(&mut restarted).performs.is_empty());
        let sealed = chain.sealed_block();
        let (one, other) = (keeper.on_sealed(&sealed), restarted.on_sealed(&sealed));
        let [one, other] = [one, other].map(|record| BlockDecisions::decode(&record).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.decisions.len(), 2);
        assert!(one.decisions.iter().all(|one| one.outcome.is_performed()));
    }
}

/// A chain that cannot be opened would help nobody: what is not there is given up.
#[test]
fn a_record_may_name_a_log_that_is_not_there() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(NEXT_BLOCK, 0, 1, 500_000, 0);
    chain.finish_block(&mut keeper);
    chain.shout(7, 10, 1);
    chain.finish_block(&mut keeper);
    let record = chain.finish_block(&mut keeper);
    assert!(matches!(outcome(&record, id), Outcome::Underfunded { .. }));
    let head = chain.sealed.last().unwrap();
    for empty in [true, false] {
        let mut restarted = chain.load(config());
        let block = |number| {
            let sealed = plasma_keeper::SealedBlock { number, ..Default::default() };
            Ok::<_, plasma_keeper::KeeperError>(empty.then_some(sealed))
        };
        restarted.restore_queue(&record.encode(), head, block).unwrap();
        assert_eq!(restarted.stats().logs_waiting, 0);
        let rubbish = restarted.restore_queue(&Bytes::from_static(&[7]), head, block);
        assert!(rubbish.is_err());
    }
}

/// Whoever has many logs waiting has no better claim to check gas than whoever has none.
#[test]
fn many_logs_starve_nobody() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(KeeperConfig { check_gas_per_block: 1, ..config() });
    let noisy = chain.register(NEXT_BLOCK, 0, 1, 500_000, 0);
    let condition = chain.conditional(0, 2);
    let beat = chain.register(Trigger::Blocks(1), 0, 3, 500_000, ETHER);
    chain.finish_block(&mut keeper);
    for block in 0..20 {
        chain.shout(7, 10, 40);
        chain.set(2, 1);
        let record = chain.finish_block(&mut keeper);
        assert!(outcome(&record, condition).is_performed(), "{block}: {record:?}");
        assert!(outcome(&record, beat).is_performed(), "{block}: {record:?}");
    }
    assert_eq!(chain.count(1), 0);
    assert!(upkeep(&keeper, noisy).last_outcome.is_some());
}

/// After a restart the keeper begins with the state before the open block, in which upkeeps of that block are not known.
#[test]
fn a_restart_within_the_block_of_a_registration_tells_the_same() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let mut restarted = chain.load(config());
    chain.conditional(18, 1);
    listener(&mut chain, SAME_BLOCK, 0, 2);
    chain.shout(7, 10, 2);
    let performs = chain.plan(&mut keeper).performs;
    assert_eq!(performs.len(), 3);
    chain.round_done();
    let executed = chain.perform(&performs);
    report(&mut keeper, &executed);
    chain.rounds(&mut keeper);

    restarted.learn(&chain.state, &chain.env, &chain.block_logs).unwrap();
    replay(&executed, &mut restarted);
    chain.logs = chain.block_logs.clone();
    assert!(chain.plan(&mut restarted).performs.is_empty());
    let sealed = chain.sealed_block();
    let [one, other] = [keeper.on_sealed(&sealed), restarted.on_sealed(&sealed)]
        .map(|record| BlockDecisions::decode(&record).unwrap());
    assert_eq!(one, other);
    assert_eq!(one.decisions.iter().filter(|one| one.outcome.is_performed()).count(), 3);
}

/// A chain on demand makes a block at once for logs that it can serve, not for those that wait for something else: with an upkeep
/// that is due in every block beside them it would make blocks without end.
#[test]
fn only_logs_that_the_next_block_can_serve_press() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let poor = chain.register(NEXT_BLOCK, 0, 1, 500_000, 0);
    chain.register(Trigger::Blocks(1), 0, 2, 500_000, ETHER);
    chain.finish_block(&mut keeper);
    assert!(!keeper.logs_press());
    chain.shout(7, 10, 100);
    chain.finish_block(&mut keeper);
    assert!(keeper.logs_press(), "nobody has looked at them");
    chain.finish_block(&mut keeper);
    assert_eq!(keeper.stats().logs_waiting, 100);
    assert!(!keeper.logs_press(), "they wait for money");
    chain.fund(poor, ETHER);
    chain.finish_block(&mut keeper);
    assert!(keeper.stats().logs_waiting > 0);
    assert!(keeper.logs_press(), "the rest is performed in the next block");
    chain.finish_block(&mut keeper);
    assert_eq!((keeper.stats().logs_waiting, keeper.logs_press()), (0, false));
}
