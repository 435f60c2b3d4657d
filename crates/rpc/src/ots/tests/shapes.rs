//! What the methods answer, member by member.

use crate::dev::harness::{GENESIS, Node, quantity};
use alloy_primitives::{Address, B256, U256, hex};
use serde_json::{Value, json};

const OUTER: Address = Address::repeat_byte(0xc1);
const INNER: Address = Address::repeat_byte(0xc2);
const PLAIN: Address = Address::repeat_byte(0xd1);
const REVERTING: Address = Address::repeat_byte(0xc3);

/// A node with contracts: [`OUTER`] calls [`INNER`] with 3 wei, static-calls and delegates to it, calls
/// the identity precompile, creates a contract with 2 wei, and destroys itself in favour of [`PLAIN`];
/// [`INNER`] sends on to [`PLAIN`] what it gets.
async fn scene() -> Node {
    let node = Node::start();
    let inner = hex::encode(INNER);
    let plain = hex::encode(PLAIN);
    let outer = format!(
        "0x5f5f5f5f600373{inner}5af150 5f5f5f5f73{inner}5afa50 5f5f5f5f73{inner}5af450 \
         5f5f5f5f60045afa50 69600060005360016000f3600052600a60166002f050 73{plain}ff"
    );
    let code = [
        (OUTER, outer.replace(' ', "")),
        (INNER, format!("0x5f5f5f5f3473{plain}5af100")),
        // Returns one word, 0x2a, and reverts.
        (REVERTING, "0x602a5f5260205ffd".to_owned()),
    ];
    for (address, code) in code {
        node.call("anvil_setCode", json!([address, code])).await;
    }
    node.call("anvil_setBalance", json!([OUTER, "0x64"])).await;
    node
}

fn rows(entries: &Value) -> Vec<(String, u64, Value, Value, Value)> {
    let row = |entry: &Value| {
        let [from, to, value] = ["from", "to", "value"].map(|name| entry[name].clone());
        let depth = entry["depth"].as_u64().expect("a JSON number");
        (entry["type"].as_str().unwrap().to_owned(), depth, from, to, value)
    };
    entries.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_operations_inside_of_a_transaction_are_told_as_erigon_does() {
    let node = scene().await;
    let sender = node.accounts[0];
    let receipt = node
        .send(json!({"to": OUTER, "value": "0xa", "data": "0x01020304", "gas": "0x7a120"}))
        .await;
    assert_eq!(receipt["status"], "0x1");
    let hash = &receipt["transactionHash"];
    let entries = node.call("ots_traceTransaction", json!([hash])).await;
    let created = OUTER.create(0);
    let row = |kind: &str, depth: u64, from: Address, to: Address, value: Option<&str>| {
        (kind.to_owned(), depth, json!(from), json!(to), json!(value))
    };
    let expected = [
        row("CALL", 0, sender, OUTER, Some("0xa")),
        row("CALL", 1, OUTER, INNER, Some("0x3")),
        row("CALL", 2, INNER, PLAIN, Some("0x3")),
        row("STATICCALL", 1, OUTER, INNER, None),
        row("CALL", 2, INNER, PLAIN, Some("0x0")),
        row("DELEGATECALL", 1, OUTER, INNER, None),
        row("CALL", 2, OUTER, PLAIN, Some("0xa")),
        row("CREATE", 1, OUTER, created, Some("0x2")),
        row("SELFDESTRUCT", 1, OUTER, PLAIN, Some("0x5f")),
    ];
    assert_eq!(rows(&entries), expected);
    assert_eq!(entries[0]["input"], "0x01020304");
    assert_eq!(
        (&entries[7]["input"], &entries[7]["output"]),
        (&json!("0x600060005360016000f3"), &json!("0x00"))
    );
    assert_eq!((&entries[8]["input"], &entries[8]["output"]), (&json!("0x"), &json!("0x")));
    let operation = |kind: u8, from: Address, to: Address, value: &str| json!({"type": kind, "from": from, "to": to, "value": value});
    let operations = node.call("ots_getInternalOperations", json!([hash])).await;
    let expected = json!([
        operation(0, OUTER, INNER, "0x3"),
        operation(0, INNER, PLAIN, "0x3"),
        operation(0, OUTER, PLAIN, "0xa"),
        operation(2, OUTER, created, "0x2"),
        operation(1, OUTER, PLAIN, "0x5f"),
    ]);
    assert_eq!(operations, expected);
    assert_eq!(node.call("ots_getTransactionError", json!([hash])).await, "0x");
    let creator = node.call("ots_getContractCreator", json!([created])).await;
    assert_eq!(creator, json!({"hash": hash, "creator": OUTER}));
    for account in [OUTER, PLAIN] {
        assert_eq!(node.call("ots_getContractCreator", json!([account])).await, Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_a_revert_is_told() {
    let node = scene().await;
    let receipt = node.send(json!({"to": REVERTING, "gas": "0x186a0"})).await;
    assert_eq!(receipt["status"], "0x0");
    let error = node.call("ots_getTransactionError", json!([receipt["transactionHash"]])).await;
    assert_eq!(error, json!(B256::with_last_byte(0x2a)));
    for method in ["ots_getTransactionError", "ots_traceTransaction", "ots_getInternalOperations"] {
        let unknown = node.fail(method, json!([B256::ZERO])).await;
        assert_eq!((unknown.code, unknown.message.as_str()), (-32000, "transaction not found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_told_without_what_is_large_and_its_transactions_by_pages() {
    let node = scene().await;
    node.call("evm_setAutomine", json!([false])).await;
    let mut hashes = Vec::new();
    for index in 0..5 {
        let data = format!("0x{index:010x}");
        let call =
            json!({"from": node.accounts[index % 2], "to": OUTER, "data": data, "gas": "0x7a120"});
        hashes.push(node.call("eth_sendTransaction", json!([call])).await);
    }
    node.call("evm_mine", json!([])).await;
    let block = node.call("eth_getBlockByNumber", json!(["latest", true])).await;
    let hashes: Vec<Value> =
        block["transactions"].as_array().unwrap().iter().map(|tx| tx["hash"].clone()).collect();
    let number = quantity(&block["number"]);
    let details = node.call("ots_getBlockDetails", json!([number])).await;
    assert_eq!(node.call("ots_getBlockDetailsByHash", json!([block["hash"]])).await, details);
    let shown = details["block"].as_object().unwrap();
    assert!(!shown.contains_key("transactions"));
    assert_eq!(shown["transactionCount"], 5);
    assert_eq!(shown["logsBloom"], Value::Null);
    for (member, value) in block.as_object().unwrap() {
        if !["transactions", "logsBloom"].contains(&member.as_str()) {
            assert_eq!(&shown[member], value, "{member}");
        }
    }
    // This chain has no rewards.
    let nothing = json!({"blockReward": "0x0", "uncleReward": "0x0", "issuance": "0x0"});
    assert_eq!(details["issuance"], nothing);
    let mut fees = U256::ZERO;
    for hash in &hashes {
        let receipt = node.call("eth_getTransactionReceipt", json!([hash])).await;
        fees += U256::from(quantity(&receipt["gasUsed"]))
            * U256::from(quantity(&receipt["effectiveGasPrice"]));
    }
    assert_eq!(details["totalFees"], json!(fees));
    for (page, places) in [(0, 3..5), (1, 1..3), (2, 0..1), (3, 0..0)] {
        let params = json!([format!("{number:#x}"), page, 2]);
        let answer = node.call("ots_getBlockTransactions", params).await;
        let (full, receipts) = (&answer["fullblock"], answer["receipts"].as_array().unwrap());
        assert_eq!(full["transactionCount"], 5);
        assert_eq!((&full["hash"], &full["logsBloom"]), (&block["hash"], &Value::Null));
        let txs = full["transactions"].as_array().unwrap();
        assert_eq!((txs.len(), receipts.len()), (places.len(), places.len()));
        for ((tx, receipt), place) in txs.iter().zip(receipts).zip(places) {
            assert_eq!(
                (&tx["hash"], &receipt["transactionHash"]),
                (&hashes[place], &hashes[place])
            );
            assert_eq!(tx["input"].as_str().unwrap().len(), 10, "four bytes of five");
            assert_eq!((&receipt["logs"], &receipt["logsBloom"]), (&Value::Null, &Value::Null));
            assert_eq!(receipt["timestamp"], block["timestamp"]);
            assert!(receipt["gasUsed"].is_string());
        }
    }
    assert_eq!(node.call("ots_getBlockDetails", json!([99])).await, Value::Null);
    assert_eq!(node.call("ots_getBlockTransactions", json!([99, 0, 25])).await, Value::Null);
    let header = node.call("eth_getHeaderByNumber", json!([block["number"]])).await;
    for method in ["erigon_getHeaderByNumber", "ots_getHeaderByNumber"] {
        assert_eq!(node.call(method, json!([number])).await, header);
        assert_eq!(node.call(method, json!(["latest"])).await, header);
        assert_eq!(node.call(method, json!([99])).await, Value::Null);
    }
    assert_eq!(node.call("ots_getApiLevel", json!([])).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_no_size_or_too_large_are_refused() {
    let node = scene().await;
    for method in ["ots_searchTransactionsBefore", "ots_searchTransactionsAfter"] {
        for size in [0, 1_001] {
            let refused = node.fail(method, json!([OUTER, 0, size])).await;
            assert_eq!(refused.code, -32602);
            assert!(refused.message.contains("page size"), "{}", refused.message);
        }
        let missing = node.fail(method, json!([OUTER, 0])).await;
        assert_eq!(missing.message, "missing value for required argument 2");
        let nothing = json!({"txs": [], "receipts": [], "firstPage": true, "lastPage": true});
        assert_eq!(node.call(method, json!([Address::ZERO, 0, 25])).await, nothing);
        let (first, last) = (method.ends_with("After"), method.ends_with("Before"));
        let nothing = json!({"txs": [], "receipts": [], "firstPage": first, "lastPage": last});
        assert_eq!(node.call(method, json!([Address::ZERO, u64::MAX, 25])).await, nothing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fee_makes_no_appearance_of_the_beneficiary_and_a_failure_is_one_of_its_parties() {
    let node = scene().await;
    let beneficiary = Address::repeat_byte(0xee);
    node.call("anvil_setCoinbase", json!([beneficiary])).await;
    let search = |address: Address| json!([address, 0, 25]);
    let hashes = |page: Value| -> Vec<Value> {
        page["txs"].as_array().unwrap().iter().map(|tx| tx["hash"].clone()).collect()
    };
    let failed = node.send(json!({"to": REVERTING, "gas": "0x186a0"})).await;
    // A creation whose init code reverts: its place is named by the receipt all the same.
    let creation = node.send(json!({"data": "0x5f5ffd", "gas": "0x186a0"})).await;
    assert_eq!((&failed["status"], &creation["status"]), (&json!("0x0"), &json!("0x0")));
    let paid = node.call("eth_getBalance", json!([beneficiary, "latest"])).await;
    assert_ne!(paid, "0x0", "the beneficiary earned fees");
    let method = "ots_searchTransactionsBefore";
    assert_eq!(hashes(node.call(method, search(beneficiary)).await), Vec::<Value>::new());
    let given = node.send(json!({"to": beneficiary, "value": "0x1"})).await;
    let found = hashes(node.call(method, search(beneficiary)).await);
    assert_eq!(found, [given["transactionHash"].clone()]);
    let found = hashes(node.call(method, search(REVERTING)).await);
    assert_eq!(found, [failed["transactionHash"].clone()]);
    let place: Address = serde_json::from_value(creation["contractAddress"].clone()).unwrap();
    let found = hashes(node.call(method, search(place)).await);
    assert_eq!(found, [creation["transactionHash"].clone()]);
    assert_eq!(node.call("ots_getContractCreator", json!([place])).await, Value::Null);
}

/// A chain that never merges, on whose blocks rewards are paid.
fn genesis_without_merge(constantinople: bool) -> String {
    let mut genesis: Value = serde_json::from_str(GENESIS).unwrap();
    let kept = ["chainId", "homesteadBlock", "eip150Block", "eip155Block", "eip158Block"];
    let later = [
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
    ];
    let config = genesis["config"].as_object_mut().unwrap();
    config.retain(|name, _| {
        kept.contains(&name.as_str())
            || name == "byzantiumBlock"
            || (constantinople && later.contains(&name.as_str()))
    });
    genesis["difficulty"] = json!("0x1");
    genesis["alloc"].as_object_mut().unwrap().retain(|_, account| account.get("code").is_none());
    if !constantinople {
        genesis.as_object_mut().unwrap().remove("baseFeePerGas");
    }
    genesis.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_are_told_where_the_fork_has_them() {
    let ether = U256::from(1_000_000_000_000_000_000u64);
    for (constantinople, reward) in [(true, 2), (false, 3)] {
        let node = Node::on(&genesis_without_merge(constantinople), true);
        let miner = Address::repeat_byte(0xee);
        node.call("anvil_setCoinbase", json!([miner])).await;
        let receipt = node.send(json!({"to": PLAIN, "value": "0x1", "gas": "0x5208"})).await;
        let number = receipt["blockNumber"].clone();
        let reward = U256::from(reward) * ether;
        let frames = node.call("trace_block", json!([number])).await;
        let hash = &receipt["blockHash"];
        assert_eq!(frames.as_array().unwrap().len(), 2);
        assert_eq!(frames[0]["type"], "call");
        assert_eq!(
            frames[1],
            json!({
                "action": {"author": miner, "rewardType": "block", "value": reward},
                "blockHash": hash, "blockNumber": quantity(&number), "result": null, "subtraces": 0,
                "traceAddress": [], "transactionHash": null, "transactionPosition": null,
                "type": "reward",
            })
        );
        let details = node.call("ots_getBlockDetails", json!([number])).await;
        assert_eq!(details["issuance"]["blockReward"], json!(reward));
        assert_eq!(details["issuance"]["issuance"], json!(reward));
        // What the miner has is the reward and what is left of the fees.
        let balance: U256 =
            serde_json::from_value(node.call("eth_getBalance", json!([miner, number])).await)
                .unwrap();
        let price = U256::from(quantity(&receipt["effectiveGasPrice"]));
        let block = node.call("eth_getBlockByNumber", json!([number, false])).await;
        let base = block.get("baseFeePerGas").map_or(U256::ZERO, |fee| U256::from(quantity(fee)));
        assert_eq!(balance, reward + (price - base) * U256::from(21_000));
        let filter = json!([{"fromBlock": number, "toBlock": number, "toAddress": [miner]}]);
        assert_eq!(node.call("trace_filter", filter).await, json!([frames[1]]));
        node.call("evm_mine", json!([])).await;
        let empty = node.call("trace_block", json!(["latest"])).await;
        assert_eq!(empty.as_array().unwrap().len(), 1, "an empty block has its reward, too");
        assert_eq!(node.call("trace_block", json!(["0x0"])).await, json!([]));
    }
}
