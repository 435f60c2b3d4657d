//! `import`: files of blocks into a data directory that no node is using.
//!
//! One thread reads, decodes and recovers senders; the caller's executes and stores. What lies
//! between them is bounded, and so is what waits for a commit.

use super::{blocks::offline, chain_file::ChainFile, node::Executor};
use clap::Args;
use eyre::{Context as _, Result, bail, eyre};
use plasma_chain::{Chain, ChainConfig, ExecutorKind, Imported, PreparedBlock};
use plasma_node::{DataDir, init_logging};
use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, Instant},
};

/// How often import tells how far it is.
const PROGRESS_PERIOD: Duration = Duration::from_secs(5);

/// Blocks of one commit at most.
const BATCH_BLOCKS: usize = 64;

/// Transactions of one commit at most, but always one block.
const BATCH_TRANSACTIONS: usize = 20_000;

/// On so many cores recovering senders leaves nothing for a second worker of the executor.
const FEW_CORES: usize = 4;

/// Batches that may wait between the reader and the executor.
const WAITING_BATCHES: usize = 2;

/// Arguments of `plasma-node import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// Which executor runs the blocks [default: sequential up to 4 cores, which recovering senders
    /// keeps busy; parallel above].
    #[arg(long)]
    executor: Option<Executor>,
    /// Files of RLP-encoded blocks. Blocks that are here already are passed over, so that an import
    /// goes on where it stopped. A rejected block ends its file; the exit status tells.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What the reader hands over: the blocks of one commit.
#[derive(Default)]
struct Batch {
    blocks: Vec<PreparedBlock>,
    transactions: usize,
    /// Blocks that were passed over because they are here already.
    known: u64,
    /// Bytes of the file up to the last block's end.
    offset: u64,
}

/// Imports files of blocks.
pub(crate) fn import(args: &ImportArgs) -> Result<()> {
    init_logging("warn", plasma_node::LogFormat::Text).map_err(|error| eyre!(error))?;
    let defaults = ChainConfig::default();
    let executor = match args.executor {
        Some(executor) => executor.into(),
        None if defaults.threads.get() <= FEW_CORES => ExecutorKind::Sequential,
        None => ExecutorKind::Parallel,
    };
    let config = ChainConfig { executor, ..defaults };
    let chain = offline(&DataDir::new(&args.datadir), config, None)?;
    let mut rejected = 0;
    for path in &args.files {
        if let Err(error) = import_file(&chain, path) {
            eprintln!("{}: {error:#}", path.display());
            rejected += 1;
        }
    }
    let head = chain.head();
    chain.stop()?;
    println!("head: block {} {}", head.number(), head.hash);
    if rejected > 0 {
        bail!("{rejected} of {} files were not imported whole", args.files.len());
    }
    Ok(())
}

fn import_file(chain: &Chain, path: &Path) -> Result<()> {
    let file = ChainFile::open(path)?;
    let mut progress = Progress::new(file.length());
    let (sender, receiver) = sync_channel(WAITING_BATCHES);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_blocks(chain, file, sender));
        let executed = execute_blocks(chain, &receiver, &mut progress);
        // The reader must not wait for somebody who has stopped listening.
        drop(receiver);
        let read = reader.join().map_err(|_| eyre!("the reader of blocks panicked"))?;
        executed.and(read)
    });
    eprintln!("{}: {}", path.display(), progress.sum());
    read
}

fn read_blocks(chain: &Chain, mut file: ChainFile, out: SyncSender<Batch>) -> Result<()> {
    loop {
        let mut batch = Batch::default();
        let end = fill(chain, &mut file, &mut batch);
        batch.offset = file.offset();
        // What was read before an error is good; and where nobody listens any more, the executor has
        // refused a block and tells so itself.
        let heard = out.send(batch).is_ok();
        if end? || !heard {
            return Ok(());
        }
    }
}

/// Reads blocks until the batch is full; answers whether the file has ended.
fn fill(chain: &Chain, file: &mut ChainFile, batch: &mut Batch) -> Result<bool> {
    while batch.blocks.len() < BATCH_BLOCKS && batch.transactions < BATCH_TRANSACTIONS {
        let Some(block) = file.next_block()? else { return Ok(true) };
        let number = block.header.number;
        if chain.block(number)?.is_some_and(|known| known.hash == block.header.hash_slow()) {
            batch.known += 1;
            continue;
        }
        batch.transactions += block.body.transactions.len();
        batch.blocks.push(PreparedBlock::new(chain.spec(), block)?);
    }
    Ok(false)
}

fn execute_blocks(
    chain: &Chain,
    receiver: &Receiver<Batch>,
    progress: &mut Progress,
) -> Result<()> {
    while let Ok(batch) = receiver.recv() {
        chain
            .import_batch(batch.blocks, |imported| progress.count(imported))
            .with_context(|| format!("after {} blocks", progress.blocks))?;
        progress.known += batch.known;
        progress.offset = batch.offset;
        progress.tell(chain.head().number());
    }
    Ok(())
}

/// How far an import is.
struct Progress {
    started: Instant,
    told: Instant,
    length: u64,
    offset: u64,
    blocks: u64,
    transactions: u64,
    gas: u64,
    known: u64,
    side: u64,
}

impl Progress {
    fn new(length: u64) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            told: now,
            length,
            offset: 0,
            blocks: 0,
            transactions: 0,
            gas: 0,
            known: 0,
            side: 0,
        }
    }

    fn count(&mut self, imported: &Imported) {
        match imported {
            Imported::Known(_) => self.known += 1,
            Imported::Side(_) => self.side += 1,
            Imported::Head(_) => {}
        }
        self.blocks += 1;
        self.transactions += imported.block().transactions.len() as u64;
        self.gas += imported.block().header.gas_used;
    }

    fn rates(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        format!(
            "{:.0} blocks/s, {:.0} transactions/s, {:.1} Mgas/s",
            self.blocks as f64 / seconds,
            self.transactions as f64 / seconds,
            self.gas as f64 / seconds / 1e6
        )
    }

    fn tell(&mut self, head: u64) {
        if self.told.elapsed() < PROGRESS_PERIOD {
            return;
        }
        self.told = Instant::now();
        let share = self.offset as f64 / self.length.max(1) as f64;
        let left = self.started.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-9);
        eprintln!("block {head}: {}, {:.0}% read, {left:.0} s left", self.rates(), share * 100.0);
    }

    fn sum(&self) -> String {
        format!(
            "{} blocks in {:.1} s ({}); {} were here already, {} are beside the chain",
            self.blocks,
            self.started.elapsed().as_secs_f64(),
            self.rates(),
            self.known,
            self.side
        )
    }
}
