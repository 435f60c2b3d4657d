//! `plasma-bench trie`: the state root of a block, over a database.
//!
//! A state is made, its trie stored in a fresh database, and the database opened anew. Then each kind
//! of block is measured from a trie of which nothing is in memory (`cold`; the operating system may
//! still have the pages), from one in memory (`hot`), and at the end of a block whose changes were
//! handed over tick by tick while it was open (`open`). The trie from before stays alive until the
//! root is there, as in the node, so what it costs to leave it as it was is part of the time; `alone`
//! is the time where it does not.

mod state;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use clap::Args;
use eyre::{Context as _, OptionExt as _, Result, ensure};
use plasma_storage::{Database, DatabaseOptions, StateChanges, StateSnapshot};
use plasma_trie::{EmptyNodes, OpenTrie, StateTrie, full_state_root};

use crate::{
    machine,
    report::{Report, Row},
    statistics::{median, quantile_ms},
};
use state::{Blocks, Sizes};

/// Ticks of a block that is open for a second.
const TICKS: usize = 10;

/// Parts in which the whole trie is loaded.
const PARTS: usize = 25;

/// Milliseconds that a root may take on two cores with the default sizes, as a median.
const ACCOUNTS_LIMIT: f64 = 45.0;
const SLOTS_LIMIT: f64 = 8.0;
const EMPTY_LIMIT: f64 = 0.2;

/// What may be left of a root's time when the block is sealed.
const SHARE_LIMIT: f64 = 0.5;

/// Arguments of `plasma-bench trie`.
#[derive(Debug, Args)]
pub(crate) struct TrieArgs {
    /// Accounts of the state.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    accounts: u64,
    /// Slots of the one contract.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    slots: u64,
    /// Accounts that a block changes; a tenth as many slots.
    #[arg(long, default_value_t = 10_000)]
    changed: usize,
    /// Rounds of each measurement; medians are printed.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Threads [default: one per core].
    #[arg(long)]
    threads: Option<usize>,
    /// Memory bound of the last measurement in MiB.
    #[arg(long, default_value_t = 128)]
    cache: usize,
    /// Folder for the database, which is removed in the end [default: the system's for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark.
pub(crate) fn run(args: &TrieArgs) -> Result<()> {
    let threads = args.threads.unwrap_or_else(machine::cores);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let mut report = Report { machine: machine::description(), rows: Vec::new() };
    let sizes = Sizes { accounts: args.accounts, slots: args.slots, changed: args.changed };
    let mut blocks = Blocks::new(sizes);
    let genesis = blocks.genesis();

    let (hot, database, directory) = stored(args, &genesis, threads, &mut report)?;
    let root = hot.root();
    let mut bench = Bench {
        threads,
        rounds: args.rounds,
        snapshot: Arc::new(database.latest()?),
        hot,
        report,
        blocks,
        root,
    };
    bench.scenario("accounts", ACCOUNTS_LIMIT, Blocks::accounts)?;
    bench.scenario("slots", SLOTS_LIMIT, Blocks::slots)?;
    bench.empty()?;
    let Bench { hot, snapshot, mut report, .. } = bench;
    drop(hot);
    report.rows.push(memory(root, &genesis, &snapshot, args.cache, threads)?);
    drop((snapshot, database, directory));
    report.print(args.json)
}

/// Makes the trie from nothing, stores it and opens the database anew.
fn stored(
    args: &TrieArgs,
    genesis: &StateChanges,
    threads: usize,
    report: &mut Report,
) -> Result<(StateTrie, Database, tempfile::TempDir)> {
    let mut hot = StateTrie::new(alloy_trie::EMPTY_ROOT_HASH);
    let (took, updates) = timed(|| hot.update(&EmptyNodes, genesis))?;
    let (alone, root) = timed(|| -> Result<_> {
        Ok(full_state_root(genesis.accounts.iter().filter_map(|(address, change)| {
            let slots = change.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
            Some((*address, change.account?, slots))
        })))
    })?;
    ensure!(root == hot.root(), "the trie's root {} is not the rebuilt {root}", hot.root());
    report.rows.push(
        Row::new("rebuild", threads)
            .figure("trie_ms", milliseconds(took))
            .figure("root_only_one_thread_ms", milliseconds(alone))
            .figure("stored_nodes", updates.nodes.len()),
    );
    eprintln!("rebuild: done");
    let directory = match &args.dir {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    }
    .context("cannot make a folder for the database")?;
    let database = Database::open(directory.path(), DatabaseOptions::default())?;
    database.init_genesis(&Default::default(), root, genesis, &updates)?;
    database.flush()?;
    drop(database);
    let database = Database::open(directory.path(), DatabaseOptions::default())?;
    eprintln!("database: done");
    Ok((hot, database, directory))
}

struct Bench {
    threads: usize,
    rounds: u32,
    snapshot: Arc<StateSnapshot>,
    hot: StateTrie,
    report: Report,
    blocks: Blocks,
    /// The root that is stored.
    root: B256,
}

/// Times of the rounds of a measurement.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn figures(&mut self, row: Row, name: &str) -> Result<Row> {
        let worst = quantile_ms(&mut self.0, 1.0).ok_or_eyre("no rounds were run")?;
        Ok(row
            .figure(&format!("{name}_ms"), self.median()?)
            .figure(&format!("{name}_max_ms"), worst))
    }

    fn median(&mut self) -> Result<f64> {
        median(&mut self.0).map(milliseconds).ok_or_eyre("no rounds were run")
    }
}

impl Bench {
    fn row(&self, name: impl Into<String>) -> Row {
        Row::new(name, self.threads)
    }

    /// Measures blocks of one kind.
    fn scenario(
        &mut self,
        name: &str,
        limit: f64,
        block: fn(&mut Blocks) -> StateChanges,
    ) -> Result<()> {
        for cold in [true, false] {
            let kind = if cold { "cold" } else { "hot" };
            let (mut root, mut release) = (Times::default(), Times::default());
            let (mut seal, mut open) = (Times::default(), Times::default());
            let (mut alone, mut cpu_s) = (Times::default(), 0.0);
            for _ in 0..self.rounds {
                let changes = block(&mut self.blocks);
                let before = self.begin(cold);
                let mut trie = before.clone();
                let cpu_before = machine::own_cpu_s();
                let (took, updates) = timed(|| trie.update(&*self.snapshot, &changes))?;
                cpu_s += machine::own_cpu_s() - cpu_before;
                root.0.push(took);
                let began = Instant::now();
                drop(before);
                self.end(cold, trie.clone());
                release.0.push(began.elapsed());
                drop(updates);

                let changes = block(&mut self.blocks);
                let mut trie = self.begin(cold);
                let (took, updates) = timed(|| trie.update(&*self.snapshot, &changes))?;
                alone.0.push(took);
                self.end(cold, trie);
                drop(updates);

                let changes = block(&mut self.blocks);
                let before = self.begin(cold);
                let ticks = state::ticks(&changes, TICKS);
                let source: Arc<StateSnapshot> = Arc::clone(&self.snapshot);
                let opened = OpenTrie::new(before.clone(), source, usize::MAX);
                let began = Instant::now();
                for tick in &ticks[..TICKS - 1] {
                    opened.add(Arc::clone(tick));
                    opened.wait();
                }
                open.0.push(began.elapsed());
                // The last tick is sealed at once.
                let (took, (trie, updates)) = timed(|| opened.finish(&changes))?;
                seal.0.push(took);
                let mut expected = before.clone();
                let whole = expected.update(&*self.snapshot, &changes)?;
                ensure!(trie.root() == expected.root(), "{name}: a different root");
                ensure!(updates.nodes.len() >= whole.nodes.len(), "{name}: nodes are missing");
                drop((before, expected));
                self.end(cold, trie);
            }
            let row = self.row(format!("{name}-{kind}"));
            let row = root.figures(row, "root")?;
            let row = if cold {
                row
            } else {
                row.figure("limit", limit).figure("within_limit", root.median()? <= limit)
            };
            let row = row
                .figure("cpu_ms", cpu_s * 1e3 / f64::from(self.rounds))
                .figure("alone_ms", alone.median()?);
            self.report.rows.push(release.figures(row, "release")?);
            let share = seal.median()? / root.median()?;
            let row = seal.figures(self.row(format!("{name}-{kind}-open")), "seal")?;
            let row = row
                .figure("share_of_root", share)
                .figure("limit", SHARE_LIMIT)
                .figure("within_limit", share < SHARE_LIMIT);
            self.report.rows.push(open.figures(row, "work_while_open")?);
            eprintln!("{name}-{kind}: done");
        }
        Ok(())
    }

    /// The trie that a block begins with. Nothing else refers to the hot one.
    fn begin(&mut self, cold: bool) -> StateTrie {
        let root = self.hot.root();
        let blinded = StateTrie::new(root);
        if cold { StateTrie::new(self.root) } else { std::mem::replace(&mut self.hot, blinded) }
    }

    fn end(&mut self, cold: bool, trie: StateTrie) {
        if !cold {
            self.hot = trie;
        }
    }

    fn empty(&mut self) -> Result<()> {
        let mut times = Times::default();
        for _ in 0..self.rounds {
            let before = self.begin(false);
            let source: Arc<StateSnapshot> = Arc::clone(&self.snapshot);
            let open = OpenTrie::new(before.clone(), source, usize::MAX);
            let (took, (trie, _)) = timed(|| open.finish(&StateChanges::default()))?;
            times.0.push(took);
            ensure!(trie.root() == before.root(), "an empty block changed the root");
            self.hot = before;
        }
        let row = times.figures(self.row("empty"), "root")?;
        let within = times.median()? <= EMPTY_LIMIT;
        self.report.rows.push(row.figure("limit", EMPTY_LIMIT).figure("within_limit", within));
        Ok(())
    }
}

/// Loads the whole trie part by part under a bound.
fn memory(
    root: B256,
    genesis: &StateChanges,
    snapshot: &StateSnapshot,
    cache_mib: usize,
    threads: usize,
) -> Result<Row> {
    const MIB: f64 = (1 << 20) as f64;
    let mut trie = StateTrie::new(root);
    let (mut load, mut evict) = (Duration::ZERO, Times::default());
    let mut largest = 0;
    for part in state::ticks(genesis, PARTS) {
        let (took, updates) = timed(|| trie.update(snapshot, &part))?;
        ensure!(updates.nodes.is_empty(), "the same values changed {} nodes", updates.nodes.len());
        load += took;
        let began = Instant::now();
        trie.evict(cache_mib << 20);
        evict.0.push(began.elapsed());
        largest = largest.max(trie.hot_bytes());
    }
    let row = Row::new("memory", threads)
        .figure("bound", cache_mib)
        .figure("nodes_mib", largest as f64 / MIB)
        .figure("within_limit", largest <= cache_mib << 20)
        .figure("load_s", load.as_secs_f64());
    evict.figures(row, "evict")
}

fn timed<T, E: Into<eyre::Report>>(work: impl FnOnce() -> Result<T, E>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let answer = work().map_err(Into::into)?;
    Ok((began.elapsed(), answer))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_state_is_measured() {
        let args = TrieArgs {
            accounts: 500,
            slots: 200,
            changed: 100,
            rounds: 2,
            threads: Some(2),
            cache: 0,
            dir: None,
            json: true,
        };
        run(&args).unwrap();
    }
}
