//! Blocks going by, and what was performed in them: the same figures for whoever performs.

use std::time::{Duration, Instant};

use alloy_primitives::{
    Address, U256,
    map::{HashMap, HashSet},
};
use eyre::{Result, ensure};
use serde_json::json;

use super::{
    rpc::{Rpc, quantity},
    target::{Meter, Target},
    upkeeps::{Performed, await_block, performed},
};
use crate::{
    machine,
    report::Row,
    statistics::{quantile, quantile_ms},
};

/// Blocks that go by before those that are counted, beside one interval. The first performs of a contract cost more than
/// the others, and a keeper outside of the node needs two blocks before each upkeep has been performed once.
const WARM_UP: u64 = 3;

/// Some blocks to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub(crate) registry: Address,
    /// Blocks from one perform of an upkeep to the next.
    pub(crate) every: u64,
    pub(crate) blocks: u64,
}

/// How long upkeeps waited that are due every few blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waits {
    /// For each perform, blocks since the first in which it could have been done: an interval after the perform before.
    blocks: Vec<u64>,
    /// Performs of an upkeep that was not due yet.
    early: usize,
}

impl Watch {
    /// Watches blocks go by, tells `on_head` of each new head, then reads from the chain what was performed in them.
    pub(crate) fn run(
        &self,
        target: &Target,
        rpc: &mut Rpc,
        name: String,
        ids: &[U256],
        mut on_head: impl FnMut(u64),
    ) -> Result<Row> {
        let (mut head, _) = await_block(rpc, 0, target.timeout)?;
        let before = head;
        let mut sealed = Instant::now();
        while head < before + WARM_UP + self.every {
            (head, sealed) = await_block(rpc, head, target.timeout)?;
            on_head(head);
        }
        let first = head + 1;
        let last = first + self.blocks - 1;
        let meter = Meter::start(target);
        let mut intervals = Vec::new();
        while head < last {
            let (number, at) = await_block(rpc, head, target.timeout)?;
            on_head(number);
            if number == head + 1 {
                intervals.push(at - sealed);
            }
            (head, sealed) = (number, at);
        }
        // What is read afterwards is no work of a keeper.
        let used = meter.stop(target, Row::new(name, machine::cores()));
        let performs = performed(rpc, self.registry, before, last)?;
        self.row(rpc, used, ids, first, &performs, &mut intervals)
    }

    fn row(
        &self,
        rpc: &mut Rpc,
        used: Row,
        ids: &[U256],
        first: u64,
        performs: &[Performed],
        intervals: &mut [Duration],
    ) -> Result<Row> {
        let mut counts = vec![0_usize; self.blocks as usize];
        let (mut failed, mut gas) = (0, 0);
        let (mut overhead, mut transactions) = (0, HashSet::<(u64, u64)>::default());
        let mut unperformed: HashMap<U256, ()> = ids.iter().map(|id| (*id, ())).collect();
        for perform in performs.iter().filter(|perform| perform.block >= first) {
            counts[(perform.block - first) as usize] += 1;
            failed += usize::from(!perform.success);
            overhead += perform.overhead;
            transactions.insert((perform.block, perform.index));
            unperformed.remove(&perform.id);
        }
        for number in first..first + self.blocks {
            let block = rpc.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false]))?;
            gas += quantity(&block["gasUsed"])?;
        }
        let total: usize = counts.iter().sum();
        ensure!(total > 0, "no upkeep was performed in {} blocks", self.blocks);
        let mut waits = waits(performs, self.every, first);
        let mut row = Row::new(used.name, used.threads)
            .figure("performs_per_block", total as f64 / self.blocks as f64)
            .figure("performs_least", counts.iter().min().copied())
            .figure("performs_failed", failed)
            .figure("performs_per_transaction", total as f64 / transactions.len() as f64)
            .figure("overhead_gas_mean", overhead / total as u64)
            .figure("performs_early", waits.early)
            .figure("upkeeps_never_performed", unperformed.len())
            .figure("blocks_waited_p50", quantile(&mut waits.blocks, 0.5))
            .figure("blocks_waited_p99", quantile(&mut waits.blocks, 0.99))
            .figure("seal_interval_p50_ms", quantile_ms(intervals, 0.5))
            .figure("seal_interval_max_ms", quantile_ms(intervals, 1.0))
            .figure("blocks", self.blocks)
            .figure("gas_per_block", gas / self.blocks);
        let seconds = |of: &str| used.figures.iter().find(|(name, _)| name == of)?.1.as_f64();
        let (node, own) = (seconds("node_cpu_s"), seconds("generator_cpu_s"));
        row.figures.extend(used.figures);
        if let (Some(node), Some(own)) = (node, own) {
            let per_perform = |seconds: f64| seconds * 1e6 / total as f64;
            row = row
                .figure("node_cpu_per_block_ms", node * 1e3 / self.blocks as f64)
                .figure("node_cpu_per_perform_us", per_perform(node))
                // A keeper outside of the node is part of the generator.
                .figure("both_cpu_per_perform_us", per_perform(node + own));
        }
        Ok(row)
    }
}

/// How long each perform from block `first` on had been due; those before it tell since when.
fn waits(performs: &[Performed], every: u64, first: u64) -> Waits {
    let mut waits = Waits::default();
    let mut latest: HashMap<U256, u64> = HashMap::default();
    for perform in performs {
        let before = latest.insert(perform.id, perform.block);
        let Some(before) = before.filter(|_| perform.block >= first) else { continue };
        match perform.block.checked_sub(before + every) {
            Some(blocks) => waits.blocks.push(blocks),
            None => waits.early += 1,
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_count_from_an_interval_after_the_perform_before() {
        let performed = |block, id| Performed {
            block,
            index: 0,
            id: U256::from(id),
            success: true,
            overhead: 0,
        };
        let performs = [
            performed(4, 1),
            performed(5, 1),
            performed(5, 2),
            performed(6, 1),
            performed(8, 1),
            performed(8, 1),
            performed(9, 2),
            performed(9, 3),
        ];
        assert_eq!(waits(&performs, 1, 6), Waits { blocks: vec![0, 1, 3], early: 1 });
        assert_eq!(waits(&performs, 3, 6), Waits { blocks: vec![1], early: 3 });
    }
}
