//! Reports of blocks that a real chain made.

use super::*;
use crate::dev::harness::Node;
use alloy_primitives::{Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use serde_json::json;

/// Hands its input to the console.
const SPEAKER: &str = "0x365f5f375f5f365f6a636f6e736f6c652e6c6f675afa00";

/// Hands its input to the console, and reverts with it.
const FAILING: &str = "0x365f5f375f5f365f6a636f6e736f6c652e6c6f675afa365ffd";

fn call(signature: &str, arguments: Vec<u8>) -> Bytes {
    [&keccak256(signature)[..4], &arguments].concat().into()
}

#[test]
fn reasons_are_told_in_words() {
    assert_eq!(reason(&[]), "reverted without a reason");
    let error = Revert::from("too \"late\"\u{7}").abi_encode();
    assert_eq!(reason(&error), "reverted with \"too \"late\"\\u{7}\"");
    let panic = Panic { code: U256::from(0x11) }.abi_encode();
    assert_eq!(reason(&panic), "panicked with code 0x11: arithmetic underflow or overflow");
    let custom = call("TooLate(uint256)", U256::from(7).abi_encode());
    let text = reason(&custom);
    let selector = hex::encode_prefixed(&custom[..4]);
    assert!(text.starts_with(&format!("reverted with the custom error {selector}, data 0x")));
    assert!(text.ends_with("07"), "{text}");
    assert_eq!(reason(&[1, 2]), "reverted with 0x0102");
    assert!(reason(&[9; 5_000]).ends_with("(4996 bytes)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_transactions_say_is_told_in_their_order() {
    let node = Node::start();
    let (speaker, failing) = (Address::repeat_byte(0x61), Address::repeat_byte(0x62));
    node.call("hardhat_setCode", json!([speaker, SPEAKER])).await;
    node.call("hardhat_setCode", json!([failing, FAILING])).await;
    node.call("evm_setAutomine", json!([false])).await;
    let hello = call("log(string,uint256)", ("%d times\nhello", U256::from(3)).abi_encode_params());
    let old = call("log(uint)", U256::from(9).abi_encode());
    let unknown = Bytes::from_static(&[1, 2, 3, 4]);
    let error = Bytes::from(Revert::from("no").abi_encode());
    let sent = [
        (Some(speaker), hello.clone()),
        (Some(Address::repeat_byte(0x63)), hello),
        (Some(speaker), old),
        (Some(speaker), unknown),
        (Some(failing), error),
        // Creation code that returns nothing but speaks.
        (None, SPEAKER.parse().unwrap()),
    ];
    let mut hashes = Vec::new();
    for (to, data) in sent {
        let fields = json!({"from": node.accounts[0], "to": to, "data": data, "gas": "0x30d40"});
        hashes.push(node.call("eth_sendTransaction", json!([fields])).await);
    }
    node.call("evm_mine", json!([])).await;
    let block = node.api.chain.head();
    assert_eq!(block.transactions.len(), hashes.len());
    let reports = of_block(&node.api, &block).unwrap();

    let told: Vec<_> = reports.iter().map(|report| json!(report.hash)).collect();
    let expected: Vec<_> =
        [0, 2, 3, 4, 5].iter().map(|&index: &usize| hashes[index].clone()).collect();
    assert_eq!(told, expected, "the second transaction said nothing");
    assert_eq!(reports[0].lines, ["3 times", "hello"]);
    assert_eq!((reports[0].from, reports[0].to), (node.accounts[0], Some(speaker)));
    assert_eq!(reports[0].failure, None);
    assert_eq!(Some(reports[0].gas_used), block.gas_used(0));
    assert_eq!(reports[1].lines, ["9"]);
    assert_eq!(reports[2].lines, ["(not of console.sol: 0x01020304)"]);
    assert_eq!(reports[3].failure.as_deref(), Some("reverted with \"no\""));
    assert_eq!(reports[3].lines.len(), 1, "what was undone was said, too");
    let created = node.call("eth_getTransactionReceipt", json!([hashes[5]])).await;
    assert_eq!(json!(reports[4].created), created["contractAddress"]);
    assert_eq!(reports[4].to, None);
}
