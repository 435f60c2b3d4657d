//! The execution-apis' request and response pairs against a chain with their blocks.
//!
//! The fixtures are found through `PLASMA_FIXTURES`; without it the test says so and passes.

mod node;

use alloy_consensus::Block;
use alloy_rlp::Decodable;
use jsonrpsee::Methods;
use node::post;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_rpc::{DevAccounts, RpcConfig, serve};
use plasma_storage::{Database, DatabaseOptions, Transaction};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Methods that this node does not serve.
const NOT_SERVED: [&str; 2] = ["eth_simulateV1", "testing_buildBlockV1"];

/// Cases that this node answers otherwise, and why.
const DIFFERENT: [(&str, &str); 4] = [
    ("eth_getTransactionReceipt/get-legacy-contract", NO_ROOT),
    ("eth_getTransactionReceipt/get-legacy-input", NO_ROOT),
    ("eth_getTransactionReceipt/get-legacy-receipt", NO_ROOT),
    ("eth_getBlockReceipts/get-block-receipts-n", NO_ROOT),
];

const NO_ROOT: &str = "receipts from before Byzantium are stored without their state root";

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_execution_apis() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        eprintln!("PLASMA_FIXTURES is not set: nothing was compared");
        return;
    };
    let folder = Path::new(&fixtures).join("rpc-compat");
    let dir = tempfile::TempDir::new().unwrap();
    let chain = imported(&folder, dir.path());
    let config = RpcConfig {
        http_address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..RpcConfig::default()
    };
    let accounts = Arc::new(DevAccounts::default());
    let server = serve(config, chain.clone(), accounts, Methods::new()).await.unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for case in cases(&folder) {
        let name = case.strip_prefix(&folder).unwrap().with_extension("");
        let name = name.to_str().unwrap().to_owned();
        let text = fs::read_to_string(&case).unwrap();
        let shape_only = text.contains("// speconly");
        let mut request = None;
        for line in text.lines() {
            if let Some(sent) = line.strip_prefix(">> ") {
                request = Some(post(server.http_address(), "localhost", sent).await.1);
            }
            if let Some(expected) = line.strip_prefix("<< ") {
                compared += 1;
                let answer: Value = serde_json::from_str(&request.take().unwrap()).unwrap();
                let expected: Value = serde_json::from_str(expected).unwrap();
                if !agrees(&answer, &expected, shape_only)
                    && !DIFFERENT.iter().any(|(known, _)| *known == name)
                {
                    wrong.push(format!("{name}\n  want {expected}\n  got  {answer}"));
                }
            }
        }
    }
    server.stop().await;
    assert!(compared > 0, "no case was found in {}", folder.display());
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The chain of the fixtures, without block production.
fn imported(folder: &Path, dir: &Path) -> Chain {
    let genesis = fs::read_to_string(folder.join("genesis.json")).unwrap();
    let spec = Arc::new(ChainSpec::from_json(&genesis).unwrap());
    let db = Database::open(dir, DatabaseOptions::default()).unwrap();
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    let chain = Chain::open(ChainConfig::default(), spec, db, pool, None).unwrap();
    let encoded = fs::read(folder.join("chain.rlp")).unwrap();
    let mut rest = encoded.as_slice();
    while !rest.is_empty() {
        chain.import_block(Block::<Transaction>::decode(&mut rest).unwrap()).unwrap();
    }
    chain
}

/// All cases in lexical order.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut cases: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .filter(|path| !NOT_SERVED.iter().any(|method| path.ends_with(method)))
        .flat_map(|path| entries(&path))
        .filter(|path| path.extension().is_some_and(|extension| extension == "io"))
        .collect();
    cases.sort();
    cases
}

/// Whether an answer is the expected one: the texts of errors are free, and of some cases only the
/// shape counts.
fn agrees(answer: &Value, expected: &Value, shape_only: bool) -> bool {
    if let (Some(got), Some(want)) = (answer.get("error"), expected.get("error")) {
        return got["code"] == want["code"] && got.get("data") == want.get("data");
    }
    if shape_only {
        return same_shape(&answer["result"], &expected["result"]);
    }
    answer == expected
}

/// The same kind of value, objects with at least the expected members.
fn same_shape(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            // Members of a pool's content are addresses, which may differ.
            want.iter().all(|(name, want)| {
                name.starts_with("0x") || got.get(name).is_some_and(|got| same_shape(got, want))
            })
        }
        (Value::Array(_), Value::Array(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => true,
        _ => false,
    }
}
