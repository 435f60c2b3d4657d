//! `plasma-node test engine FILE…`: runs blockchain tests in the Engine API's form (execution-spec-tests,
//! `blockchain_test_engine`).
//!
//! Every case gets a chain of its own, driven by the very methods that a consensus layer calls: `engine_newPayload` for each
//! block and `engine_forkchoiceUpdated` for each that is valid.

use super::{
    blockchain_test::{BlockchainTestArgs, Case, EnginePayload, MAP_BYTES},
    fixture_files::{self, Tally, json_files},
};
use alloy_primitives::B256;
use eyre::{Context as _, Result};
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_rpc::{EngineCaller, RpcConfig};
use plasma_storage::{Database, DatabaseOptions};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

/// Runs all cases; prints one JSON line each and a summary on standard error.
pub(crate) fn run(args: &BlockchainTestArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut tally = Tally::new(out, args.failures);
    for file in json_files(&args.files)? {
        let text = fixture_files::read(&file)?;
        if !args.files.contains(&file) && !Case::is_engine_test(&text) {
            tally.other_files += 1;
            continue;
        }
        let cases: BTreeMap<String, Case> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not an engine test", file.display()))?;
        for (name, case) in &cases {
            let error = match case.spec() {
                Ok(None) => {
                    tally.skipped += 1;
                    continue;
                }
                Ok(Some(spec)) => runtime.block_on(run_case(case, spec, args.threads))?.err(),
                Err(error) => Some(error),
            };
            tally.case(name, &case.network, 0, error)?;
        }
    }
    tally.finish("engine")
}

/// Sends the payloads of a case; the inner error tells why it failed, the outer one that it could not be run.
async fn run_case(
    case: &Case,
    spec: ChainSpec,
    threads: NonZeroUsize,
) -> Result<Result<(), String>> {
    let directory = tempfile::tempdir()?;
    let options = DatabaseOptions { map_bytes: MAP_BYTES, ..DatabaseOptions::default() };
    let db = Database::open(directory.path(), options)?;
    let spec = Arc::new(spec);
    let genesis = spec.genesis_hash();
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    let config = ChainConfig { threads, driven: true, ..ChainConfig::default() };
    let chain = Chain::open(config, spec, db, pool, None)?;
    let engine = EngineCaller::new(RpcConfig::default(), chain.clone())?;
    let outcome = drive(case, genesis, &engine, &chain).await;
    chain.stop()?;
    outcome
}

async fn drive(
    case: &Case,
    genesis: B256,
    engine: &EngineCaller,
    chain: &Chain,
) -> Result<Result<(), String>> {
    let mut head = genesis;
    for (index, payload) in case.engine_new_payloads.iter().enumerate() {
        let method = format!("engine_newPayloadV{}", payload.new_payload_version);
        let response = engine.call(&method, &payload.params).await?;
        if let Err(difference) = compare(payload, &response) {
            return Ok(Err(format!("payload {index}: {difference}")));
        }
        if response["result"]["status"] != "VALID" {
            continue;
        }
        let Some(hash) = response["result"]["latestValidHash"].as_str() else {
            return Ok(Err(format!("payload {index} has no latestValidHash: {response}")));
        };
        head = hash.parse()?;
        let state = json!({
            "headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO,
        });
        let method = format!("engine_forkchoiceUpdatedV{}", payload.forkchoice_updated_version);
        let response = engine.call(&method, &json!([state])).await?;
        if response["result"]["payloadStatus"]["status"] != "VALID" {
            return Ok(Err(format!("the fork choice of payload {index}: {response}")));
        }
    }
    let reached = chain.head().hash;
    if reached != case.lastblockhash || reached != head {
        return Ok(Err(format!("the head is {reached}, the file says {}", case.lastblockhash)));
    }
    Ok(Ok(()))
}

/// Holds an answer against what the fixture expects.
fn compare(payload: &EnginePayload, response: &Value) -> Result<(), String> {
    if let Some(code) = &payload.error_code {
        return match response["error"]["code"].as_i64() {
            Some(found) if found.to_string() == *code => Ok(()),
            _ => Err(format!("error {code} was expected: {response}")),
        };
    }
    let status = response["result"]["status"].as_str();
    match (&payload.validation_error, status) {
        (None, Some("VALID")) | (Some(_), Some("INVALID")) => Ok(()),
        (None, _) => Err(format!("a valid payload was refused: {response}")),
        (Some(reason), _) => Err(format!("accepted in spite of {reason}: {response}")),
    }
}
