//! Every recorded conversation of the execution-apis with a node over their chain.
//!
//! The fixtures are found through `PLASMA_FIXTURES`; without it the test says so and passes.
//!
//! Requests go to the server in the order of the files' paths, since some send transactions that
//! later ones see. Answers must be equal, but for the words of an error; where a recording says that
//! it is not to be taken literally, only the members and their types must be.

mod node;

use alloy_consensus::Block;
use alloy_rlp::Decodable;
use jsonrpsee::Methods;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_rpc::{DevAccounts, EngineCaller, RpcConfig, RpcHandle, serve};
use plasma_storage::{Database, DatabaseOptions, Transaction};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Conversations that are known to go otherwise, and why.
const OPEN: [(&str, &str); 2] = [
    (
        "eth_capabilities/get-capabilities.io",
        "the recording node forgets old logs; Plasma keeps them all, and says so",
    ),
    (
        "txpool_content/get-content.io",
        "the recording node leaves out the blob transaction that waits; Plasma tells it, too",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn conversations_go_as_the_execution_apis_recorded_them() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        eprintln!("PLASMA_FIXTURES is not set: nothing was compared");
        return;
    };
    let folder = Path::new(&fixtures).join("rpc-compat");
    let dir = tempfile::TempDir::new().unwrap();
    let (chain, server) = start(&folder, dir.path()).await;
    let cases = cases(&folder);
    let mut different = Vec::new();
    for case in &cases {
        let text = fs::read_to_string(folder.join(case)).unwrap();
        let loose = text.contains("speconly");
        let mut request = "";
        for line in text.lines() {
            if let Some(line) = line.strip_prefix(">> ") {
                request = line;
            } else if let Some(line) = line.strip_prefix("<< ") {
                let (_, body) = node::post(server.http_address(), "localhost", request).await;
                let found: Value = serde_json::from_str(&body).unwrap();
                let expected: Value = serde_json::from_str(line).unwrap();
                let equal = if loose {
                    same_shape(&found, &expected)
                } else {
                    without_words(found.clone()) == without_words(expected.clone())
                };
                if !equal {
                    eprintln!("{case}: {request}\n  found    {found}\n  expected {expected}");
                    different.push(case.as_str());
                    break;
                }
            }
        }
    }
    server.stop().await;
    tokio::task::spawn_blocking(move || chain.stop().unwrap()).await.unwrap();
    assert!(cases.len() >= 120, "only {} cases were found in {}", cases.len(), folder.display());
    for (case, reason) in OPEN {
        assert!(
            different.contains(&case),
            "{case} is as recorded now: take it off the list ({reason})"
        );
    }
    different.retain(|case| OPEN.iter().all(|(open, _)| open != case));
    assert!(different.is_empty(), "{} of {} differ: {different:#?}", different.len(), cases.len());
}

/// A node over the fixtures' chain, whose head a consensus layer has named, as the fixtures do.
async fn start(folder: &Path, data: &Path) -> (Chain, RpcHandle) {
    let genesis = fs::read_to_string(folder.join("genesis.json")).unwrap();
    let spec = Arc::new(ChainSpec::from_json(&genesis).unwrap());
    let db = Database::open(data, DatabaseOptions::default()).unwrap();
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    // Where the recording node wants its blocks' gas limit to be.
    let config =
        ChainConfig { gas_limit_target: 60_000_000, driven: true, ..ChainConfig::default() };
    let chain = Chain::open(config, spec, db, pool, None).unwrap();
    let encoded = fs::read(folder.join("chain.rlp")).unwrap();
    let mut rest = encoded.as_slice();
    while !rest.is_empty() {
        chain.import_block(Block::<Transaction>::decode(&mut rest).unwrap()).unwrap();
    }
    let head: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("headfcu.json")).unwrap()).unwrap();
    let engine = EngineCaller::new(RpcConfig::default(), chain.clone()).unwrap();
    let updated = engine.call(head["method"].as_str().unwrap(), &head["params"]).await.unwrap();
    assert_eq!(updated["result"]["payloadStatus"]["status"], "VALID", "{updated}");
    let config =
        RpcConfig { http_address: SocketAddr::from(([127, 0, 0, 1], 0)), ..RpcConfig::default() };
    let accounts = Arc::new(DevAccounts::dev());
    let server = serve(config, chain.clone(), accounts, Methods::new()).await.unwrap();
    (chain, server)
}

/// All recordings as `method/name.io`, in order.
fn cases(folder: &Path) -> Vec<String> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let methods = entries(folder).into_iter().filter(|path| path.is_dir());
    let files = methods.flat_map(|method| entries(&method));
    let recordings = files.filter(|path| path.extension().is_some_and(|ending| ending == "io"));
    let mut cases: Vec<String> = recordings
        .map(|path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned())
        .collect();
    cases.sort();
    cases
}

fn without_words(mut response: Value) -> Value {
    if let Some(error) = response.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    response
}

/// Objects have the same members, and other values are of the same kind.
fn same_shape(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && found.iter().all(|(name, value)| {
                    expected.get(name).is_some_and(|expected| same_shape(value, expected))
                })
        }
        _ => std::mem::discriminant(found) == std::mem::discriminant(expected),
    }
}
