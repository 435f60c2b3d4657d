//! The server itself: malformed requests, batches, limits, subscriptions, filters, start and stop.

mod node;

use alloy_primitives::{B256, Bytes, U256};
use jsonrpsee::Methods;
use node::{Node, STORER, Socket, post, quantity, transaction};
use plasma_rpc::{RpcConfig, serve};
use serde_json::{Value, json};

fn word(number: u64) -> Bytes {
    B256::from(U256::from(number)).0.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn params_may_be_absent() {
    let node = Node::start().await;
    for method in [
        "eth_chainId",
        "eth_blockNumber",
        "eth_gasPrice",
        "eth_syncing",
        "eth_mining",
        "eth_hashrate",
        "eth_coinbase",
        "eth_protocolVersion",
        "eth_blobBaseFee",
        "eth_baseFee",
        "eth_capabilities",
        "eth_pendingTransactions",
        "eth_newBlockFilter",
        "eth_newPendingTransactionFilter",
        "net_version",
        "net_listening",
        "net_peerCount",
        "web3_clientVersion",
        "txpool_status",
        "txpool_content",
        "rpc_modules",
        "keeper_list",
        "keeper_lanes",
        "keeper_stats",
        "keeper_history",
        "eth_accounts",
    ] {
        let request = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"}}");
        let (status, body) = node.post(&request).await;
        let response: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 200);
        assert!(response.get("result").is_some(), "{method}: {body}");
    }
    assert_eq!(node.call("net_version", json!([])).await, "1337");
    let hash = node.call("web3_sha3", json!(["0x"])).await;
    assert_eq!(hash, json!(alloy_primitives::KECCAK256_EMPTY));
    let modules = node.call("rpc_modules", json!([])).await;
    for namespace in ["eth", "net", "web3", "txpool", "debug", "keeper", "plasma", "rpc"] {
        assert_eq!(modules[namespace], "1.0", "{namespace}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_json_rpc_errors() {
    let node = Node::start().await;
    let unknown = node.fail("eth_doesNotExist", json!([])).await;
    assert_eq!(unknown.code, -32601);
    assert_eq!(unknown.message, "the method eth_doesNotExist does not exist/is not available");
    let missing = node.fail("eth_getBalance", json!([])).await;
    assert_eq!(missing.code, -32602);
    assert_eq!(missing.message, "missing value for required argument 0");
    let bad = node.fail("eth_getBalance", json!(["0x12", "latest"])).await;
    assert_eq!(bad.code, -32602);
    assert!(bad.message.starts_with("invalid argument 0: "), "{}", bad.message);
    let many = node.fail("eth_chainId", json!([1])).await;
    assert_eq!(many.message, "too many arguments, want at most 0");
    for body in ["", "{", "[", "nonsense", "\u{0}", "{\"jsonrpc\":\"2.0\"}", "[]"] {
        let (status, text) = node.post(body).await;
        assert!(status < 500, "{body}: {status} {text}");
        let response: Value = serde_json::from_str(&text).unwrap();
        assert!(response["error"]["code"].is_i64(), "{body}: {text}");
    }
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":{}{}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let (status, _) = node.post(&deep).await;
    assert!(status < 500);
    assert_eq!(node.call("eth_chainId", json!([])).await, "0x539");
    node.stop().await;
}

/// Ids that are given back as they were sent, each in a call of its own.
const IDS: [&str; 12] = [
    "0",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1.5",
    "-0.0",
    "1e400",
    "1E+2",
    "\"a\\u0062\"",
    "null",
    "true",
    "123456789012345678901234567890.12345678901234567890",
];

#[tokio::test(flavor = "multi_thread")]
async fn ids_come_back_as_they_were_sent() {
    let node = Node::start().await;
    let request = |id: &str, method: &str| {
        format!(r#"{{"method":"{method}","params":[],"id":{id},"jsonrpc":"2.0"}}"#)
    };
    // What a string is written like is not kept.
    let sent = |id: &str| id.replace("\\u0062", "b");
    let chain_id = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{},"result":"0x539"}}"#, sent(id));
    for id in IDS {
        let (status, body) = node.post(&request(id, "eth_chainId")).await;
        assert_eq!((status, body), (200, chain_id(id)));
        let (_, body) = node.post(&request(id, "eth_nothing")).await;
        let refused = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"#, sent(id));
        assert!(body.starts_with(&refused), "{body}");
    }
    // In a batch: between notifications and what is no request.
    let notification = r#"{"jsonrpc":"2.0","method":"eth_chainId","params":[]}"#;
    let nonsense = r#"{"jsonrpc":"2.0","id":-7}"#;
    let calls = IDS.map(|id| request(id, "eth_chainId")).join(&format!(",{notification},"));
    let (_, body) = node.post(&format!("[{nonsense},{calls},{nonsense}]")).await;
    let invalid =
        r#"{"jsonrpc":"2.0","id":-7,"error":{"code":-32600,"message":"Invalid request"}}"#;
    let answers = IDS.map(chain_id).join(",");
    assert_eq!(body, format!("[{invalid},{answers},{invalid}]"));
    // An id that is none is no number of a call.
    let (_, body) = node.post(&request("{}", "eth_chainId")).await;
    assert_eq!(body, "null");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_answer_in_order_and_have_a_limit() {
    let rpc = RpcConfig { max_batch: 50, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let batch: Vec<Value> = (0..50)
        .map(|id| match id % 3 {
            0 => json!({"jsonrpc": "2.0", "id": id, "method": "eth_chainId"}),
            1 => json!({"jsonrpc": "2.0", "id": id, "method": "eth_nothing"}),
            _ => json!({"jsonrpc": "2.0", "id": id, "method": "eth_getBlockByNumber",
                        "params": ["latest", true]}),
        })
        .collect();
    let (_, body) = node.post(&json!(batch).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(answers.len(), 50);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id);
        assert_eq!(answer.get("error").is_some(), id % 3 == 1);
    }
    let large = vec![json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}); 51];
    let (_, body) = node.post(&json!(large).to_string()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["error"]["code"], -32005);
    assert!(answer["error"]["message"].as_str().unwrap().contains("--rpc.max-batch"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_transactions_is_mined_when_it_is_answered() {
    let node = Node::start().await;
    let raws: Vec<Bytes> =
        (0..20).map(|nonce| node.signed(0, transaction(nonce, STORER, word(nonce)))).collect();
    let batch: Vec<Value> = raws
        .iter()
        .enumerate()
        .map(|(id, raw)| {
            json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction",
                   "params": [raw]})
        })
        .collect();
    let (_, body) = node.post(&json!(batch).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    let sender = node.accounts.addresses()[0];
    for answer in &answers {
        assert!(answer.get("error").is_none(), "{answer}");
    }
    // Those whose predecessor came after them were not ready yet, so the batch may not have waited
    // for them; the chain takes them all the same.
    let mut nonce = 0;
    for _ in 0..200 {
        nonce = quantity(&node.call("eth_getTransactionCount", json!([sender, "latest"])).await);
        if nonce == 20 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(nonce, 20);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_hosts_are_checked() {
    let rpc =
        RpcConfig { max_request_bytes: 1000, max_response_bytes: 1000, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let (status, body) = node.post(&" ".repeat(1001)).await;
    assert_eq!(status, 413);
    assert!(body.contains("--rpc.max-request-size"), "{body}");
    let large = node.fail("eth_getBlockByNumber", json!(["latest", true])).await;
    assert_eq!(large.code, -32005);
    assert!(large.message.contains("--rpc.max-response-size"), "{}", large.message);
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}";
    let (status, body) = post(node.server.http_address(), "evil.example", request).await;
    assert_eq!(status, 403);
    assert!(body.contains("--http.vhosts"), "{body}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_with_its_address() {
    let node = Node::start().await;
    let address = node.server.http_address();
    let config = RpcConfig { http_address: address, ..RpcConfig::default() };
    let second = serve(config, node.chain.clone(), node.accounts.clone(), Methods::new()).await;
    let message = second.unwrap_err().to_string();
    assert!(message.contains(&address.to_string()), "{message}");
    assert!(message.contains("port is in use"), "{message}");
    assert!(message.contains("--http.port"), "{message}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_blocks_logs_and_transactions() {
    let node = Node::start().await;
    let address = node.server.ws_address();
    let mut heads = Socket::connect(address).await;
    let mut logs = Socket::connect(address).await;
    let mut pending = Socket::connect(address).await;
    let mut full = Socket::connect(address).await;
    let heads_id = heads.call("eth_subscribe", json!(["newHeads"])).await;
    assert!(heads_id.as_str().unwrap().starts_with("0x"));
    let filter = json!({"address": [STORER], "topics": [], "fromBlock": "0x0"});
    let logs_id = logs.call("eth_subscribe", json!(["logs", filter])).await;
    let pending_id = pending.call("eth_subscribe", json!(["newPendingTransactions", false])).await;
    let full_id = full.call("eth_subscribe", json!(["newPendingTransactions", true])).await;
    let hash = node.send(0, 0, STORER, word(5)).await;
    let head = heads.notified(&heads_id).await;
    let block = node.call("eth_getBlockByNumber", json!(["0x1", false])).await;
    assert_eq!(head["hash"], block["hash"]);
    assert_eq!(head["number"], "0x1");
    let log = logs.notified(&logs_id).await;
    assert_eq!(log["transactionHash"], hash);
    assert_eq!(log["removed"], false);
    assert_eq!(log["blockTimestamp"], block["timestamp"]);
    assert_eq!(pending.notified(&pending_id).await, hash);
    let found = full.notified(&full_id).await;
    assert_eq!(found["hash"], hash);
    assert_eq!(found["blockHash"], Value::Null);
    assert_eq!(heads.call("eth_unsubscribe", json!([heads_id])).await, true);
    // The same methods work over WebSocket.
    assert_eq!(heads.call("eth_chainId", json!([])).await, "0x539");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_of_the_chain_is_told_with_removed_logs() {
    let node = Node::start().await;
    let snapshot = node.call("evm_snapshot", json!([])).await;
    let filter = node.call("eth_newFilter", json!([{"address": STORER}])).await;
    let mut logs = Socket::connect(node.server.ws_address()).await;
    let id = logs.call("eth_subscribe", json!(["logs", {"address": STORER}])).await;
    let syncing = logs.call("eth_subscribe", json!(["syncing"])).await;
    assert_ne!(id, syncing);
    assert_eq!(logs.notified(&syncing).await, false, "there is nothing to sync from");
    let hash = node.send(0, 0, STORER, word(5)).await;
    assert_eq!(logs.notified(&id).await["removed"], false);
    let changes = node.call("eth_getFilterChanges", json!([filter])).await;
    assert_eq!(changes[0]["removed"], false);
    assert_eq!(node.call("evm_revert", json!([snapshot])).await, true);
    let removed = logs.notified(&id).await;
    assert_eq!(removed["removed"], true);
    assert_eq!(removed["transactionHash"], hash);
    let changes = node.call("eth_getFilterChanges", json!([filter])).await;
    assert_eq!(changes.as_array().unwrap().len(), 1);
    assert_eq!(changes[0]["removed"], true);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_subscriptions_say_why() {
    let node = Node::start().await;
    let mut socket = Socket::connect(node.server.ws_address()).await;
    let request =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["nothing"]});
    socket.send(&request).await;
    let refused = socket.receive().await;
    assert_eq!(refused["error"]["code"], -32601);
    let over_http = node.fail("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(over_http.code, -32601);
    assert!(over_http.message.contains("WebSocket"), "{}", over_http.message);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_tell_only_what_is_new() {
    let node = Node::start().await;
    let blocks = node.call("eth_newBlockFilter", json!([])).await;
    let logs = node.call("eth_newFilter", json!([{"address": STORER, "fromBlock": "0x0"}])).await;
    let pending = node.call("eth_newPendingTransactionFilter", json!([])).await;
    let full = node.call("eth_newPendingTransactionFilter", json!([true])).await;
    for filter in [&blocks, &logs, &pending, &full] {
        assert_eq!(node.call("eth_getFilterChanges", json!([filter])).await, json!([]));
    }
    let first = node.send(0, 0, STORER, word(1)).await;
    let second = node.send(0, 1, STORER, word(2)).await;
    let hashes = node.call("eth_getFilterChanges", json!([blocks])).await;
    let latest = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(hashes.as_array().unwrap().len(), 2);
    assert_eq!(hashes[1], latest["hash"]);
    let found = node.call("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(found[0]["transactionHash"], first);
    assert_eq!(found[1]["transactionHash"], second);
    // The feed is apart from the chain, so it may be a moment behind.
    let mut seen = Vec::new();
    for _ in 0..200 {
        let new = node.call("eth_getFilterChanges", json!([pending])).await;
        seen.extend(new.as_array().unwrap().clone());
        if seen.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(seen, [first.clone(), second]);
    let transactions = node.call("eth_getFilterChanges", json!([full])).await;
    assert_eq!(transactions[0]["hash"], first);
    for filter in [&blocks, &logs, &pending] {
        assert_eq!(node.call("eth_getFilterChanges", json!([filter])).await, json!([]));
    }
    let all = node.call("eth_getFilterLogs", json!([logs])).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(node.call("eth_uninstallFilter", json!([logs])).await, true);
    assert_eq!(node.call("eth_uninstallFilter", json!([logs])).await, false);
    let gone = node.fail("eth_getFilterChanges", json!([logs])).await;
    assert_eq!((gone.code, gone.message.as_str()), (-32000, "filter not found"));
    let not_logs = node.fail("eth_getFilterLogs", json!([blocks])).await;
    assert_eq!(not_logs.message, "filter not found");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_bounded() {
    let rpc = RpcConfig { max_filters: 2, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let first = node.call("eth_newBlockFilter", json!([])).await;
    node.call("eth_newBlockFilter", json!([])).await;
    let refused = node.fail("eth_newBlockFilter", json!([])).await;
    assert_eq!(refused.code, -32005);
    assert!(refused.message.contains("--rpc.max-filters"), "{}", refused.message);
    node.call("eth_uninstallFilter", json!([first])).await;
    node.call("eth_newBlockFilter", json!([])).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_a_connection_are_bounded_and_outlive_it() {
    let rpc = RpcConfig { max_filters_per_connection: 2, max_filters: 6, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let mut socket = Socket::connect(node.server.ws_address()).await;
    let first = socket.call("eth_newBlockFilter", json!([])).await;
    let logs = socket.call("eth_newFilter", json!([{}])).await;
    let third = json!({"jsonrpc": "2.0", "id": 9, "method": "eth_newPendingTransactionFilter"});
    let refused = async |socket: &mut Socket| {
        socket.send(&third).await;
        let answer = socket.receive().await;
        assert_eq!(answer["error"]["code"], -32005, "{answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    };
    let why = refused(&mut socket).await;
    assert!(why.contains("2 filters") && why.contains("--rpc.max-connection-filters"), "{why}");
    // Over HTTP connections are not told apart, and another WebSocket has room of its own.
    for _ in 0..3 {
        node.call("eth_newBlockFilter", json!([])).await;
    }
    let mut other = Socket::connect(node.server.ws_address()).await;
    let pending = other.call("eth_newPendingTransactionFilter", json!([])).await;
    let why = refused(&mut other).await;
    assert!(why.contains("--rpc.max-filters"), "{why}");
    // Whoever uninstalls one, there is a place again.
    assert_eq!(node.call("eth_uninstallFilter", json!([first])).await, true);
    socket.call("eth_newBlockFilter", json!([])).await;
    refused(&mut socket).await;
    drop((socket, other));
    let hash = node.send(0, 0, STORER, word(5)).await;
    let changes = node.call("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(changes[0]["transactionHash"], hash);
    assert_eq!(node.call("eth_getFilterChanges", json!([pending])).await, json!([hash]));
    node.stop().await;
}
