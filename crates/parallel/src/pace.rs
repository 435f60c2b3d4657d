//! Whether workers are worth having, as told by the clock.
//!
//! The committer can compare: what it executes itself takes so long per gas, and everything together,
//! with what it takes over, waits for and pays for sharing, takes so long. Nothing but the choice of
//! who executes depends on it.

use std::time::{Duration, Instant};

use revm::context::TxEnv;

use crate::scheduler::CHUNK_MOST;

/// Commits between two looks at the clock.
pub(crate) const INTERVAL: u32 = 64;
/// One in so many executions by the committer is measured.
const SAMPLE: u32 = 2;
/// Executing alone takes about this share of executing with recording and publishing: in percent, of
/// a plain payment and of all else.
const ALONE_PERCENT_PAYMENT: u32 = 70;
const ALONE_PERCENT: u32 = 85;
/// Gas of a plain payment.
const PAYMENT_GAS: u64 = 21_000;
/// A payment takes about this part of the time that its gas would take elsewhere.
const PAYMENT_WORK_PART: u64 = 3;
/// Intervals that have to be seen before workers are given up, and where together takes longer than
/// alone by this part at least.
const INTERVALS_SEEN: u32 = 8;
const INTERVALS_SEEN_IF_MUCH: u32 = 3;
const MUCH: f64 = 0.5;
/// How much longer together must take than alone, as a part of it: transactions differ.
const MARGIN: f64 = 0.05;
/// An interval counts as this many times what it would take alone at most: the system takes the
/// processor away now and then, which says nothing of workers.
const MOST_TIMES_ALONE: u32 = 2;
/// What going on alone costs for each transaction since the stretch began, as a part of
/// executing one: everything that was written has to be moved.
const LEAVING: f64 = 0.5;
/// Work to be handed out at a time.
const CHUNK_TIME: Duration = Duration::from_micros(30);

/// Workers are called for this much work, for they take a moment to wake up.
const WORTH_A_CALL: Duration = Duration::from_micros(600);
/// No batch begins alone for longer than this because of the one before: transactions differ, and a few
/// at the beginning may be most of a block's work.
const MOST_ALONE: Duration = Duration::from_millis(1);
/// How much is to be seen of a stretch before its work is guessed.
const FIRST_LOOK: Duration = Duration::from_micros(40);

/// Transactions that are looked at for their senders.
const SENDERS_SEEN: usize = 64;
/// Where nearly all transactions are of one sender, as many go by before that is looked at again.
const ONE_SENDER_STRETCH: usize = 32;

/// A stretch that the committer goes alone, and when to call workers again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    from: usize,
    /// Up to here nobody is called.
    until: usize,
    /// Transactions of the batch.
    total: usize,
    begun: Instant,
}

impl Stretch {
    /// A stretch of `least` transactions from `from` on, in a batch of `total`.
    pub(crate) fn begin(from: usize, least: u32, total: usize) -> Self {
        let until = from.saturating_add(least as usize);
        Self { from, until, total, begun: Instant::now() }
    }

    /// Whether `index` still belongs to what is gone alone in any case.
    pub(crate) fn holds(&self, index: usize) -> bool {
        index < self.until
    }

    /// Whether to call workers at transaction `index` of `transactions`, all before it being done.
    pub(crate) fn calls_at(&mut self, index: usize, transactions: &[TxEnv]) -> bool {
        let done = index - self.from;
        // The clock is no use for every payment.
        if !(done.is_power_of_two() || done.is_multiple_of(8)) || done == 0 {
            return false;
        }
        let took = self.begun.elapsed();
        if self.holds(index) {
            if took < MOST_ALONE {
                return false;
            }
            self.until = index;
        }
        if took < FIRST_LOOK || !is_worth_a_call(self.total - index, done, took) {
            return false;
        }
        if has_one_sender(&transactions[index..]) {
            self.until = index + ONE_SENDER_STRETCH;
            return false;
        }
        true
    }
}

/// Whether three in four of the next transactions have the same sender: each of them waits for the
/// one before, since nonces count on.
fn has_one_sender(transactions: &[TxEnv]) -> bool {
    let sample = &transactions[..transactions.len().min(SENDERS_SEEN)];
    // Whoever has the majority is left over when different ones cancel each other out.
    let (mut candidate, mut lead) = (None, 0usize);
    for transaction in sample {
        if candidate == Some(transaction.caller) {
            lead += 1;
        } else if lead == 0 {
            (candidate, lead) = (Some(transaction.caller), 1);
        } else {
            lead -= 1;
        }
    }
    let of_candidate = sample.iter().filter(|it| Some(it.caller) == candidate).count();
    of_candidate * 4 >= sample.len() * 3
}

/// Whether so much work is `left` that workers are worth their waking up, where `done` transactions
/// took `took`.
pub(crate) fn is_worth_a_call(left: usize, done: usize, took: Duration) -> bool {
    took.as_nanos() * left as u128 >= WORTH_A_CALL.as_nanos() * done as u128
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    commits: u32,
    work: u64,
    executions: u32,
    /// What the measured executions would have taken alone, and their work.
    own_time: Duration,
    own_work: u64,
    /// Time and work of the last intervals, the latest counting most.
    together_time: Duration,
    together_work: u64,
    intervals: u32,
    /// Whether a worker's execution has been taken over yet.
    helped: bool,
}

/// How much work a transaction is that used so much gas, in gas of calls.
fn work(gas: u64) -> u64 {
    if gas == PAYMENT_GAS { gas / PAYMENT_WORK_PART } else { gas }
}

impl Pace {
    pub(crate) fn start() -> Self {
        Self {
            since: Instant::now(),
            commits: 0,
            work: 0,
            executions: 0,
            own_time: Duration::ZERO,
            own_work: 0,
            together_time: Duration::ZERO,
            together_work: 0,
            intervals: 0,
            helped: false,
        }
    }

    /// Begins to measure an execution by the committer, if this one is to be measured.
    pub(crate) fn begin(&mut self) -> Option<Instant> {
        self.executions += 1;
        self.executions.is_multiple_of(SAMPLE).then(Instant::now)
    }

    /// Ends what [`Self::begin`] began; `gas` was used.
    pub(crate) fn end(&mut self, begun: Option<Instant>, gas: u64) {
        if let Some(begun) = begun {
            self.executed(begun.elapsed(), gas);
        }
    }

    fn executed(&mut self, took: Duration, gas: u64) {
        let percent = if gas == PAYMENT_GAS { ALONE_PERCENT_PAYMENT } else { ALONE_PERCENT };
        self.own_time += took * percent / 100;
        self.own_work += work(gas);
    }

    /// Tells that a worker's execution was taken over.
    pub(crate) fn helped(&mut self) {
        self.helped = true;
    }

    /// Counts a commit; true at the end of an interval.
    pub(crate) fn commit(&mut self, gas: u64) -> bool {
        self.commits += 1;
        self.work += work(gas);
        self.commits == INTERVAL
    }

    /// Ends an interval in which `hands` threads worked: how many transactions to hand out at a time,
    /// and how long it took.
    pub(crate) fn turn(&mut self, hands: u32) -> (u32, Duration) {
        let now = Instant::now();
        let took = now - self.since;
        self.since = now;
        (self.ended(took, hands), took)
    }

    fn ended(&mut self, took: Duration, hands: u32) -> u32 {
        // Workers who have just been called may still be on their way.
        if self.helped {
            self.intervals += 1;
            let alone = self.own_time.as_nanos() as f64 * self.work as f64;
            let most = match self.own_work {
                0 => took,
                own_work => Duration::from_nanos((alone / own_work as f64) as u64)
                    .saturating_mul(MOST_TIMES_ALONE),
            };
            self.together_time = self.together_time * 7 / 8 + took.min(most);
            self.together_work = self.together_work * 7 / 8 + self.work;
            self.own_time = self.own_time * 7 / 8;
            self.own_work = self.own_work * 7 / 8;
        }
        let each = (took * hands / INTERVAL).max(Duration::from_nanos(1));
        (self.commits, self.work) = (0, 0);
        let chunk = CHUNK_TIME.as_nanos() / each.as_nanos();
        u32::try_from(chunk).map_or(CHUNK_MOST, |chunk| chunk.clamp(1, CHUNK_MOST))
    }

    /// How much longer it takes together than alone, as a part of it; 0 where workers are of use or nothing is
    /// known yet.
    fn excess(&self) -> f64 {
        // Time per work, both multiplied by the work of the other.
        let together = self.together_time.as_secs_f64() * self.own_work as f64;
        let alone = self.own_time.as_secs_f64() * self.together_work as f64;
        let margin = match self.intervals {
            0..INTERVALS_SEEN_IF_MUCH => return 0.0,
            INTERVALS_SEEN_IF_MUCH..INTERVALS_SEEN => MUCH,
            _ => MARGIN,
        };
        if together <= alone * (1.0 + margin) {
            return 0.0;
        }
        together / alone - 1.0
    }

    /// Whether workers have been of no use for some time.
    pub(crate) fn is_slow(&self) -> bool {
        self.excess() > 0.0
    }

    /// Whether to go on alone pays, `done` transactions after the stretch began and with `left` to come.
    pub(crate) fn pays_to_leave(&self, done: u32, left: u32) -> bool {
        self.excess() * f64::from(left) > LEAVING * f64::from(done)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn sent_by(senders: impl IntoIterator<Item = u8>) -> Vec<TxEnv> {
        let sent = |sender| TxEnv { caller: Address::with_last_byte(sender), ..TxEnv::default() };
        senders.into_iter().map(sent).collect()
    }

    /// What a pace says after intervals of calls in each of which everything took so many times as long
    /// as alone.
    fn after(intervals: &[f64]) -> Pace {
        let (gas, each) = (50_000, Duration::from_micros(10));
        let mut pace = Pace::start();
        pace.helped();
        for times_alone in intervals {
            for number in 1..=INTERVAL {
                // Half of them by the committer, who takes longer for recording.
                if number % 2 == 0 {
                    pace.executed(each * 100 / ALONE_PERCENT, gas);
                }
                assert_eq!(pace.commit(gas), number == INTERVAL);
            }
            pace.ended((each * INTERVAL).mul_f64(*times_alone), 2);
        }
        pace
    }

    #[test]
    fn workers_stay_where_they_are_of_use() {
        assert!(!after(&[0.6; 100]).is_slow());
        assert!(!after(&[1.02; 100]).is_slow());
        // One interruption, however long.
        for at in 0..20 {
            let mut intervals = [0.7; 20];
            intervals[at] = 1_000.0;
            for seen in 1..=20 {
                assert!(
                    !after(&intervals[..seen]).is_slow(),
                    "{seen} intervals, interrupted at {at}"
                );
            }
        }
    }

    #[test]
    fn workers_go_where_they_are_of_none() {
        assert!(!after(&[1.3; 7]).is_slow(), "too early to tell");
        assert!(after(&[1.3; 8]).is_slow());
        assert!(!after(&[1.9; 2]).is_slow(), "too early to tell");
        assert!(after(&[1.9; 3]).is_slow());
        let mut worse = [0.7; 40];
        worse[20..].fill(1.5);
        assert!(after(&worse).is_slow());
        assert!(!after(&[]).is_slow());
    }

    #[test]
    fn leaving_has_to_pay() {
        let pace = after(&[1.2; 30]);
        assert!(pace.pays_to_leave(1_920, 10_000));
        assert!(!pace.pays_to_leave(10_000, 1_920));
        assert!(!after(&[0.9; 30]).pays_to_leave(1, 1_000_000));
    }

    #[test]
    fn payments_weigh_less_than_calls() {
        assert_eq!(work(PAYMENT_GAS), 7_000);
        assert_eq!(work(PAYMENT_GAS + 1), PAYMENT_GAS + 1);
    }

    #[test]
    fn one_sender_is_told_from_several() {
        assert!(has_one_sender(&sent_by([1; 300])));
        assert!(has_one_sender(&sent_by((0..64).map(|n| if n % 4 == 3 { n } else { 200 }))));
        assert!(!has_one_sender(&sent_by((0..64).map(|n| if n % 3 == 2 { n } else { 200 }))));
        assert!(!has_one_sender(&sent_by((0..64).map(|n| n % 2))));
        assert!(!has_one_sender(&sent_by(0..64)));
        // Only the next ones count.
        assert!(has_one_sender(&sent_by((0..200).map(|n| if n < 64 { 7 } else { n }))));
    }
}
