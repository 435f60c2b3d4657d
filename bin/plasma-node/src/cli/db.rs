//! `plasma-node db`.

use clap::{Args, Subcommand};
use eyre::Result;
use plasma_storage::{Database, DatabaseOptions, DatabaseStats};
use std::path::PathBuf;

/// Commands on the database.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Entries and sizes of every table.
    Stats(StatsArgs),
}

/// Arguments of `plasma-node db stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a database command.
pub(crate) fn run(command: &DbCommand) -> Result<()> {
    match command {
        DbCommand::Stats(args) => stats(args),
    }
}

fn stats(args: &StatsArgs) -> Result<()> {
    let options = DatabaseOptions { history_blocks: u64::MAX, ..DatabaseOptions::default() };
    if !args.datadir.join("genesis.json").exists() {
        eyre::bail!("{} is not a data directory of a node", args.datadir.display());
    }
    let db = Database::open(&args.datadir, options)?;
    let stats = db.stats()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stats)?);
    } else {
        print_table(&stats);
    }
    Ok(())
}

fn print_table(stats: &DatabaseStats) {
    println!(
        "head of the journal: block {}; state persisted at block {}; oldest state: block {}",
        stats.journal_head, stats.state_block, stats.oldest_state
    );
    for environment in &stats.environments {
        println!(
            "\n{}: {} bytes in the file, {} of them free",
            environment.name, environment.file_bytes, environment.free_bytes
        );
        println!("{:<24} {:>12} {:>10} {:>14}", "table", "entries", "pages", "bytes");
        for table in &environment.tables {
            println!(
                "{:<24} {:>12} {:>10} {:>14}",
                table.name, table.entries, table.pages, table.bytes
            );
        }
    }
}
