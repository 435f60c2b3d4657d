//! Upkeeps over JSON-RPC: what is told of them as blocks and ticks come.

mod node;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use node::{Node, REGISTRY, Socket, quantity};
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
const TARGET: Address = Address::repeat_byte(0x7a);

/// A node with a keeper, and what is sent to it. Blocks are made by hand.
struct Upkeeps {
    node: Node,
}

impl Upkeeps {
    async fn start() -> Self {
        let node = Node::with_keeper().await;
        // CALLDATALOAD(68) as the bool, 64 as the offset, 0 as the length of the bytes
        let code = hex::encode_prefixed(hex!("6044355f5260406020525f60405260605ff3"));
        node.call("anvil_setCode", json!([TARGET, code])).await;
        Self { node }
    }

    fn account(&self, index: usize) -> Address {
        self.node.accounts.addresses()[index]
    }

    async fn mine(&self) -> u64 {
        self.node.call("anvil_mine", json!(["0x1"])).await;
        quantity(&self.node.call("eth_blockNumber", json!([])).await)
    }

    /// Sends a call of the registry, to stand in the next block or tick.
    async fn send(&self, from: usize, call: impl SolCall, value: u128) -> Value {
        let from = self.account(from);
        let data = Bytes::from(call.abi_encode());
        let request = json!({
            "from": from, "to": REGISTRY, "data": data, "value": U256::from(value), "gas": "0x2dc6c0"
        });
        self.node.call("eth_sendTransaction", json!([request])).await
    }

    /// Sends a call of the registry and makes a block with it.
    async fn call(&self, from: usize, call: impl SolCall, value: u128) -> Value {
        let hash = self.send(from, call, value).await;
        self.mine().await;
        let receipt = self.node.call("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt
    }

    /// Registers an upkeep in a block of its own and answers its id.
    async fn register(&self, admin: usize, trigger_type: u8, config: Bytes, needed: bool) -> B256 {
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

    async fn conditional(&self, admin: usize, needed: bool) -> B256 {
        self.register(admin, CONDITION, Bytes::new(), needed).await
    }

    async fn every_block(&self, admin: usize) -> B256 {
        self.register(admin, INTERVAL, (1_u64, 0_u64).abi_encode().into(), false).await
    }

    async fn fund(&self, id: B256) {
        let amount = 1_000_000_000_000_000_000_u128;
        let call = Registration::addFundsCall { id: id.into(), amount: amount.try_into().unwrap() };
        self.call(0, call, amount).await;
    }
}

/// A block's number as requests write it.
fn block(number: u64) -> String {
    format!("{number:#x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_decisions_as_blocks_come() {
    let upkeeps = Upkeeps::start().await;
    let address = upkeeps.node.server.ws_address();
    let beat = upkeeps.every_block(0).await;
    let poor = upkeeps.conditional(0, true).await;
    let idle = upkeeps.conditional(0, false).await;
    upkeeps.fund(beat).await;

    let mut all = Socket::connect(address).await;
    let mut one = Socket::connect(address).await;
    let mut performed = Socket::connect(address).await;
    let mut both = Socket::connect(address).await;
    let all_id = all.call("plasma_subscribe", json!(["upkeeps"])).await;
    let one_id = one.call("plasma_subscribe", json!(["upkeeps", {"upkeep": poor}])).await;
    let outcomes = json!(["performed", "cancelled"]);
    let performed_id =
        performed.call("plasma_subscribe", json!(["upkeeps", {"outcomes": outcomes}])).await;
    let filter = json!({"upkeep": beat, "outcomes": ["cancelled"]});
    let both_id = both.call("plasma_subscribe", json!(["upkeeps", filter])).await;
    let first = upkeeps.mine().await;
    let second = upkeeps.mine().await;
    let cancel = Registration::cancelUpkeepCall { id: beat.into() };
    upkeeps.call(0, cancel, 0).await;
    let range = json!([null, block(first), block(second + 1)]);
    let history = upkeeps.node.call("keeper_history", range).await;
    let history = history.as_array().unwrap();
    let outcome_of = |id: B256, block: u64| {
        let mut found =
            history.iter().filter(|one| one["upkeep"] == json!(id) && one["block"] == json!(block));
        found.next().map(|one| one["outcome"].as_str().unwrap())
    };
    assert_eq!(outcome_of(beat, first), Some("performed"));
    assert_eq!(outcome_of(poor, first), Some("underfunded"));
    assert_eq!(outcome_of(idle, first), None);
    assert!(history.len() >= 5, "{history:?}");
    for decision in history {
        assert_eq!(&all.notified(&all_id).await, decision);
        if decision["upkeep"] == json!(poor) {
            assert_eq!(&one.notified(&one_id).await, decision);
        }
        if ["performed", "cancelled"].contains(&decision["outcome"].as_str().unwrap()) {
            assert_eq!(&performed.notified(&performed_id).await, decision);
        }
        if decision["outcome"] == "cancelled" {
            assert_eq!(&both.notified(&both_id).await, decision);
        }
    }
    assert_eq!(all.call("plasma_unsubscribe", json!([all_id])).await, true);
    upkeeps.mine().await;
    // Were it still subscribed, a decision would come before the answer.
    assert_eq!(all.call("plasma_unsubscribe", json!([all_id])).await, false);
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_removed_blocks_are_not_told_again() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    upkeeps.fund(beat).await;
    let snapshot = upkeeps.node.call("evm_snapshot", json!([])).await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    let id = socket.call("plasma_subscribe", json!(["upkeeps"])).await;
    let number = upkeeps.mine().await;
    let before = socket.notified(&id).await;
    assert_eq!((&before["block"], &before["outcome"]), (&json!(number), &json!("performed")));
    assert_eq!(upkeeps.node.call("evm_revert", json!([snapshot])).await, true);
    // A block of another time, so that its perform is another transaction as well.
    assert_eq!(upkeeps.mine().await, number);
    let after = socket.notified(&id).await;
    assert_eq!((&after["block"], &after["outcome"]), (&json!(number), &json!("performed")));
    let history =
        upkeeps.node.call("keeper_history", json!([beat, block(number), block(number)])).await;
    assert_eq!(history, json!([after]));
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_ticks_with_receipts() {
    let upkeeps = Upkeeps::start().await;
    let beat = upkeeps.every_block(0).await;
    upkeeps.fund(beat).await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    let id = socket.call("plasma_subscribe", json!(["ticks"])).await;
    let pause = Registration::pauseUpkeepCall { id: beat.into() };
    let hash = upkeeps.send(0, pause, 0).await;
    let chain = upkeeps.node.chain.clone();
    let added = tokio::task::spawn_blocking(move || chain.tick().unwrap()).await.unwrap();
    let open = socket.notified(&id).await;
    let transactions = open["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), added);
    assert_eq!((&open["tick"], &open["blockHash"]), (&json!("0x0"), &Value::Null));
    assert_eq!(transactions[0]["hash"], hash);
    let late = upkeeps.send(1, Registration::pauseUpkeepCall { id: beat.into() }, 0).await;
    let number = upkeeps.mine().await;
    let sealed = socket.notified(&id).await;
    assert_eq!(sealed["tick"], "0x1");
    assert_eq!(sealed["transactions"][0]["hash"], late);
    assert_eq!(sealed["transactions"][0]["status"], "0x0", "it was paused already");

    let block = upkeeps.node.call("eth_getBlockByNumber", json!([block(number), false])).await;
    assert_eq!(sealed["blockHash"], block["hash"]);
    let mut told = Vec::new();
    for (tick, hash) in [(&open, Value::Null), (&sealed, block["hash"].clone())] {
        assert_eq!(quantity(&tick["blockNumber"]), number);
        for transaction in tick["transactions"].as_array().unwrap() {
            told.push(transaction["hash"].clone());
            let mut receipt =
                upkeeps.node.call("eth_getTransactionReceipt", json!([transaction["hash"]])).await;
            for log in receipt["logs"].as_array_mut().unwrap() {
                log["blockHash"].clone_from(&hash);
            }
            for member in ["transactionIndex", "status", "gasUsed", "logs"] {
                assert_eq!(transaction[member], receipt[member], "{member}");
            }
        }
    }
    assert_eq!(json!(told), block["transactions"]);
    upkeeps.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_subscriptions_say_why() {
    let upkeeps = Upkeeps::start().await;
    let mut socket = Socket::connect(upkeeps.node.server.ws_address()).await;
    for (params, code, words) in [
        (json!(["nothing"]), -32601, "\"nothing\" subscription in plasma namespace"),
        (json!([]), -32602, "missing value for required argument 0"),
        (json!(["ticks", {}]), -32602, "want at most 1"),
        (json!(["upkeeps", {"outcome": "performed"}]), -32602, "unknown field `outcome`"),
        (json!(["upkeeps", {"outcomes": ["fired"]}]), -32602, "there is no outcome \"fired\""),
        (json!(["upkeeps", {"outcomes": []}]), -32602, "outcomes is empty"),
        (json!(["upkeeps", {"outcomes": ["notNeeded"]}]), -32602, "counted, not told"),
        (json!(["upkeeps", {"upkeep": "nonsense"}]), -32602, "invalid argument 1"),
    ] {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "plasma_subscribe", "params": params});
        socket.send(&request).await;
        let refused = socket.receive().await;
        assert_eq!(refused["error"]["code"], code, "{params}: {refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{params}: {message}");
    }
    let over_http = upkeeps.node.fail("plasma_subscribe", json!(["ticks"])).await;
    assert_eq!(over_http.code, -32601);
    assert!(over_http.message.contains("WebSocket"), "{}", over_http.message);
    upkeeps.node.stop().await;
}
