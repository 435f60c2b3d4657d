//! Limits of the server, and work that ends when nobody waits for it any more.

mod node;

use alloy_primitives::{B256, Bytes, U256};
use node::{ANSWERER, Failure, LOOPER, Node, STORER, Socket, post, transaction};
use plasma_rpc::RpcConfig;
use serde_json::{Value, json};
use std::{num::NonZeroU32, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Long enough that no test sees its end.
const FOREVER: Duration = Duration::from_secs(36_000);

fn word(number: u64) -> Bytes {
    B256::from(U256::from(number)).0.into()
}

/// One worker of each kind, nobody may wait, and calls may run for hours.
fn one_at_once() -> RpcConfig {
    RpcConfig {
        workers: 1,
        trace_workers: 1,
        max_queued: 0,
        call_timeout: FOREVER,
        trace_timeout: FOREVER,
        call_gas_cap: 0,
        ..RpcConfig::default()
    }
}

/// Calls that never end by themselves, and a cheap method that runs where they run, with what it
/// answers there.
fn endless() -> Vec<(&'static str, Value, (&'static str, Value))> {
    let call = json!({"to": LOOPER, "gas": "0xffffffffffffff"});
    let calls = ("keeper_lanes", json!([]));
    let traces = ("trace_block", json!(["0x99999"]));
    vec![
        ("eth_call", json!([call, "latest"]), calls.clone()),
        ("eth_estimateGas", json!([{"to": LOOPER}, "latest"]), calls),
        ("eth_simulateV1", simulation(&call), traces.clone()),
        ("eth_callMany", json!([[{"transactions": [call]}]]), traces.clone()),
        (
            "debug_traceCall",
            json!([call, "latest", {"tracer": "callTracer", "timeout": "9h"}]),
            traces,
        ),
    ]
}

/// A simulation of `call` in a block that has room for it.
fn simulation(call: &Value) -> Value {
    let overrides = json!({"gasLimit": "0xffffffffffffff"});
    json!([{"blockStateCalls": [{"blockOverrides": overrides, "calls": [call]}]}])
}

async fn is_busy(node: &Node, (method, params): &(&'static str, Value)) -> bool {
    match node.respond(method, params.clone()).await.get("error") {
        None => false,
        Some(error) => {
            assert_eq!(error["code"], -32005, "{error}");
            assert!(error["message"].as_str().unwrap().contains("--rpc.max-queued"), "{error}");
            true
        }
    }
}

/// Waits until the workers that `probe` needs are busy, or are not; false where that does not happen.
async fn becomes_busy(node: &Node, probe: &(&'static str, Value), wanted: bool) -> bool {
    for _ in 0..200 {
        if is_busy(node, probe).await == wanted {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn until_free(node: &Node, probe: &(&'static str, Value), what: &str) {
    for _ in 0..15 {
        if becomes_busy(node, probe, false).await {
            return;
        }
    }
    panic!("{what} does not end");
}

/// Sends an endless request until it runs: it may come just when a probe runs, and is refused then.
async fn occupy(
    node: &Node,
    method: &str,
    params: &Value,
    probe: &(&'static str, Value),
) -> TcpStream {
    for _ in 0..15 {
        let stream = begin_over_http(node, method, params).await;
        if becomes_busy(node, probe, true).await {
            return stream;
        }
    }
    panic!("{method} does not run");
}

async fn begin_over_http(node: &Node, method: &str, params: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(node.server.http_address()).await.unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_when_its_client_goes() {
    let node = Node::with(one_at_once(), |_| ()).await;
    for (method, params, probe) in endless() {
        until_free(&node, &probe, method).await;
        drop(occupy(&node, method, &params, &probe).await);
        until_free(&node, &probe, method).await;
        let mut socket = Socket::connect(node.server.ws_address()).await;
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut busy = false;
        for _ in 0..15 {
            socket.send(&json!([request])).await;
            busy = becomes_busy(&node, &probe, true).await;
            if busy {
                break;
            }
        }
        assert!(busy, "{method} does not run");
        drop(socket);
        until_free(&node, &probe, method).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_delay_neither_calls_nor_blocks() {
    let node = Node::with(one_at_once(), |_| ()).await;
    let (method, params, probe) = endless().pop().unwrap();
    let http = occupy(&node, method, &params, &probe).await;
    for nonce in 0..3 {
        node.send(0, nonce, STORER, word(nonce)).await;
    }
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x3");
    let answer = node.call("eth_call", json!([{"to": ANSWERER}, "latest"])).await;
    assert_eq!(answer, json!(word(42)));
    assert_eq!(node.call("keeper_lanes", json!([])).await, json!([]));
    assert!(is_busy(&node, &probe).await);
    drop(http);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_cheap_any_more_blocks_nobody() {
    // With the word 0 it ends at once, with another one never; the node has learned that it is cheap.
    // 00 PUSH0, 01 CALLDATALOAD, 02 PUSH1 6, 04 JUMPI, 05 STOP, 06 JUMPDEST, 07 PUSH1 6, 09 JUMP
    let code = "0x5f35600657005b600656";
    let node = Node::with(one_at_once(), |_| ()).await;
    let to = "0x00000000000000000000000000000000000000aa";
    node.call("anvil_setCode", json!([to, code])).await;
    let cheap = json!([{"to": to, "input": word(0)}, "latest"]);
    for _ in 0..20 {
        assert_eq!(node.call("eth_call", cheap.clone()).await, "0x");
    }
    let dear = json!([{"to": to, "input": word(1), "gas": "0xffffffffffffff"}, "latest"]);
    let probe = ("keeper_lanes", json!([]));
    // As many as there are async threads, and more.
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(begin_over_http(&node, "eth_call", &dear).await);
    }
    assert!(becomes_busy(&node, &probe, true).await);
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x0");
    drop(held);
    until_free(&node, &probe, "eth_call").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_size_of_traces_are_bounded() {
    let rpc = RpcConfig {
        trace_timeout: Duration::from_millis(20),
        call_timeout: FOREVER,
        call_gas_cap: 0,
        max_trace_bytes: 100_000,
        ..RpcConfig::default()
    };
    let node = Node::with(rpc, |_| ()).await;
    let call = json!({"to": LOOPER, "gas": "0xffffffffffffff"});
    let named = |failure: Failure, code: i64, flag: &str| {
        assert_eq!(failure.code, code, "{}", failure.message);
        assert!(failure.message.contains(flag), "{}", failure.message);
    };
    let tracer = json!({"tracer": "callTracer"});
    let late = node.fail("debug_traceCall", json!([call, "latest", tracer])).await;
    named(late, -32000, "--rpc.trace-timeout");
    let late = node.fail("eth_simulateV1", simulation(&call)).await;
    named(late, -32000, "--rpc.trace-timeout");
    let large = node.fail("debug_traceCall", json!([call, "latest", {}])).await;
    named(large, -32005, "--rpc.max-trace-size");
    node.stop().await;

    let rpc = RpcConfig { max_trace_bytes: 5_000, ..RpcConfig::default() };
    let node = Node::with(rpc, |config| config.automine = false).await;
    for nonce in 0..40 {
        let raw = node.signed(0, transaction(nonce, STORER, word(nonce)));
        node.call("eth_sendRawTransaction", json!([raw])).await;
    }
    node.call("evm_mine", json!([])).await;
    let hash =
        node.call("eth_getBlockByNumber", json!(["0x1", false])).await["transactions"].clone();
    assert_eq!(hash.as_array().unwrap().len(), 40);
    let one = node.call("trace_transaction", json!([hash[0]])).await;
    assert_eq!(one.as_array().unwrap().len(), 1);
    for (method, params) in [
        ("trace_block", json!(["0x1"])),
        ("trace_filter", json!([{"fromBlock": "0x1", "toBlock": "0x1"}])),
        ("trace_replayBlockTransactions", json!(["0x1", ["trace"]])),
        ("debug_traceBlockByNumber", json!(["0x1", tracer])),
    ] {
        named(node.fail(method, params).await, -32005, "--rpc.max-trace-size");
    }
    let some = json!([{"fromBlock": "0x1", "toBlock": "0x1", "count": 3}]);
    assert_eq!(node.call("trace_filter", some).await.as_array().unwrap().len(), 3);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_over_all_ports() {
    let rpc = RpcConfig { max_connections: 2, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let address = node.server.http_address();
    let first = Socket::connect(address).await;
    let mut second = Socket::connect(address).await;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string();
    for _ in 0..5 {
        let (status, body) = post(address, "localhost", &request).await;
        assert_eq!(status, 429);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], -32005);
        assert!(body["error"]["message"].as_str().unwrap().contains("--rpc.max-connections"));
    }
    assert_eq!(second.call("eth_chainId", json!([])).await, "0x539");
    drop(first);
    let mut status = 429;
    for _ in 0..500 {
        (status, _) = post(address, "localhost", &request).await;
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_an_address_are_bounded_by_the_second() {
    let dir = tempfile::tempdir().unwrap();
    let ipc = dir.path().join("p.ipc");
    // So few that none comes back while the test runs.
    let rate_limit = NonZeroU32::new(1);
    let rpc = RpcConfig { rate_limit, ipc_path: Some(ipc.clone()), ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let (status, body) = node.post(&json!(vec![request; 20]).to_string()).await;
    assert_eq!(status, 200);
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(answers.len(), 20);
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.get("error")).collect();
    assert!((15..=18).contains(&refused.len()), "{}", refused.len());
    assert_eq!(refused[0]["code"], -32005);
    assert!(refused[0]["message"].as_str().unwrap().contains("--rpc.rate-limit"), "{}", refused[0]);
    let mut local = node::Pipe::connect(&ipc).await;
    for _ in 0..20 {
        assert_eq!(local.call("eth_chainId", json!([])).await, "0x539");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_open_no_websocket() {
    let rpc =
        RpcConfig { ws_origins: vec!["https://app.example".to_owned()], ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    let address = node.server.ws_address();
    for (headers, allowed) in [
        ("", true),
        ("origin: https://app.example\r\n", true),
        ("Origin: https://app.example:444\r\n", true),
        ("origin: https://evil.example\r\n", false),
        ("origin: http://localhost\r\n", false),
        ("origin: null\r\n", false),
    ] {
        match Socket::try_connect(address, headers).await {
            Ok(mut socket) => {
                assert!(allowed, "{headers}");
                assert_eq!(socket.call("eth_chainId", json!([])).await, "0x539");
            }
            Err(head) => {
                assert!(!allowed, "{headers}: {head}");
                assert!(head.starts_with("HTTP/1.1 403"), "{head}");
            }
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_batch_run_side_by_side_up_to_a_limit() {
    let node = Node::with(RpcConfig::default(), |config| {
        config.automine = false;
        config.block_time = FOREVER;
        config.tick = FOREVER;
    })
    .await;
    let senders = node.accounts.len().min(10);
    assert!(senders > 8);
    let batch: Vec<Value> = (0..senders)
        .map(|from| {
            let raw = node.signed(from, transaction(0, STORER, word(from as u64)));
            json!({"jsonrpc": "2.0", "id": from, "method": "eth_sendRawTransactionSync",
                   "params": [raw, 60_000]})
        })
        .collect();
    let address = node.server.http_address();
    let answered =
        tokio::spawn(async move { post(address, "localhost", &json!(batch).to_string()).await });
    // Each waits for a block: eight do so at once, and no more than eight.
    until_pending(&node, 8).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    until_pending(&node, 8).await;
    node.call("evm_mine", json!([])).await;
    until_pending(&node, senders as u64 - 8).await;
    node.call("evm_mine", json!([])).await;
    let (_, body) = answered.await.unwrap();
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(answers.len(), senders);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], at);
        assert_eq!(answer["result"]["status"], "0x1", "{answer}");
    }
    node.stop().await;
}

/// Waits until exactly so many transactions wait, of which there must never be more.
async fn until_pending(node: &Node, wanted: u64) {
    for _ in 0..3000 {
        let status = node.call("txpool_status", json!([])).await;
        let pending = node::quantity(&status["pending"]);
        assert!(pending <= 8, "{pending}");
        if pending == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{wanted} transactions do not wait");
}
