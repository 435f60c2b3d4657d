//! `plasma-node test blockchain FILE…`: runs blockchain tests of the ethereum/tests format.
//!
//! Every case gets a database of its own, and its blocks take the way of any import: decoding,
//! validation, execution, fork choice, journal.

mod fixture;
mod networks;

pub(crate) use fixture::{Case, EnginePayload};

use super::fixture_files::{self, Tally, json_files};
use alloy_consensus::Block;
use alloy_rlp::Decodable;
use clap::Args;
use eyre::{Context as _, Result};
use plasma_chain::{Chain, ChainConfig, ChainError};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Database, DatabaseOptions, Transaction};
use plasma_txpool::{PoolConfig, TxPool};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, sync::Arc};

/// Address space for the database of one case, in bytes.
pub(crate) const MAP_BYTES: usize = 1 << 28;

/// Arguments of `plasma-node test blockchain` and `plasma-node test engine`.
#[derive(Debug, Args)]
pub(crate) struct BlockchainTestArgs {
    /// Fixture files, or folders that are searched for `.json` files.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Worker threads of the parallel executor.
    #[arg(long, default_value = "2")]
    pub(crate) threads: NonZeroUsize,
    /// Print failing cases only.
    #[arg(long)]
    pub(crate) failures: bool,
}

/// Runs all cases; prints one JSON line each and a summary on standard error.
pub(crate) fn run(args: &BlockchainTestArgs) -> Result<()> {
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut tally = Tally::new(out, args.failures);
    for file in json_files(&args.files)? {
        let text = fixture_files::read(&file)?;
        if !args.files.contains(&file) && !fixture::is_blockchain_test(&text) {
            tally.other_files += 1;
            continue;
        }
        let cases: BTreeMap<String, fixture::Case> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a blockchain test", file.display()))?;
        for (name, case) in &cases {
            let error = match case.spec() {
                Ok(None) => {
                    tally.skipped += 1;
                    continue;
                }
                Ok(Some(spec)) => run_case(case, spec, args.threads)?.err(),
                Err(error) => Some(error),
            };
            tally.case(name, &case.network, 0, error)?;
        }
    }
    tally.finish("blockchain")
}

/// Sends the blocks of a case; the inner error tells why it failed, the outer one that it could
/// not be run.
fn run_case(
    case: &fixture::Case,
    spec: ChainSpec,
    threads: NonZeroUsize,
) -> Result<Result<(), String>> {
    let directory = tempfile::tempdir()?;
    let options = DatabaseOptions { map_bytes: MAP_BYTES, ..DatabaseOptions::default() };
    let db = Database::open(directory.path(), options)?;
    let spec = Arc::new(spec);
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    let config = ChainConfig { threads, ..ChainConfig::default() };
    let chain = Chain::open(config, spec, db, pool, None)?;
    let outcome = send(case, &chain);
    chain.stop()?;
    outcome
}

fn send(case: &fixture::Case, chain: &Chain) -> Result<Result<(), String>> {
    for (index, block) in case.blocks.iter().enumerate() {
        let expected = block.exception(&case.network);
        let refusal = match Block::<Transaction>::decode(&mut block.rlp.as_ref()) {
            Err(error) => Some(format!("undecodable: {error}")),
            Ok(decoded) => match chain.import_block(decoded) {
                Ok(_) => None,
                // A fault of ours is no verdict over the block.
                Err(error @ (ChainError::Storage(_) | ChainError::Stopped(_))) => {
                    return Err(error.into());
                }
                Err(error) => Some(error.to_string()),
            },
        };
        match (refusal, expected) {
            (None, None) | (Some(_), Some(_)) => {}
            (Some(error), None) => {
                return Ok(Err(format!("valid block {index} was refused: {error}")));
            }
            (None, Some(reason)) => {
                return Ok(Err(format!("block {index} was accepted in spite of {reason}")));
            }
        }
    }
    let head = chain.head().hash;
    if head != case.lastblockhash {
        return Ok(Err(format!("the head is {head}, the file says {}", case.lastblockhash)));
    }
    Ok(Ok(()))
}
