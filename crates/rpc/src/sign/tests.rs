//! Signing and sending against a real chain.

use super::TypedDataArgument;
use crate::dev::harness::{Node, quantity};
use alloy_consensus::{TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, Bytes, Signature, U256};
use serde_json::{Value, json};

const SOMEBODY: Address = Address::repeat_byte(0x11);

/// The `Mail` example of EIP-712.
pub(super) const EIP712_EXAMPLE: &str = r#"{
  "types": {
    "EIP712Domain": [
      {"name": "name", "type": "string"},
      {"name": "version", "type": "string"},
      {"name": "chainId", "type": "uint256"},
      {"name": "verifyingContract", "type": "address"}
    ],
    "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
    "Mail": [
      {"name": "from", "type": "Person"},
      {"name": "to", "type": "Person"},
      {"name": "contents", "type": "string"}
    ]
  },
  "primaryType": "Mail",
  "domain": {
    "name": "Ether Mail",
    "version": "1",
    "chainId": 1,
    "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
  },
  "message": {
    "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
    "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
    "contents": "Hello, Bob!"
  }
}"#;

#[test]
fn typed_data_comes_as_object_or_text() {
    let object: TypedDataArgument = serde_json::from_str(EIP712_EXAMPLE).unwrap();
    let quoted = serde_json::to_string(EIP712_EXAMPLE).unwrap();
    let text: TypedDataArgument = serde_json::from_str(&quoted).unwrap();
    assert_eq!(object.0.eip712_signing_hash().unwrap(), text.0.eip712_signing_hash().unwrap());
    for wrong in ["3", "\"hello\"", "{}", "{\"types\": {}}"] {
        assert!(serde_json::from_str::<TypedDataArgument>(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_mined_when_the_call_returns() {
    let node = Node::start();
    let receipt = node.send(json!({"to": SOMEBODY, "value": "0x5"})).await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert_eq!(receipt["type"], json!("0x2"));
    assert_eq!(receipt["gasUsed"], json!("0x5208"));
    let balance = node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await;
    assert_eq!(balance, U256::from(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_request_is_sent() {
    let node = Node::start();
    for (fields, kind) in [
        (json!({"gasPrice": "0x77359400"}), "0x0"),
        (json!({"gasPrice": "0x77359400", "accessList": []}), "0x1"),
        (json!({"type": "0x0"}), "0x0"),
        (json!({"type": "0x1"}), "0x1"),
        (json!({"type": "0x2", "chainId": "0x539"}), "0x2"),
        (json!({"maxFeePerGas": "0x77359400"}), "0x2"),
        (json!({"gas": "0x7530", "input": "0x", "data": "0x"}), "0x2"),
    ] {
        let mut fields = fields;
        fields["to"] = json!(SOMEBODY);
        let receipt = node.send(fields.clone()).await;
        assert_eq!(receipt["type"], json!(kind), "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_call_is_told_before_it_is_sent() {
    let node = Node::start();
    // Error("A") as Solidity encodes it, copied from behind the code.
    let reason =
        format!("08c379a0{:064x}{:064x}{}", 0x20, 1, format_args!("41{}", "00".repeat(31)));
    let code = format!("0x6064600c5f3960645ffd{}{reason}", "0000");
    node.call("hardhat_setCode", json!([SOMEBODY, code])).await;
    let failure =
        node.fail("eth_sendTransaction", json!([{"from": node.accounts[0], "to": SOMEBODY}])).await;
    assert_eq!(failure.code, 3);
    assert_eq!(failure.message, "execution reverted: A");
    assert_eq!(failure.data, json!(format!("0x{reason}")));
    // With gas of its own the transaction is not tried out first, and its failure is on the chain.
    let receipt = node.send(json!({"to": SOMEBODY, "gas": "0x186a0"})).await;
    assert_eq!(receipt["status"], json!("0x0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_get_nonces_of_their_own() {
    let node = Node::start();
    let request = json!([{"from": node.accounts[0], "to": SOMEBODY, "value": "0x1"}]);
    let sent = (0..20).map(|_| node.call("eth_sendTransaction", request.clone()));
    let hashes = futures::future::join_all(sent).await;
    for hash in &hashes {
        assert!(node.call("eth_getTransactionReceipt", json!([hash])).await.is_object());
    }
    let balance = node.number("eth_getBalance", json!([SOMEBODY, "latest"])).await;
    assert_eq!(balance, U256::from(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_said() {
    let node = Node::start();
    let from = node.accounts[0];
    let fail = async |fields: Value| node.fail("eth_sendTransaction", json!([fields])).await;
    let stranger = fail(json!({"from": SOMEBODY, "to": from})).await;
    assert_eq!(stranger.code, -32000);
    assert!(stranger.message.starts_with("unknown account"), "{}", stranger.message);
    assert_eq!(fail(json!({"to": from})).await.code, -32602);
    let foreign = fail(json!({"from": from, "to": SOMEBODY, "chainId": "0x1"})).await;
    assert!(foreign.message.contains("chainId"), "{}", foreign.message);
    let rich = json!({
        "from": from, "to": SOMEBODY, "gas": "0x5208",
        "value": "0xffffffffffffffffffffffffffffffff",
    });
    let poor = fail(rich).await;
    assert!(poor.message.contains("insufficient funds"), "{}", poor.message);
    node.send(json!({"to": SOMEBODY})).await;
    let old = fail(json!({"from": from, "to": SOMEBODY, "nonce": "0x0"})).await;
    assert!(old.message.contains("nonce too low"), "{}", old.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_those_of_the_accounts() {
    let node = Node::start();
    assert_eq!(node.call("eth_accounts", json!([])).await, json!(node.accounts));
    assert_eq!(node.call("eth_requestAccounts", json!([])).await, json!(node.accounts));
    let account = node.accounts[1];
    let message = Bytes::from_static(b"hello");
    let signed = node.call("eth_sign", json!([account, message])).await;
    assert_eq!(node.call("personal_sign", json!([message, account])).await, signed);
    assert_eq!(node.call("personal_sign", json!([message, account, "password"])).await, signed);
    let signature: Bytes = serde_json::from_value(signed).unwrap();
    let signature = Signature::try_from(signature.as_ref()).unwrap();
    assert_eq!(signature.recover_address_from_msg(&message).unwrap(), account);

    let data: Value = serde_json::from_str(EIP712_EXAMPLE).unwrap();
    let signed = node.call("eth_signTypedData_v4", json!([account, data])).await;
    assert_eq!(node.call("eth_signTypedData_v4", json!([account, EIP712_EXAMPLE])).await, signed);
    for name in ["eth_signTypedData", "eth_signTypedData_v3"] {
        assert_eq!(node.call(name, json!([account, data])).await, signed, "{name}");
    }
    assert_eq!(node.fail("eth_sign", json!([SOMEBODY, message])).await.code, -32000);
    assert_eq!(node.fail("eth_signTypedData_v4", json!([account, {}])).await.code, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_transaction_is_ready_to_be_sent() {
    let node = Node::start();
    let request = json!([{"from": node.accounts[2], "to": SOMEBODY, "value": "0x1"}]);
    let raw = node.call("eth_signTransaction", request).await;
    let raw: Bytes = serde_json::from_value(raw).unwrap();
    let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    assert_eq!(transaction.recover_signer().unwrap(), node.accounts[2]);
    assert_eq!(quantity(&node.call("eth_blockNumber", json!([])).await), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_keys_has_no_accounts() {
    let node = Node::with(false);
    // The harness gives its keys to every node; what counts is that nothing is impersonated.
    let failure =
        node.fail("eth_sendTransaction", json!([{"from": SOMEBODY, "to": SOMEBODY}])).await;
    assert!(failure.message.starts_with("unknown account"), "{}", failure.message);
}
