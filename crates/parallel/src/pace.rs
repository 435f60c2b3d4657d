//! Whether workers are worth having, as told by the clock.
//!
//! The committer can compare: what it executes itself takes so long per gas, and everything together,
//! with what it takes over, waits for and pays for sharing, takes so long. Nothing but the choice of
//! who executes depends on it.

use std::time::{Duration, Instant};

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
/// Intervals that have to be seen before workers are given up.
const INTERVALS_SEEN: u32 = 8;
/// How much longer together must take than alone, in percent: transactions differ.
const MARGIN_PERCENT: f64 = 105.0;
/// Work to be handed out at a time.
const CHUNK_TIME: Duration = Duration::from_micros(30);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    commits: u32,
    gas: u64,
    executions: u32,
    /// What the measured executions would have taken alone.
    own_time: Duration,
    own_gas: u64,
    /// Time and gas of the last intervals, the latest counting most.
    together_time: Duration,
    together_gas: u64,
    intervals: u32,
    /// Whether a worker's execution has been taken over yet.
    helped: bool,
}

impl Pace {
    pub(crate) fn start() -> Self {
        Self {
            since: Instant::now(),
            commits: 0,
            gas: 0,
            executions: 0,
            own_time: Duration::ZERO,
            own_gas: 0,
            together_time: Duration::ZERO,
            together_gas: 0,
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
            let percent = if gas == PAYMENT_GAS { ALONE_PERCENT_PAYMENT } else { ALONE_PERCENT };
            self.own_time += begun.elapsed() * percent / 100;
            self.own_gas += gas;
        }
    }

    /// Tells that a worker's execution was taken over.
    pub(crate) fn helped(&mut self) {
        self.helped = true;
    }

    /// Counts a commit; true at the end of an interval.
    pub(crate) fn commit(&mut self, gas: u64) -> bool {
        self.commits += 1;
        self.gas += gas;
        self.commits == INTERVAL
    }

    /// Ends an interval in which `hands` threads worked: how many transactions to hand out at a time,
    /// and how long it took.
    pub(crate) fn turn(&mut self, hands: u32) -> (u32, Duration) {
        let now = Instant::now();
        let took = now - self.since;
        // Workers who have just been called may still be on their way.
        if self.helped {
            self.intervals += 1;
            self.together_time = self.together_time * 3 / 4 + took;
            self.together_gas = self.together_gas * 3 / 4 + self.gas;
            self.own_time = self.own_time * 3 / 4;
            self.own_gas = self.own_gas * 3 / 4;
        }
        let each = (took * hands / INTERVAL).max(Duration::from_nanos(1));
        (self.since, self.commits, self.gas) = (now, 0, 0);
        let chunk = CHUNK_TIME.as_nanos() / each.as_nanos();
        (u32::try_from(chunk).map_or(CHUNK_MOST, |chunk| chunk.clamp(1, CHUNK_MOST)), took)
    }

    /// Whether workers have been of no use for some time.
    pub(crate) fn is_slow(&self) -> bool {
        // Time per gas, both multiplied by the gas of the other.
        let together = self.together_time.as_secs_f64() * self.own_gas as f64;
        let alone = self.own_time.as_secs_f64() * self.together_gas as f64;
        self.intervals >= INTERVALS_SEEN && together * 100.0 > alone * MARGIN_PERCENT
    }
}
