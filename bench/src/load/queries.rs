//! What clients ask for most, on a chain of known content: many blocks with one log each, and a full one.

use std::time::Duration;

use alloy_primitives::{B256, U256, hex};
use alloy_sol_types::{SolEvent as _, sol};
use eyre::{Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    burst::{self, Payload},
    reads::{Read, token_balances},
    rpc::{Rpc, quantity},
    target::Target,
};
use crate::report::Row;

/// Characters of a wrong answer that are told.
const SHOWN_CHARACTERS: usize = 300;

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// What was put on the chain.
#[derive(Debug)]
struct Content {
    /// Numbers of the first and the last of the blocks with one token transfer each.
    first: u64,
    last: u64,
    /// The block with a transfer of every account.
    full: u64,
    /// One of the token transfers.
    transfer: B256,
}

/// Puts the content on a chain that mines on demand, then asks for `duration` each. Of the rows only those are measured
/// whose name begins with `only`.
///
/// # Errors
/// Where the content cannot be made, or an answer is wrong while it is timed.
pub(crate) fn run(
    target: &Target,
    blocks: usize,
    duration: Duration,
    only: &str,
) -> Result<Vec<Row>> {
    let content = populate(target, blocks)?;
    let mut rpc = target.rpc()?;
    let mut rows = Vec::new();
    if "eth_call".starts_with(only) {
        rows.push(token_balances(target, "eth_call").run(target, duration)?);
    }
    let wanted = queries(target, &content).into_iter().filter(|(name, ..)| name.starts_with(only));
    for (name, method, params) in wanted {
        // Not every node has every method, or every tracer; and anvil's default tracer sees no steps unless told to.
        let answer = match rpc.call(method, serde_json::from_str(&params[0])?) {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("{name}: left out: {error:#}");
                continue;
            }
        };
        if !right(name, &answer, blocks, target.accounts.len()) {
            let answer: String = answer.to_string().chars().take(SHOWN_CHARACTERS).collect();
            eprintln!("{name}: left out: the answer lacks what was put on the chain: {answer}");
            continue;
        }
        // Answers to one method differ by some digits at most.
        let least_bytes = answer.to_string().len() / 2;
        let read = Read { name: name.to_owned(), method, params, least_bytes };
        rows.push(read.run(target, duration)?);
        eprintln!("{name}: done");
    }
    Ok(rows)
}

/// The calls: name of the row, method, parameters.
fn queries(target: &Target, content: &Content) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let balances =
        target.accounts.iter().map(|account| format!(r#"["{}","latest"]"#, account.address));
    let logs = json!([{
        "address": target.token,
        "topics": [Transfer::SIGNATURE_HASH],
        "fromBlock": format!("{:#x}", content.first),
        "toBlock": format!("{:#x}", content.last),
    }]);
    let full = json!([format!("{:#x}", content.full), true]);
    let call_tracer = json!([content.transfer, {"tracer": "callTracer"}]);
    let one = |params: Value| vec![params.to_string()];
    vec![
        ("eth_getBalance", "eth_getBalance", balances.collect()),
        ("eth_blockNumber", "eth_blockNumber", one(json!([]))),
        ("eth_getLogs", "eth_getLogs", one(logs)),
        ("eth_getBlockByNumber-full", "eth_getBlockByNumber", one(full)),
        ("debug_traceTransaction", "debug_traceTransaction", one(json!([content.transfer]))),
        ("debug_traceTransaction-callTracer", "debug_traceTransaction", one(call_tracer)),
    ]
}

/// Whether the answer holds what was put on the chain.
fn right(name: &str, answer: &Value, blocks: usize, accounts: usize) -> bool {
    let length = |value: &Value| value.as_array().map(Vec::len);
    match name {
        "eth_getLogs" => length(answer) == Some(blocks),
        "eth_getBlockByNumber-full" => {
            length(&answer["transactions"]) == Some(accounts)
                && answer["transactions"][0]["from"].is_string()
        }
        "debug_traceTransaction" => length(&answer["structLogs"]).is_some_and(|steps| steps > 100),
        "debug_traceTransaction-callTracer" => answer["type"] == "CALL",
        _ => answer.is_string(),
    }
}

fn populate(target: &Target, blocks: usize) -> Result<Content> {
    let mut rpc = target.rpc()?;
    let signed = burst::sign(target, Payload::Token, blocks)?;
    let Some(transfer) = signed.last().map(|signed| signed.hash) else {
        bail!("a chain needs blocks");
    };
    let first = rpc.block_number()? + 1;
    let mut last = 0;
    for signed in &signed {
        rpc.call("eth_sendRawTransaction", json!([hex::encode_prefixed(&signed.raw)]))?;
        last = quantity(&rpc.receipt(signed.hash)?["blockNumber"])?;
    }
    ensure!(
        last + 1 - first == blocks as u64,
        "{blocks} transactions made the blocks {first} to {last}: the node does not mine on demand"
    );
    Ok(Content { first, last, full: fill_block(target, &mut rpc)?, transfer })
}

/// Makes one block with a transfer of every account; its number.
fn fill_block(target: &Target, rpc: &mut Rpc) -> Result<u64> {
    let signed = burst::sign(target, Payload::Transfer, target.accounts.len())?;
    rpc.call("evm_setAutomine", json!([false]))?;
    let raw: Vec<Value> =
        signed.iter().map(|signed| json!([hex::encode_prefixed(&signed.raw)])).collect();
    rpc.call_all("eth_sendRawTransaction", &raw)?;
    rpc.call("evm_mine", json!([]))?;
    rpc.call("evm_setAutomine", json!([true]))?;
    let mut number = None;
    for signed in &signed {
        let block = quantity(&rpc.receipt(signed.hash)?["blockNumber"])?;
        ensure!(*number.get_or_insert(block) == block, "the transfers are not in one block");
    }
    number.ok_or_else(|| eyre::eyre!("no account, no block"))
}

/// Sends one token transfer, as the subscribers' event; the number of its block.
pub(crate) fn make_event(rpc: &mut Rpc, raw: &[u8], hash: B256) -> Result<U256> {
    rpc.call("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)]))?;
    Ok(U256::from(quantity(&rpc.receipt(hash)?["blockNumber"])?))
}
