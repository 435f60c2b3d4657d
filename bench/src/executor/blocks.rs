//! Rows of a folder of real blocks: each block, their sums and the worst of them.

use std::{cmp::Ordering, path::Path};

use eyre::{Result, eyre};
use plasma_parallel::ParallelExecutor;
use revm::primitives::hardfork::SpecId;

use super::{
    mainnet,
    measure::{self, Times},
};
use crate::report::Row;

/// Gas of a block that counts as a large one.
const LARGE_GAS: u64 = 4_000_000;

/// The sum of some blocks.
#[derive(Default)]
struct Sum {
    blocks: usize,
    transactions: usize,
    gas: u64,
    sequential: Times,
    parallel: Times,
}

impl Sum {
    fn row(&self, name: &str, threads: usize) -> Row {
        let row = Row::new(name, threads)
            .figure("blocks", self.blocks)
            .figure("transactions", self.transactions)
            .figure("gas_mgas", self.gas as f64 / 1e6);
        measure::times(row, self.sequential, self.parallel)
    }
}

/// Sums of all blocks and of the large ones since the Merge, the worst block, and each block.
pub(super) fn rows(
    executors: &[ParallelExecutor],
    folder: &Path,
    rounds: u32,
    selects: impl Fn(&str) -> bool,
) -> Result<Vec<Row>> {
    let mut measured_blocks = Vec::new();
    for workload in mainnet::load(folder)? {
        if !workload.transactions.is_empty() && selects(&workload.name) {
            let measured = measure::measure(executors, &workload, rounds)?;
            measured_blocks.push((workload, measured));
        }
    }
    eprintln!("{} blocks: done", measured_blocks.len());
    let mut rows = Vec::new();
    for (place, executor) in executors.iter().enumerate() {
        let threads = executor.config().threads.get();
        let (mut all, mut large) = (Sum::default(), Sum::default());
        let mut each = Vec::new();
        for (workload, measured) in &measured_blocks {
            let since_merge = workload.env.cfg_env.spec >= SpecId::MERGE;
            let counts = [true, since_merge && measured.gas >= LARGE_GAS];
            for (sum, counts) in [&mut all, &mut large].into_iter().zip(counts) {
                if counts {
                    sum.blocks += 1;
                    sum.transactions += workload.transactions.len();
                    sum.gas += measured.gas;
                    sum.sequential += measured.sequential;
                    sum.parallel += measured.parallel[place].times;
                }
            }
            each.extend(measure::rows(workload, measured).into_iter().nth(place));
        }
        let worst = each
            .iter()
            .min_by(|a, b| worse(a, b))
            .ok_or_else(|| eyre!("{} holds no such blocks with transactions", folder.display()))?;
        let was = worst.name.clone();
        rows.push(all.row("mainnet-mean", threads));
        rows.push(Row { name: "mainnet-worst".to_owned(), ..worst.clone() }.figure("note", was));
        if large.blocks > 0 {
            rows.push(large.row("mainnet-merge-4mgas", threads));
        }
        rows.extend(each);
    }
    Ok(rows)
}

fn worse(a: &Row, b: &Row) -> Ordering {
    let ratio = |row: &Row| row.ratio.unwrap_or(f64::INFINITY);
    ratio(a).total_cmp(&ratio(b))
}
