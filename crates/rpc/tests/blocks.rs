//! Blocks, transactions, receipts, state and logs over HTTP, against a chain that mines on demand.

mod node;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use node::{ANSWERER, LOG_TOPIC, Node, STORER, quantity, transaction};
use plasma_rpc::RpcConfig;
use serde_json::{Value, json};

const UNKNOWN: B256 = B256::repeat_byte(0xab);

fn word(number: u64) -> Bytes {
    B256::from(U256::from(number)).0.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_in_a_block_when_its_submission_is_answered() {
    let node = Node::start().await;
    for nonce in 0..3 {
        let hash = node.send(0, nonce, STORER, word(nonce)).await;
        let receipt = node.call("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(quantity(&receipt["blockNumber"]), nonce + 1);
        let found = node.call("eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(found["blockHash"], receipt["blockHash"]);
        assert_eq!(found["nonce"], format!("{nonce:#x}"));
        let raw = node.call("eth_getRawTransactionByHash", json!([hash])).await;
        let raw = hex::decode(raw.as_str().unwrap()).unwrap();
        assert_eq!(json!(keccak256(raw)), hash);
        let block = node.call("eth_getBlockByNumber", json!(["latest", true])).await;
        assert_eq!(block["transactions"][0], found);
        let same = node.call("eth_getBlockByHash", json!([block["hash"], true])).await;
        assert_eq!(same, block);
        let receipts = node.call("eth_getBlockReceipts", json!([block["hash"]])).await;
        assert_eq!(receipts, json!([receipt]));
        let number = block["number"].clone();
        for (method, id) in [
            ("eth_getTransactionByBlockNumberAndIndex", &number),
            ("eth_getTransactionByBlockHashAndIndex", &block["hash"]),
        ] {
            assert_eq!(node.call(method, json!([id, "0x0"])).await, found);
            assert_eq!(node.call(method, json!([id, "0x1"])).await, Value::Null);
        }
        let header = node.call("eth_getHeaderByNumber", json!([number])).await;
        assert_eq!(header["hash"], block["hash"]);
        assert!(header.get("transactions").is_none());
        let by_nonce = json!([node.accounts.addresses()[0], format!("{nonce:#x}")]);
        assert_eq!(node.call("eth_getTransactionBySenderAndNonce", by_nonce).await, found);
    }
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x3");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_null_or_an_error_as_in_geth() {
    let node = Node::start().await;
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0xffff", false])),
        ("eth_getBlockByHash", json!([UNKNOWN, false])),
        ("eth_getHeaderByHash", json!([UNKNOWN])),
        ("eth_getBlockReceipts", json!(["0xffff"])),
        ("eth_getBlockReceipts", json!([UNKNOWN])),
        ("eth_getTransactionByHash", json!([UNKNOWN])),
        ("eth_getTransactionReceipt", json!([UNKNOWN])),
        ("eth_getBlockTransactionCountByHash", json!([UNKNOWN])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])),
        ("eth_getUncleCountByBlockNumber", json!(["0xffff"])),
    ] {
        assert_eq!(node.call(method, params).await, Value::Null, "{method}");
    }
    assert_eq!(node.call("eth_getUncleCountByBlockNumber", json!(["latest"])).await, "0x0");
    assert_eq!(node.call("eth_getBlockReceipts", json!(["earliest"])).await, json!([]));
    for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
        let future = node.fail(method, json!([ANSWERER, "0xffff"])).await;
        assert_eq!((future.code, future.message.as_str()), (-32000, "header not found"));
        let unknown = node.fail(method, json!([ANSWERER, {"blockHash": UNKNOWN}])).await;
        assert_eq!(unknown.message, "header for hash not found");
        let tag = node.fail(method, json!([ANSWERER, "newest"])).await;
        assert_eq!(tag.code, -32602);
        assert!(tag.message.starts_with("invalid argument 1: "), "{}", tag.message);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_block_lacks_what_only_sealing_gives() {
    let node = Node::start().await;
    let pending = node.call("eth_getBlockByNumber", json!(["pending", false])).await;
    for member in ["hash", "nonce", "miner"] {
        assert_eq!(pending.get(member), Some(&Value::Null), "{member}");
    }
    assert_eq!(pending["number"], "0x1");
    for tag in ["latest", "safe", "finalized", "earliest", "0x0"] {
        let block = node.call("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["number"], "0x0", "{tag}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_read_at_any_block() {
    let node = Node::start().await;
    let sender = node.accounts.addresses()[0];
    node.send(0, 0, STORER, word(7)).await;
    let at = |block: &str| json!([STORER, "0x0", block]);
    assert_eq!(node.call("eth_getStorageAt", at("latest")).await, json!(B256::with_last_byte(7)));
    assert_eq!(node.call("eth_getStorageAt", at("0x0")).await, json!(B256::ZERO));
    let full = json!([STORER, B256::ZERO, "latest"]);
    assert_eq!(node.call("eth_getStorageAt", full).await, json!(B256::with_last_byte(7)));
    let values = json!([{STORER.to_string(): ["0x0", B256::with_last_byte(1)]}]);
    let values = node.call("eth_getStorageValues", values).await;
    let values = values.as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(values, json!([B256::with_last_byte(7), B256::ZERO]));
    assert_eq!(node.call("eth_getTransactionCount", json!([sender, "latest"])).await, "0x1");
    assert_eq!(node.call("eth_getTransactionCount", json!([sender, "0x0"])).await, "0x0");
    assert_eq!(node.call("eth_getTransactionCount", json!([sender, "pending"])).await, "0x1");
    assert_eq!(node.call("eth_getCode", json!([ANSWERER])).await, "0x5f545f5260205ff3");
    assert_eq!(node.call("eth_getCode", json!([Address::ZERO, "latest"])).await, "0x");
    let info = node.call("eth_getAccountInfo", json!([ANSWERER, "0x1"])).await;
    assert_eq!(info, json!({"balance": "0x0", "nonce": "0x0", "code": "0x5f545f5260205ff3"}));
    let balance = node.call("eth_getBalance", json!([sender, "0x0"])).await;
    assert_eq!(balance, "0x21e19e0c9bab2400000");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_answer_keys_in_the_form_they_were_asked_in() {
    let node = Node::start().await;
    node.send(0, 0, STORER, word(7)).await;
    let keys = json!(["0x0", B256::with_last_byte(1)]);
    for (block, expected) in [("latest", "0x7"), ("0x0", "0x0")] {
        let proof = node.call("eth_getProof", json!([STORER, keys, block])).await;
        assert_eq!(proof["storageProof"][0]["key"], "0x0");
        assert_eq!(proof["storageProof"][0]["value"], expected);
        assert_eq!(proof["storageProof"][1]["key"], json!(B256::with_last_byte(1)));
        let root = node.call("eth_getBlockByNumber", json!([block, false])).await;
        let first = hex::decode(proof["accountProof"][0].as_str().unwrap()).unwrap();
        assert_eq!(json!(keccak256(first)), root["stateRoot"]);
    }
    let short = node.call("eth_getProof", json!([ANSWERER, []])).await;
    assert_eq!(short["storageProof"], json!([]));
    assert_eq!(short["codeHash"], json!(keccak256(hex!("5f545f5260205ff3"))));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_by_range_hash_address_and_topic() {
    let node = Node::start().await;
    for nonce in 0..5 {
        node.send(0, nonce, STORER, word(nonce)).await;
    }
    let all = node.call("eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "latest"}])).await;
    assert_eq!(all.as_array().unwrap().len(), 5);
    assert_eq!(all[4]["topics"], json!([LOG_TOPIC]));
    assert_eq!(all[4]["data"], json!(B256::with_last_byte(4)));
    assert_eq!(all[4]["blockNumber"], "0x5");
    let latest = node.call("eth_getLogs", json!([{}])).await;
    assert_eq!(latest, json!([all[4]]));
    let by_hash = node.call("eth_getLogs", json!([{"blockHash": all[1]["blockHash"]}])).await;
    assert_eq!(by_hash, json!([all[1]]));
    let some = json!([{"fromBlock": "0x2", "toBlock": "0x3", "address": [STORER],
                       "topics": [[LOG_TOPIC, B256::ZERO]]}]);
    assert_eq!(node.call("eth_getLogs", some).await, json!([all[1], all[2]]));
    let other = json!([{"fromBlock": "0x0", "address": ANSWERER}]);
    assert_eq!(node.call("eth_getLogs", other).await, json!([]));
    let reversed = node.fail("eth_getLogs", json!([{"fromBlock": "0x3", "toBlock": "0x2"}])).await;
    assert_eq!((reversed.code, reversed.message.as_str()), (-32602, "invalid block range params"));
    let future = node.fail("eth_getLogs", json!([{"fromBlock": "0x3", "toBlock": "0xff"}])).await;
    assert_eq!(future.message, "block range extends beyond current head block");
    let unknown = node.fail("eth_getLogs", json!([{"blockHash": UNKNOWN}])).await;
    assert_eq!(unknown.message, "unknown block");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_limits_name_their_flags() {
    let rpc = RpcConfig { max_logs: 2, max_log_blocks: 3, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    for nonce in 0..4 {
        node.send(0, nonce, STORER, word(nonce)).await;
    }
    let two = json!([{"fromBlock": "0x1", "toBlock": "0x2"}]);
    assert_eq!(node.call("eth_getLogs", two).await.as_array().unwrap().len(), 2);
    let many = node.fail("eth_getLogs", json!([{"fromBlock": "0x1", "toBlock": "0x3"}])).await;
    assert_eq!(many.code, -32005);
    assert!(many.message.contains("--rpc.max-logs"), "{}", many.message);
    let wide = node.fail("eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "0x4"}])).await;
    assert_eq!(wide.code, -32005);
    assert!(wide.message.contains("--rpc.max-log-blocks"), "{}", wide.message);
    // Blocks without such logs cost nothing, however many they are.
    let none = json!([{"fromBlock": "0x0", "toBlock": "0x4", "address": ANSWERER}]);
    assert_eq!(node.call("eth_getLogs", none).await, json!([]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_follow_the_blocks() {
    let node = Node::start().await;
    let history = node.call("eth_feeHistory", json!(["0xa", "latest", [20]])).await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 2);
    assert_eq!(history["reward"], json!([["0x0"]]));
    let tip = node.call("eth_maxPriorityFeePerGas", json!([])).await;
    assert_eq!(tip, "0xf4240");
    for nonce in 0..3 {
        node.send(0, nonce, STORER, word(nonce)).await;
    }
    let history = node.call("eth_feeHistory", json!([2, "latest", [0, 50.5, 100]])).await;
    assert_eq!(history["oldestBlock"], "0x2");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["baseFeePerBlobGas"].as_array().unwrap().len(), 3);
    let rewards = ["0x3b9aca00"; 3];
    assert_eq!(history["reward"], json!([rewards, rewards]));
    for empty in [json!(["0x1", "latest", []]), json!(["0x1", "latest"])] {
        let history = node.call("eth_feeHistory", empty).await;
        assert!(history.get("reward").is_none(), "{history}");
    }
    assert_eq!(node.call("eth_maxPriorityFeePerGas", json!([])).await, "0x3b9aca00");
    let price = quantity(&node.call("eth_gasPrice", json!([])).await);
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(price, 1_000_000_000 + quantity(&head["baseFeePerGas"]));
    assert_eq!(node.call("eth_blobBaseFee", json!([])).await, "0x1");
    let beyond = node.fail("eth_feeHistory", json!(["0x1", "0xff", []])).await;
    assert!(beyond.message.starts_with("request beyond head block"), "{}", beyond.message);
    let falling = node.fail("eth_feeHistory", json!(["0x1", "latest", [50, 20]])).await;
    assert!(falling.message.starts_with("invalid reward percentile"), "{}", falling.message);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pools_refusals_are_geths() {
    let node = Node::start().await;
    node.send(0, 0, STORER, word(1)).await;
    let refuse = async |transaction| {
        let raw = node.signed(0, transaction);
        node.fail("eth_sendRawTransaction", json!([raw])).await
    };
    let low = refuse(transaction(0, STORER, word(2))).await;
    assert_eq!(low.code, -32000);
    assert!(low.message.starts_with("nonce too low"), "{}", low.message);
    let mut dear = transaction(1, STORER, Bytes::new());
    dear.value = U256::MAX >> 1;
    let dear = refuse(dear).await;
    assert!(dear.message.starts_with("insufficient funds for gas * price + value"));
    let mut small = transaction(1, STORER, Bytes::new());
    small.gas_limit = 20_000;
    assert!(refuse(small).await.message.starts_with("intrinsic gas too low"));
    let mut foreign = transaction(1, STORER, Bytes::new());
    foreign.chain_id = 1;
    assert_eq!(refuse(foreign).await.code, -32000);
    let garbage = node.fail("eth_sendRawTransaction", json!(["0x1234"])).await;
    assert_eq!(garbage.code, -32000);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_waits_in_the_pool() {
    let node = Node::start().await;
    let hash = node.send(0, 2, STORER, word(1)).await;
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    let waiting = node.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(waiting["blockHash"], Value::Null);
    let status = node.call("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x0", "queued": "0x1"}));
    let sender = node.accounts.addresses()[0];
    let content = node.call("txpool_content", json!([])).await;
    assert_eq!(content["queued"][sender.to_checksum(None)]["2"], waiting);
    let from = node.call("txpool_contentFrom", json!([sender])).await;
    assert_eq!(from, json!({"pending": {}, "queued": {"2": waiting}}));
    let inspect = node.call("txpool_inspect", json!([])).await;
    let line = inspect["queued"][sender.to_checksum(None)]["2"].as_str().unwrap();
    assert!(line.ends_with("0 wei + 200000 gas × 10000000000 wei"), "{line}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_submission_answers_the_receipt_or_eip_7966s_errors() {
    let node = Node::start().await;
    let raw = node.signed(0, transaction(0, STORER, word(1)));
    let receipt = node.call("eth_sendRawTransactionSync", json!([raw, 5000])).await;
    assert_eq!(receipt["status"], "0x1");
    let again = node.call("eth_getTransactionReceipt", json!([receipt["transactionHash"]])).await;
    assert_eq!(again, receipt);
    let gap = node.signed(0, transaction(7, STORER, word(1)));
    let gap = node.fail("eth_sendRawTransactionSync", json!([gap, "0x3e8"])).await;
    assert_eq!((gap.code, gap.data), (6, Some(json!("0x1"))));
    let mut cheap = transaction(1, STORER, word(1));
    cheap.max_fee_per_gas = 1;
    cheap.max_priority_fee_per_gas = 1;
    let cheap = node.signed(0, cheap);
    assert_eq!(node.fail("eth_sendRawTransactionSync", json!([cheap])).await.code, 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_submission_answers_what_a_tick_has_made_durable() {
    let node = Node::with(RpcConfig::default(), |chain| {
        chain.automine = false;
        chain.block_time = std::time::Duration::from_secs(3600);
        chain.tick = std::time::Duration::from_millis(5);
    })
    .await;
    let raws = [0, 1].map(|nonce| node.signed(0, transaction(nonce, STORER, word(nonce + 1))));
    let mut early = Vec::new();
    for raw in raws {
        early.push(node.call("eth_sendRawTransactionSync", json!([raw])).await);
    }
    node.call("evm_mine", json!([])).await;
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    for (index, mut receipt) in early.into_iter().enumerate() {
        assert_eq!(
            (&receipt["blockHash"], quantity(&receipt["transactionIndex"])),
            (&Value::Null, index as u64)
        );
        assert_eq!(receipt["logs"][0]["blockHash"], Value::Null);
        receipt["blockHash"] = head["hash"].clone();
        receipt["logs"][0]["blockHash"] = head["hash"].clone();
        let sealed =
            node.call("eth_getTransactionReceipt", json!([receipt["transactionHash"]])).await;
        assert_eq!(receipt, sealed, "all but the hash of the block was final");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_submission_times_out_with_the_hash() {
    let node = Node::with(RpcConfig::default(), |chain| {
        chain.automine = false;
        chain.block_time = std::time::Duration::from_secs(3600);
        chain.tick = std::time::Duration::from_secs(3600);
    })
    .await;
    let raw = node.signed(0, transaction(0, STORER, word(1)));
    let hash = json!(keccak256(&raw));
    let late = node.fail("eth_sendRawTransactionSync", json!([raw, 1])).await;
    assert_eq!((late.code, late.data), (4, Some(hash)));
    node.stop().await;
}

#[tokio::test]
async fn a_block_built_for_a_test_is_the_block_that_was_made() {
    let node = Node::start().await;
    let genesis = node.call("eth_getBlockByNumber", json!(["0x0", false])).await;
    let raw = node.signed(0, transaction(0, STORER, Bytes::from(vec![7; 32])));
    node.call("eth_sendRawTransaction", json!([raw])).await;
    let made = node.call("eth_getBlockByNumber", json!(["0x1", false])).await;
    let attributes = json!({
        "timestamp": made["timestamp"], "prevRandao": made["mixHash"],
        "suggestedFeeRecipient": made["miner"], "withdrawals": made["withdrawals"],
        "parentBeaconBlockRoot": made["parentBeaconBlockRoot"],
    });
    let build = |attributes: &Value, raw: Value| {
        json!([genesis["hash"], attributes, raw, made["extraData"]])
    };
    let built = node.call("testing_buildBlockV1", build(&attributes, json!([raw]))).await;
    let payload = &built["executionPayload"];
    assert_eq!(payload["blockHash"], made["hash"]);
    assert_eq!(payload["stateRoot"], made["stateRoot"]);
    assert_eq!(payload["transactions"], json!([raw]));
    // The tests' transactions offer 1 gwei above the base fee.
    assert_eq!(quantity(&built["blockValue"]), quantity(&made["gasUsed"]) * 1_000_000_000);
    assert_eq!(built["executionRequests"], json!([]));
    // From the pool, which is empty by now.
    let empty = node.call("testing_buildBlockV1", build(&attributes, Value::Null)).await;
    assert_eq!(empty["executionPayload"]["transactions"], json!([]));
    assert_eq!(empty["blockValue"], "0x0");

    let late = node.signed(0, transaction(9, STORER, Bytes::new()));
    let refused = node.fail("testing_buildBlockV1", build(&attributes, json!([late]))).await;
    assert_eq!(refused.code, -32000);
    assert!(refused.message.contains("nonce too high"), "{}", refused.message);
    for (member, value) in [("timestamp", json!("0x1")), ("withdrawals", Value::Null)] {
        let mut wrong = attributes.clone();
        wrong[member] = value;
        let refused = node.fail("testing_buildBlockV1", build(&wrong, json!([]))).await;
        assert_eq!(refused.code, -32602, "{member}: {}", refused.message);
    }
    let unknown = json!([B256::ZERO, attributes, [], "0x"]);
    assert_eq!(node.fail("testing_buildBlockV1", unknown).await.code, -32000);
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x1");
    node.stop().await;
}

#[tokio::test]
async fn the_configuration_of_forks_is_served() {
    let node = Node::start().await;
    let config = node.call("eth_config", json!([])).await;
    assert_eq!(config["current"]["chainId"], format!("{:#x}", node::CHAIN_ID));
    assert_eq!(config["current"]["activationTime"], 0);
    assert_eq!(config["current"]["blobSchedule"]["max"], 9);
    assert_eq!((&config["next"], &config["last"]), (&Value::Null, &Value::Null));
    node.stop().await;
}
