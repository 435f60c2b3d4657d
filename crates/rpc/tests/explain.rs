//! `plasma_getBlockConflicts`: why a block takes the time that it takes.

mod node;

use alloy_primitives::{B256, Bytes};
use node::{ANSWERER, Node, STORER};
use plasma_rpc::RpcConfig;
use serde_json::json;

fn word(number: u8) -> Bytes {
    Bytes::copy_from_slice(B256::with_last_byte(number).as_slice())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_explained_as_a_whole_and_for_one_account() {
    let node = Node::with(RpcConfig::default(), |config| config.automine = false).await;
    for account in 0..4 {
        node.send(account, 0, STORER, word(account as u8 + 1)).await;
    }
    node.call("evm_mine", json!([])).await;

    let told = node.call("plasma_getBlockConflicts", json!(["latest"])).await;
    assert_eq!(told["blockNumber"], "0x1");
    assert_eq!(told["transactions"].as_array().unwrap().len(), 4);
    // What the executor met, as before.
    assert_eq!(told["incarnations"].as_array().unwrap().len(), 4);
    assert!(told["conflicts"].is_array() && told["waits"].is_array(), "{told}");
    let explanation = &told["explanation"];
    assert_eq!(explanation["work"], explanation["criticalPath"]);
    assert_eq!(explanation["limit"], 1.0);
    assert_eq!(
        explanation["dependencies"][0],
        json!({"reader": 1, "writer": 0, "kind": "storage", "address": STORER, "slot": "0x0"})
    );
    let hot = &explanation["locations"][0];
    assert_eq!((&hot["writers"], &hot["waiters"]), (&json!(4), &json!(3)));
    assert_eq!(explanation["accounts"][0]["contract"], true);
    let verdict = explanation["verdict"].as_str().unwrap();
    assert!(verdict.contains(&format!("waited for slot 0x0 of {STORER}")), "{verdict}");

    let parameters = json!([told["blockHash"], {"address": STORER}]);
    let about = node.call("plasma_getBlockConflicts", parameters).await;
    assert_eq!(about["explanation"]["locations"], explanation["locations"]);
    let parameters = json!(["0x1", {"address": ANSWERER}]);
    let about = node.call("plasma_getBlockConflicts", parameters).await;
    assert_eq!(about["explanation"]["locations"], json!([]));
    assert_eq!(about["explanation"]["accounts"][0]["touched"], 0);
    assert_eq!(about["explanation"]["criticalPath"], explanation["criticalPath"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_without_anything_to_explain() {
    let node = Node::start().await;
    let genesis = node.call("plasma_getBlockConflicts", json!(["earliest"])).await;
    assert_eq!(genesis["explanation"]["verdict"], "This block has no transactions.");
    assert!(genesis.get("incarnations").is_none(), "nobody executed it: {genesis}");
    assert!(node.call("plasma_getBlockConflicts", json!(["0x9"])).await.is_null());
    let pending = node.fail("plasma_getBlockConflicts", json!(["pending"])).await;
    assert_eq!(pending.code, -32000);
    let unknown = node.fail("plasma_getBlockConflicts", json!(["0x0", {"slot": "0x1"}])).await;
    assert_eq!(unknown.code, -32602);
    node.stop().await;
}
