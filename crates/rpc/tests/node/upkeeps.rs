//! Upkeeps on a node of the development genesis.

use super::{Node, REGISTRY, quantity};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use plasma_keeper::abi::Registry::UpkeepRegistered;
use serde_json::{Value, json};

sol! {
    interface Registration {
        function registerUpkeep(address target, uint32 gasLimit, address admin, uint8 triggerType,
            bytes checkData, bytes triggerConfig, bytes offchainConfig) external returns (uint256 id);
        function addFunds(uint256 id, uint96 amount) external payable;
        function pauseUpkeep(uint256 id) external;
        function cancelUpkeep(uint256 id) external;
    }
}

const CONDITION: u8 = 0;
const INTERVAL: u8 = 2;

/// Where [`Upkeeps`] puts its contract: it answers the first word of the input after the selector and its head as
/// `(bool, bytes)`, so that checks answer what their check data says; performs do nothing, too.
pub const TARGET: Address = Address::repeat_byte(0x7a);

/// A node with a keeper, and what is sent to it. Blocks are made by hand.
pub struct Upkeeps {
    pub node: Node,
}

impl Upkeeps {
    pub async fn start() -> Self {
        let node = Node::with_keeper().await;
        // CALLDATALOAD(68) as the bool, 64 as the offset, 0 as the length of the bytes
        let code = hex::encode_prefixed(hex!("6044355f5260406020525f60405260605ff3"));
        node.call("anvil_setCode", json!([TARGET, code])).await;
        Self { node }
    }

    pub fn account(&self, index: usize) -> Address {
        self.node.accounts.addresses()[index]
    }

    pub async fn mine(&self) -> u64 {
        self.node.call("anvil_mine", json!(["0x1"])).await;
        quantity(&self.node.call("eth_blockNumber", json!([])).await)
    }

    /// Sends a call of the registry, to stand in the next block or tick.
    pub async fn send(&self, from: usize, call: impl SolCall, value: u128) -> Value {
        let from = self.account(from);
        let data = Bytes::from(call.abi_encode());
        let request = json!({
            "from": from, "to": REGISTRY, "data": data, "value": U256::from(value), "gas": "0x2dc6c0"
        });
        self.node.call("eth_sendTransaction", json!([request])).await
    }

    /// Sends a call of the registry and makes a block with it.
    pub async fn call(&self, from: usize, call: impl SolCall, value: u128) -> Value {
        let hash = self.send(from, call, value).await;
        self.mine().await;
        let receipt = self.node.call("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt
    }

    /// Registers an upkeep in a block of its own and answers its id.
    pub async fn register(
        &self,
        admin: usize,
        trigger_type: u8,
        config: Bytes,
        needed: bool,
    ) -> B256 {
        let call = Registration::registerUpkeepCall {
            target: TARGET,
            gasLimit: 100_000,
            admin: self.account(admin),
            triggerType: trigger_type,
            checkData: B256::with_last_byte(needed.into()).abi_encode().into(),
            triggerConfig: config,
            offchainConfig: Bytes::new(),
        };
        let receipt = self.call(admin, call, 0).await;
        let logs = receipt["logs"].as_array().unwrap();
        let registered = json!(UpkeepRegistered::SIGNATURE_HASH);
        let log = logs.iter().find(|log| log["topics"][0] == registered).unwrap();
        serde_json::from_value(log["topics"][1].clone()).unwrap()
    }

    pub async fn conditional(&self, admin: usize, needed: bool) -> B256 {
        self.register(admin, CONDITION, Bytes::new(), needed).await
    }

    pub async fn every_block(&self, admin: usize) -> B256 {
        self.register(admin, INTERVAL, (1_u64, 0_u64).abi_encode().into(), false).await
    }

    pub async fn fund(&self, id: B256) {
        let amount = 1_000_000_000_000_000_000_u128;
        let call = Registration::addFundsCall { id: id.into(), amount: amount.try_into().unwrap() };
        self.call(0, call, amount).await;
    }
}
