//! `plasma-node explain block`.

use super::{BlockAnswer, percent, table::table, times};
use crate::cli::rpc_client::RpcClient;
use alloy_eips::BlockNumberOrTag;
use clap::Args;
use eyre::{Result, bail};
use plasma_chain::explain::{Explanation, PathStep};
use serde_json::{Value, json};

/// Steps of a critical path that are printed from its start and from its end.
const STEPS: (usize, usize) = (8, 4);

#[derive(Debug, Args)]
pub(super) struct BlockArgs {
    /// Number of the block, or latest.
    #[arg(value_parser = block_id)]
    block: BlockNumberOrTag,
}

/// A block's number, decimal or with `0x`, or a tag.
fn block_id(text: &str) -> Result<BlockNumberOrTag, String> {
    if let Ok(number) = text.parse() {
        return Ok(BlockNumberOrTag::Number(number));
    }
    text.parse().map_err(|_| "write a number (decimal or with 0x) or latest".to_owned())
}

pub(super) fn explain(rpc: &RpcClient, args: &BlockArgs, json: bool) -> Result<()> {
    let answer: Value = rpc.call("plasma_getBlockConflicts", json!([args.block]))?;
    if answer.is_null() {
        match args.block {
            BlockNumberOrTag::Number(number) => bail!("this node has no block {number}"),
            tag => bail!("this node has no {tag} block"),
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    let executed = executed(&answer);
    print!("{}", text(&serde_json::from_value(answer)?, executed));
    Ok(())
}

/// What the node's executor met, where it is remembered.
fn executed(answer: &Value) -> Option<String> {
    let incarnations = answer["incarnations"].as_array()?;
    let executions: u64 = incarnations.iter().filter_map(Value::as_u64).sum();
    let count = |name: &str| answer[name].as_array().map_or(0, Vec::len);
    let how = match (answer["parallel"].as_bool(), answer["threads"].as_u64()) {
        (Some(true), Some(threads)) => format!("in parallel on {threads} threads"),
        _ => "one by one".to_owned(),
    };
    Some(format!(
        "when it was made here: {how}, {executions} executions of {} transactions, {} thrown away, \
         {} cut short by a wait\n",
        incarnations.len(),
        count("conflicts"),
        count("waits")
    ))
}

fn text(answer: &BlockAnswer, executed: Option<String>) -> String {
    let BlockAnswer { block_number, transactions, explanation } = answer;
    let Explanation { verdict, work, critical_path, totals, .. } = explanation;
    let mut text = format!("block {block_number}: {verdict}\n");
    if transactions.is_empty() {
        return text;
    }
    text += &format!(
        "{} transactions with {work} gas; {} of them waited for another; critical path of {} with \
         {critical_path} gas, limit {}\n",
        transactions.len(),
        explanation.waiters,
        totals.path,
        times(*work, *critical_path)
    );
    text += executed.as_deref().unwrap_or_default();
    if explanation.locations.is_empty() {
        return text;
    }
    let rows: Vec<_> = explanation
        .locations
        .iter()
        .map(|hot| {
            vec![
                hot.cause.to_string(),
                percent(hot.waiting_gas, *work),
                hot.writers.to_string(),
                hot.waiters.to_string(),
                times(*work, hot.critical_path_without),
            ]
        })
        .collect();
    text += &more("hottest", totals.locations, rows.len());
    text += &table(&["<waited for", "gas", "writers", "waiters", "limit without"], &rows);
    let rows: Vec<_> = explanation
        .accounts
        .iter()
        .map(|hot| {
            vec![
                format!("{}{}", hot.address, if hot.contract { "" } else { " (no code)" }),
                percent(hot.waiting_gas, *work),
                hot.writers.to_string(),
                hot.waiters.to_string(),
                times(*work, hot.critical_path_without),
            ]
        })
        .collect();
    text += &more("hottest", totals.accounts, rows.len());
    text += &table(&["<account", "gas", "writers", "waiters", "limit without"], &rows);
    text += "\ncritical path\n";
    text += &path(answer);
    text
}

/// A line before a table that says where it was cut.
fn more(what: &str, all: usize, shown: usize) -> String {
    if all == shown { "\n".to_owned() } else { format!("\n{shown} {what} of {all}\n") }
}

fn path(answer: &BlockAnswer) -> String {
    let steps = &answer.explanation.path;
    let row = |step: &PathStep| {
        let hash = answer.transactions.get(step.transaction as usize);
        vec![
            format!("{}", hash.map(ToString::to_string).unwrap_or_default()),
            step.transaction.to_string(),
            step.gas.to_string(),
            step.waited_for.map(|cause| cause.to_string()).unwrap_or_default(),
        ]
    };
    let mut rows: Vec<_> = steps.iter().take(STEPS.0).map(row).collect();
    let last = steps.len().saturating_sub(STEPS.1).max(STEPS.0);
    if last > STEPS.0 {
        rows.push(vec![format!("... {} more ...", last - STEPS.0)]);
    }
    rows.extend(steps.iter().skip(last).map(row));
    table(&["<transaction", "index", "gas", "<waited for"], &rows)
}
