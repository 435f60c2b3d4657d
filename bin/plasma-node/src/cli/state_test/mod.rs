//! `plasma-node test state FILE…`: runs state tests of the ethereum/tests format.
//!
//! Every case runs through the same crates as a block does: transaction environment, parallel
//! executor, ordered commit into the block's state, state trie. The sequential executor must give
//! the same, or the case fails.

mod fixture;
mod run;

use clap::Args;
use eyre::{Context as _, Result};
use plasma_parallel::{ParallelConfig, ParallelExecutor};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

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

/// One line of output.
#[derive(Debug, Serialize)]
struct CaseResult<'a> {
    name: &'a str,
    fork: &'a str,
    index: usize,
    pass: bool,
    error: Option<String>,
}

/// Runs all cases; prints one JSON line each and a summary on standard error.
pub(crate) fn run(args: &StateTestArgs) -> Result<()> {
    let executor = ParallelExecutor::new(ParallelConfig::always_parallel(args.threads))?;
    let mut files = Vec::new();
    for path in &args.files {
        collect(path, &mut files)?;
    }
    files.sort();
    let (mut passed, mut failed, mut skipped) = (0_u64, 0_u64, 0_u64);
    let mut other_files = 0_u64;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        if !args.files.contains(&file) && !fixture::is_state_test(&text) {
            other_files += 1;
            continue;
        }
        let cases: BTreeMap<String, fixture::Case> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a state test", file.display()))?;
        for (name, case) in &cases {
            for (fork, posts) in &case.post {
                let Some(fork_id) = fixture::fork(fork) else {
                    skipped += posts.len() as u64;
                    continue;
                };
                for (index, post) in posts.iter().enumerate() {
                    let error = run::run(&executor, case, fork_id, post).err();
                    let pass = error.is_none();
                    if pass {
                        passed += 1;
                    } else {
                        failed += 1;
                    }
                    if !pass || !args.failures {
                        serde_json::to_writer(
                            &mut out,
                            &CaseResult { name, fork, index, pass, error },
                        )?;
                        out.write_all(b"\n")?;
                    }
                }
            }
        }
    }
    out.flush()?;
    eprintln!(
        "{passed} passed, {failed} failed, {skipped} skipped (forks that are not implemented); \
         {other_files} files of other kinds"
    );
    eyre::ensure!(passed + failed > 0, "no state test was found");
    if failed > 0 {
        eyre::bail!("{failed} state test cases failed");
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}
