//! `plasma-bench keeper`: how the keeper's work grows with what is registered and with what is touched.
//!
//! Many conditional upkeeps are registered, each of which reads a number of its own. In each block some numbers are
//! written, in a way that makes nobody due, and the keeper's round is timed: it has to find the readers and to check them
//! again (`round`). Beside it stands a keeper that checks all upkeeps in every block (`all`), in the same process and on the
//! same state. Both must decide the same.

mod population;

use std::time::{Duration, Instant};

use alloy_primitives::{B256, U256};
use clap::Args;
use eyre::{Result, ensure};
use plasma_chainspec::ChainSpec;
use plasma_evm::{BlockEnv, EvmEnv, SpecId, revm::context::CfgEnv};
use plasma_keeper::{Keeper, KeeperConfig, LaneKeys, RoundInput, SealedBlock};
use plasma_storage::StateChanges;

use crate::{
    machine,
    report::{Report, Row},
    statistics::median,
};
use population::{MemoryState, REGISTRY, TARGET, level_slot, with_upkeeps};

/// Blocks before those that are measured.
const WARM_UP: u64 = 2;
/// Most blocks in which everything is checked: each takes long.
const BLOCKS_OF_ALL: u64 = 3;

/// Limits with two cores: of the check phase in milliseconds and of all that the keeper holds in MiB, by what is registered.
const LIMITS: [(u64, usize, f64, f64); 2] =
    [(100_000, 1_000, 20.0, 1_024.0), (1_000_000, 1_000, 30.0, 1_024.0)];
/// How many times faster than checking everything a round must be where one in a hundred is touched.
const RATIO_LIMIT: f64 = 50.0;

/// Arguments of `plasma-bench keeper`.
#[derive(Debug, Args)]
pub(crate) struct KeeperArgs {
    /// Numbers of registered upkeeps to measure.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    upkeeps: Vec<u64>,
    /// Upkeeps that each block touches [default: one in a hundred, but 1,000 of more than 100,000].
    #[arg(long)]
    touched: Option<usize>,
    /// Blocks to measure; medians are printed.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Threads [default: one per core].
    #[arg(long)]
    threads: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark.
pub(crate) fn run(args: &KeeperArgs) -> Result<()> {
    let threads = args.threads.unwrap_or_else(machine::cores);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let spec = population::spec()?;
    let mut report = Report { machine: machine::description(), rows: Vec::new() };
    for count in &args.upkeeps {
        let most = (*count / 100).clamp(1, 1_000) as usize;
        let touched = args.touched.unwrap_or(most).min(*count as usize);
        report.rows.push(measure(&spec, *count, touched, args.blocks, threads)?);
    }
    report.print(args.json)
}

/// A chain of blocks in which nothing happens but writes to what upkeeps watch.
struct Chain {
    state: MemoryState,
    env: EvmEnv,
    count: u64,
    /// Numbers that were written so far, so that each write differs from the one before.
    writes: u64,
}

impl Chain {
    fn new(spec: &ChainSpec, count: u64) -> Result<Self> {
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
        cfg.chain_id = spec.chain_id();
        let block = BlockEnv {
            number: U256::from(2),
            timestamp: U256::from(1_700_000_000),
            gas_limit: 250_000_000,
            basefee: 1_000_000_000,
            prevrandao: Some(B256::repeat_byte(1)),
            ..BlockEnv::default()
        };
        let env = EvmEnv::new(cfg, block);
        Ok(Self { state: with_upkeeps(spec, count)?, env, count, writes: 0 })
    }

    fn load(&self, spec: &ChainSpec, check_everything: bool) -> Result<Keeper> {
        let config = KeeperConfig::new(REGISTRY, LaneKeys::dev());
        let config = KeeperConfig { check_everything, ..config };
        Ok(Keeper::load(config, spec, &self.state, &self.env)?)
    }

    /// Writes what `touched` upkeeps watch, other ones in each block, spread over all of them.
    fn touch(&mut self, touched: usize) -> StateChanges {
        let step = (self.count / touched.max(1) as u64).max(1);
        let writes: Vec<_> = (0..touched as u64)
            .map(|nth| {
                let upkeep = (nth * step + self.writes % step) % self.count;
                (level_slot(upkeep), U256::from(2 + self.writes % 90))
            })
            .collect();
        self.writes += 1;
        self.state.write(TARGET, &writes)
    }

    /// One round and the end of the block; how long the round took.
    fn block(&self, keeper: &mut Keeper, changes: &StateChanges) -> Result<(Duration, Vec<u8>)> {
        let started = Instant::now();
        let plan = keeper.round(RoundInput {
            state: &self.state,
            env: &self.env,
            time_ms: self.env.block_env.timestamp.to::<u64>() * 1_000,
            new_logs: &[],
            changes: Some(changes),
            gas_left: self.env.block_env.gas_limit,
            first_of_block: true,
            may_perform: true,
        })?;
        let took = started.elapsed();
        ensure!(
            plan.performs.is_empty(),
            "nobody is due, but {} were planned",
            plan.performs.len()
        );
        let number = self.env.block_env.number.to();
        let sealed = SealedBlock { number, ..SealedBlock::default() };
        Ok((took, keeper.on_sealed(&sealed).to_vec()))
    }

    fn next(&mut self) {
        self.env.block_env.number += U256::from(1);
        self.env.block_env.timestamp += U256::from(1);
    }
}

fn measure(
    spec: &ChainSpec,
    count: u64,
    touched: usize,
    blocks: u64,
    threads: usize,
) -> Result<Row> {
    let mut chain = Chain::new(spec, count)?;
    let before = machine::resident_mib()?;
    let started = Instant::now();
    let mut keeper = chain.load(spec, false)?;
    let load = started.elapsed();
    ensure!(
        keeper.stats().active == count,
        "the registry tells of {} upkeeps",
        keeper.stats().active
    );
    let (first, _) = chain.block(&mut keeper, &StateChanges::default())?;
    let indexed = machine::resident_mib()?;
    let mut every = chain.load(spec, true)?;
    chain.block(&mut every, &StateChanges::default())?;

    let (mut rounds, mut all) = (Vec::new(), Vec::new());
    for block in 0..WARM_UP + blocks {
        chain.next();
        let changes = chain.touch(touched);
        let evaluations = keeper.stats().evaluations;
        let (took, record) = chain.block(&mut keeper, &changes)?;
        let evaluated = keeper.stats().evaluations - evaluations;
        ensure!(evaluated == touched as u64, "{evaluated} were checked, {touched} were touched");
        if block < WARM_UP {
            continue;
        }
        rounds.push(took);
        if all.len() < BLOCKS_OF_ALL as usize {
            let (took, other) = chain.block(&mut every, &changes)?;
            ensure!(record == other, "the keeper that checks everything decides otherwise");
            all.push(took);
        }
    }
    let ms = |times: &mut Vec<Duration>| median(times).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let (round, everything) = (ms(&mut rounds), ms(&mut all));
    let ratio = everything / round;
    let mut row = Row::new(format!("keeper-{count}"), threads)
        .figure("touched", touched)
        .figure("round_ms", round)
        .figure("per_check_us", round * 1e3 / touched as f64)
        .figure("all_ms", everything)
        .figure("times_faster", ratio)
        .figure("load_ms", load.as_secs_f64() * 1e3)
        .figure("first_round_ms", first.as_secs_f64() * 1e3)
        .figure("keeper_mib", indexed - before)
        .figure("bytes_per_upkeep", (indexed - before) * 1_048_576.0 / count as f64);
    row.ratio = Some(ratio);
    for (of, with, ms_limit, mib_limit) in LIMITS {
        if (count, touched) == (of, with) {
            row = row
                .figure("round_limit_ms", ms_limit)
                .figure("keeper_limit_mib", mib_limit)
                .figure("times_faster_limit", RATIO_LIMIT);
        }
    }
    Ok(row)
}
