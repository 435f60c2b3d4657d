//! How long upkeeps wait from when they are found due until their perform is durable: figures alone, on which nothing
//! depends.
//!
//! The keeper knows since which block an upkeep is due. Here stands since which tick, by this machine's clock.

use alloy_primitives::{U256, map::HashMap};
use metrics::histogram;
use plasma_keeper::{Decision, Outcome, PlannedPerform};
use std::time::Instant;

/// What has been waiting since when, and what was performed.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// Upkeeps that wait: the block since which they are due, and the start of the tick that found it.
    waiting: HashMap<U256, (u64, Instant)>,
    /// Performs that are not durable yet.
    fired: Vec<Fired>,
}

/// A perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fired {
    /// Blocks that it waited.
    blocks: u64,
    /// The start of the tick that found it due; `None` where that was before the node was started.
    since: Option<Instant>,
}

impl Latency {
    /// Takes in what a round decided in the tick that began at `tick`.
    pub(crate) fn found(&mut self, decisions: &[Decision], tick: Instant) {
        for decision in decisions {
            if let Outcome::Deferred { since, .. } = decision.outcome {
                self.wait(decision.upkeep, since, tick);
            }
        }
    }

    /// Takes in a perform that was planned in the tick that began at `tick`, and whether it was done.
    pub(crate) fn executed(&mut self, perform: &PlannedPerform, is_performed: bool, tick: Instant) {
        let (id, due) = (perform.upkeep, perform.due_since_block);
        if !is_performed {
            self.wait(id, due, tick);
            return;
        }
        let since = match self.waiting.remove(&id) {
            Some((since, found)) if since == due => Some(found),
            _ => (due == perform.block).then_some(tick),
        };
        self.fired.push(Fired { blocks: perform.block.saturating_sub(due), since });
    }

    fn wait(&mut self, id: U256, since: u64, tick: Instant) {
        let entry = self.waiting.entry(id).or_insert((since, tick));
        if entry.0 != since {
            *entry = (since, tick);
        }
    }

    /// All performs so far are durable.
    pub(crate) fn durable(&mut self) {
        for Fired { blocks, since } in self.fired.drain(..) {
            histogram!("keeper_due_to_performed_blocks").record(blocks as f64);
            if let Some(since) = since {
                histogram!("keeper_due_to_performed_seconds").record(since.elapsed());
            }
        }
    }

    /// A block is durable; `due_since` tells since which block an upkeep waits, if it does.
    pub(crate) fn sealed(&mut self, due_since: impl Fn(U256) -> Option<u64>) {
        self.durable();
        self.waiting.retain(|id, (since, _)| due_since(*id) == Some(*since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::TxEip1559;
    use plasma_keeper::{DeferReason, LaneKeys};
    use std::time::Duration;

    fn perform(upkeep: u64, block: u64, due_since_block: u64) -> PlannedPerform {
        let lanes = LaneKeys::dev();
        PlannedPerform {
            upkeep: U256::from(upkeep),
            block,
            lane: lanes.lanes()[0],
            transaction: lanes.sign(0, TxEip1559::default()),
            gas: 0,
            trigger: Default::default(),
            due_since_block,
        }
    }

    fn deferred(upkeep: u64, block: u64, since: u64) -> Decision {
        let outcome = Outcome::Deferred { reason: DeferReason::GasShare, since };
        Decision { block, upkeep: U256::from(upkeep), log: None, outcome }
    }

    fn ticks() -> [Instant; 3] {
        let first = Instant::now();
        [0, 1, 2].map(|tick| first + Duration::from_secs(tick))
    }

    #[test]
    fn time_counts_from_the_tick_that_found_it_due() {
        let [first, second, third] = ticks();
        let mut latency = Latency::default();
        latency.executed(&perform(1, 5, 5), true, first);
        latency.found(&[deferred(2, 5, 5), deferred(3, 5, 5)], first);
        latency.found(&[deferred(2, 5, 5)], second);
        latency.executed(&perform(2, 5, 5), true, second);
        // It failed in the second tick, and goes on waiting.
        latency.executed(&perform(3, 5, 5), false, second);
        latency.executed(&perform(3, 7, 5), true, third);
        // Due before the node was started: since which block is known, since when is not.
        latency.executed(&perform(4, 7, 2), true, third);
        let fired = |blocks, since| Fired { blocks, since };
        assert_eq!(
            latency.fired,
            [fired(0, Some(first)), fired(0, Some(first)), fired(2, Some(first)), fired(5, None)]
        );
        latency.durable();
        assert!(latency.fired.is_empty() && latency.waiting.is_empty());
    }

    #[test]
    fn who_waits_no_longer_is_forgotten() {
        let [first, second, third] = ticks();
        let mut latency = Latency::default();
        latency.found(&[deferred(1, 5, 5), deferred(2, 5, 5), deferred(3, 5, 5)], first);
        let still = |id: U256| (id == U256::from(1)).then_some(5);
        latency.sealed(still);
        assert_eq!(latency.waiting.len(), 1);
        latency.found(&[deferred(2, 6, 6)], second);
        latency.found(&[deferred(1, 7, 7)], third);
        latency.executed(&perform(2, 7, 6), true, third);
        latency.executed(&perform(1, 7, 7), true, third);
        let since: Vec<_> = latency.fired.iter().map(|fired| fired.since).collect();
        assert_eq!(since, [Some(second), Some(third)]);
    }
}
