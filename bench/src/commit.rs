//! `plasma-bench commit`: what durability costs.
//!
//! The journal's commit is what an acknowledgement waits for; the state's runs behind it. Both are measured
//! beside the disk's own price, a write of 4 KiB with its sync, in the same folder.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{Header, Signed, Transaction as _, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, U256, keccak256};
use clap::Args;
use eyre::{Result, ensure};
use plasma_storage::{
    Account, AccountChange, Appearances, BlockRecord, Database, DatabaseOptions, Receipt,
    StateChanges, Transaction, TransactionEntry, TrieUpdates,
};

use crate::{
    machine,
    report::{Report, Row},
    statistics::quantile_ms,
};

/// Accounts, each with one slot, of which blocks change some.
const ACCOUNTS: u64 = 200_000;
/// Accounts and slots that a block changes.
const CHANGES: u64 = 1_000;
/// Blocks of one state commit.
const BATCH: u64 = 8;

/// Arguments of `plasma-bench commit`.
#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    /// Commits of each kind.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(3..))]
    rounds: u64,
    /// A folder on the disk to measure; a new one in it is made and removed.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark.
pub(crate) fn run(args: &CommitArgs) -> Result<()> {
    let dir = args.dir.join(format!("plasma-bench-commit-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let outcome = measure(args.rounds, &dir);
    std::fs::remove_dir_all(&dir)?;
    outcome?.print(args.json)
}

fn measure(rounds: u64, dir: &Path) -> Result<Report> {
    let mut rows = vec![disk(rounds, dir)?];
    // Nothing but what is measured persists anything.
    let options = DatabaseOptions {
        persist_interval: Duration::from_secs(86_400),
        persist_batch: usize::MAX,
        max_unpersisted_blocks: usize::MAX,
        ..DatabaseOptions::default()
    };
    let db = Database::open(&dir.join("data"), options)?;
    let accounts = (0..ACCOUNTS).map(|account| (address(account), change(1)));
    let genesis = StateChanges { accounts: accounts.collect(), ..StateChanges::default() };
    db.init_genesis(&Header::default(), hash(0), &genesis, &TrieUpdates::default())?;
    let mut number = 0;
    for transactions in [1, 100, 1_000] {
        let mut times = Vec::new();
        for _ in 0..rounds {
            number += 1;
            let record = record(number, transactions);
            let started = Instant::now();
            db.append_block(&record)?;
            times.push(started.elapsed());
            push(&db, &record)?;
        }
        rows.push(
            row(&format!("journal-{transactions}"), &mut times)
                .figure("transactions", transactions),
        );
        db.flush()?;
    }
    let mut times = Vec::new();
    for _ in 0..rounds.div_ceil(BATCH) {
        let records: Vec<_> = (1..=BATCH).map(|next| record(number + next, 1)).collect();
        number += BATCH;
        db.append_blocks(&records)?;
        for record in &records {
            push(&db, record)?;
        }
        let started = Instant::now();
        db.flush()?;
        times.push(started.elapsed());
        ensure!(db.state_block() == number, "the state is at block {}", db.state_block());
    }
    rows.push(
        row("state", &mut times)
            .figure("blocks", BATCH)
            .figure("accounts_and_slots", 2 * BATCH * CHANGES),
    );
    db.shutdown()?;
    Ok(Report { machine: machine::description(), rows })
}

/// Writes 4 KiB and syncs, again and again.
fn disk(rounds: u64, dir: &Path) -> Result<Row> {
    let mut file = File::create(dir.join("disk"))?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(row("disk-4k", &mut times))
}

fn row(name: &str, times: &mut [Duration]) -> Row {
    let mut figure = |quantile| quantile_ms(times, quantile).unwrap_or(f64::NAN);
    let (middle, high) = (figure(0.5), figure(0.99));
    Row::new(name, 1).figure("p50_ms", middle).figure("p99_ms", high)
}

fn push(db: &Database, record: &BlockRecord) -> Result<()> {
    let number = record.header.number;
    let first = number * CHANGES;
    let accounts =
        (first..first + CHANGES).map(|account| (address(account % ACCOUNTS), change(number + 1)));
    let changes = StateChanges { accounts: accounts.collect(), ..StateChanges::default() };
    // As the chain tells of payments: found by their sender and receiver.
    let placed = record.transactions.iter().zip(&record.senders);
    let entries = placed
        .map(|(transaction, sender)| TransactionEntry {
            hash: *transaction.tx_hash(),
            sender: *sender,
            nonce: transaction.nonce(),
            appearances: Appearances {
                addresses: transaction.to().into_iter().chain([*sender]).collect(),
                ..Appearances::default()
            },
        })
        .collect();
    db.push_block_state(
        number,
        record.hash,
        entries,
        Arc::new(changes),
        Arc::default(),
        &record.receipts,
    )?;
    Ok(())
}

fn address(account: u64) -> Address {
    Address::from_word(keccak256(account.to_be_bytes()))
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn change(value: u64) -> AccountChange {
    AccountChange {
        account: Some(Account { nonce: value, balance: U256::from(value), bytecode_hash: None }),
        storage: [(U256::ZERO, U256::from(value))].into_iter().collect(),
        ..AccountChange::default()
    }
}

/// A block of token transfers.
fn record(number: u64, transactions: u64) -> BlockRecord {
    let transaction = |nonce| {
        let input = Bytes::from(vec![7; 68]);
        let unsigned = TxEip1559 { chain_id: 1, nonce, input, ..TxEip1559::default() };
        let hash = keccak256([number.to_be_bytes(), nonce.to_be_bytes()].concat());
        Transaction::from(Signed::new_unchecked(unsigned, Signature::test_signature(), hash))
    };
    let receipt = |index: u64| Receipt {
        success: true,
        cumulative_gas_used: 50_000 * (index + 1),
        logs: vec![Log::new_unchecked(
            address(0),
            vec![hash(1), hash(number), hash(index)],
            Bytes::from(vec![0; 32]),
        )],
        ..Receipt::default()
    };
    BlockRecord {
        header: Header { number, ..Header::default() },
        hash: hash(number),
        transactions: (0..transactions).map(transaction).collect(),
        senders: (0..transactions).map(address).collect(),
        receipts: (0..transactions).map(receipt).collect(),
        ..BlockRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_commit_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> =
            measure(3, dir.path()).unwrap().rows.into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["disk-4k", "journal-1", "journal-100", "journal-1000", "state"]);
    }
}
