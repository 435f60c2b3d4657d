//! `plasma-bench executor`: the parallel executor against sequential execution, in one process.
//!
//! State lies in memory. What is timed is the execution of a batch and nothing else: no sender
//! recovery, no receipts, no roots, no disk. Both sides execute the same batch in turns, and their
//! outcomes must be equal.

mod blocks;
mod builder;
mod handover;
mod mainnet;
mod measure;
mod memory;
mod path;
mod uniswap;
mod upkeep;
mod verification;
mod workloads;

use std::{num::NonZeroUsize, path::PathBuf};

use alloy_evm::EvmEnv;
use clap::Args;
use eyre::{Result, ensure};
use plasma_parallel::{ParallelConfig, ParallelExecutor};
use revm::{context::TxEnv, database::InMemoryDB};

use self::uniswap::Uniswap;
use crate::{
    machine,
    report::{Report, Row},
};

/// Arguments of `plasma-bench executor`.
#[derive(Debug, Args)]
pub(crate) struct ExecutorArgs {
    /// Threads of the parallel executor, separated by commas: rows for each [default: one per core].
    #[arg(long, value_delimiter = ',')]
    threads: Vec<NonZeroUsize>,
    /// Folder of block snapshots: `<number>/{block,txs,pre_state}.json` and `codes.json`.
    #[arg(long)]
    blocks: Option<PathBuf>,
    /// Leave the generated workloads out.
    #[arg(long, requires = "blocks")]
    only_blocks: bool,
    /// Only workloads and blocks whose names contain this.
    #[arg(long)]
    only: Option<String>,
    /// Take the parallel path with a single thread and for short batches, too: shows what it costs.
    #[arg(long)]
    always_parallel: bool,
    /// Rounds of each workload; medians and minima are printed.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of each block of a folder, which are shorter.
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(1..))]
    block_rounds: u32,
    /// Size of the generated workloads; 1 is about 1 Ggas each.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Folder of the package @uniswap/v3-core [default: where "npm ci" in bench/ puts it].
    #[arg(long)]
    uniswap: Option<PathBuf>,
    /// Verify the generated workloads by their block access lists (EIP-7928) under Amsterdam instead.
    #[arg(long, conflicts_with_all = ["blocks", "memory"])]
    verify: bool,
    /// Execute 10,000 small blocks with one executor and print how its memory grows; nothing else.
    #[arg(long, conflicts_with_all = ["blocks", "only"])]
    memory: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ExecutorArgs {
    fn selects(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    fn configs(&self) -> Vec<ParallelConfig> {
        let cores = NonZeroUsize::new(machine::cores()).unwrap_or(NonZeroUsize::MIN);
        let threads = if self.threads.is_empty() { &[cores][..] } else { &self.threads };
        let config = if self.always_parallel {
            ParallelConfig::always_parallel
        } else {
            ParallelConfig::new
        };
        threads.iter().copied().map(config).collect()
    }
}

/// A batch with everything that executing it needs.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) state: InMemoryDB,
    pub(crate) env: EvmEnv,
    pub(crate) transactions: Vec<TxEnv>,
    /// Whether every transaction must be valid and succeed, as the generated ones do.
    pub(crate) all_succeed: bool,
}

/// Runs the benchmark.
pub(crate) fn run(args: &ExecutorArgs) -> Result<()> {
    ensure!(args.scale > 0.0, "--scale must be above 0");
    let configs = args.configs();
    let machine = machine::description() + &handover::description();
    let mut report = Report { machine, rows: Vec::new() };
    if args.memory {
        for config in configs {
            report.rows.push(memory::row(config)?);
        }
        return report.print(args.json);
    }
    let executors =
        configs.into_iter().map(ParallelExecutor::new).collect::<Result<Vec<_>, _>>()?;
    if !args.only_blocks {
        report.rows.extend(generated(&executors, args)?);
    }
    if let Some(folder) = &args.blocks {
        let selects = |name: &str| args.selects(name);
        report.rows.extend(blocks::rows(&executors, folder, args.block_rounds, selects)?);
    }
    // Rows of one number of threads stand together.
    let place =
        |row: &Row| executors.iter().position(|one| one.config().threads.get() == row.threads);
    report.rows.sort_by_key(place);
    if args.json {
        return report.print(true);
    }
    print!("{}\n\n{}", report.machine, report.wide_table());
    Ok(())
}

/// The generated workloads; those whose contracts lack have a row that says so.
fn generated(executors: &[ParallelExecutor], args: &ExecutorArgs) -> Result<Vec<Row>> {
    let chosen = || workloads::ALL.iter().filter(|generator| args.selects(generator.name));
    let package = args.uniswap.clone().unwrap_or_else(uniswap::default_package);
    let uniswap = if chosen().any(|generator| generator.needs_uniswap()) {
        Uniswap::load(&package)?
    } else {
        None
    };
    let mut rows = Vec::new();
    for generator in chosen() {
        if generator.needs_uniswap() && uniswap.is_none() {
            let reason = "skipped: run \"npm ci\" in bench/";
            eprintln!("{}: {reason}; {} is missing", generator.name, package.display());
            for executor in executors {
                let row = Row::new(generator.name, executor.config().threads.get());
                rows.push(row.figure("note", reason));
            }
            continue;
        }
        let workload = generator.generate(args.scale, uniswap.as_ref())?;
        if args.verify {
            rows.extend(verification::rows(executors, workload, args.rounds)?);
        } else {
            let measured = measure::measure(executors, &workload, args.rounds)?;
            rows.extend(measure::rows(&workload, &measured));
        }
        eprintln!("{}: done", generator.name);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{measure::Measured, *};

    const SCALE: f64 = 0.004;

    fn always_parallel() -> [ParallelExecutor; 1] {
        let config = ParallelConfig::always_parallel(NonZeroUsize::new(2).unwrap());
        [ParallelExecutor::new(config).unwrap()]
    }

    /// Uniswap's contracts, where they are installed.
    fn uniswap() -> Option<Uniswap> {
        let uniswap = Uniswap::load(&uniswap::default_package()).unwrap();
        if uniswap.is_none() {
            eprintln!("@uniswap/v3-core is not installed: its workloads are not tested");
        }
        uniswap
    }

    /// Compares both executors and demands success; `None` for what cannot be generated here.
    fn measured(name: &str, uniswap: Option<&Uniswap>) -> Option<(Workload, Measured)> {
        let generator = workloads::ALL.iter().find(|generator| generator.name == name).unwrap();
        if generator.needs_uniswap() && uniswap.is_none() {
            return None;
        }
        let workload = generator.generate(SCALE, uniswap).unwrap();
        let measured = measure::measure(&always_parallel(), &workload, 1).unwrap();
        Some((workload, measured))
    }

    #[test]
    fn workloads_are_what_they_say() {
        let uniswap = uniswap();
        let mut names = std::collections::BTreeSet::new();
        for generator in &workloads::ALL {
            assert!(names.insert(generator.name));
            let Some((workload, measured)) = measured(generator.name, uniswap.as_ref()) else {
                continue;
            };
            assert_eq!(workload.name, generator.name);
            let count = workload.transactions.len();
            assert!(count >= 10, "{}", workload.name);
            assert!(measured.gas >= 21_000 * count as u64);
            // All weigh the same, so that paths count transactions.
            let weights = vec![Duration::from_millis(1); count];
            let limit = path::work_over_path(&workload, &weights).unwrap();
            let count = count as f64;
            match generator.name {
                name if name.starts_with("independent-") => {
                    assert_eq!((limit.as_executed, limit.additive), (count, count), "{name}");
                }
                "hot-raw" | "chain-raw" => {
                    assert_eq!((limit.as_executed, limit.additive), (1.0, count));
                }
                name if name.starts_with("hot-") || name.starts_with("chain-") => {
                    assert_eq!((limit.as_executed, limit.additive), (1.0, 1.0), "{name}");
                }
                name => {
                    assert!(limit.as_executed > 1.0, "{name}: {limit:?}");
                    assert!(limit.additive < count, "{name}: {limit:?}");
                }
            }
        }
    }

    #[test]
    fn workloads_can_be_verified_by_their_lists() {
        let uniswap = uniswap();
        for generator in &workloads::ALL {
            if generator.needs_uniswap() && uniswap.is_none() {
                continue;
            }
            let workload = generator.generate(SCALE, uniswap.as_ref()).unwrap();
            let rows = verification::rows(&always_parallel(), workload, 1).unwrap();
            assert_eq!(rows[0].name, format!("verify-{}", generator.name));
        }
    }

    #[test]
    fn a_uniswap_swap_costs_what_it_should() {
        let uniswap = uniswap();
        let each = |name| {
            let (workload, measured) = measured(name, uniswap.as_ref())?;
            let each = measured.gas / workload.transactions.len() as u64;
            println!("{name}: {each} gas per swap");
            Some(each)
        };
        let (Some(first), Some(later)) = (each("independent-uniswap"), each("hot-uniswap")) else {
            return;
        };
        // 1 Ggas in 6,413 swaps, give or take 15%.
        assert!((132_500..179_400).contains(&first), "{first}");
        // Later swaps of a pool and a block find the fees' slot in use and the observation made.
        assert!((100_000..first - 20_000).contains(&later), "{later}");
    }

    #[test]
    fn performs_do_work_of_their_own() {
        let (workload, measured) = measured("upkeep", None).unwrap();
        let each = measured.gas / workload.transactions.len() as u64;
        println!("upkeep: {each} gas per perform");
        assert!((41_000..61_000).contains(&each), "{each}");
    }
}
