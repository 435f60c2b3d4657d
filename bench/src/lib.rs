//! `plasma-bench`: measures nodes from outside, the executor and the database from inside.
//!
//! A library so that the program and `cargo bench` run the same measuring code.

#![forbid(unsafe_code)]

mod commit;
mod compare;
mod executor;
mod history;
mod keeper;
mod load;
mod machine;
mod report;
mod statistics;
mod trie;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

/// The node's allocator, so that the executor is measured as the node runs it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of Plasma and of other Ethereum nodes.
#[derive(Debug, Parser)]
#[command(name = "plasma-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a node over JSON-RPC.
    Load(Box<load::LoadArgs>),
    /// Measure the parallel executor against sequential execution.
    Executor(executor::ExecutorArgs),
    /// Measure reads of past state and searches of logs in a long history.
    History(history::HistoryArgs),
    /// Measure how the keeper's work grows with what is registered and with what is touched.
    Keeper(keeper::KeeperArgs),
    /// Measure the commits of journal and state.
    Commit(commit::CommitArgs),
    /// Measure state roots over a database.
    Trie(trie::TrieArgs),
    /// Print a report as a table, beside another one of the same load where there is one.
    Compare(compare::CompareArgs),
}

/// Runs the command line `arguments`, of which the first is the program's name, and tells how it ended.
/// An unknown argument ends the process.
pub fn run<A>(arguments: impl IntoIterator<Item = A>) -> ExitCode
where
    A: Into<OsString> + Clone,
{
    let result = match Cli::parse_from(arguments).command {
        Command::Load(args) => load::run(&args),
        Command::Executor(args) => executor::run(&args),
        Command::History(args) => history::run(&args),
        Command::Keeper(args) => keeper::run(&args),
        Command::Commit(args) => commit::run(&args),
        Command::Trie(args) => trie::run(&args),
        Command::Compare(args) => compare::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plasma-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
