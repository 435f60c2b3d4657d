//! `plasma-node db`.

mod verify;
mod walk;

use clap::{Args, Subcommand};
use eyre::{Context as _, Result, bail};
use plasma_storage::{DatabaseStats, Inspection, compact};
use std::path::{Path, PathBuf};

/// The chain's rules in the data directory.
const GENESIS_FILE: &str = "genesis.json";

/// Files with secrets, which a backup leaves where they are.
const SECRET_FILES: [&str; 2] = ["keeper.key", "jwt.hex"];

/// Commands on the database. All but compact and restore also work beside a running node.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Entries and sizes of every table.
    Stats(StatsArgs),
    /// Compute the state root from accounts and slots, and compare it with the head's and with the
    /// stored trie; check all codes.
    Verify(VerifyArgs),
    /// Rewrite the database without free space.
    Compact(Datadir),
    /// Copy the database and its genesis file to a new directory, which is a data directory itself.
    Backup(BackupArgs),
    /// Make a data directory from a backup.
    Restore(RestoreArgs),
}

/// The data directory.
#[derive(Debug, Args)]
pub(crate) struct Datadir {
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
}

/// Arguments of `plasma-node db stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    place: Datadir,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `plasma-node db verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    place: Datadir,
    /// Accounts, and slots of one account, in memory at once; more take several passes.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
}

/// Arguments of `plasma-node db backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    place: Datadir,
    /// Where the copy goes; must not hold a database.
    target: PathBuf,
}

/// Arguments of `plasma-node db restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    place: Datadir,
    /// A backup.
    source: PathBuf,
}

/// Runs a database command.
pub(crate) fn run(command: &DbCommand) -> Result<()> {
    match command {
        DbCommand::Stats(args) => stats(args),
        DbCommand::Verify(args) => verify(args),
        DbCommand::Compact(place) => {
            require_genesis(&place.datadir)?;
            let (before, after) = compact(&place.datadir)?;
            println!("{before} bytes became {after}");
            Ok(())
        }
        DbCommand::Backup(args) => {
            let (from, to) = (&args.place.datadir, &args.target);
            let records = copy(from, to)?;
            println!("{records} records copied to {}", to.display());
            for secret in SECRET_FILES.iter().filter(|name| from.join(name).exists()) {
                println!("{secret} is a secret and was not copied");
            }
            Ok(())
        }
        DbCommand::Restore(args) => {
            let records = copy(&args.source, &args.place.datadir)?;
            println!("{records} records restored to {}", args.place.datadir.display());
            Ok(())
        }
    }
}

fn require_genesis(datadir: &Path) -> Result<()> {
    if !datadir.join(GENESIS_FILE).exists() {
        bail!("{} is not a data directory of a node", datadir.display());
    }
    Ok(())
}

/// Copies genesis file and database.
fn copy(from: &Path, to: &Path) -> Result<u64> {
    require_genesis(from)?;
    if to.join(GENESIS_FILE).exists() {
        bail!("{} is a data directory already: choose an empty directory", to.display());
    }
    let inspection = Inspection::open(from)?;
    let records = inspection.copy_to(to)?;
    // Last: a directory without it is not taken for a whole copy.
    let (source, target) = (from.join(GENESIS_FILE), to.join(GENESIS_FILE));
    std::fs::copy(&source, &target)
        .and_then(|_| std::fs::File::open(&target)?.sync_all())
        .and_then(|()| std::fs::File::open(to)?.sync_all())
        .wrap_err_with(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
    Ok(records)
}

fn verify(args: &VerifyArgs) -> Result<()> {
    require_genesis(&args.place.datadir)?;
    let inspection = Inspection::open(&args.place.datadir)?;
    let batch = usize::try_from(args.batch).unwrap_or(usize::MAX);
    let verified = verify::verify(&inspection, batch)?;
    println!(
        "state of block {} is sound: {} accounts, {} slots, {} codes, {} trie nodes; state root {}",
        inspection.state_block(),
        verified.accounts,
        verified.slots,
        verified.codes,
        verified.nodes,
        verified.state_root
    );
    Ok(())
}

fn stats(args: &StatsArgs) -> Result<()> {
    require_genesis(&args.place.datadir)?;
    let stats = Inspection::open(&args.place.datadir)?.stats()?;
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
