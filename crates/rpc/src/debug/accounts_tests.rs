//! Accounts of blocks that a real chain made.

use crate::dev::harness::Node;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use serde_json::json;
use std::collections::BTreeMap;

/// Stores 7 at slot 1 and has the code `STOP`.
const STORING: &str = "0x60076001555f5f5360015ff3";

fn word(value: u64) -> B256 {
    U256::from(value).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_told_in_pieces_as_they_were_at_a_block() {
    let node = Node::start();
    let receipt = node.send(json!({"data": STORING})).await;
    let contract: Address = serde_json::from_value(receipt["contractAddress"].clone()).unwrap();
    node.call("evm_setAutomine", json!([false])).await;
    let before = node.latest().await;
    let late = Address::repeat_byte(0xee);
    node.call("hardhat_setBalance", json!([late, "0x5"])).await;
    node.call("anvil_setStorageAt", json!([contract, "0x9", word(0x1234)])).await;
    node.call("evm_mine", json!([])).await;
    for (block, is_there) in [("latest".into(), true), (before["hash"].clone(), false)] {
        let number = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
        let number = if is_there { number["number"].clone() } else { before["number"].clone() };
        let number = u64::from_str_radix(&number.as_str().unwrap()[2..], 16).unwrap();
        let state = node.api.chain.database().snapshot(number).unwrap();
        let header = node.api.chain.block(number).unwrap().unwrap().header.clone();
        let (mut start, mut found) = (json!("0x"), BTreeMap::new());
        loop {
            let answer = node.call("debug_accountRange", json!([block, start, 7])).await;
            assert_eq!(answer["root"], hex::encode(header.state_root));
            let accounts = answer["accounts"].as_object().unwrap();
            assert!(accounts.len() <= 7);
            for (name, account) in accounts {
                let address = Address::parse_checksummed(name, None).unwrap();
                assert_eq!(account["address"], json!(address));
                assert_eq!(account["key"], json!(keccak256(address)));
                let proof = node.call("eth_getProof", json!([address, [], block])).await;
                assert_eq!(account["root"], proof["storageHash"]);
                assert_eq!(account["codeHash"], proof["codeHash"]);
                let slots = account["storage"].as_object().into_iter().flatten();
                let slots: BTreeMap<U256, U256> = slots
                    .map(|(slot, value)| {
                        let value = U256::from_str_radix(value.as_str().unwrap(), 16).unwrap();
                        (slot.parse::<B256>().unwrap().into(), value)
                    })
                    .collect();
                assert_eq!(slots, state.slots(address).unwrap(), "{address}");
                let balance = account["balance"].as_str().unwrap().parse::<U256>().unwrap();
                let nonce = account["nonce"].as_u64().unwrap();
                let code = account["code"].as_str().unwrap_or("0x");
                assert_eq!(code, node.call("eth_getCode", json!([address, block])).await);
                assert!(found.insert(address, (nonce, balance)).is_none(), "{address} comes twice");
            }
            // The place to go on is given back as it came.
            match answer.get("next") {
                Some(next) => start = next.clone(),
                None => break,
            }
        }
        let expected = state.accounts().unwrap();
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(at, it)| (at, (it.nonce, it.balance))).collect();
        assert_eq!(found, expected);
        assert_eq!(found.contains_key(&late), is_there);
    }
    // Slots are cut at whole accounts, and values have no zeros in front.
    let one = node.call("debug_accountRange", json!(["latest", contract, 1])).await;
    assert_eq!(one["accounts"][contract.to_string()]["storage"][word(9).to_string()], "1234");
    let bare = json!(["latest", contract, 1, true, true, false]);
    let bare = &node.call("debug_accountRange", bare).await["accounts"][contract.to_string()];
    assert_eq!((bare.get("code"), bare.get("storage")), (None, None));
    assert_eq!(bare["root"], one["accounts"][contract.to_string()]["root"]);
    for (params, code) in [
        (json!(["pending"]), -32000),
        (json!(["0x99"]), -32000),
        (json!(["latest", B256::ZERO]), -32602),
        (json!(["latest", "?"]), -32602),
    ] {
        let refused = node.fail("debug_accountRange", params.clone()).await;
        assert_eq!(refused.code, code, "{params}: {}", refused.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_more_slots_than_fit_is_told_without_them() {
    let node = Node::start();
    let (small, large) = (Address::with_last_byte(0xf0), Address::with_last_byte(0xf1));
    let storage: BTreeMap<B256, B256> =
        (1..=10_001_u64).map(|slot| (word(slot), word(slot))).collect();
    let account =
        |storage: &BTreeMap<B256, B256>| json!({"nonce": 1, "balance": "0x1", "storage": storage});
    let few = storage.iter().take(2).map(|(slot, value)| (*slot, *value)).collect();
    let accounts = json!({small.to_string(): account(&few), large.to_string(): account(&storage)});
    let dump = Bytes::from(json!({"accounts": accounts}).to_string().into_bytes());
    node.call("anvil_loadState", json!([dump])).await;
    node.call("evm_mine", json!([])).await;
    // The answer ends before it.
    let answer = node.call("debug_accountRange", json!(["latest", small, 5])).await;
    assert_eq!(answer["accounts"].as_object().unwrap().len(), 1);
    let next = json!(["latest", answer["next"], 1]);
    let refused = node.fail("debug_accountRange", next).await;
    assert_eq!(refused.code, -32005);
    assert!(refused.message.contains("debug_storageRangeAt"), "{}", refused.message);
    let bare = json!(["latest", answer["next"], 1, false, true]);
    let told = node.call("debug_accountRange", bare).await;
    assert_eq!(told["accounts"][large.to_string()]["nonce"], 1);
}
