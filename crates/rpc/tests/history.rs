//! Past state over HTTP: all of it by default, and where pruning is on, a sentence that says from
//! which block on answers exist.

mod node;

use alloy_primitives::{B256, Bytes, keccak256};
use node::{Node, STORER, quantity};
use plasma_rpc::RpcConfig;
use plasma_storage::DatabaseOptions;
use serde_json::json;

const BLOCKS: u64 = 12;

fn word(number: u64) -> Bytes {
    Bytes::copy_from_slice(B256::with_last_byte(number as u8).as_slice())
}

/// Block `n` stores `n`.
async fn node(options: DatabaseOptions) -> Node {
    let node = Node::with_database(options, RpcConfig::default(), |_| ()).await;
    for nonce in 0..BLOCKS {
        node.send(0, nonce, STORER, word(nonce + 1)).await;
    }
    let chain = node.chain.clone();
    tokio::task::spawn_blocking(move || chain.database().flush().unwrap()).await.unwrap();
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_answers_at_every_block() {
    let node = node(DatabaseOptions { reorg_blocks: 2, ..DatabaseOptions::default() }).await;
    let sender = node.accounts.addresses()[0];
    for number in 0..=BLOCKS {
        let block = format!("{number:#x}");
        let stored = node.call("eth_getStorageAt", json!([STORER, "0x0", block])).await;
        assert_eq!(stored, json!(B256::with_last_byte(number as u8)));
        let nonce = node.call("eth_getTransactionCount", json!([sender, block])).await;
        assert_eq!(quantity(&nonce), number);
        // Proofs need no more than the past values.
        let proof = node.call("eth_getProof", json!([STORER, ["0x0"], block])).await;
        assert_eq!(quantity(&proof["storageProof"][0]["value"]), number);
        let root = node.call("eth_getBlockByNumber", json!([block, false])).await;
        let first: Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
        assert_eq!(json!(keccak256(first)), root["stateRoot"]);
    }
    let capabilities = node.call("eth_capabilities", json!([])).await;
    assert_eq!(capabilities["state"], json!({"disabled": false, "oldestBlock": "0x0"}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_block_is_refused_with_the_first_that_is_kept() {
    let node =
        node(DatabaseOptions { history_blocks: Some(3), ..DatabaseOptions::default() }).await;
    let oldest = BLOCKS - 3;
    let capabilities = node.call("eth_capabilities", json!([])).await;
    assert_eq!(quantity(&capabilities["state"]["oldestBlock"]), oldest);
    assert_eq!(capabilities["state"]["deleteStrategy"]["retentionBlocks"], "0x3");
    assert_eq!(capabilities["stateproofs"], capabilities["state"]);
    for number in 0..=BLOCKS {
        let block = format!("{number:#x}");
        for (method, parameters) in [
            ("eth_getStorageAt", json!([STORER, "0x0", block])),
            ("eth_getBalance", json!([STORER, block])),
            ("eth_call", json!([{"to": STORER, "data": B256::ZERO}, block])),
            ("eth_getProof", json!([STORER, ["0x0"], block])),
        ] {
            if number >= oldest {
                node.call(method, parameters).await;
                continue;
            }
            let refused = node.fail(method, parameters).await;
            assert_eq!(refused.code, -32000, "{method}: {}", refused.message);
            let sentence = format!("answers exist from block {oldest} on");
            assert!(refused.message.contains(&sentence), "{method}: {}", refused.message);
        }
    }
    node.stop().await;
}
