//! A node that is driven by the Engine API, and the part of a consensus layer that tests need.

use super::{CHAIN_ID, DEV_GENESIS, REGISTRY};
use alloy_consensus::{TxEip1559, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use jsonrpsee::Methods;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_keeper::{KeeperConfig, LaneKeys};
use plasma_rpc::{DevAccounts, EngineCaller, RpcConfig, RpcHandle, serve};
use plasma_storage::{Database, DatabaseOptions};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{net::SocketAddr, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// A chain that a consensus layer drives, and its methods.
pub struct Driven {
    pub chain: Chain,
    pub engine: EngineCaller,
    pub accounts: DevAccounts,
    pub dir: TempDir,
}

impl Driven {
    /// A node of the development genesis; `keeper`: it fires upkeeps.
    pub fn start(keeper: bool) -> Self {
        Self::with_genesis(DEV_GENESIS, keeper)
    }

    pub fn with_genesis(genesis: &str, keeper: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let (chain, engine) = open(dir.path(), genesis, keeper);
        Self { chain, engine, accounts: DevAccounts::dev(), dir }
    }

    /// Ends the node and starts it again on the same data.
    pub async fn restart(self, keeper: bool) -> Self {
        let Self { chain, engine, accounts, dir } = self;
        drop(engine);
        tokio::task::spawn_blocking(move || chain.stop().unwrap()).await.unwrap();
        let (chain, engine) = open(dir.path(), DEV_GENESIS, keeper);
        Self { chain, engine, accounts, dir }
    }

    /// Serves the chain's public methods on a free port.
    pub async fn serve(&self) -> RpcHandle {
        let http_address = SocketAddr::from(([127, 0, 0, 1], 0));
        let rpc = RpcConfig { http_address, ..RpcConfig::default() };
        let accounts = Arc::new(DevAccounts::dev());
        serve(rpc, self.chain.clone(), accounts, Methods::new()).await.unwrap()
    }

    /// The result of a call that must succeed.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let mut response = self.engine.call(method, &params).await.unwrap();
        assert!(response.get("error").is_none(), "{method} {params}: {response}");
        response["result"].take()
    }

    /// The error's code of a call that must fail.
    pub async fn fail(&self, method: &str, params: Value) -> i64 {
        let response = self.engine.call(method, &params).await.unwrap();
        let code = response["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{method} {params}: {response}"))
    }

    /// Names a head, with nothing safe or final; the status.
    pub async fn choose(&self, head: &Value) -> Value {
        let updated = self.call("engine_forkchoiceUpdatedV3", json!([state(head)])).await;
        updated["payloadStatus"].clone()
    }

    /// Asks for a payload on the head `parent`; its id.
    pub async fn ask(&self, parent: &Value, attributes: &Value) -> Value {
        let params = json!([state(parent), attributes]);
        let updated = self.call("engine_forkchoiceUpdatedV3", params).await;
        assert_eq!(updated["payloadStatus"]["status"], "VALID", "{updated}");
        assert!(updated["payloadId"].is_string(), "{updated}");
        updated["payloadId"].clone()
    }

    /// Asks for a payload, and for what became of it.
    pub async fn build(&self, parent: &Value, timestamp: u64) -> Value {
        let id = self.ask(parent, &attributes(timestamp)).await;
        self.call("engine_getPayloadV5", json!([id])).await
    }

    /// Brings a payload as it came from [`Self::build`]; the status.
    pub async fn bring(&self, envelope: &Value) -> Value {
        let params =
            json!([envelope["executionPayload"], [], B256::ZERO, envelope["executionRequests"]]);
        self.call("engine_newPayloadV4", params).await
    }

    /// Brings a payload and makes it the head.
    pub async fn adopt(&self, envelope: &Value) {
        let hash = &envelope["executionPayload"]["blockHash"];
        for status in [self.bring(envelope).await, self.choose(hash).await] {
            assert_eq!(
                status,
                json!({
                    "status": "VALID", "latestValidHash": hash, "validationError": null,
                })
            );
        }
        assert_eq!(json!(self.chain.head().hash), *hash);
    }

    /// Builds a block on the head and makes it the head.
    pub async fn advance(&self) -> Value {
        let head = self.chain.head();
        let envelope = self.build(&json!(head.hash), head.header.timestamp + 12).await;
        self.adopt(&envelope).await;
        envelope
    }

    /// Submits a transaction of account `from` and answers its hash.
    pub async fn send(
        &self,
        from: usize,
        nonce: u64,
        to: TxKind,
        value: u128,
        input: Bytes,
    ) -> Value {
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 2_000_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            value: U256::from(value),
            input,
            ..Default::default()
        };
        let sender = self.accounts.addresses()[from];
        let typed: TypedTransaction = transaction.into();
        let signed = self.accounts.sign_transaction(sender, typed).unwrap();
        let raw: Bytes = signed.encoded_2718().into();
        self.call("eth_sendRawTransaction", json!([raw])).await
    }

    /// A payment of 1 wei.
    pub async fn pay(&self, from: usize, nonce: u64) -> Value {
        self.send(from, nonce, TxKind::Call(Address::repeat_byte(0x99)), 1, Bytes::new()).await
    }
}

fn open(dir: &Path, genesis: &str, keeper: bool) -> (Chain, EngineCaller) {
    let spec = Arc::new(ChainSpec::from_json(genesis).unwrap());
    let db = Database::open(dir, DatabaseOptions::default()).unwrap();
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    let config = ChainConfig {
        driven: true,
        tick: Duration::from_millis(5),
        threads: NonZeroUsize::new(2).unwrap(),
        ..ChainConfig::default()
    };
    let keeper = keeper.then(|| KeeperConfig::new(REGISTRY, LaneKeys::dev()));
    let chain = Chain::open(config, spec, db, pool, keeper).unwrap();
    chain.start().unwrap();
    let engine = EngineCaller::new(RpcConfig::default(), chain.clone()).unwrap();
    (chain, engine)
}

/// `ForkchoiceStateV1` with nothing safe or final.
pub fn state(head: &Value) -> Value {
    json!({"headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO})
}

/// `PayloadAttributesV3`.
pub fn attributes(timestamp: u64) -> Value {
    json!({
        "timestamp": format!("{timestamp:#x}"),
        "prevRandao": B256::repeat_byte(7),
        "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        "withdrawals": [],
        "parentBeaconBlockRoot": B256::ZERO,
    })
}
