//! What the indexes say is held against a scan of all blocks with the tracer, which knows nothing of
//! the indexes.

use crate::dev::harness::{Node, genesis_of_amsterdam, quantity};
use alloy_primitives::{Address, hex};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a contract does, one after the other.
#[derive(Clone, Debug)]
enum Op {
    /// Calls the account at this place among all, with this many wei.
    Call(usize, u8),
    Static(usize),
    Delegate(usize),
    Create(u8),
    /// With this salt, so that it may collide.
    Create2(u8),
    Log,
    /// Looks at a balance.
    Look(usize),
    /// Ends the frame.
    Destroy(usize),
    /// Ends the frame.
    Revert,
}

/// Contracts with programs; each calls later ones and accounts without code only.
const CONTRACTS: usize = 4;
/// Accounts without code beside them.
const PLAIN: usize = 3;

fn place(index: usize) -> Address {
    Address::repeat_byte(0xa0 + index as u8)
}

fn op(own: usize) -> impl Strategy<Value = Op> {
    let other = own + 1..CONTRACTS + PLAIN;
    prop_oneof![
        6 => (other.clone(), 0u8..2).prop_map(|(to, value)| Op::Call(to, value)),
        1 => other.clone().prop_map(Op::Static),
        2 => other.clone().prop_map(Op::Delegate),
        2 => (0u8..2).prop_map(Op::Create),
        2 => (0u8..3).prop_map(Op::Create2),
        1 => Just(Op::Log),
        1 => other.clone().prop_map(Op::Look),
        1 => other.prop_map(Op::Destroy),
        1 => Just(Op::Revert),
    ]
}

/// Creation code of a contract that consists of one `STOP`.
const STOPPING: &str = "69600060005360016000f3600052";

fn code(program: &[Op]) -> String {
    let mut code = String::from("0x");
    for op in program {
        let part = match op {
            Op::Call(to, value) => {
                format!("5f5f5f5f60{value:02x}73{}5af150", hex::encode(place(*to)))
            }
            Op::Static(to) => format!("5f5f5f5f73{}5afa50", hex::encode(place(*to))),
            Op::Delegate(to) => format!("5f5f5f5f73{}5af450", hex::encode(place(*to))),
            Op::Create(value) => format!("{STOPPING}600a601660{value:02x}f050"),
            Op::Create2(salt) => format!("{STOPPING}60{salt:02x}600a60165ff550"),
            Op::Log => "5f5fa0".to_owned(),
            Op::Look(at) => format!("73{}3150", hex::encode(place(*at))),
            Op::Destroy(to) => format!("73{}ff", hex::encode(place(*to))),
            Op::Revert => "5f5ffd".to_owned(),
        };
        code.push_str(&part);
    }
    code
}

/// A transaction: from whom, to which place (`None`: a creation), and with how much gas.
#[derive(Clone, Debug)]
struct Sent {
    from: usize,
    to: Option<usize>,
    gas: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// A block with these transactions.
    Block(Vec<Sent>),
    /// Takes this many blocks back.
    Back(usize),
    /// Persists what waits.
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop_oneof![
        6 => (0..CONTRACTS + PLAIN).prop_map(Some),
        1 => Just(None),
    ];
    let gas = prop_oneof![4 => Just(3_000_000u64), 1 => Just(120_000u64)];
    let sent = (0usize..2, to, gas).prop_map(|(from, to, gas)| Sent { from, to, gas });
    prop_oneof![
        6 => vec(sent, 0..4).prop_map(Step::Block),
        1 => (1usize..3).prop_map(Step::Back),
        1 => Just(Step::Flush),
    ]
}

/// What the tracer finds in the whole chain.
#[derive(Default)]
struct Scan {
    /// Hashes of transactions by address, newest first, each with its block.
    appearances: BTreeMap<Address, Vec<(u64, Value)>>,
    /// The last creation of each contract: transaction and creator.
    creators: BTreeMap<Address, (Value, Address)>,
    /// Sender and nonce of each transaction.
    nonces: Vec<(Value, Value, Value)>,
}

fn address(value: &Value) -> Address {
    serde_json::from_value(value.clone()).expect("an address")
}

async fn scan(node: &Node) -> Scan {
    let mut scan = Scan::default();
    let head = quantity(&node.latest().await["number"]);
    for number in 1..=head {
        let block = node.call("eth_getBlockByNumber", json!([format!("{number:#x}"), true])).await;
        for transaction in block["transactions"].as_array().unwrap() {
            let hash = &transaction["hash"];
            scan.nonces.push((
                transaction["from"].clone(),
                transaction["nonce"].clone(),
                hash.clone(),
            ));
            let receipt = node.call("eth_getTransactionReceipt", json!([hash])).await;
            let mut found = BTreeSet::from([address(&transaction["from"])]);
            for member in [&transaction["to"], &receipt["contractAddress"]] {
                found.extend((!member.is_null()).then(|| address(member)));
            }
            // A failure undoes all that is inside; one before the first frame has none to show.
            let frames = match receipt["status"] == "0x1" {
                true => node.call("trace_transaction", json!([hash])).await,
                false => json!([]),
            };
            let frames = frames.as_array().unwrap();
            let undone: Vec<&Vec<Value>> = frames
                .iter()
                .filter(|frame| frame.get("error").is_some_and(|error| !error.is_null()))
                .map(|frame| frame["traceAddress"].as_array().unwrap())
                .collect();
            for frame in frames {
                let path = frame["traceAddress"].as_array().unwrap();
                if undone.iter().any(|above| path.starts_with(above)) {
                    continue;
                }
                let (action, result) = (&frame["action"], &frame["result"]);
                match frame["type"].as_str().unwrap() {
                    "call" if action["callType"] != "delegatecall" => {
                        found.insert(address(&action["to"]));
                    }
                    "call" => {}
                    "create" => {
                        let created = address(&result["address"]);
                        found.insert(created);
                        scan.creators.insert(created, (hash.clone(), address(&action["from"])));
                    }
                    "suicide" => {
                        found.insert(address(&action["address"]));
                        found.insert(address(&action["refundAddress"]));
                    }
                    other => panic!("a frame of type {other}"),
                }
            }
            for address in found {
                scan.appearances.entry(address).or_default().insert(0, (number, hash.clone()));
            }
        }
        // Within a block, too, the last transaction comes first; that is what inserting in front does.
    }
    scan
}

/// Walks through all pages of `address` in one direction and holds them against `all`.
async fn walk(
    node: &Node,
    address: Address,
    size: usize,
    all: &[(u64, Value)],
) -> Result<(), TestCaseError> {
    for (method, newest_first) in
        [("ots_searchTransactionsBefore", true), ("ots_searchTransactionsAfter", false)]
    {
        let mut cursor = 0;
        let mut found: Vec<Value> = Vec::new();
        loop {
            let page = node.call(method, json!([address, cursor, size])).await;
            let txs = page["txs"].as_array().unwrap();
            let receipts = page["receipts"].as_array().unwrap();
            prop_assert_eq!(txs.len(), receipts.len());
            let hashes: Vec<Value> = txs.iter().map(|tx| tx["hash"].clone()).collect();
            for (receipt, hash) in receipts.iter().zip(&hashes) {
                prop_assert_eq!(&receipt["transactionHash"], hash);
                prop_assert!(receipt["timestamp"].is_string());
            }
            let (first, ends) = match newest_first {
                true => (&page["firstPage"], &page["lastPage"]),
                false => (&page["lastPage"], &page["firstPage"]),
            };
            prop_assert_eq!(first, &json!(cursor == 0));
            let end = match newest_first {
                true => {
                    found.extend(hashes);
                    txs.last()
                }
                false => {
                    found.splice(0..0, hashes);
                    txs.first()
                }
            };
            if *ends == json!(true) {
                break;
            }
            prop_assert!(txs.len() >= size, "a page that is not the last is full");
            cursor = quantity(&end.unwrap()["blockNumber"]);
            // A page ends with the block that fills it.
            let cut = txs.iter().filter(|tx| quantity(&tx["blockNumber"]) != cursor).count();
            prop_assert!(cut < size, "a page holds no block more than it takes");
        }
        let hashes: Vec<Value> = all.iter().map(|(_, hash)| hash.clone()).collect();
        prop_assert_eq!(found, hashes, "{} of {}", method, address);
    }
    Ok(())
}

async fn compare(node: &Node, size: usize) -> Result<(), TestCaseError> {
    let scan = scan(node).await;
    let mut addresses: BTreeSet<Address> = (0..CONTRACTS + PLAIN).map(place).collect();
    addresses.extend(scan.appearances.keys());
    addresses.extend(node.accounts.iter().take(3));
    addresses.insert(Address::repeat_byte(0x77));
    for address in addresses {
        let all = scan.appearances.get(&address).map_or(&[][..], Vec::as_slice);
        walk(node, address, size, all).await?;
        let has_code = node.call("ots_hasCode", json!([address, "latest"])).await;
        let code = node.call("eth_getCode", json!([address, "latest"])).await;
        prop_assert_eq!(&has_code, &json!(code != "0x"));
        let expected = match scan.creators.get(&address) {
            Some((hash, creator)) if code != "0x" => json!({"hash": hash, "creator": creator}),
            _ => Value::Null,
        };
        let creator = node.call("ots_getContractCreator", json!([address])).await;
        prop_assert_eq!(creator, expected, "creator of {}", address);
    }
    for (sender, nonce, hash) in scan.nonces {
        let ots = "ots_getTransactionBySenderAndNonce";
        prop_assert_eq!(node.call(ots, json!([sender, nonce])).await, hash.clone());
        let eth = "eth_getTransactionBySenderAndNonce";
        prop_assert_eq!(&node.call(eth, json!([sender, nonce])).await["hash"], &hash);
    }
    Ok(())
}

async fn run(
    amsterdam: bool,
    programs: Vec<Vec<Op>>,
    steps: Vec<Step>,
    size: usize,
) -> Result<(), TestCaseError> {
    // From Amsterdam on outcomes also tell of accounts that were only looked at.
    let node = if amsterdam { Node::on(&genesis_of_amsterdam(), true) } else { Node::start() };
    node.call("evm_setAutomine", json!([false])).await;
    for (index, program) in programs.iter().enumerate() {
        node.call("anvil_setCode", json!([place(index), code(program)])).await;
        node.call("anvil_setBalance", json!([place(index), "0x5"])).await;
    }
    node.call("evm_mine", json!([])).await;
    let mut snapshots = Vec::new();
    for step in steps {
        match step {
            Step::Block(sent) => {
                snapshots.push(node.call("evm_snapshot", json!([])).await);
                for Sent { from, to, gas } in sent {
                    let mut call = json!({
                        "from": node.accounts[from], "value": "0x1", "gas": format!("{gas:#x}"),
                    });
                    match to {
                        Some(to) => call["to"] = json!(place(to)),
                        None => call["data"] = json!("0x600060005360016000f3"),
                    }
                    node.call("eth_sendTransaction", json!([call])).await;
                }
                node.call("evm_mine", json!([])).await;
            }
            Step::Back(count) => {
                let kept = snapshots.len().saturating_sub(count);
                if let Some(id) = snapshots.drain(kept..).next() {
                    prop_assert_eq!(node.call("evm_revert", json!([id])).await, json!(true));
                }
            }
            Step::Flush => node.api.chain.database().flush().expect("a state that can be written"),
        }
    }
    compare(&node, size).await?;
    node.api.chain.database().flush().expect("a state that can be written");
    compare(&node, size).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_indexes_find_what_a_scan_with_the_tracer_finds(
        amsterdam: bool,
        programs in (vec(op(0), 0..6), vec(op(1), 0..6), vec(op(2), 0..6), vec(op(3), 0..6)),
        steps in vec(step(), 1..12),
        size in 1usize..5,
    ) {
        let programs = vec![programs.0, programs.1, programs.2, programs.3];
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(run(amsterdam, programs, steps, size))?;
    }
}
