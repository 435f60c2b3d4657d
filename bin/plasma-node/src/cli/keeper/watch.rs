//! `plasma-node keeper history` and `watch`: what the keeper decided, and what it decides as blocks come.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use alloy_primitives::U256;
use clap::Args;
use eyre::Result;
use serde_json::{Value, json};

use super::text;
use crate::cli::{rpc_client::RpcClient, units};

/// How often the node is asked for a new block.
const POLL: Duration = Duration::from_millis(200);
/// Blocks asked for at once.
const MOST_BLOCKS: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only this upkeep.
    #[arg(value_parser = units::upkeep_id)]
    id: Option<U256>,
    /// First block [default: 100 blocks back].
    #[arg(long)]
    from: Option<u64>,
    /// Last block [default: the head].
    #[arg(long)]
    to: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Only this upkeep.
    #[arg(value_parser = units::upkeep_id)]
    id: Option<U256>,
    /// First block [default: the next].
    #[arg(long)]
    from: Option<u64>,
    /// End after this many blocks [default: go on].
    #[arg(long)]
    blocks: Option<u64>,
}

/// Prints the decisions of a range of blocks.
pub(super) fn history(rpc: &RpcClient, args: &HistoryArgs) -> Result<()> {
    let quantity = |block: Option<u64>| block.map(|number| format!("{number:#x}"));
    let decisions = decisions(rpc, args.id, quantity(args.from), quantity(args.to))?;
    print(&decisions)?;
    eprintln!("{} decisions", decisions.len());
    Ok(())
}

/// Prints decisions as blocks come.
pub(super) fn watch(rpc: &RpcClient, args: &WatchArgs) -> Result<()> {
    let head = || rpc.call("eth_blockNumber", json!([])).map(|head: U256| head.to::<u64>());
    let first = match args.from {
        Some(first) => first,
        None => head()? + 1,
    };
    let end = args.blocks.map_or(u64::MAX, |blocks| first.saturating_add(blocks));
    let mut next = first;
    while next < end {
        let last = head()?.min(end - 1).min(next.saturating_add(MOST_BLOCKS - 1));
        if last < next {
            thread::sleep(POLL);
            continue;
        }
        let some = decisions(rpc, args.id, Some(format!("{next:#x}")), Some(format!("{last:#x}")))?;
        print(&some)?;
        next = last + 1;
    }
    Ok(())
}

fn decisions(
    rpc: &RpcClient,
    id: Option<U256>,
    from: Option<String>,
    to: Option<String>,
) -> Result<Vec<Value>> {
    rpc.call("keeper_history", json!([id, from, to]))
}

/// One line for each; an error where nobody reads any more.
fn print(decisions: &[Value]) -> Result<()> {
    let mut out = io::stdout().lock();
    for decision in decisions {
        let details: Vec<String> = decision
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !["block", "upkeep", "outcome"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or(&value.to_string())))
            .collect();
        writeln!(
            out,
            "block {} upkeep {} {} {}",
            decision["block"],
            text(&decision["upkeep"]),
            text(&decision["outcome"]),
            details.join(" ")
        )?;
    }
    Ok(out.flush()?)
}
