//! The commands against a real chain.

use super::harness::{Node, quantity};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

const SOMEBODY: Address = Address::repeat_byte(0x11);
const ETHER: &str = "0xde0b6b3a7640000";

#[tokio::test(flavor = "multi_thread")]
async fn patches_are_seen_at_once_and_stay() {
    let node = Node::start();
    let slot = "0x1";
    let value = B256::with_last_byte(9);
    assert_eq!(node.call("hardhat_setBalance", json!([SOMEBODY, ETHER])).await, json!(true));
    assert_eq!(node.call("anvil_setNonce", json!([SOMEBODY, "0x7"])).await, Value::Null);
    assert_eq!(node.call("hardhat_setCode", json!([SOMEBODY, "0x00"])).await, json!(true));
    assert_eq!(
        node.call("hardhat_setStorageAt", json!([SOMEBODY, slot, value])).await,
        json!(true)
    );
    node.call("anvil_addBalance", json!([SOMEBODY, "0x1"])).await;
    for round in 0..2 {
        let balance = node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await;
        assert_eq!(balance, U256::from(10u64.pow(18) + 1), "round {round}");
        assert_eq!(
            node.number("eth_getTransactionCount", json!([SOMEBODY, "latest"])).await,
            U256::from(7)
        );
        assert_eq!(node.call("eth_getCode", json!([SOMEBODY, "latest"])).await, json!("0x00"));
        assert_eq!(
            node.call("eth_getStorageAt", json!([SOMEBODY, slot, "latest"])).await,
            json!(value)
        );
        node.call("evm_mine", json!([])).await;
    }
    node.call("hardhat_setCode", json!([SOMEBODY, "0x"])).await;
    assert_eq!(node.call("eth_getCode", json!([SOMEBODY, "latest"])).await, json!("0x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_do_not_overflow() {
    let node = Node::start();
    node.call("hardhat_setBalance", json!([SOMEBODY, format!("{:#x}", U256::MAX)])).await;
    let failure = node.fail("anvil_addBalance", json!([SOMEBODY, "0x1"])).await;
    assert_eq!(failure.code, -32602);
    assert!(failure.message.contains("256 bits"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_brings_back_state_and_height() {
    let node = Node::start();
    let before = node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await;
    let id = node.call("evm_snapshot", json!([])).await;
    node.send(json!({"to": SOMEBODY, "value": "0x5"})).await;
    node.call("evm_mine", json!([])).await;
    assert_eq!(node.number("eth_blockNumber", json!([])).await, U256::from(2));
    assert_eq!(node.call("evm_revert", json!([id])).await, json!(true));
    assert_eq!(node.number("eth_blockNumber", json!([])).await, U256::ZERO);
    assert_eq!(node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await, before);
    assert_eq!(node.call("evm_revert", json!([id])).await, json!(false), "used up");
    // The chain goes on from there.
    node.send(json!({"to": SOMEBODY, "value": "0x6"})).await;
    assert_eq!(
        node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await,
        before + U256::from(6)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_nest() {
    let node = Node::start();
    let outer = node.call("evm_snapshot", json!([])).await;
    node.call("evm_mine", json!([])).await;
    let inner = node.call("evm_snapshot", json!([])).await;
    assert_ne!(outer, inner);
    node.call("evm_mine", json!([])).await;
    let metadata = node.call("anvil_metadata", json!([])).await;
    assert_eq!(metadata["snapshots"].as_object().unwrap().len(), 2);
    assert_eq!(node.call("evm_revert", json!([outer])).await, json!(true));
    assert_eq!(node.call("evm_revert", json!([inner])).await, json!(false));
    let metadata = node.call("anvil_metadata", json!([])).await;
    assert!(metadata["snapshots"].as_object().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_follows_count_and_interval() {
    let node = Node::start();
    let start = node.latest().await;
    assert_eq!(node.call("hardhat_mine", json!(["0x3", "0x3c"])).await, json!(true));
    let end = node.latest().await;
    assert_eq!(quantity(&end["number"]), quantity(&start["number"]) + 3);
    let second = node.call("eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!(quantity(&end["timestamp"]), quantity(&second["timestamp"]) + 60);
    assert_eq!(node.call("hardhat_mine", json!([])).await, json!(true));
    assert_eq!(node.call("anvil_mine", json!([2])).await, Value::Null);
    assert_eq!(node.call("evm_mine", json!([{"blocks": 2}])).await, json!("0x0"));
    assert_eq!(node.number("eth_blockNumber", json!([])).await, U256::from(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_goes_where_it_is_told() {
    let node = Node::start();
    node.call("evm_mine", json!([])).await;
    let now = quantity(&node.latest().await["timestamp"]);
    let next = now + 1_000;
    node.call("evm_setNextBlockTimestamp", json!([next])).await;
    node.call("evm_mine", json!([])).await;
    assert_eq!(quantity(&node.latest().await["timestamp"]), next);
    node.call("evm_mine", json!([format!("{:#x}", next + 500)])).await;
    assert_eq!(quantity(&node.latest().await["timestamp"]), next + 500);
    let refused = node.fail("evm_setNextBlockTimestamp", json!([next])).await;
    assert_eq!(refused.code, -32602);
    assert!(refused.message.contains("lower than or equal"), "{}", refused.message);

    let offset = node.call("evm_increaseTime", json!([100])).await.as_i64().unwrap();
    assert_eq!(node.call("evm_increaseTime", json!(["0x64"])).await, json!(offset + 100));
    node.call("evm_mine", json!([])).await;
    assert!(quantity(&node.latest().await["timestamp"]) >= next + 700);

    node.call("anvil_setBlockTimestampInterval", json!([7])).await;
    node.call("hardhat_mine", json!(["0x2"])).await;
    let last = node.latest().await;
    let before = node.call("eth_getBlockByHash", json!([last["parentHash"], false])).await;
    assert_eq!(quantity(&last["timestamp"]), quantity(&before["timestamp"]) + 7);
    assert_eq!(node.call("anvil_removeBlockTimestampInterval", json!([])).await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_block_has_what_was_set() {
    let node = Node::start();
    let randao = B256::repeat_byte(0x77);
    node.call("hardhat_setNextBlockBaseFeePerGas", json!(["0x1234"])).await;
    node.call("hardhat_setPrevRandao", json!([randao])).await;
    node.call("hardhat_setCoinbase", json!([SOMEBODY])).await;
    assert_eq!(node.call("evm_setBlockGasLimit", json!(["0x1c9c380"])).await, json!(true));
    node.call("evm_mine", json!([])).await;
    let block = node.latest().await;
    assert_eq!(block["baseFeePerGas"], json!("0x1234"));
    assert_eq!(block["mixHash"], json!(randao));
    assert_eq!(block["miner"], json!(SOMEBODY));
    assert_eq!(block["gasLimit"], json!("0x1c9c380"));
    node.call("evm_mine", json!([])).await;
    assert_ne!(node.latest().await["mixHash"], json!(randao), "for one block only");
    assert_eq!(node.fail("evm_setBlockGasLimit", json!(["0x0"])).await.code, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_automining_transactions_wait() {
    let node = Node::start();
    assert_eq!(node.call("eth_mining", json!([])).await, json!(true));
    assert_eq!(node.call("evm_setAutomine", json!([false])).await, json!(true));
    assert_eq!(node.call("hardhat_getAutomine", json!([])).await, json!(false));
    assert_eq!(node.call("eth_mining", json!([])).await, json!(false));
    let transfer = json!({"from": node.accounts[0], "to": SOMEBODY, "value": "0x1"});
    let first = node.call("eth_sendTransaction", json!([transfer])).await;
    let second = node.call("eth_sendTransaction", json!([transfer])).await;
    assert_ne!(first, second);
    assert_eq!(node.call("eth_getTransactionReceipt", json!([first])).await, Value::Null);
    assert_eq!(node.call("hardhat_dropTransaction", json!([second])).await, json!(true));
    assert_eq!(node.call("hardhat_dropTransaction", json!([second])).await, json!(false));
    assert_eq!(node.call("anvil_dropTransaction", json!([second])).await, Value::Null);
    node.call("evm_mine", json!([])).await;
    assert!(node.call("eth_getTransactionReceipt", json!([first])).await.is_object());
    assert_eq!(node.call("eth_getTransactionReceipt", json!([second])).await, Value::Null);
    let mined = node.fail("hardhat_dropTransaction", json!([first])).await;
    assert!(mined.message.contains("already mined"), "{}", mined.message);

    let third = node.call("eth_sendTransaction", json!([transfer])).await;
    assert_eq!(node.call("anvil_dropTransaction", json!([third])).await, third);
    node.call("eth_sendTransaction", json!([transfer])).await;
    node.call("anvil_removePoolTransactions", json!([node.accounts[0]])).await;
    node.call("evm_mine", json!([])).await;
    assert!(node.latest().await["transactions"].as_array().unwrap().is_empty());

    node.call("eth_sendTransaction", json!([transfer])).await;
    node.call("evm_setAutomine", json!([true])).await;
    node.send(transfer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impersonated_accounts_send_without_a_key_even_contracts() {
    let node = Node::start();
    node.call("hardhat_setBalance", json!([SOMEBODY, ETHER])).await;
    node.call("hardhat_setCode", json!([SOMEBODY, "0x00"])).await;
    let transfer = json!({"from": SOMEBODY, "to": node.accounts[1], "value": "0x5"});
    let refused = node.fail("eth_sendTransaction", json!([transfer])).await;
    assert!(refused.message.starts_with("unknown account"), "{}", refused.message);

    assert_eq!(node.call("hardhat_impersonateAccount", json!([SOMEBODY])).await, json!(true));
    let receipt = node.send(transfer.clone()).await;
    assert_eq!(receipt["from"], json!(SOMEBODY));
    assert_eq!(receipt["status"], json!("0x1"));
    let traced = node
        .call(
            "debug_traceTransaction",
            json!([receipt["transactionHash"], {"tracer": "callTracer"}]),
        )
        .await;
    assert_eq!(traced["from"], json!(SOMEBODY));

    node.call("hardhat_stopImpersonatingAccount", json!([SOMEBODY])).await;
    node.fail("eth_sendTransaction", json!([transfer])).await;
    node.call("anvil_autoImpersonateAccount", json!([true])).await;
    node.send(transfer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_transactions_of_two_impersonated_accounts_have_two_hashes() {
    let node = Node::start();
    node.call("anvil_autoImpersonateAccount", json!([true])).await;
    let mut hashes = Vec::new();
    for sender in [Address::repeat_byte(0x21), Address::repeat_byte(0x22)] {
        node.call("anvil_setBalance", json!([sender, ETHER])).await;
        let fields = json!({
            "from": sender, "to": SOMEBODY, "nonce": "0x0", "gas": "0x5208",
            "maxFeePerGas": "0x3b9aca07", "maxPriorityFeePerGas": "0x1",
        });
        hashes.push(node.send(fields).await["transactionHash"].clone());
    }
    assert_ne!(hashes[0], hashes[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_describes_itself() {
    let node = Node::start();
    node.call("evm_mine", json!([])).await;
    let block = node.latest().await;
    let metadata = node.call("hardhat_metadata", json!([])).await;
    assert_eq!(metadata["chainId"], json!(1337));
    assert_eq!(metadata["latestBlockNumber"], json!(1));
    assert_eq!(metadata["latestBlockHash"], block["hash"]);
    assert!(metadata["clientVersion"].as_str().unwrap().starts_with("plasma/"));
    let info = node.call("anvil_nodeInfo", json!([])).await;
    assert_eq!(info["currentBlockNumber"], json!("0x1"));
    assert_eq!(info["currentBlockTimestamp"], json!(quantity(&block["timestamp"])));
    assert_eq!(info["currentBlockHash"], block["hash"]);
    assert_eq!(info["hardFork"], json!("OSAKA"));
    assert_eq!(info["environment"]["chainId"], json!(1337));
    assert_eq!(info["environment"]["gasLimit"], block["gasLimit"]);
    assert!(info["environment"]["gasPrice"].is_string());
    assert_eq!(info["forkConfig"]["forkUrl"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_goes_back_to_genesis_and_changes_the_instance() {
    let node = Node::start();
    node.call("evm_setAutomine", json!([false])).await;
    node.call("hardhat_mine", json!(["0x5"])).await;
    let before = node.call("hardhat_metadata", json!([])).await;
    assert_eq!(node.call("hardhat_reset", json!([])).await, json!(true));
    let after = node.call("hardhat_metadata", json!([])).await;
    assert_eq!(after["latestBlockNumber"], json!(0));
    assert_ne!(after["instanceId"], before["instanceId"]);
    assert_eq!(node.call("hardhat_getAutomine", json!([])).await, json!(false));
    let forking = json!([{"forking": {"jsonRpcUrl": "http://127.0.0.1:1"}}]);
    let refused = node.fail("hardhat_reset", forking).await;
    assert!(refused.message.contains("forking is not supported"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said() {
    let node = Node::start();
    for (method, word) in [
        ("anvil_setMinGasPrice", "EIP-1559"),
        ("hardhat_setMinGasPrice", "EIP-1559"),
        ("anvil_setChainId", "genesis"),
        ("anvil_reorg", "evm_snapshot"),
    ] {
        let refused = node.fail(method, json!(["0x1"])).await;
        assert_eq!(refused.code, -32602, "{method}");
        assert!(refused.message.contains(word), "{method}: {}", refused.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumped_state_can_be_loaded_into_a_fresh_chain() {
    let node = Node::start();
    // PUSH1 7 PUSH1 1 SSTORE, and no code left behind: the patch below brings some.
    let created = node.send(json!({"data": "0x6007600155", "value": "0x9"})).await;
    let contract = created["contractAddress"].clone();
    node.send(json!({"to": SOMEBODY, "value": "0x5"})).await;
    // One block on disk, one patch that is in no block yet.
    let chain = node.api.chain.clone();
    tokio::task::spawn_blocking(move || chain.database().flush().unwrap()).await.unwrap();
    node.call("anvil_setCode", json!([contract, "0x600160025500"])).await;
    node.call("anvil_setStorageAt", json!([contract, "0x2", B256::with_last_byte(3)])).await;
    let dumped = node.call("anvil_dumpState", json!([])).await;
    let unpack = |dump: &Value| {
        let packed: Bytes = serde_json::from_value(dump.clone()).unwrap();
        super::dump::unpack(&packed).unwrap()
    };
    let accounts = unpack(&dumped);
    assert!(accounts.len() > node.accounts.len());
    let address: Address = serde_json::from_value(contract.clone()).unwrap();
    let found = &accounts[&address];
    assert_eq!(found.balance.0, U256::from(9));
    assert_eq!(found.nonce.0, 1);
    assert_eq!(found.code.to_string(), "0x600160025500");
    let slots: Vec<_> = found.storage.iter().map(|(slot, value)| (*slot, value.0)).collect();
    assert_eq!(slots, [(1, 7), (2, 3)].map(|(slot, value)| (U256::from(slot), U256::from(value))));

    let fresh = Node::start();
    assert_ne!(fresh.call("anvil_dumpState", json!([])).await, dumped);
    // What the fresh chain has in a slot that the dump leaves empty does not stay.
    fresh.call("anvil_setStorageAt", json!([contract, "0x4", B256::with_last_byte(4)])).await;
    assert_eq!(fresh.call("anvil_loadState", json!([dumped])).await, json!(true));
    let again = fresh.call("anvil_dumpState", json!([])).await;
    let loaded = unpack(&again);
    assert_eq!(loaded, accounts);
    fresh.call("evm_mine", json!([])).await;
    for (slot, value) in [(1, 7), (2, 3), (4, 0)] {
        let stored =
            fresh.call("eth_getStorageAt", json!([contract, format!("{slot:#x}"), "latest"])).await;
        assert_eq!(stored, json!(B256::with_last_byte(value)), "{slot}");
    }
    let nonce = fresh.number("eth_getTransactionCount", json!([fresh.accounts[0], "latest"])).await;
    assert_eq!(nonce, U256::from(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_other_tools_are_read_and_malformed_ones_are_refused() {
    let node = Node::start();
    // Not packed, with members that mean nothing here, numbers in either form.
    let text = json!({
        "block": {"number": 1}, "best_block_number": "0x1", "blocks": [],
        "accounts": {SOMEBODY.to_string(): {"nonce": 3, "balance": "0x5", "code": "0x",
            "storage": {"0x1": "0x2"}}},
    });
    let plain = alloy_primitives::hex::encode_prefixed(text.to_string());
    assert_eq!(node.call("anvil_loadState", json!([plain])).await, json!(true));
    let balance = node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await;
    assert_eq!(balance, U256::from(5));
    for malformed in ["0x", "0x1234", "0x1f8b08", "0x7b7d"] {
        let refused = node.fail("anvil_loadState", json!([malformed])).await;
        assert_eq!(refused.code, -32602, "{malformed}: {}", refused.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_are_told_in_seconds() {
    let node = Node::start();
    assert_eq!(node.call("anvil_getIntervalMining", json!([])).await, Value::Null);
    node.call("evm_setIntervalMining", json!([3600])).await;
    assert_eq!(node.call("anvil_getIntervalMining", json!([])).await, json!(4));
    node.call("evm_setIntervalMining", json!([600])).await;
    assert_eq!(node.call("anvil_getIntervalMining", json!([])).await, json!(600));
    node.call("evm_setAutomine", json!([false])).await;
    assert_eq!(node.call("eth_mining", json!([])).await, json!(true));
    node.call("evm_setIntervalMining", json!([0])).await;
    assert_eq!(node.call("anvil_getIntervalMining", json!([])).await, Value::Null);
    assert_eq!(node.call("eth_mining", json!([])).await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_arguments_are_told_apart() {
    let node = Node::start();
    for (method, params) in [
        ("hardhat_setBalance", json!([])),
        ("hardhat_setBalance", json!([SOMEBODY])),
        ("hardhat_setBalance", json!(["0x12", "0x1"])),
        ("hardhat_setBalance", json!([SOMEBODY, "much"])),
        ("hardhat_setCode", json!([SOMEBODY, "0xef0100"])),
        ("evm_revert", json!(["latest"])),
        ("evm_mine", json!([{"when": 3}])),
        ("evm_increaseTime", json!([{}])),
    ] {
        let failure = node.fail(method, params.clone()).await;
        assert_eq!(failure.code, -32602, "{method} {params}: {}", failure.message);
    }
    assert_eq!(node.call("evm_revert", json!(["0x63"])).await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_development_there_are_no_commands() {
    let node = Node::with(false);
    for method in ["evm_mine", "hardhat_setBalance", "anvil_nodeInfo", "personal_sign"] {
        assert_eq!(node.fail(method, json!([])).await.code, -32601, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_takes_back_an_open_block_whose_ticks_are_journaled() {
    let node = Node::start();
    let snapshot = node.call("evm_snapshot", json!([])).await;
    node.call("evm_setAutomine", json!([false])).await;
    let transfer = json!({"from": node.accounts[0], "to": SOMEBODY, "value": "0x1"});
    let first = node.call("eth_sendTransaction", json!([transfer])).await;
    let chain = node.api.chain.clone();
    tokio::task::spawn_blocking(move || assert_eq!(chain.tick().unwrap(), 1)).await.unwrap();
    assert_eq!(node.call("evm_revert", json!([snapshot])).await, json!(true));
    let second = node.call("eth_sendTransaction", json!([transfer])).await;
    assert_eq!(first, second, "the same transaction, as if the first had never been");
    let chain = node.api.chain.clone();
    tokio::task::spawn_blocking(move || assert_eq!(chain.tick().unwrap(), 1)).await.unwrap();
    node.call("evm_mine", json!([])).await;
    let receipt = node.call("eth_getTransactionReceipt", json!([second])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(node.api.chain.failure(), None);
}
