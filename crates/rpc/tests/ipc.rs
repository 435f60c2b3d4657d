//! JSON-RPC on a unix socket.

mod node;

use alloy_primitives::{B256, Bytes, U256};
use jsonrpsee::Methods;
use node::{LOOPER, Node, Pipe, STORER, Socket};
use plasma_rpc::{RpcConfig, serve};
use serde_json::{Value, json};
use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};
use tempfile::TempDir;

fn word(number: u64) -> Bytes {
    B256::from(U256::from(number)).0.into()
}

async fn start(rpc: RpcConfig) -> (Node, PathBuf, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plasma.ipc");
    let rpc = RpcConfig { ipc_path: Some(path.clone()), ..rpc };
    (Node::with(rpc, |_| ()).await, path, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_in_any_pieces() {
    let (node, path, _dir) = start(RpcConfig::default()).await;
    assert_eq!(node.server.ipc_path(), Some(path.as_path()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut pipe = Pipe::connect(&path).await;
    assert_eq!(pipe.call("eth_chainId", json!([])).await, "0x539");
    // Two at once with nothing between them, then one byte by byte.
    let request = |id| json!({"jsonrpc": "2.0", "id": id, "method": "eth_blockNumber"}).to_string();
    pipe.send(&format!("{}{}", request(1), request(2))).await;
    let ids: BTreeSet<_> = [pipe.receive().await, pipe.receive().await]
        .iter()
        .map(|answer| answer["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, BTreeSet::from([1, 2]));
    for piece in format!("\n {} ", request(3)).chars() {
        pipe.send(&piece.to_string()).await;
    }
    assert_eq!(pipe.receive().await, json!({"jsonrpc": "2.0", "id": 3, "result": "0x0"}));
    node.stop().await;
    assert!(!path.exists(), "a clean stop removes the socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_port() {
    let (node, path, _dir) = start(RpcConfig { max_batch: 3, ..RpcConfig::default() }).await;
    let mut pipe = Pipe::connect(&path).await;
    let call = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    for request in [
        call(1, "eth_getBlockByNumber"),
        call(2, "eth_nothing"),
        call(3, "rpc_modules"),
        json!({"jsonrpc": "2.0", "id": 4, "method": "eth_getBlockByNumber", "params": ["0x0", true]}),
        json!([call(5, "eth_chainId"), call(6, "eth_nothing"), 7]),
        json!([]),
        json!([1, 2]),
        json!(vec![call(1, "eth_chainId"); 4]),
        json!({"id": 8}),
        json!({"jsonrpc": "2.0", "id": -9, "method": "eth_chainId"}),
        json!([{"jsonrpc": "2.0", "id": 1.5, "method": "eth_chainId"}, call(10, "eth_chainId")]),
        json!({}),
    ] {
        let text = request.to_string();
        let over_http: Value = serde_json::from_str(&node.post(&text).await.1).unwrap();
        pipe.send(&text).await;
        assert_eq!(pipe.receive().await, over_http, "{text}");
    }
    // A notification has no answer.
    pipe.send("{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}").await;
    assert_eq!(pipe.call("eth_chainId", json!([])).await, "0x539");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_ends_the_connection() {
    let (node, path, _dir) =
        start(RpcConfig { max_request_bytes: 300, ..RpcConfig::default() }).await;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string();
    for (text, code, words) in [
        ("nonsense".to_owned(), -32700, "Parse error"),
        ("]".to_owned(), -32700, "Parse error"),
        (format!("[{}", "1,".repeat(300)), -32005, "--rpc.max-request-size"),
    ] {
        let mut pipe = Pipe::connect(&path).await;
        pipe.send(&format!("{request}{text}")).await;
        let told = pipe.rest().await;
        let mut answers: Vec<Value> =
            told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        answers.sort_by_key(|answer| answer.get("error").is_some());
        let last = answers.pop().unwrap();
        assert_eq!(last["error"]["code"], code, "{told}");
        assert!(last["error"]["message"].as_str().unwrap().contains(words), "{told}");
        assert_eq!(last["id"], Value::Null);
    }
    // Brackets that do not match are one malformed value.
    let mut pipe = Pipe::connect(&path).await;
    pipe.send("{\"a\":]").await;
    assert_eq!(pipe.receive().await["error"]["code"], -32700);
    assert_eq!(pipe.call("eth_chainId", json!([])).await, "0x539");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_more_gets_all_its_answers() {
    let (node, path, _dir) =
        start(RpcConfig { subscription_buffer: 4, ..RpcConfig::default() }).await;
    let mut pipe = Pipe::connect(&path).await;
    let mut all = String::new();
    for id in 0..2000 {
        all += &json!({"jsonrpc": "2.0", "id": id, "method": "eth_getBlockByNumber",
                       "params": ["0x0", true]})
        .to_string();
    }
    let writer = async {
        // Answers are read at the same time: neither side holds all of them.
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let (stream, mut half) = tokio::io::split(pipe.stream.into_inner());
    let send = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        half.write_all(all.as_bytes()).await.unwrap();
        half.shutdown().await.unwrap();
        half
    });
    writer.await;
    let mut text = String::new();
    let mut stream = stream;
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
    let ids: BTreeSet<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 2000);
    send.await.unwrap();
    pipe = Pipe::connect(&path).await;
    pipe.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string()).await;
    pipe.finish().await;
    assert_eq!(pipe.rest().await, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x539\"}\n");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_work_and_are_bounded() {
    let (node, path, _dir) =
        start(RpcConfig { max_subscriptions_per_connection: 2, ..RpcConfig::default() }).await;
    let mut pipe = Pipe::connect(&path).await;
    let heads = pipe.call("eth_subscribe", json!(["newHeads"])).await;
    let logs = pipe.call("eth_subscribe", json!(["logs", {"address": STORER}])).await;
    let third =
        json!({"jsonrpc": "2.0", "id": 9, "method": "eth_subscribe", "params": ["newHeads"]});
    pipe.send(&third.to_string()).await;
    let refused = pipe.receive().await;
    assert_eq!(refused["error"]["code"], -32005);
    assert!(refused["error"]["message"].as_str().unwrap().contains("--rpc.max-subscriptions"));
    let mut socket = Socket::connect(node.server.ws_address()).await;
    let over_ws = socket.call("eth_subscribe", json!(["newHeads"])).await;
    let hash = node.send(0, 0, STORER, word(5)).await;
    let mut told = [pipe.receive().await, pipe.receive().await];
    told.sort_by_key(|message| message["params"]["subscription"] == logs);
    assert_eq!(told[0]["method"], "eth_subscription");
    assert_eq!(told[0]["params"]["subscription"], heads);
    assert_eq!(told[0]["params"]["result"], socket.notified(&over_ws).await);
    assert_eq!(told[1]["params"]["result"]["transactionHash"], hash);
    assert_eq!(pipe.call("eth_unsubscribe", json!([heads])).await, true);
    assert_eq!(pipe.call("eth_unsubscribe", json!([heads])).await, false);
    assert_eq!(pipe.call("eth_unsubscribe", json!([over_ws])).await, false, "another connection's");
    assert_eq!(pipe.call("eth_unsubscribe", json!([logs])).await, true);
    node.send(0, 1, STORER, word(6)).await;
    assert_eq!(pipe.call("eth_blockNumber", json!([])).await, "0x2");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_a_connection_are_bounded() {
    let rpc = RpcConfig { max_filters_per_connection: 1, ..RpcConfig::default() };
    let (node, path, _dir) = start(rpc).await;
    for _ in 0..2 {
        let mut pipe = Pipe::connect(&path).await;
        pipe.call("eth_newBlockFilter", json!([])).await;
        pipe.send(&json!({"jsonrpc": "2.0", "id": 9, "method": "eth_newBlockFilter"}).to_string())
            .await;
        let refused = pipe.receive().await;
        let why = refused["error"]["message"].as_str().unwrap();
        assert!(why.contains("--rpc.max-connection-filters"), "{why}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_when_the_client_goes() {
    let forever = Duration::from_secs(36_000);
    let (node, path, _dir) = start(RpcConfig {
        workers: 1,
        max_queued: 0,
        call_timeout: forever,
        call_gas_cap: 0,
        ..RpcConfig::default()
    })
    .await;
    let mut pipe = Pipe::connect(&path).await;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call",
                         "params": [{"to": LOOPER, "gas": "0xffffffffffffff"}, "latest"]});
    let mut runs = false;
    for _ in 0..15 {
        // It is refused where it comes just when the probe has the only worker.
        pipe.send(&request.to_string()).await;
        runs = becomes_busy(&node, true).await;
        if runs {
            break;
        }
    }
    assert!(runs);
    // A client that only stops sending still waits.
    pipe.finish().await;
    assert!(!becomes_busy(&node, false).await);
    drop(pipe);
    assert!(becomes_busy(&node, false).await);
    node.stop().await;
}

/// Waits a while until the only worker is busy, or is free.
async fn becomes_busy(node: &Node, wanted: bool) -> bool {
    for _ in 0..200 {
        if node.respond("keeper_lanes", json!([])).await.get("error").is_some() == wanted {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_with_those_of_the_ports() {
    let (node, path, _dir) = start(RpcConfig { max_connections: 1, ..RpcConfig::default() }).await;
    let _socket = Socket::connect(node.server.ws_address()).await;
    let mut pipe = Pipe::connect(&path).await;
    let told: Value = serde_json::from_str(&pipe.rest().await).unwrap();
    assert_eq!(told["error"]["code"], -32005);
    assert!(told["error"]["message"].as_str().unwrap().contains("--rpc.max-connections"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_node_that_lives_is_not_taken() {
    let (node, path, _dir) = start(RpcConfig::default()).await;
    let http_address = "127.0.0.1:0".parse().unwrap();
    let config = RpcConfig { http_address, ipc_path: Some(path.clone()), ..RpcConfig::default() };
    let second = serve(config, node.chain.clone(), node.accounts.clone(), Methods::new()).await;
    let message = second.unwrap_err().to_string();
    assert!(message.contains("in use by another node"), "{message}");
    assert_eq!(Pipe::connect(&path).await.call("eth_chainId", json!([])).await, "0x539");
    node.stop().await;
}
