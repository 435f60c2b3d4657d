//! `plasma-node test state FILE…`: runs state tests of the ethereum/tests format.
//!
//! Every case runs through the same crates as a block does: transaction environment, parallel
//! executor, ordered commit into the block's state, state trie. The sequential executor must give
//! the same, or the case fails; it must also do so for a batch of copies of the case by other
//! senders.

mod fixture;
mod run;

pub(crate) use fixture::{BlobSchedule, Config, PreAccount, Quantity};

use super::fixture_files::{self, Tally, json_files};
use clap::Args;
use eyre::{Context as _, Result};
use plasma_parallel::{ParallelConfig, ParallelExecutor};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

/// Arguments of `plasma-node test state`.
#[derive(Debug, Args)]
pub(crate) struct StateTestArgs {
    /// Fixture files, or folders that are searched for `.json` files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Worker threads of the parallel executor.
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    /// Print failing cases only.
    #[arg(long)]
    failures: bool,
}

/// Runs all cases; prints one JSON line each and a summary on standard error.
pub(crate) fn run(args: &StateTestArgs) -> Result<()> {
    let executor = ParallelExecutor::new(ParallelConfig::always_parallel(args.threads))?;
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut tally = Tally::new(out, args.failures);
    for file in json_files(&args.files)? {
        let text = fixture_files::read(&file)?;
        if !args.files.contains(&file) && !fixture::is_state_test(&text) {
            tally.other_files += 1;
            continue;
        }
        let cases: BTreeMap<String, fixture::Case> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a state test", file.display()))?;
        for (name, case) in &cases {
            for (fork, posts) in &case.post {
                let Some(fork_id) = fixture::fork(fork) else {
                    tally.skipped += posts.len() as u64;
                    continue;
                };
                for (index, post) in posts.iter().enumerate() {
                    let error = run::run(&executor, case, fork_id, post).err();
                    tally.case(name, fork, index, error)?;
                }
            }
        }
    }
    tally.finish("state")
}
