//! `plasma-node explain contract`: one contract over a range of blocks.

use super::{
    BlockAnswer,
    keys::Keys,
    layout::{self, Layout},
    names::Names,
    percent,
    table::table,
    times,
};
use crate::cli::rpc_client::RpcClient;
use alloy_primitives::{Address, U256};
use clap::Args;
use eyre::{Result, bail};
use plasma_chain::explain::{Cause, CauseKind};
use serde::Serialize;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};

/// Locations that are printed.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ContractArgs {
    /// The contract.
    address: Address,
    /// First and last block, as A..B; both are looked at.
    #[arg(long, value_parser = range)]
    blocks: (u64, u64),
    /// JSON file with solc's storage layout of the contract, to name its slots
    /// (`forge inspect CONTRACT storageLayout --json`).
    #[arg(long, value_name = "FILE")]
    layout: Option<PathBuf>,
    /// Name of the contract in a layout file that has several.
    #[arg(long, value_name = "NAME", requires = "layout")]
    layout_contract: Option<String>,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let wanted = || "write the first and the last block as A..B, such as 100..200".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wanted)?;
    let number = |text: &str| text.trim_start_matches('=').parse::<u64>().map_err(|_| wanted());
    let (from, to) = (number(from)?, number(to)?);
    if from > to {
        return Err(format!("block {from} comes after block {to}"));
    }
    Ok((from, to))
}

/// What a contract had to do with the speed of some blocks. Gas figures are of the blocks that used
/// the contract, whole.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    address: Address,
    from_block: u64,
    to_block: u64,
    /// Blocks that used the contract.
    blocks: u64,
    /// Transactions that used the contract.
    transactions: u64,
    /// Those of them that waited because of it, and their gas.
    waiters: u64,
    waiting_gas: u64,
    work: u64,
    critical_path: u64,
    /// The sum of the critical paths if nobody had to wait for the contract.
    critical_path_without: u64,
    verdict: String,
    locations: Vec<Slot>,
}

/// A location of the contract.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    #[serde(flatten)]
    cause: Cause,
    /// Its name by the layout, where it is known.
    name: Option<String>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// Blocks in which it was waited for.
    blocks: u64,
    writers: u64,
    waiters: u64,
    waiting_gas: u64,
    /// By how much gas the critical paths would be shorter without it.
    path_saved: u64,
}

pub(super) fn explain(rpc: &RpcClient, args: &ContractArgs, json: bool) -> Result<()> {
    let layout = match &args.layout {
        Some(file) => Some(layout::read(file, args.layout_contract.as_deref())?),
        None => None,
    };
    let (from_block, to_block) = args.blocks;
    let mut summary = Summary { address: args.address, from_block, to_block, ..Summary::default() };
    let mut locations: BTreeMap<Cause, Figures> = BTreeMap::new();
    let mut keys = Keys::default();
    for number in from_block..=to_block {
        let params = json!([format!("{number:#x}"), { "address": args.address }]);
        let answer: Option<BlockAnswer> = rpc.call("plasma_getBlockConflicts", params)?;
        let Some(answer) = answer else { bail!("this node has no block {number}") };
        add(&mut summary, &mut locations, &answer);
        if layout.is_some() && !answer.explanation.locations.is_empty() {
            keys.add_block(rpc, answer.block_number)?;
        }
    }
    summary.locations = named(locations, layout.as_ref(), &keys);
    summary.verdict = verdict(&summary, layout.is_some());
    if json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{}", text(&summary, layout.is_some()));
    }
    Ok(())
}

fn add(summary: &mut Summary, locations: &mut BTreeMap<Cause, Figures>, answer: &BlockAnswer) {
    let block = &answer.explanation;
    let Some(account) = block.accounts.first().filter(|account| account.touched > 0) else {
        return;
    };
    summary.blocks += 1;
    summary.transactions += u64::from(account.touched);
    summary.waiters += u64::from(account.waiters);
    summary.waiting_gas += account.waiting_gas;
    summary.work += block.work;
    summary.critical_path += block.critical_path;
    summary.critical_path_without += account.critical_path_without;
    for hot in &block.locations {
        let figures = locations.entry(hot.cause).or_default();
        figures.blocks += 1;
        figures.writers += u64::from(hot.writers);
        figures.waiters += u64::from(hot.waiters);
        figures.waiting_gas += hot.waiting_gas;
        figures.path_saved += block.critical_path - hot.critical_path_without;
    }
}

/// The locations by the gas that waited for them, most first, with their names.
fn named(locations: BTreeMap<Cause, Figures>, layout: Option<&Layout>, keys: &Keys) -> Vec<Slot> {
    let keys = keys.all();
    let names = layout.map(|layout| Names::new(layout, &keys));
    let name = |slot: Option<U256>| names.as_ref()?.name(slot?);
    let mut all: Vec<Slot> = locations
        .into_iter()
        .map(|(cause, figures)| Slot { name: name(cause.slot), cause, figures })
        .collect();
    all.sort_by_key(|slot| (std::cmp::Reverse(slot.figures.waiting_gas), slot.cause));
    all
}

fn verdict(summary: &Summary, with_layout: bool) -> String {
    let Summary { address, blocks, transactions, waiters, work, .. } = summary;
    if *transactions == 0 {
        return format!("No transaction of these blocks used {address}.");
    }
    let used = format!("{transactions} transactions in {blocks} blocks used {address}");
    let Some(top) = summary.locations.first() else {
        return format!("{used}, and none had to wait for another because of it.");
    };
    format!(
        "{used}; {waiters} of them had to wait for another because of it ({} of these blocks' gas), \
         most for {}. These blocks can run at most {} as fast as one by one; without these waits, \
         {}.",
        percent(summary.waiting_gas, *work),
        shown(top, with_layout),
        times(*work, summary.critical_path),
        times(*work, summary.critical_path_without)
    )
}

/// A location of the contract in words, the contract itself left out.
fn shown(slot: &Slot, with_layout: bool) -> String {
    match (slot.cause.kind, slot.cause.slot, &slot.name) {
        (_, Some(slot), Some(name)) if slot <= U256::from(u16::MAX) => {
            format!("{name} (slot {slot:#x})")
        }
        (_, _, Some(name)) => name.clone(),
        (CauseKind::Storage, Some(slot), None) if with_layout => format!("unknown slot {slot:#x}"),
        (CauseKind::Storage, Some(slot), None) => format!("slot {slot:#x}"),
        (CauseKind::Storage, None, None) => "storage".to_owned(),
        (CauseKind::Balance, ..) => "its balance".to_owned(),
        (CauseKind::Nonce, ..) => "its nonce (contracts that it creates)".to_owned(),
        (CauseKind::Code, ..) => "its code".to_owned(),
        (CauseKind::Existence, ..) => "its creation or end".to_owned(),
        (CauseKind::Sender, ..) => "earlier transactions that it sent".to_owned(),
    }
}

fn text(summary: &Summary, with_layout: bool) -> String {
    let mut text =
        format!("blocks {} to {}: {}\n", summary.from_block, summary.to_block, summary.verdict);
    if summary.locations.is_empty() {
        return text;
    }
    let rows: Vec<_> = summary
        .locations
        .iter()
        .take(SHOWN)
        .map(|slot| {
            let figures = &slot.figures;
            vec![
                shown(slot, with_layout),
                percent(figures.waiting_gas, summary.work),
                figures.blocks.to_string(),
                figures.writers.to_string(),
                figures.waiters.to_string(),
                times(summary.work, summary.critical_path - figures.path_saved),
            ]
        })
        .collect();
    let all = summary.locations.len();
    text += &if all > SHOWN { format!("\n{SHOWN} hottest of {all}\n") } else { "\n".to_owned() };
    text += &table(&["<waited for", "gas", "blocks", "writers", "waiters", "limit without"], &rows);
    text
}
