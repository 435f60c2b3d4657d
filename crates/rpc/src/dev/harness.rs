//! A development chain behind an RPC module, for tests.

use crate::{
    RpcConfig,
    api::Api,
    debug, dev, eth, ots,
    sign::{self, DevAccounts},
};
use alloy_primitives::{Address, U256};
use jsonrpsee::RpcModule;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Database, DatabaseOptions};
use plasma_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};

/// The genesis file of development nodes.
pub(crate) const GENESIS: &str = include_str!("../../../../genesis/dev.json");

/// The same with Amsterdam from the beginning.
pub(crate) fn genesis_of_amsterdam() -> String {
    let mut genesis: Value = serde_json::from_str(GENESIS).expect("JSON");
    genesis["config"]["amsterdamTime"] = json!(0);
    genesis.to_string()
}

/// A node without a server: methods are called on the module itself.
pub(crate) struct Node {
    pub(crate) module: RpcModule<Api>,
    pub(crate) api: Api,
    pub(crate) accounts: Vec<Address>,
    _directory: tempfile::TempDir,
}

/// An error as a client sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

impl Node {
    /// A development node that mines each transaction at once.
    pub(crate) fn start() -> Self {
        Self::with(true)
    }

    pub(crate) fn with(dev_mode: bool) -> Self {
        Self::on(GENESIS, dev_mode)
    }

    /// A node on a chain of its own.
    pub(crate) fn on(genesis: &str, dev_mode: bool) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let spec = Arc::new(ChainSpec::from_json(genesis).expect("a genesis file"));
        let database =
            Database::open(directory.path(), DatabaseOptions::default()).expect("a fresh database");
        let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
        let config = ChainConfig {
            dev: dev_mode,
            automine: true,
            threads: NonZeroUsize::MIN,
            ..ChainConfig::default()
        };
        let chain = Chain::open(config, spec, database, pool, None).expect("a fresh chain");
        chain.start().expect("the sequencer starts");
        // Machines that run tests may be slow; a test that waits this long has failed anyway.
        let config = RpcConfig { automine_wait: Duration::from_secs(30), ..RpcConfig::default() };
        let api = Api::new(config, chain);
        let accounts = Arc::new(DevAccounts::dev());
        let mut module = RpcModule::new(api.clone());
        eth::info::register(&mut module);
        eth::blocks::register(&mut module);
        eth::state::register(&mut module);
        eth::transactions::register(&mut module);
        eth::calls::register(&mut module);
        debug::register(&mut module);
        ots::register(&mut module);
        eth::access_lists::register(&mut module);
        dev::register(&mut module, &api);
        sign::register(&mut module, &api, accounts.clone());
        Self { module, api, accounts: accounts.addresses(), _directory: directory }
    }

    /// Calls a method and answers its result or error.
    pub(crate) async fn try_call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (response, _) = self
            .module
            .raw_json_request(&request.to_string(), 1)
            .await
            .expect("the request is JSON");
        let mut response: Value =
            serde_json::from_str(response.get()).expect("the response is JSON");
        match response.get("error") {
            None => Ok(response["result"].take()),
            Some(error) => Err(Failure {
                code: error["code"].as_i64().expect("a code"),
                message: error["message"].as_str().expect("a message").to_owned(),
                data: error["data"].clone(),
            }),
        }
    }

    /// Calls a method that must succeed.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params)
            .await
            .unwrap_or_else(|failure| panic!("{method} failed: {failure:?}"))
    }

    /// Calls a method that must fail.
    pub(crate) async fn fail(&self, method: &str, params: Value) -> Failure {
        match self.try_call(method, params).await {
            Err(failure) => failure,
            Ok(result) => panic!("{method} answered {result}, but an error was expected"),
        }
    }

    /// Sends a transaction from the first account, fields as given, and answers its receipt.
    pub(crate) async fn send(&self, mut fields: Value) -> Value {
        if fields.get("from").is_none() {
            fields["from"] = json!(self.accounts[0]);
        }
        let hash = self.call("eth_sendTransaction", json!([fields])).await;
        let receipt = self.call("eth_getTransactionReceipt", json!([hash])).await;
        assert!(receipt.is_object(), "the receipt of {hash} is there when the call returns");
        receipt
    }

    pub(crate) async fn number(&self, method: &str, params: Value) -> U256 {
        let answer = self.call(method, params).await;
        serde_json::from_value(answer).expect("a quantity")
    }

    pub(crate) async fn latest(&self) -> Value {
        self.call("eth_getBlockByNumber", json!(["latest", false])).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.api.chain.stop().expect("the chain stops");
    }
}

/// A quantity in an answer.
pub(crate) fn quantity(value: &Value) -> u64 {
    let number: U256 = serde_json::from_value(value.clone()).expect("a quantity");
    number.to()
}
