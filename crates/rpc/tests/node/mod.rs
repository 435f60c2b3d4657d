//! A real chain behind a real server on a free loopback port, and clients that speak raw HTTP and
//! WebSocket to it.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses its own part")]

mod driven;
mod genesis;
mod pipe;
mod socket;
mod upkeeps;

pub use driven::{Driven, attributes, state};
pub use genesis::{ANSWERER, CHAIN_ID, INVALID, LOG_TOPIC, LOOPER, REVERTER, STORER};
pub use pipe::Pipe;
pub use socket::Socket;
pub use upkeeps::{Registration, TARGET, Upkeeps};

use alloy_consensus::{TxEip1559, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256, address};
use jsonrpsee::Methods;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_keeper::{KeeperConfig, LaneKeys};
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

pub const DEV_GENESIS: &str = include_str!("../../../../genesis/dev.json");

/// The registry of the development genesis.
pub const REGISTRY: Address = address!("0x506C61736D610000000000000000000000000001");

/// The error of a request.
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
        Self::with_database(DatabaseOptions::default(), rpc, change).await
    }

    /// A node whose database works like this.
    pub async fn with_database(
        options: DatabaseOptions,
        rpc: RpcConfig,
        change: impl FnOnce(&mut ChainConfig),
    ) -> Self {
        let genesis = genesis::genesis(&DevAccounts::dev()).to_string();
        Self::with_genesis(&genesis, false, options, rpc, change).await
    }

    /// A node of the development genesis, with its registry, that fires upkeeps and makes blocks and ticks only when
    /// told.
    pub async fn with_keeper() -> Self {
        let by_hand = |config: &mut ChainConfig| {
            config.automine = false;
            config.block_time = Duration::from_secs(3_600);
            config.tick = config.block_time;
        };
        let (options, rpc) = (DatabaseOptions::default(), RpcConfig::default());
        Self::with_genesis(DEV_GENESIS, true, options, rpc, by_hand).await
    }

    async fn with_genesis(
        genesis: &str,
        keeper: bool,
        options: DatabaseOptions,
        rpc: RpcConfig,
        change: impl FnOnce(&mut ChainConfig),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let accounts = Arc::new(DevAccounts::dev());
        let spec = Arc::new(ChainSpec::from_json(genesis).unwrap());
        let db = Database::open(dir.path(), options).unwrap();
        let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
        let mut config = ChainConfig {
            automine: true,
            dev: true,
            threads: NonZeroUsize::new(2).unwrap(),
            ..ChainConfig::default()
        };
        change(&mut config);
        let keeper = keeper.then(|| KeeperConfig::new(REGISTRY, LaneKeys::dev()));
        let chain = Chain::open(config, spec, db, pool, keeper).unwrap();
        chain.start().unwrap();
        let rpc = RpcConfig { http_address: SocketAddr::from(([127, 0, 0, 1], 0)), ..rpc };
        let server = serve(rpc, chain.clone(), accounts.clone(), Methods::new()).await.unwrap();
        Self { chain, server, accounts, _dir: dir }
    }

    /// Sends `body` as it is and answers the status and the body of the response.
    pub async fn post(&self, body: &str) -> (u16, String) {
        post(self.server.http_address(), "localhost", body).await
    }

    /// The whole response to one request.
    pub async fn respond(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let (status, body) = self.post(&request.to_string()).await;
        assert_eq!(status, 200, "{body}");
        let response: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(response["id"], 7);
        response
    }

    /// The result of a request that must succeed.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let mut response = self.respond(method, params.clone()).await;
        assert!(response.get("error").is_none(), "{method} {params}: {response}");
        response["result"].take()
    }

    /// The error of a request that must fail.
    pub async fn fail(&self, method: &str, params: Value) -> Failure {
        let response = self.respond(method, params.clone()).await;
        let error = &response["error"];
        assert!(error.is_object(), "{method} {params}: {response}");
        Failure {
            code: error["code"].as_i64().unwrap(),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error.get("data").cloned(),
        }
    }

    /// A signed transaction of account `from`.
    pub fn signed(&self, from: usize, transaction: TxEip1559) -> Bytes {
        let sender = self.accounts.addresses()[from];
        let typed: TypedTransaction = transaction.into();
        self.accounts.sign_transaction(sender, typed).unwrap().encoded_2718().into()
    }

    /// Submits a transaction and answers its hash.
    pub async fn send(&self, from: usize, nonce: u64, to: Address, input: Bytes) -> Value {
        let raw = self.signed(from, transaction(nonce, to, input));
        self.call("eth_sendRawTransaction", json!([raw])).await
    }

    pub async fn stop(self) {
        self.server.stop().await;
        tokio::task::spawn_blocking(move || self.chain.stop().unwrap()).await.unwrap();
    }
}

/// A transaction with fees that fit the tests' chain.
pub fn transaction(nonce: u64, to: Address, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::ZERO,
        input,
        ..Default::default()
    }
}

/// A number in a quantity.
pub fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a quantity"));
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// Sends one HTTP request on a connection of its own.
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
