//! A chain that a consensus layer drives.

mod node;

use alloy_primitives::{Address, B256, Bytes, TxKind, hex};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use node::{Driven, REGISTRY, Registration, Socket, attributes, quantity, state};
use plasma_keeper::abi::Registry::{UpkeepPerformed, UpkeepRegistered};
use serde_json::{Value, json};

fn hash_of(envelope: &Value) -> Value {
    envelope["executionPayload"]["blockHash"].clone()
}

fn transactions(envelope: &Value) -> usize {
    envelope["executionPayload"]["transactions"].as_array().unwrap().len()
}

fn genesis(node: &Driven) -> Value {
    json!(node.chain.spec().genesis_hash())
}

/// The time of block `number` in these tests.
fn time(node: &Driven, number: u64) -> u64 {
    node.chain.spec().genesis_header().timestamp + 12 * number
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_builds_another_executes_to_the_same() {
    let (proposer, follower) = (Driven::start(true), Driven::start(false));
    assert_eq!(proposer.choose(&genesis(&proposer)).await["status"], "VALID");
    for block in 0..3 {
        for from in 0..5 {
            proposer.pay(from, 2 * block).await;
            proposer.pay(from, 2 * block + 1).await;
        }
        let envelope = proposer.advance().await;
        assert_eq!(transactions(&envelope), 10);
        assert_eq!(envelope["shouldOverrideBuilder"], false);
        // 21,000 gas at a tip of 1 gwei, ten times
        assert_eq!(envelope["blockValue"], json!("0xbefe6f672000"));
        follower.adopt(&envelope).await;
    }
    let balance = json!(["0x9999999999999999999999999999999999999999", "latest"]);
    for node in [&proposer, &follower] {
        assert_eq!(node.call("eth_getBalance", balance.clone()).await, "0x1e");
        assert_eq!(quantity(&node.call("eth_blockNumber", json!([])).await), 3);
    }
    assert_eq!(proposer.chain.pool().status().pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_comes_to_nothing_takes_nothing_with_it() {
    let node = Driven::start(true);
    let sent = node.pay(0, 0).await;
    let dropped = node.build(&genesis(&node), time(&node, 1)).await;
    assert_eq!(transactions(&dropped), 1);
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x0");
    assert_eq!(node.call("eth_getTransactionReceipt", json!([sent])).await, Value::Null);
    assert_eq!(node.chain.pool().status().pending, 1);
    // The same nonce is taken, whether or not a payload has it.
    assert_eq!(
        node.call("eth_getTransactionCount", json!([node.accounts.addresses()[0], "pending"]))
            .await,
        "0x1"
    );
    node.pay(0, 1).await;
    let other = node.build(&genesis(&node), time(&node, 2)).await;
    assert_eq!(transactions(&other), 2);
    node.adopt(&other).await;
    let receipt = node.call("eth_getTransactionReceipt", json!([sent])).await;
    assert_eq!(receipt["blockHash"], hash_of(&other));
    assert_eq!(node.chain.pool().status().pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pending_block_is_the_payload_as_of_its_last_tick() {
    let node = Driven::start(false);
    let id = node.ask(&genesis(&node), &attributes(time(&node, 1))).await;
    let sent = node.pay(3, 0).await;
    let pending = loop {
        let block = node.call("eth_getBlockByNumber", json!(["pending", false])).await;
        if block["transactions"] == json!([sent]) {
            break block;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(quantity(&pending["timestamp"]), time(&node, 1));
    let first = node.call("engine_getPayloadV5", json!([id])).await;
    assert_eq!(transactions(&first), 1);
    // The same again for who asks again, whatever has come since.
    node.pay(4, 0).await;
    assert_eq!(node.call("engine_getPayloadV5", json!([id])).await, first);
    assert_eq!(node.fail("engine_getPayloadV5", json!(["0x0300000000000000"])).await, -38001);
    assert_eq!(node.fail("engine_getPayloadV4", json!([id])).await, -38005);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_made_way_for_others_can_be_asked_for() {
    let node = Driven::start(false);
    node.pay(0, 0).await;
    let mut ids = Vec::new();
    for recipient in 1..=4_u8 {
        let mut wanted = attributes(time(&node, 1));
        wanted["suggestedFeeRecipient"] = json!(Address::repeat_byte(recipient));
        ids.push(node.ask(&genesis(&node), &wanted).await);
        assert_eq!(node.ask(&genesis(&node), &wanted).await, *ids.last().unwrap());
    }
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
        let envelope = node.call("engine_getPayloadV5", json!([id])).await;
        let recipient = Address::repeat_byte(index as u8 + 1);
        assert_eq!(envelope["executionPayload"]["feeRecipient"], json!(recipient));
        assert_eq!(transactions(&envelope), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_wait_for_their_ancestors_and_are_taken_in_with_them() {
    let (proposer, node) = (Driven::start(false), Driven::start(false));
    let blocks = [proposer.advance().await, proposer.advance().await, proposer.advance().await];
    let syncing = json!({"status": "SYNCING", "latestValidHash": null, "validationError": null});
    assert_eq!(node.choose(&hash_of(&blocks[2])).await, syncing);
    assert_eq!(node.bring(&blocks[2]).await, syncing);
    assert_eq!(node.bring(&blocks[1]).await, syncing);
    assert_eq!(node.choose(&hash_of(&blocks[2])).await, syncing);
    let progress = node.call("eth_syncing", json!([])).await;
    assert_eq!(
        (&progress["currentBlock"], &progress["highestBlock"]),
        (&json!("0x0"), &json!("0x3"))
    );
    node.adopt(&blocks[0]).await;
    assert_eq!(node.call("eth_syncing", json!([])).await, false);
    // The others were executed with it.
    assert_eq!(node.choose(&hash_of(&blocks[2])).await["status"], "VALID");
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x3");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_that_the_chain_is_behind_and_that_it_follows_again() {
    let (proposer, node) = (Driven::start(false), Driven::start(false));
    let blocks = [proposer.advance().await, proposer.advance().await, proposer.advance().await];
    let server = node.serve().await;
    let mut socket = Socket::connect(server.ws_address()).await;
    let id = socket.call("eth_subscribe", json!(["syncing"])).await;
    assert_eq!(socket.notified(&id).await, false);
    let status = |current: u64, highest: u64| {
        let status = json!({"startingBlock": 0, "currentBlock": current, "highestBlock": highest});
        json!({"syncing": true, "status": status})
    };
    node.choose(&hash_of(&blocks[2])).await;
    assert_eq!(socket.notified(&id).await, status(0, 0));
    // The same again is no news.
    node.choose(&hash_of(&blocks[2])).await;
    node.bring(&blocks[2]).await;
    node.choose(&hash_of(&blocks[2])).await;
    assert_eq!(socket.notified(&id).await, status(0, 3));
    // Who comes late is told how it is.
    let mut late = Socket::connect(server.ws_address()).await;
    let late_id = late.call("eth_subscribe", json!(["syncing"])).await;
    assert_eq!(late.notified(&late_id).await, status(0, 3));
    assert_eq!(node.call("eth_syncing", json!([])).await["highestBlock"], "0x3");
    node.bring(&blocks[0]).await;
    node.bring(&blocks[1]).await;
    assert_eq!(node.choose(&hash_of(&blocks[2])).await["status"], "VALID");
    assert_eq!(socket.notified(&id).await, false);
    assert_eq!(late.notified(&late_id).await, false);
    assert_eq!(node.call("eth_syncing", json!([])).await, false);
    server.stop().await;
}

/// The payload with another member, under its own right hash.
fn forged(envelope: &Value, member: &str, value: Value) -> Value {
    use alloy_rpc_types_engine::{
        CancunPayloadFields, ExecutionPayload, ExecutionPayloadSidecar, ExecutionPayloadV3,
        PraguePayloadFields,
    };
    let mut forged = envelope.clone();
    forged["executionPayload"][member] = value;
    let payload: ExecutionPayloadV3 =
        serde_json::from_value(forged["executionPayload"].clone()).unwrap();
    let sidecar = ExecutionPayloadSidecar::v4(
        CancunPayloadFields::new(B256::ZERO, Vec::new()),
        PraguePayloadFields::new(alloy_eips::eip7685::Requests::default()),
    );
    let block = ExecutionPayload::V3(payload).into_block_with_sidecar_raw(&sidecar).unwrap();
    forged["executionPayload"]["blockHash"] = json!(block.header.hash_slow());
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_blocks_and_their_descendants_are_told_with_the_latest_valid_ancestor() {
    let (proposer, node) = (Driven::start(false), Driven::start(false));
    let first = proposer.advance().await;
    proposer.pay(0, 0).await;
    let second = proposer.advance().await;
    node.adopt(&first).await;

    let wrong_root = forged(&second, "stateRoot", json!(B256::repeat_byte(1)));
    for _ in 0..2 {
        let status = node.bring(&wrong_root).await;
        assert_eq!(status["status"], "INVALID", "{status}");
        assert_eq!(status["latestValidHash"], hash_of(&first));
        assert!(status["validationError"].as_str().unwrap().contains("state root"), "{status}");
    }
    let mut child = forged(&second, "parentHash", hash_of(&wrong_root));
    child = forged(&child, "blockNumber", json!("0x3"));
    let grandchild = forged(&child, "parentHash", hash_of(&child));
    // The grandchild first: it waits, and is found invalid with its parent.
    assert_eq!(node.bring(&grandchild).await["status"], "SYNCING");
    for block in [&child, &grandchild] {
        let status = node.bring(block).await;
        assert_eq!(status["status"], "INVALID", "{status}");
        assert_eq!(status["latestValidHash"], hash_of(&first));
        let reason = status["validationError"].as_str().unwrap();
        assert!(reason.contains("descends from the invalid block"), "{reason}");
        let status = node.choose(&hash_of(block)).await;
        assert_eq!(status["status"], "INVALID");
        assert_eq!(status["latestValidHash"], hash_of(&first));
    }
    // A hash that is not the header's says nothing of the block with that hash.
    let mut misnamed = second.clone();
    misnamed["executionPayload"]["gasUsed"] = json!("0x1");
    let status = node.bring(&misnamed).await;
    assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("INVALID"), &Value::Null));
    let rubbish = forged(&second, "transactions", json!(["0x02c0"]));
    let status = node.bring(&rubbish).await;
    assert_eq!(status["status"], "INVALID");
    assert_eq!(status["latestValidHash"], hash_of(&first));
    // Other blobs were expected than the block has.
    let params = json!([
        second["executionPayload"],
        [B256::repeat_byte(1)],
        B256::ZERO,
        second["executionRequests"]
    ]);
    let status = node.call("engine_newPayloadV4", params).await;
    assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("INVALID"), &Value::Null));
    node.adopt(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_goes_where_it_is_told_and_not_below_what_is_final() {
    let (left, right, node) = (Driven::start(false), Driven::start(false), Driven::start(false));
    let first = left.advance().await;
    right.adopt(&first).await;
    let paid = left.pay(0, 0).await;
    let (l2, l3) = (left.advance().await, left.advance().await);
    right.pay(1, 0).await;
    let r2 = right.advance().await;
    for block in [&first, &l2, &l3] {
        node.adopt(block).await;
    }
    let named = |head: &Value, safe: &Value, finalized: &Value| json!([{"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}]);
    let zero = json!(B256::ZERO);
    assert_eq!(
        node.call(
            "engine_newPayloadV4",
            json!([r2["executionPayload"], [], B256::ZERO, r2["executionRequests"]])
        )
        .await["status"],
        "VALID"
    );
    // Nothing is safe or final yet.
    for tag in ["safe", "finalized"] {
        assert_eq!(node.fail("eth_getBlockByNumber", json!([tag, false])).await, -32000);
    }
    // A shorter chain: what was paid is pending again.
    assert_eq!(node.choose(&hash_of(&r2)).await["status"], "VALID");
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x2");
    assert_eq!(node.call("eth_getTransactionReceipt", json!([paid])).await, Value::Null);
    assert_eq!(node.chain.pool().status().pending, 1);
    // An ancestor of the head, and back.
    assert_eq!(node.choose(&hash_of(&first)).await["status"], "VALID");
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x1");
    assert_eq!(node.choose(&hash_of(&l3)).await["status"], "VALID");
    assert_eq!(node.chain.pool().status().pending, 1, "what the other chain paid");

    // Blocks of the other chain are neither safe nor final in this one, and the head stays.
    for params in [
        named(&hash_of(&r2), &hash_of(&l2), &zero),
        named(&hash_of(&r2), &zero, &hash_of(&l2)),
        named(&hash_of(&l3), &zero, &json!(B256::repeat_byte(9))),
    ] {
        assert_eq!(node.fail("engine_forkchoiceUpdatedV3", params).await, -38002);
        assert_eq!(json!(node.chain.head().hash), hash_of(&l3));
    }
    let params = named(&hash_of(&l3), &hash_of(&l3), &hash_of(&l2));
    let updated = node.call("engine_forkchoiceUpdatedV3", params).await;
    assert_eq!(updated["payloadStatus"]["status"], "VALID");
    for (tag, number) in [("safe", "0x3"), ("finalized", "0x2")] {
        let block = node.call("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["number"], number, "{tag}");
    }
    // Below what is final nothing is done, and no payload is begun.
    let params = json!([state(&hash_of(&first)), attributes(time(&node, 9))]);
    let updated = node.call("engine_forkchoiceUpdatedV3", params).await;
    assert_eq!(updated["payloadStatus"]["status"], "VALID");
    assert_eq!(updated["payloadId"], Value::Null);
    assert_eq!(json!(node.chain.head().hash), hash_of(&l3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_safe_and_final_is_known_after_a_restart() {
    let (proposer, node) = (Driven::start(false), Driven::start(false));
    let mut blocks = Vec::new();
    for _ in 0..4 {
        let block = proposer.advance().await;
        node.adopt(&block).await;
        blocks.push(hash_of(&block));
    }
    let choose = async |node: &Driven, safe: &Value, finalized: &Value| {
        let named = json!([{"headBlockHash": blocks[3], "safeBlockHash": safe, "finalizedBlockHash": finalized}]);
        let updated = node.call("engine_forkchoiceUpdatedV3", named).await;
        assert_eq!(updated["payloadStatus"]["status"], "VALID");
    };
    let tagged = async |node: &Driven| {
        let mut numbers = Vec::new();
        for tag in ["safe", "finalized"] {
            let block = node.call("eth_getBlockByNumber", json!([tag, false])).await;
            numbers.push(quantity(&block["number"]));
        }
        numbers
    };
    let node = node.restart(false).await;
    assert_eq!(node.fail("eth_getBlockByNumber", json!(["safe", false])).await, -32000);
    choose(&node, &blocks[2], &blocks[0]).await;
    assert_eq!(tagged(&node).await, [3, 1]);
    let node = node.restart(false).await;
    assert_eq!(tagged(&node).await, [3, 1]);
    // What a fork choice leaves open stays as it was, and what is final binds.
    choose(&node, &json!(B256::ZERO), &blocks[1]).await;
    assert_eq!(tagged(&node).await, [3, 2]);
    let node = node.restart(false).await;
    assert_eq!(tagged(&node).await, [3, 2]);
    assert_eq!(node.choose(&blocks[0]).await["status"], "VALID");
    assert_eq!(json!(node.chain.head().hash), blocks[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_no_block_can_have_are_refused_after_the_head_has_moved() {
    let (proposer, node) = (Driven::start(false), Driven::start(false));
    let first = proposer.advance().await;
    node.bring(&first).await;
    let head = hash_of(&first);
    let good = attributes(time(&node, 2));
    let change = |member: &str, value: Value| {
        let mut changed = good.clone();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(member);
        } else {
            changed[member] = value;
        }
        json!([state(&head), changed])
    };
    let v3 = "engine_forkchoiceUpdatedV3";
    let cases = [
        (v3, change("timestamp", json!("0x1")), -38003),
        (v3, change("parentBeaconBlockRoot", Value::Null), -38003),
        (v3, change("withdrawals", Value::Null), -38003),
        (v3, change("slotNumber", json!("0x1")), -38003),
        ("engine_forkchoiceUpdatedV2", change("parentBeaconBlockRoot", Value::Null), -38005),
        ("engine_forkchoiceUpdatedV2", json!([state(&head), good]), -38003),
        ("engine_forkchoiceUpdatedV1", change("parentBeaconBlockRoot", Value::Null), -38003),
        ("engine_forkchoiceUpdatedV4", change("slotNumber", json!("0x1")), -38005),
        (v3, json!([{"headBlockHash": head}]), -32602),
        (v3, json!([state(&head), {"timestamp": "0x1"}]), -32602),
    ];
    for (method, params, code) in cases {
        assert_eq!(node.fail(method, params.clone()).await, code, "{method} {params}");
    }
    assert_eq!(json!(node.chain.head().hash), head);
    let requests = |list: Value| json!([first["executionPayload"], [], B256::ZERO, list]);
    for list in [
        json!(null),
        json!(["0x"]),
        json!(["0x00"]),
        json!(["0x0101", "0x0001"]),
        json!(["0x0101", "0x0102"]),
    ] {
        assert_eq!(node.fail("engine_newPayloadV4", requests(list)).await, -32602);
    }
    let without_beacon_root = json!([first["executionPayload"], [], null, []]);
    assert_eq!(node.fail("engine_newPayloadV4", without_beacon_root).await, -32602);
    let params = json!([first["executionPayload"], [], B256::ZERO]);
    assert_eq!(node.fail("engine_newPayloadV3", params).await, -38005);
    assert_eq!(node.fail("engine_newPayloadV2", json!([first["executionPayload"]])).await, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_have_the_keepers_performs_and_its_record() {
    let node = Driven::start(true);
    let me = node.accounts.addresses()[0];
    // STOP: performs do nothing
    let init = Bytes::from(hex!("60016000f3").to_vec());
    node.send(0, 0, TxKind::Create, 0, init).await;
    let call = Registration::registerUpkeepCall {
        target: me.create(0),
        gasLimit: 100_000,
        admin: me,
        triggerType: 2,
        checkData: Bytes::new(),
        triggerConfig: (1_u64, 0_u64).abi_encode().into(),
        offchainConfig: Bytes::new(),
    };
    let registration = node.send(0, 1, TxKind::Call(REGISTRY), 0, call.abi_encode().into()).await;
    node.advance().await;
    let receipt = node.call("eth_getTransactionReceipt", json!([registration])).await;
    let logs = receipt["logs"].as_array().unwrap();
    let registered = json!(UpkeepRegistered::SIGNATURE_HASH);
    let log = logs.iter().find(|log| log["topics"][0] == registered).unwrap();
    let id: B256 = serde_json::from_value(log["topics"][1].clone()).unwrap();
    let amount = 1_000_000_000_000_000_000_u128;
    let fund = Registration::addFundsCall { id: id.into(), amount: amount.try_into().unwrap() };
    node.send(0, 2, TxKind::Call(REGISTRY), amount, fund.abi_encode().into()).await;

    let follower = Driven::start(false);
    let mut performed = Vec::new();
    for number in 2..=6 {
        // One that comes to nothing before each: its performs must not count.
        let head = node.chain.head();
        node.build(&json!(head.hash), head.header.timestamp + 5).await;
        let envelope = node.advance().await;
        let logs = node
            .call(
                "eth_getLogs",
                json!([{
                    "blockHash": hash_of(&envelope), "topics": [UpkeepPerformed::SIGNATURE_HASH],
                }]),
            )
            .await;
        let count = logs.as_array().unwrap().len();
        let record = node.chain.keeper_record(number).unwrap().expect("this node's block has one");
        assert_eq!(record.missed(), 0);
        assert_eq!(
            record.decisions.iter().filter(|made| made.outcome.is_performed()).count(),
            count
        );
        performed.push(count);
    }
    assert_eq!(performed, [1, 1, 1, 1, 1], "once in each block, and in no block twice");
    for number in 1..=6 {
        let block = node.chain.block(number).unwrap().unwrap();
        let found = node.call("engine_getPayloadBodiesByRangeV1", json!([number, 1])).await;
        assert_eq!(found[0]["transactions"].as_array().unwrap().len(), block.transactions.len());
    }
    // After a restart it goes on as if nothing had been.
    let node = node.restart(true).await;
    let envelope = node.advance().await;
    assert_eq!(transactions(&envelope), 1);
    drop(follower);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_answered_as_far_as_the_chain_goes() {
    let node = Driven::start(false);
    node.pay(0, 0).await;
    let (first, second) = (node.advance().await, node.advance().await);
    let bodies = node.call("engine_getPayloadBodiesByRangeV1", json!(["0x1", "0x10"])).await;
    let body = |envelope: &Value| {
        let payload = &envelope["executionPayload"];
        json!({"transactions": payload["transactions"], "withdrawals": payload["withdrawals"]})
    };
    assert_eq!(bodies, json!([body(&first), body(&second)]));
    let hashes = json!([[hash_of(&second), B256::repeat_byte(1), hash_of(&first)]]);
    let bodies = node.call("engine_getPayloadBodiesByHashV1", hashes.clone()).await;
    assert_eq!(bodies, json!([body(&second), null, body(&first)]));
    let bodies = node.call("engine_getPayloadBodiesByHashV2", hashes).await;
    assert_eq!(bodies[0]["blockAccessList"], Value::Null);
    for (params, code) in [
        (json!(["0x0", "0x1"]), -32602),
        (json!(["0x1", "0x0"]), -32602),
        (json!(["0x1", "0x401"]), -38004),
    ] {
        assert_eq!(node.fail("engine_getPayloadBodiesByRangeV1", params).await, code);
    }
    assert_eq!(
        node.call("engine_getPayloadBodiesByRangeV1", json!(["0x9", "0x2"])).await,
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_told() {
    let node = Driven::start(false);
    let told = node.call("engine_exchangeCapabilities", json!([[]])).await;
    let told: Vec<String> = serde_json::from_value(told).unwrap();
    assert!(told.len() >= 23 && !told.contains(&"engine_exchangeCapabilities".to_owned()));
    for method in &told {
        let code = node.engine.call(method, &json!([])).await.unwrap()["error"]["code"].as_i64();
        assert_eq!(code, Some(-32602), "{method} is there and wants parameters");
    }
    let version = json!([{"code": "XX", "name": "test", "version": "1", "commit": "00000000"}]);
    assert_eq!(node.call("engine_getClientVersionV1", version).await[0]["code"], "PL");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_amsterdam_come_with_their_access_list_and_slot() {
    let mut spec: Value = serde_json::from_str(node::DEV_GENESIS).unwrap();
    spec["config"]["amsterdamTime"] = json!(0);
    let spec = spec.to_string();
    let (proposer, follower) =
        (Driven::with_genesis(&spec, false), Driven::with_genesis(&spec, false));
    proposer.pay(0, 0).await;
    let mut wanted = attributes(time(&proposer, 1));
    wanted["slotNumber"] = json!("0x2a");
    let params = json!([state(&genesis(&proposer)), wanted]);
    assert_eq!(proposer.fail("engine_forkchoiceUpdatedV3", params.clone()).await, -38003);
    let updated = proposer.call("engine_forkchoiceUpdatedV4", params).await;
    let id = updated["payloadId"].clone();
    assert_eq!(proposer.fail("engine_getPayloadV5", json!([id])).await, -38005);
    let envelope = proposer.call("engine_getPayloadV6", json!([id])).await;
    let payload = &envelope["executionPayload"];
    assert_eq!(payload["slotNumber"], "0x2a");
    assert_eq!(transactions(&envelope), 1);
    let brought = json!([payload, [], B256::ZERO, envelope["executionRequests"]]);
    assert_eq!(proposer.fail("engine_newPayloadV4", brought.clone()).await, -38005);
    // A list that says something else has another hash, and so has its block.
    let mut other = brought.clone();
    other[0]["blockAccessList"] = json!("0xc0");
    assert_eq!(follower.call("engine_newPayloadV5", other).await["status"], "INVALID");
    for node in [&proposer, &follower] {
        let status = node.call("engine_newPayloadV5", brought.clone()).await;
        assert_eq!(status["status"], "VALID", "{status}");
        let params = json!([state(&payload["blockHash"])]);
        let updated = node.call("engine_forkchoiceUpdatedV4", params).await;
        assert_eq!(updated["payloadStatus"]["status"], "VALID", "{updated}");
        let bodies = node.call("engine_getPayloadBodiesByRangeV2", json!(["0x1", "0x1"])).await;
        assert_eq!(bodies[0]["blockAccessList"], payload["blockAccessList"]);
    }
}
