//! The authenticated port: who gets in, and what is served there.

mod node;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use node::{Node, Socket};
use plasma_rpc::{AuthConfig, RpcConfig};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A development node with an authenticated port, and where its secret lies.
struct Guarded {
    node: Node,
    secret: String,
    _dir: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("jwt.hex");
        let rpc = RpcConfig { auth: Some(settings(&file)), ..RpcConfig::default() };
        let node = Node::with(rpc, |_| ()).await;
        let secret = std::fs::read_to_string(&file).unwrap();
        Self { node, secret, _dir: dir }
    }

    fn address(&self) -> SocketAddr {
        self.node.server.auth_address().unwrap()
    }

    fn token(&self) -> String {
        format!("Bearer {}", token(&self.secret, now()))
    }

    /// Status, headers and body of the answer to one request.
    async fn post(&self, authorization: Option<&str>, host: &str, body: &str) -> (u16, String) {
        let line = authorization.map(|value| format!("authorization: {value}\r\n"));
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            line.unwrap_or_default(),
            body.len()
        );
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        (response.split(' ').nth(1).unwrap().parse().unwrap(), response)
    }

    /// The whole answer to a request with a good token.
    async fn respond(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, response) =
            self.post(Some(&self.token()), "localhost", &request.to_string()).await;
        assert_eq!(status, 200, "{response}");
        serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn settings(file: &Path) -> AuthConfig {
    AuthConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        virtual_hosts: vec!["localhost".to_owned()],
        secret_file: file.to_owned(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(secret: &str, iat: u64) -> String {
    let secret: alloy_primitives::B256 = secret.parse().unwrap();
    let key = EncodingKey::from_secret(secret.as_slice());
    encode(&Header::new(Algorithm::HS256), &json!({"iat": iat}), &key).unwrap()
}

const CHAIN_ID: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}";

#[tokio::test(flavor = "multi_thread")]
async fn only_a_fresh_token_of_the_right_secret_gets_in() {
    let guarded = Guarded::start().await;
    let (status, response) = guarded.post(Some(&guarded.token()), "localhost", CHAIN_ID).await;
    assert_eq!(status, 200, "{response}");
    assert!(response.contains("0x539"), "{response}");
    let lower = guarded.token().replace("Bearer", "bearer");
    assert_eq!(guarded.post(Some(&lower), "localhost", CHAIN_ID).await.0, 200);

    let other = format!("0x{}", "ab".repeat(32));
    let mine = &guarded.secret;
    let cases = [
        (None, "needs a token"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "needs a token"),
        (Some("Bearer".to_owned()), "needs a token"),
        (Some("Bearer nonsense".to_owned()), "malformed"),
        (Some(format!("Bearer {}", token(&other, now()))), "not signed with the secret"),
        (Some(format!("Bearer {}", token(mine, now() - 120))), "stale"),
        (Some(format!("Bearer {}", token(mine, now() + 120))), "stale"),
    ];
    for (authorization, reason) in cases {
        let (status, response) =
            guarded.post(authorization.as_deref(), "localhost", CHAIN_ID).await;
        assert_eq!(status, 401, "{reason}: {response}");
        assert!(response.contains(reason), "{reason}: {response}");
        assert!(response.to_lowercase().contains("www-authenticate: bearer"), "{response}");
        assert!(!response.contains("0x539"), "{response}");
        assert!(!response.contains(mine.trim_start_matches("0x")), "{response}");
    }
    let (status, response) = guarded.post(Some(&guarded.token()), "evil.example", CHAIN_ID).await;
    assert_eq!(status, 403);
    assert!(response.contains("--authrpc.vhosts"), "{response}");
    // The public port asks for nothing.
    assert_eq!(guarded.node.call("eth_chainId", json!([])).await, "0x539");
    guarded.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_needs_the_token_once() {
    let guarded = Guarded::start().await;
    let refused = Socket::try_connect(guarded.address(), "").await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let header = format!("authorization: {}\r\n", guarded.token());
    let mut socket = Socket::try_connect(guarded.address(), &header).await.ok().unwrap();
    assert_eq!(socket.call("eth_chainId", json!([])).await, "0x539");
    let heads = socket.call("eth_subscribe", json!(["newHeads"])).await;
    guarded.node.call("evm_mine", json!([])).await;
    assert_eq!(socket.notified(&heads).await["number"], "0x1");
    guarded.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethereums_methods_are_served_and_developers_are_not() {
    let guarded = Guarded::start().await;
    let node = &guarded.node;
    let genesis = node.call("eth_getBlockByNumber", json!(["0x0", false])).await;
    let address = json!(node::ANSWERER);
    for (method, params) in [
        ("eth_blockNumber", json!([])),
        ("eth_call", json!([{"to": address}, "latest"])),
        ("eth_chainId", json!([])),
        ("eth_getCode", json!([address, "latest"])),
        ("eth_getBlockByHash", json!([genesis["hash"], false])),
        ("eth_getBlockByNumber", json!(["latest", true])),
        ("eth_getLogs", json!([{"fromBlock": "0x0"}])),
        ("eth_syncing", json!([])),
        ("net_version", json!([])),
        ("web3_clientVersion", json!([])),
    ] {
        let public = node.call(method, params.clone()).await;
        assert_eq!(guarded.respond(method, params).await["result"], public, "{method}");
    }
    let raw = node.signed(0, node::transaction(0, node::STORER, Default::default()));
    let sent = guarded.respond("eth_sendRawTransaction", json!([raw])).await;
    let found = node.call("eth_getTransactionByHash", json!([sent["result"]])).await;
    assert_eq!(found["hash"], sent["result"]);

    // The public port of this node serves all of these.
    for method in ["evm_mine", "hardhat_mine", "anvil_mine", "eth_accounts", "debug_traceCall"] {
        let refused = guarded.respond(method, json!([])).await;
        assert_eq!(refused["error"]["code"], -32601, "{method}: {refused}");
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.contains(method) && text.contains("does not exist"), "{text}");
        let public = node.respond(method, json!([])).await;
        assert_ne!(public["error"]["code"], -32601, "{method}: {public}");
    }
    let modules = guarded.respond("rpc_modules", json!([])).await;
    let served: Vec<&String> = modules["result"].as_object().unwrap().keys().collect();
    assert_eq!(served, ["engine", "eth", "net", "rpc", "web3"]);
    guarded.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_api_says_what_it_is_and_that_it_is_not_served() {
    let guarded = Guarded::start().await;
    let theirs = json!([["engine_newPayloadV4", "engine_forkchoiceUpdatedV3"]]);
    let capabilities = guarded.respond("engine_exchangeCapabilities", theirs).await;
    assert_eq!(capabilities["result"], json!(["engine_getClientVersionV1"]));
    let lighthouse =
        json!([{"code": "LH", "name": "Lighthouse", "version": "v8.0.0", "commit": "fa4ff922"}]);
    let answer = guarded.respond("engine_getClientVersionV1", lighthouse).await;
    let [version] = answer["result"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!(version["code"], "PL");
    assert_eq!(version["name"], "Plasma");
    assert_eq!(version["version"], concat!("v", env!("CARGO_PKG_VERSION")));
    let commit = version["commit"].as_str().unwrap();
    assert!(commit.len() == 8 && commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{commit}");
    for method in ["engine_newPayloadV4", "engine_forkchoiceUpdatedV3", "engine_getPayloadV4"] {
        let refused = guarded.respond(method, json!([])).await;
        assert_eq!(refused["error"]["code"], -32601);
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.contains(method) && text.contains("sequencer"), "{text}");
    }
    // The public port has none of it.
    let public = guarded.node.fail("engine_exchangeCapabilities", json!([[]])).await;
    assert_eq!(public.code, -32601);
    guarded.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_made_for_its_owner_alone_and_kept() {
    let guarded = Guarded::start().await;
    let file = guarded._dir.path().join("jwt.hex");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let rpc = RpcConfig { auth: Some(settings(&file)), ..RpcConfig::default() };
    let second = Node::with(rpc, |_| ()).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), guarded.secret);
    second.stop().await;
    guarded.node.stop().await;
}
