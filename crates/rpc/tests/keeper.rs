//! Upkeeps over JSON-RPC: what is asked about them, and what is told as blocks and ticks come.

mod node;

use alloy_primitives::{B256, U256};
use node::{Registration, Socket, TARGET, Upkeeps, quantity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A block's number as requests write it.
fn block(number: u64) -> String {
    format!("{number:#x}")
}

/// The next decision of block `first` or later: what was sealed right before a subscription may still be told.
async fn told_from(first: u64, socket: &mut Socket, id: &Value) -> Value {
    loop {
        let decision = socket.notified(id).await;
        if decision["block"].as_u64().unwrap() >= first {
            return decision;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_decisions_as_blocks_come() {
    let upkeeps = Upkeeps::start().await;
    let address = upkeeps.node.server.ws_address();
    let beat = upkeeps.every_block(0).await;
    let poor = upkeeps.conditional(0, true).await;
    let idle = upkeeps.conditional(0, false).await;
    upkeeps.fund(beat).await;

    let mut all = Socket::connect(address).await;
    let mut one = Socket::connect(address).await;
    let mut performed = Socket::connect(address).await;
    let mut both = Socket::connect(address).await;
    let all_id = all.call("plasma_subscribe", json!(["upkeeps"])).await;
    let one_id = one.call("plasma_subscribe", json!(["upkeeps", {"upkeep": poor}])).await;
    let outcomes = json!(["performed", "cancelled"]);
    let performed_id =
        performed.call("plasma_subscribe", json!(["upkeeps", {"outcomes": outcomes}])).await;
    let filter = json!({"upkeep": beat, "outcomes": ["cancelled"]});
    let both_id = both.call("plasma_subscribe", json!(["upkeeps", filter])).await;
    let first = upkeeps.mine().await;
    let second = upkeeps.mine().await;
    let cancel = Registration::cancelUpkeepCall { id: beat.into() };
    upkeeps.call(0, cancel, 0).await;
    let range = json!([null, block(first), block(second + 1)]);
    let history = upkeeps.node.call("keeper_history", range).await;
    let history = history.as_array().unwrap();
    let outcome_of = |id: B256, block: u64| {
        let mut found =
            history.iter().filter(|one| one["upkeep"] == json!(id) && one["block"] == json!(block));
        found.next().map(|one| one["outcome"].as_str().unwrap())
    };
    assert_eq!(outcome_of(beat, first), Some("performed"));
    assert_eq!(outcome_of(poor, first), Some("underfunded"));
    assert_eq!(outcome_of(idle, first), None);
    assert!(history.len() >= 5, "{history:?}");
    for decision in history {
        assert_eq!(&told_from(first, &mut all, &all_id).await, decision);
        if decision["upkeep"] == json!(poor) {
            assert_eq!(&told_from(first, &mut one, &one_id).await, decision);
        }
        if ["performed", "cancelled"].contains(&decision["outcome"].as_str().unwrap()) {
            assert_eq!(&told_from(first, &mut performed, &performed_id).await, decision);
        }
        if decision["outcome"] == "cancelled" {
            assert_eq!(&both.notified(&both_id).await, decision);
        }
    }
    assert_eq!(all.call("plasma_unsubscribe", json!([all_id])).await, true);
    upkeeps.mine().await;
    // Were it still subscribed, a decision would come before the answer.
    assert_eq!(all.call("plasma_unsubscribe", json!([all_id])).await, false);
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_removed_blocks_are_not_told_again() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    upkeeps.fund(beat).await;
    let snapshot = upkeeps.node.call("evm_snapshot", json!([])).await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    let id = socket.call("plasma_subscribe", json!(["upkeeps"])).await;
    let number = upkeeps.mine().await;
    let before = told_from(number, &mut socket, &id).await;
    assert_eq!((&before["block"], &before["outcome"]), (&json!(number), &json!("performed")));
    assert_eq!(upkeeps.node.call("evm_revert", json!([snapshot])).await, true);
    // A block of another time, so that its perform is another transaction as well.
    assert_eq!(upkeeps.mine().await, number);
    let after = socket.notified(&id).await;
    assert_eq!((&after["block"], &after["outcome"]), (&json!(number), &json!("performed")));
    let history =
        upkeeps.node.call("keeper_history", json!([beat, block(number), block(number)])).await;
    assert_eq!(history, json!([after]));
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_ticks_with_receipts() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    upkeeps.fund(beat).await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    let id = socket.call("plasma_subscribe", json!(["ticks"])).await;
    let mut full = Socket::connect(upkeeps.node.server.ws_address()).await;
    let full_id = full.call("plasma_subscribe", json!(["ticks", {"stateChanges": true}])).await;
    let pause = Registration::pauseUpkeepCall { id: beat.into() };
    let hash = upkeeps.send(0, pause, 0).await;
    let chain = upkeeps.node.chain.clone();
    let added = tokio::task::spawn_blocking(move || chain.tick().unwrap()).await.unwrap();
    let open = loop {
        // The tick of the block that was sealed right before the subscription may still be told.
        let tick = socket.notified(&id).await;
        if tick["blockHash"].is_null() {
            break tick;
        }
    };
    let transactions = open["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), added);
    assert_eq!((&open["tick"], &open["blockHash"]), (&json!("0x0"), &Value::Null));
    assert_eq!(transactions[0]["hash"], hash);
    let late = upkeeps.send(1, Registration::pauseUpkeepCall { id: beat.into() }, 0).await;
    let number = upkeeps.mine().await;
    let sealed = socket.notified(&id).await;
    assert_eq!(sealed["tick"], "0x1");
    assert_eq!(sealed["transactions"][0]["hash"], late);
    assert_eq!(sealed["transactions"][0]["status"], "0x0", "it was paused already");

    let block = upkeeps.node.call("eth_getBlockByNumber", json!([block(number), false])).await;
    assert_eq!(sealed["blockHash"], block["hash"]);
    let mut told = Vec::new();
    for (tick, hash) in [(&open, Value::Null), (&sealed, block["hash"].clone())] {
        assert_eq!(quantity(&tick["blockNumber"]), number);
        for transaction in tick["transactions"].as_array().unwrap() {
            told.push(transaction["hash"].clone());
            let mut receipt =
                upkeeps.node.call("eth_getTransactionReceipt", json!([transaction["hash"]])).await;
            for log in receipt["logs"].as_array_mut().unwrap() {
                log["blockHash"].clone_from(&hash);
            }
            for member in ["transactionIndex", "status", "gasUsed", "logs"] {
                assert_eq!(transaction[member], receipt[member], "{member}");
            }
        }
    }
    assert_eq!(json!(told), block["transactions"]);

    // The same ticks with what they changed: one after the other, they are the state of the block.
    let mut slots = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for plain in [&open, &sealed] {
        let mut tick = full.notified(&full_id).await;
        while tick["blockNumber"] != plain["blockNumber"] {
            tick = full.notified(&full_id).await;
        }
        let changes = tick.as_object_mut().unwrap().remove("stateChanges").unwrap();
        assert_eq!(&tick, plain);
        for change in changes.as_array().unwrap() {
            let address = change["address"].as_str().unwrap().to_owned();
            for (slot, value) in change["storage"].as_object().unwrap() {
                slots.insert((address.clone(), slot.clone()), value.clone());
            }
            accounts.insert(address, (change["balance"].clone(), change["nonce"].clone()));
        }
    }
    assert!(slots.len() > 1 && accounts.len() > 2, "{slots:?} {accounts:?}");
    for ((address, slot), value) in slots {
        let now = upkeeps.node.call("eth_getStorageAt", json!([address, slot, "latest"])).await;
        assert_eq!(now, value, "{address} {slot}");
    }
    for (address, (balance, nonce)) in accounts {
        let params = json!([address, "latest"]);
        assert_eq!(upkeeps.node.call("eth_getBalance", params.clone()).await, balance, "{address}");
        assert_eq!(upkeeps.node.call("eth_getTransactionCount", params).await, nonce, "{address}");
    }
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_subscriptions_say_why() {
    let upkeeps = Upkeeps::start().await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    for (params, code, words) in [
        (json!(["nothing"]), -32601, "\"nothing\" subscription in plasma namespace"),
        (json!([]), -32602, "missing value for required argument 0"),
        (json!(["ticks", {"changes": true}]), -32602, "unknown field"),
        (json!(["upkeeps", {"outcome": "performed"}]), -32602, "unknown field `outcome`"),
        (json!(["upkeeps", {"outcomes": ["fired"]}]), -32602, "there is no outcome \"fired\""),
        (json!(["upkeeps", {"outcomes": []}]), -32602, "outcomes is empty"),
        (json!(["upkeeps", {"outcomes": ["notNeeded"]}]), -32602, "counted, not told"),
        (json!(["upkeeps", {"upkeep": "nonsense"}]), -32602, "invalid argument 1"),
    ] {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "plasma_subscribe", "params": params});
        socket.send(&request).await;
        let refused = socket.receive().await;
        assert_eq!(refused["error"]["code"], code, "{params}: {refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{params}: {message}");
    }
    let over_http = upkeeps.node.fail("plasma_subscribe", json!(["ticks"])).await;
    assert_eq!(over_http.code, -32601);
    assert!(over_http.message.contains("WebSocket"), "{}", over_http.message);
    upkeeps.node.stop().await;
}

fn ids(upkeeps: &Value) -> Vec<B256> {
    let upkeeps = upkeeps.as_array().unwrap().iter();
    upkeeps.map(|upkeep| serde_json::from_value(upkeep["id"].clone()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_in_order_of_registration() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    let poor = upkeeps.conditional(1, true).await;
    let paused = upkeeps.conditional(1, true).await;
    let idle = upkeeps.conditional(0, false).await;
    upkeeps.fund(beat).await;
    upkeeps.call(1, Registration::pauseUpkeepCall { id: paused.into() }, 0).await;
    upkeeps.mine().await;
    let list = async |filter: Value| ids(&upkeeps.node.call("keeper_list", json!([filter])).await);

    let all = [beat, poor, paused, idle];
    assert_eq!(ids(&upkeeps.node.call("keeper_list", json!([])).await), all);
    assert_eq!(list(Value::Null).await, all);
    assert_eq!(list(json!({})).await, all);
    let (first, second) = (upkeeps.account(0), upkeeps.account(1));
    for (filter, expected) in [
        (json!({"admin": second}), &[poor, paused][..]),
        (json!({"target": TARGET}), &all[..]),
        (json!({"target": first}), &[]),
        (json!({"trigger": "interval"}), &[beat]),
        (json!({"trigger": "conditional", "paused": false}), &[poor, idle]),
        (json!({"paused": true}), &[paused]),
        (json!({"outcome": "performed"}), &[beat]),
        (json!({"outcome": "underfunded"}), &[poor]),
        (json!({"outcome": "notNeeded"}), &[idle]),
        (json!({"limit": 3}), &all[..3]),
        (json!({"limit": "0x2", "after": beat}), &[poor, paused]),
        (json!({"limit": 1, "after": beat, "admin": first}), &[idle]),
        (json!({"after": idle}), &[]),
    ] {
        assert_eq!(list(filter.clone()).await, expected, "{filter}");
    }

    // A page may end with an upkeep that is cancelled before the next is asked for.
    upkeeps.call(1, Registration::cancelUpkeepCall { id: poor.into() }, 0).await;
    upkeeps.mine().await;
    assert_eq!(list(json!({})).await, [beat, paused, idle]);
    assert_eq!(list(json!({"after": poor})).await, [paused, idle]);

    for (filter, words) in [
        (json!({"limit": 0}), "limit is 0"),
        (json!({"limit": "many"}), "many"),
        (json!({"after": "0x77"}), "no such upkeep was ever registered"),
        (json!({"admin": "0x12"}), "invalid argument 0"),
        (
            json!({"trigger": "hourly"}),
            "there is no trigger \"hourly\"; triggers are conditional, ",
        ),
        (json!({"outcome": "fired"}), "there is no outcome \"fired\"; outcomes are performed, "),
        (json!({"paused": "yes"}), "expected a boolean"),
        (json!({"owner": first}), "unknown field `owner`"),
        (json!("all"), "invalid argument 0"),
    ] {
        let refused = upkeeps.node.fail("keeper_list", json!([filter])).await;
        assert_eq!(refused.code, -32602, "{filter}: {refused:?}");
        assert!(refused.message.contains(words), "{filter}: {}", refused.message);
    }
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocks_decisions_come_with_their_sums() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    let poor = upkeeps.conditional(0, true).await;
    upkeeps.conditional(0, false).await;
    upkeeps.fund(beat).await;
    let number = upkeeps.mine().await;
    let record = upkeeps.node.call("keeper_decisions", json!([block(number)])).await;
    let history =
        upkeeps.node.call("keeper_history", json!([null, block(number), block(number)])).await;
    let expected = json!({"block": number, "active": 3, "notNeeded": 1, "decisions": history});
    assert_eq!(record, expected);
    assert_eq!(history.as_array().unwrap().len(), 2);
    assert_eq!(history[1]["upkeep"], json!(poor));
    let head = upkeeps.node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    for same in [json!("latest"), head["hash"].clone(), json!({"blockHash": head["hash"]})] {
        assert_eq!(upkeeps.node.call("keeper_decisions", json!([same])).await, record, "{same}");
    }
    // Genesis has no record, and neither have blocks that do not exist yet or at all.
    for none in [json!("0x0"), json!(block(number + 1)), json!("pending"), json!(B256::ZERO)] {
        assert_eq!(upkeeps.node.call("keeper_decisions", json!([none])).await, Value::Null);
    }
    assert_eq!(upkeeps.node.fail("keeper_decisions", json!([])).await.code, -32602);
    assert_eq!(upkeeps.node.fail("keeper_decisions", json!(["newest"])).await.code, -32602);
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulations_need_no_abi() {
    let upkeeps = Upkeeps::start().await;
    let due = upkeeps.conditional(0, true).await;
    let poor = upkeeps.node.call("keeper_simulate", json!([due])).await;
    assert_eq!(poor["failureReason"], json!({"number": 6, "name": "insufficientBalance"}));
    assert_eq!(
        (&poor["upkeepNeeded"], &poor["performSuccess"], &poor["performGas"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    let before = quantity(&upkeeps.node.call("eth_blockNumber", json!([])).await);
    upkeeps.fund(due).await;
    let found = upkeeps.node.call("keeper_simulate", json!([due])).await;
    assert_eq!(found["upkeepNeeded"], true);
    assert_eq!(found["performData"], "0x");
    assert_eq!(found["failureReason"], json!({"number": 0, "name": "none"}));
    assert_eq!(found["performSuccess"], true);
    for gas in ["checkGas", "performGas"] {
        assert!(found[gas].as_u64().is_some_and(|gas| gas > 0), "{found}");
    }
    assert_eq!(upkeeps.node.call("keeper_simulate", json!([due, block(before)])).await, poor);
    let idle = upkeeps.conditional(0, false).await;
    upkeeps.fund(idle).await;
    let found = upkeeps.node.call("keeper_simulate", json!([U256::from_be_bytes(idle.0)])).await;
    assert_eq!(found["failureReason"], json!({"number": 4, "name": "upkeepNotNeeded"}));
    let forced = upkeeps.node.call("keeper_simulate", json!([idle, "pending", "0x01"])).await;
    assert_eq!((&forced["performSuccess"], &forced["performData"]), (&json!(true), &json!("0x01")));
    assert_eq!((&forced["upkeepNeeded"], &forced["checkGas"]), (&Value::Null, &Value::Null));
    let unknown = upkeeps.node.call("keeper_simulate", json!(["0x77"])).await;
    assert_eq!(unknown["failureReason"]["name"], "upkeepCancelled");

    for (params, code, words) in [
        (json!([]), -32602, "missing value for required argument 0"),
        (json!([idle, "latest", "data"]), -32602, "invalid argument 2"),
        (json!([idle, "0xffff"]), -32000, "header not found"),
        (json!(["0x77", "latest", "0x"]), -32000, "simulatePerformUpkeep: UpkeepCancelled"),
    ] {
        let refused = upkeeps.node.fail("keeper_simulate", params.clone()).await;
        assert_eq!(refused.code, code, "{params}: {refused:?}");
        assert!(refused.message.contains(words), "{params}: {}", refused.message);
    }
    upkeeps.node.stop().await;
    let without = node::Node::start().await;
    let refused = without.fail("keeper_simulate", json!([idle])).await;
    assert!(refused.message.contains("no registry"), "{}", refused.message);
    without.stop().await;
}
