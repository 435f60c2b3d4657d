//! The JSON of blocks and transactions against the execution-apis' own answers.
//!
//! The fixtures are found through `PLASMA_FIXTURES`; without it the test says so and passes. Their
//! chain begins with blocks from before Byzantium, whose receipts hold state roots that Plasma does
//! not store, so it is decoded here and not imported.

use alloy_consensus::{Block, transaction::SignerRecoverable};
use alloy_primitives::{B256, map::HashMap};
use alloy_rlp::Decodable;
use plasma_chain::ExecutedBlock;
use plasma_chainspec::ChainSpec;
use plasma_rpc::{
    api::Target,
    convert::{block_json, block_transaction},
};
use plasma_storage::Transaction;
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

struct Fixtures {
    blocks: Vec<Arc<ExecutedBlock>>,
    transactions: HashMap<B256, (usize, usize)>,
}

#[test]
fn blocks_and_transactions_read_as_the_execution_apis_have_them() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        eprintln!("PLASMA_FIXTURES is not set: nothing was compared");
        return;
    };
    let folder = Path::new(&fixtures).join("rpc-compat");
    let chain = Fixtures::read(&folder);
    assert_eq!(chain.blocks.len(), 55);
    let mut compared = 0;
    for method in [
        "eth_getBlockByNumber",
        "eth_getTransactionByHash",
        "eth_getTransactionByBlockNumberAndIndex",
    ] {
        for entry in fs::read_dir(folder.join(method)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let line = |start: &str| -> Value {
                let line = text.lines().find_map(|line| line.strip_prefix(start)).unwrap();
                serde_json::from_str(line).unwrap()
            };
            let (request, expected) = (line(">> "), line("<< "));
            let answer = chain.answer(method, &request["params"]);
            assert_eq!(answer, expected["result"], "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 8, "only {compared} cases were found in {}", folder.display());
}

impl Fixtures {
    fn read(folder: &Path) -> Self {
        let genesis = fs::read_to_string(folder.join("genesis.json")).unwrap();
        let spec = ChainSpec::from_json(&genesis).unwrap();
        let header = spec.genesis_header().clone();
        let mut blocks = vec![Arc::new(ExecutedBlock {
            hash: spec.genesis_hash(),
            header,
            transactions: Vec::new(),
            receipts: Vec::new(),
            ommers: Vec::new(),
            withdrawals: None,
            ..Default::default()
        })];
        let encoded = fs::read(folder.join("chain.rlp")).unwrap();
        let mut rest = encoded.as_slice();
        while !rest.is_empty() {
            let block = Block::<Transaction>::decode(&mut rest).unwrap();
            let transactions = block.body.transactions.into_iter();
            blocks.push(Arc::new(ExecutedBlock {
                hash: block.header.hash_slow(),
                header: block.header,
                transactions: transactions.map(|tx| tx.try_into_recovered().unwrap()).collect(),
                receipts: Vec::new(),
                ommers: block.body.ommers,
                withdrawals: block.body.withdrawals,
                ..Default::default()
            }));
        }
        let mut transactions = HashMap::default();
        for (number, block) in blocks.iter().enumerate() {
            for (index, transaction) in block.transactions.iter().enumerate() {
                transactions.insert(*transaction.tx_hash(), (number, index));
            }
        }
        Self { blocks, transactions }
    }

    fn answer(&self, method: &str, params: &Value) -> Value {
        let number = |value: &Value| match value.as_str().unwrap() {
            "safe" | "latest" | "finalized" => self.blocks.len() - 1,
            "earliest" => 0,
            hex => usize::from_str_radix(&hex[2..], 16).unwrap(),
        };
        let transaction = |(block, index): (usize, usize)| {
            self.blocks.get(block).and_then(|block| block_transaction(block, index))
        };
        match method {
            "eth_getBlockByNumber" => {
                let Some(block) = self.blocks.get(number(&params[0])) else { return Value::Null };
                let full = params[1].as_bool().unwrap();
                let raw = block_json(&Target::Sealed(block.clone()), full).unwrap();
                serde_json::from_str(raw.get()).unwrap()
            }
            "eth_getTransactionByHash" => {
                let hash: B256 = serde_json::from_value(params[0].clone()).unwrap();
                json!(self.transactions.get(&hash).and_then(|place| transaction(*place)))
            }
            _ => json!(transaction((number(&params[0]), number(&params[1])))),
        }
    }
}
