//! A real chain behind a real server on a free loopback port, and clients that speak raw HTTP and
//! WebSocket to it.

#![allow(dead_code, reason = "each test file uses its own part")]

use alloy_consensus::{SignableTransaction, TxEip1559, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::{Revert, SolError};
use jsonrpsee::Methods;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_rpc::{DevAccounts, RpcConfig, RpcHandle, serve};
use plasma_storage::{Database, DatabaseOptions};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Chain id of the tests' chain.
pub const CHAIN_ID: u64 = 1337;

/// Answers its slot 0, which holds 42.
pub const ANSWERER: Address = Address::repeat_byte(0xc0);
/// Stores the first word of its input in slot 0 and logs it under [`LOG_TOPIC`].
pub const STORER: Address = Address::repeat_byte(0xc1);
/// Reverts with `Error("no")`.
pub const REVERTER: Address = Address::repeat_byte(0xc2);
/// Consists of an invalid opcode.
pub const INVALID: Address = Address::repeat_byte(0xc3);
/// Loops for ever.
pub const LOOPER: Address = Address::repeat_byte(0xc4);
/// The topic of [`STORER`]'s log.
pub const LOG_TOPIC: B256 = B256::with_last_byte(7);

/// Where the answer of a request went wrong.
#[derive(Debug, PartialEq)]
pub struct Failure {
    pub code: i64,
    pub message: String,
    pub data: Option<Value>,
}

pub struct Node {
    pub chain: Chain,
    pub server: RpcHandle,
    pub accounts: Arc<DevAccounts>,
    _dir: TempDir,
}

impl Node {
    /// A node that mines on demand.
    pub async fn start() -> Self {
        Self::with(RpcConfig::default(), |_| ()).await
    }

    /// A node with these settings of the server and changes to those of the chain.
    pub async fn with(rpc: RpcConfig, change: impl FnOnce(&mut ChainConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let accounts = Arc::new(DevAccounts::dev());
        let spec = Arc::new(ChainSpec::from_json(&genesis(&accounts).to_string()).unwrap());
        let db = Database::open(dir.path(), DatabaseOptions::default()).unwrap();
        let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
        let mut config = ChainConfig {
            automine: true,
            dev: true,
            threads: NonZeroUsize::new(2).unwrap(),
            ..ChainConfig::default()
        };
        change(&mut config);
        let chain = Chain::open(config, spec, db, pool, None).unwrap();
        chain.start().unwrap();
        let rpc = RpcConfig { http_address: SocketAddr::from(([127, 0, 0, 1], 0)), ..rpc };
        let server =
            serve(rpc, chain.clone(), accounts.clone(), Methods::new()).await.unwrap();
        Self { chain, server, accounts, _dir: dir }
    }

    /// Sends `body` as it is and answers the status and the body of the response.
    pub /// Sends one HTTP request on a connection of its own.
pub async fn post(address: SocketAddr, host: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// A WebSocket connection (RFC 6455, text frames only).
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
                       connection: upgrade\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { stream }
    }

    pub async fn send(&mut self, request: &Value) {
        let payload = request.to_string().into_bytes();
        // Text, final; masked with zeros, which changes nothing.
        let mut frame = vec![0x81];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next message; pings are skipped.
    pub async fn receive(&mut self) -> Value {
        tokio::time::timeout(Duration::from_secs(30), self.next_text()).await.unwrap()
    }

    async fn next_text(&mut self) -> Value {
        loop {
            let kind = self.stream.read_u8().await.unwrap() & 0x0f;
            let length = match self.stream.read_u8().await.unwrap() {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            if kind == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// Sends a request and answers its result; notifications in between are an error.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        let mut response = self.receive().await;
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].take()
    }

    /// The result of the next notification, which must belong to `subscription`.
    pub async fn notified(&mut self, subscription: &Value) -> Value {
        let mut message = self.receive().await;
        assert_eq!(message["method"], "eth_subscription", "{message}");
        assert_eq!(&message["params"]["subscription"], subscription);
        message["params"]["result"].take()
    }
}
