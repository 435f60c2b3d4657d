//! `--memory`: whether an executor that lives long keeps what it should let go.

use std::num::NonZeroUsize;

use eyre::{Result, ensure};
use plasma_parallel::{ParallelConfig, ParallelExecutor};

use super::workloads;
use crate::{machine, report::Row};

/// Blocks that are executed, and after how many the first ones count as warming up.
const BLOCKS: usize = 10_000;
const WARM_BLOCKS: usize = 1_000;
/// Transactions of a block: small, and of three sorts with conflicts among them.
const TRANSACTIONS: usize = 100;

/// Executes many small blocks with one executor. Each block has its own accounts, so that whatever
/// the executor learnt of each would add up.
pub(super) fn row(config: ParallelConfig) -> Result<Row> {
    // Such blocks are otherwise over before anything parallel is set up.
    rows_of(ParallelConfig::always_parallel(config.threads), BLOCKS, WARM_BLOCKS)
}

fn rows_of(config: ParallelConfig, blocks: usize, warm: usize) -> Result<Row> {
    let executor = ParallelExecutor::new(config)?;
    let start = machine::resident_mib()?;
    let (mut after_warm, mut executions) = (start, 0.0);
    for block in 0..blocks {
        let workload = workloads::small_block(block, TRANSACTIONS);
        let outcome = executor.execute(&workload.state, &workload.env, &workload.transactions)?;
        for (index, outcome) in outcome.outcomes.iter().enumerate() {
            ensure!(
                outcome.result().is_some_and(|result| result.is_success()),
                "transaction {index} of block {block} failed: {outcome:?}"
            );
        }
        executions += outcome.report.executions_per_transaction() / blocks as f64;
        if block + 1 == warm {
            after_warm = machine::resident_mib()?;
        }
    }
    let end = machine::resident_mib()?;
    let threads: NonZeroUsize = config.threads;
    Ok(Row::new(format!("memory-{blocks}-blocks"), threads.get())
        .figure("transactions_per_block", TRANSACTIONS)
        .figure("executions_per_transaction", executions)
        .figure("resident_start_mib", start)
        .figure(&format!("resident_after_{warm}_mib"), after_warm)
        .figure("resident_end_mib", end)
        .figure("growth_after_warm_up_percent", (end / after_warm - 1.0) * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_blocks_succeed() {
        let config = ParallelConfig::always_parallel(NonZeroUsize::new(2).unwrap());
        let row = rows_of(config, 20, 10).unwrap();
        assert_eq!(row.name, "memory-20-blocks");
    }
}
