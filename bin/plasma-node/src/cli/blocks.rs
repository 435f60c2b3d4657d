//! `init`, `replay`: commands on a data directory that no node is using.

use super::node::Executor;
use clap::Args;
use eyre::{Context as _, Result, bail};
use plasma_chain::{Chain, ChainConfig};
use plasma_node::{DataDir, open_chain};
use plasma_storage::DatabaseOptions;
use plasma_txpool::PoolConfig;
use std::{io::Write, path::PathBuf, time::Instant};

/// Arguments of `plasma-node init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where the database shall lie.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// Genesis file in geth's format.
    genesis: PathBuf,
}

/// Arguments of `plasma-node replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// First block.
    #[arg(long)]
    from: u64,
    /// Last block.
    #[arg(long)]
    to: u64,
    /// Which executor runs the blocks.
    #[arg(long, default_value = "parallel")]
    executor: Executor,
    /// Worker threads of the parallel executor [default: one per core].
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
    /// Print one JSON line per block.
    #[arg(long)]
    json: bool,
}

/// Makes a data directory.
pub(crate) fn init(args: &InitArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.genesis)
        .with_context(|| format!("cannot read {}", args.genesis.display()))?;
    let datadir = DataDir::new(&args.datadir);
    let spec = datadir.chain_spec(Some(&text))?;
    let hash = spec.genesis_hash();
    let chain = offline(&datadir, ChainConfig::default(), Some(&text))?;
    chain.stop()?;
    println!("{} holds chain {} with genesis {hash}", args.datadir.display(), spec.chain_id());
    Ok(())
}

/// Opens the chain of a directory for work without a node.
pub(crate) fn offline(
    datadir: &DataDir,
    config: ChainConfig,
    genesis: Option<&str>,
) -> Result<Chain> {
    let spec = datadir.chain_spec(genesis)?;
    // Everything from the start may be asked for, so nothing is pruned here.
    Ok(open_chain(datadir, spec, config, PoolConfig::default(), None, DatabaseOptions::default())?)
}

/// Executes stored blocks again.
pub(crate) fn replay(args: &ReplayArgs) -> Result<()> {
    let defaults = ChainConfig::default();
    let config = ChainConfig { threads: args.threads.unwrap_or(defaults.threads), ..defaults };
    let chain = offline(&DataDir::new(&args.datadir), config, None)?;
    let started = Instant::now();
    let (mut blocks, mut transactions, mut gas, mut incarnations) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut different = 0_u64;
    let mut out = std::io::stdout().lock();
    let mut broken_pipe = None;
    chain.replay(args.from, args.to, args.executor.into(), |block| {
        blocks += 1;
        transactions += block.transactions as u64;
        gas += block.gas_used;
        incarnations += block.conflicts.incarnations.iter().map(|&n| u64::from(n)).sum::<u64>();
        different += u64::from(!block.differences.is_empty());
        let written = if args.json {
            let differences: Vec<_> =
                block.differences.iter().map(|d| [&d.what, &d.stored, &d.found]).collect();
            writeln!(
                out,
                "{}",
                serde_json::json!({
                    "block": block.number,
                    "transactions": block.transactions,
                    "gasUsed": block.gas_used,
                    "conflicts": block.conflicts.conflicts.len(),
                    "differences": differences,
                })
            )
        } else {
            block.differences.iter().try_for_each(|difference| {
                writeln!(
                    out,
                    "block {}: {} is {}, now {}",
                    block.number, difference.what, difference.stored, difference.found
                )
            })
        };
        if let Err(error) = written {
            broken_pipe.get_or_insert(error);
        }
    })?;
    chain.stop()?;
    eprintln!(
        "{blocks} blocks, {transactions} transactions, {gas} gas in {:.2} s; {incarnations} executions; {different} blocks differ",
        started.elapsed().as_secs_f64()
    );
    if different > 0 {
        bail!("{different} blocks differ from what is stored");
    }
    Ok(())
}
