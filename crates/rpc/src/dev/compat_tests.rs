//! The names that other development nodes have, against a real chain.

use super::harness::{Node, quantity};
use alloy_primitives::{Address, B256, U256, bytes};
use serde_json::{Value, json};

const SOMEBODY: Address = Address::repeat_byte(0x11);
const TOKEN: Address = Address::repeat_byte(0x70);
const ETHER: &str = "0xde0b6b3a7640000";

/// A token: reads slot 0 first, then answers from the slot
/// `keccak(second argument, keccak(first argument, 0))`.
const TOKEN_CODE: &str = "0x5f54506004355f5260405f206020526024355f5260405f20545f5260205ff3";

/// A token that always answers one.
const CONSTANT: &str = "0x60015f5260205ff3";

async fn asked(node: &Node, selector: &str, arguments: &[Address]) -> U256 {
    let words: String =
        arguments.iter().map(|it| it.into_word().to_string().split_off(2)).collect();
    let request = json!({"to": TOKEN, "data": format!("{selector}{words}")});
    node.number("eth_call", json!([request, "latest"])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_given_and_allowed_where_the_token_keeps_them() {
    let node = Node::start();
    let (owner, spender) = (node.accounts[0], node.accounts[1]);
    let refused = node.fail("anvil_dealERC20", json!([owner, TOKEN, "0x5"])).await;
    assert!(refused.message.contains("no slot found"), "no code: {}", refused.message);
    node.call("hardhat_setCode", json!([TOKEN, TOKEN_CODE])).await;
    for (round, name) in
        ["anvil_dealERC20", "anvil_setERC20Balance", "hardhat_dealERC20"].iter().enumerate()
    {
        let amount = U256::from(500 + round);
        let answer = node.call(name, json!([owner, TOKEN, amount])).await;
        let done = if name.starts_with("anvil_") { Value::Null } else { json!(true) };
        assert_eq!(answer, done, "{name}");
        assert_eq!(asked(&node, "0x70a08231", &[owner]).await, amount, "{name}");
        assert_eq!(asked(&node, "0x70a08231", &[spender]).await, U256::ZERO, "{name}");
    }
    node.call("anvil_setERC20Allowance", json!([owner, spender, TOKEN, "0x309"])).await;
    assert_eq!(asked(&node, "0xdd62ed3e", &[owner, spender]).await, U256::from(0x309));
    assert_eq!(asked(&node, "0xdd62ed3e", &[spender, owner]).await, U256::ZERO);
    assert_eq!(asked(&node, "0x70a08231", &[owner]).await, U256::from(502), "as before");
    // Slot 0 was read, too, but does not decide.
    let decoy = node.number("eth_getStorageAt", json!([TOKEN, "0x0", "latest"])).await;
    assert_eq!(decoy, U256::ZERO);
    node.call("anvil_dealERC20", json!([owner, TOKEN, "0x0"])).await;
    assert_eq!(asked(&node, "0x70a08231", &[owner]).await, U256::ZERO);

    node.call("hardhat_setCode", json!([TOKEN, CONSTANT])).await;
    for amount in ["0x1", "0x2"] {
        let refused = node.fail("anvil_dealERC20", json!([owner, TOKEN, amount])).await;
        assert_eq!(refused.code, -32602);
        assert!(refused.message.contains("no slot found"), "{}", refused.message);
    }
}

async fn balance(node: &Node, account: Address) -> U256 {
    node.number("eth_getBalance", json!([account, "latest"])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_answer_in_their_own_way() {
    let node = Node::start();
    assert_eq!(node.call("tenderly_setBalance", json!([SOMEBODY, "0x5"])).await, Value::Null);
    assert_eq!(node.call("tenderly_addBalance", json!([SOMEBODY, "0x2"])).await, Value::Null);
    assert_eq!(balance(&node, SOMEBODY).await, U256::from(7));
    assert_eq!(node.call("evm_setAccountBalance", json!([SOMEBODY, "0x9"])).await, json!(true));
    assert_eq!(balance(&node, SOMEBODY).await, U256::from(9));
    assert_eq!(node.call("evm_setAccountCode", json!([SOMEBODY, "0x00"])).await, json!(true));
    assert_eq!(node.call("eth_getCode", json!([SOMEBODY, "latest"])).await, json!("0x00"));
    let slot = json!([SOMEBODY, "0x1", B256::with_last_byte(3)]);
    assert_eq!(node.call("evm_setAccountStorageAt", slot).await, json!(true));
    let word = node.number("eth_getStorageAt", json!([SOMEBODY, "0x1", "latest"])).await;
    assert_eq!(word, U256::from(3));
    let randao = B256::repeat_byte(0x55);
    node.call("anvil_setNextBlockPrevRandao", json!([randao])).await;
    node.call("evm_mine", json!([])).await;
    assert_eq!(node.latest().await["mixHash"], json!(randao));
    assert_eq!(node.call("eth_networkId", json!([])).await, json!("1337"));
    let genesis = node.call("eth_getBlockByNumber", json!(["0x0", false])).await;
    let time = node.call("anvil_getGenesisTime", json!([])).await;
    assert_eq!(time.as_u64().unwrap(), quantity(&genesis["timestamp"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_clock_of_the_last_block_does_not_follow_the_chains_time() {
    let node = Node::start();
    node.call("evm_mine", json!([])).await;
    let real = node.call("anvil_getLastBlockWallTime", json!([])).await.as_u64().unwrap();
    node.call("evm_increaseTime", json!([1_000_000])).await;
    node.call("evm_mine", json!([])).await;
    let later = node.call("anvil_getLastBlockWallTime", json!([])).await.as_u64().unwrap();
    assert!(later >= real && later < real + 500_000, "{real} {later}");
    assert!(quantity(&node.latest().await["timestamp"]) >= real + 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_in_detail_tells_blocks_and_what_transactions_returned() {
    let node = Node::start();
    let reverting = Address::repeat_byte(0x33);
    // Returns with the word 7; reverts with its input.
    node.call("hardhat_setCode", json!([SOMEBODY, "0x60075f5260205ff3"])).await;
    node.call("hardhat_setCode", json!([reverting, "0x365f5f37365ffd"])).await;
    node.call("evm_setAutomine", json!([false])).await;
    let error = bytes!(
        "08c379a0"
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "6e6f000000000000000000000000000000000000000000000000000000000000"
    );
    for fields in [
        json!({"from": node.accounts[0], "to": SOMEBODY, "gas": "0x186a0"}),
        json!({"from": node.accounts[0], "to": reverting, "gas": "0x186a0", "data": error}),
    ] {
        node.call("eth_sendTransaction", json!([fields])).await;
    }
    let blocks = node.call("evm_mine_detailed", json!([{"blocks": 2}])).await;
    let [first, second] = blocks.as_array().unwrap().as_slice() else { panic!("{blocks}") };
    let transactions = first["transactions"].as_array().unwrap();
    assert_eq!(transactions[0]["output"], json!(B256::with_last_byte(7)));
    assert_eq!(transactions[0].get("revertReason"), None);
    assert_eq!(transactions[1]["output"], json!(error));
    assert_eq!(transactions[1]["revertReason"], json!("no"));
    assert_eq!(second["transactions"], json!([]));
    assert_eq!(second["hash"], node.latest().await["hash"]);
    assert_eq!(node.call("anvil_mine_detailed", json!([])).await.as_array().unwrap().len(), 1);
    let refused = node.fail("anvil_mine_detailed", json!([{"blocks": 5_000}])).await;
    assert_eq!(refused.code, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_sent_in_further_ways() {
    let node = Node::start();
    let transfer = json!({"from": node.accounts[0], "to": SOMEBODY, "value": "0x5"});
    let receipt = node.call("eth_sendTransactionSync", json!([transfer])).await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert_eq!(receipt["to"], json!(SOMEBODY));

    node.call("anvil_setBalance", json!([SOMEBODY, ETHER])).await;
    let stranger = json!({"from": SOMEBODY, "to": node.accounts[1], "value": "0x1"});
    node.fail("eth_sendTransaction", json!([stranger])).await;
    let hash = node.call("eth_sendUnsignedTransaction", json!([stranger])).await;
    let receipt = node.call("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["from"], &receipt["status"]), (&json!(SOMEBODY), &json!("0x1")));
    let failure = node.fail("eth_sendUnsignedTransaction", json!([{"to": SOMEBODY}])).await;
    assert_eq!(failure.code, -32602);

    node.call("evm_setAutomine", json!([false])).await;
    let late = node.fail("eth_sendTransactionSync", json!([transfer, "0x1"])).await;
    assert_eq!(late.code, 4, "{}", late.message);
    node.call("anvil_dropAllTransactions", json!([])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_again_with_another_price() {
    let node = Node::start();
    node.call("evm_setAutomine", json!([false])).await;
    let transfer = json!({
        "from": node.accounts[0], "to": SOMEBODY, "value": "0x5", "nonce": "0x0",
        "gasPrice": "0x77359400",
    });
    let first = node.call("eth_sendTransaction", json!([transfer])).await;
    let again = node.call("eth_resend", json!([transfer, "0xee6b2800", "0x7530"])).await;
    assert_ne!(first, again);
    assert_eq!(node.call("eth_getTransactionByHash", json!([first])).await, Value::Null);
    let waiting = node.call("eth_getTransactionByHash", json!([again])).await;
    assert_eq!(waiting["gasPrice"], json!("0xee6b2800"));
    assert_eq!(waiting["gas"], json!("0x7530"));
    node.call("evm_mine", json!([])).await;
    let receipt = node.call("eth_getTransactionReceipt", json!([again])).await;
    assert_eq!(receipt["status"], json!("0x1"));

    let gone = node.fail("eth_resend", json!([transfer, "0xee6b2800"])).await;
    assert!(gone.message.starts_with("transaction not found"), "{}", gone.message);
    let mut other = transfer.clone();
    other.as_object_mut().unwrap().remove("nonce");
    let unnamed = node.fail("eth_resend", json!([other])).await;
    assert_eq!(unnamed.message, "missing transaction nonce in transaction spec");
    other["nonce"] = json!("0x1");
    node.call("eth_sendTransaction", json!([other])).await;
    other["value"] = json!("0x6");
    let different = node.fail("eth_resend", json!([other, "0xee6b2800"])).await;
    assert!(different.message.starts_with("transaction not found"), "{}", different.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_time_leaves_room_for_blocks() {
    let node = Node::start();
    let far = u64::MAX;
    node.call("evm_mine", json!([format!("{far:#x}")])).await;
    let first = quantity(&node.latest().await["timestamp"]);
    node.call("anvil_setBlockTimestampInterval", json!([far])).await;
    node.call("evm_mine", json!([])).await;
    node.call("anvil_removeBlockTimestampInterval", json!([])).await;
    node.call("evm_setTime", json!([far])).await;
    node.call("evm_increaseTime", json!([i64::MAX])).await;
    node.call("evm_mine", json!([])).await;
    assert_eq!(first, i64::MAX as u64);
    assert_eq!(quantity(&node.latest().await["timestamp"]), first + 2);
}
