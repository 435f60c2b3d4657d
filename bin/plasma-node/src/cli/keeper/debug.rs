//! `plasma-node keeper debug`: why an upkeep was, or was not, performed, and what to do about it.

use alloy_primitives::{Address, B256, Bytes, U256, utils::format_ether};
use alloy_sol_types::SolCall;
use eyre::{Result, bail};
use plasma_keeper::{
    Decision, DeferReason, DropReason, LOG_PATIENCE_BLOCKS, MAX_WAITING_LOGS, Outcome, Trigger,
    UpkeepInfo,
    abi::Registry::{getMinBalanceCall, getUpkeepStatusCall},
};
use serde_json::json;

use crate::cli::rpc_client::RpcClient;

/// Blocks of the record that are looked through for the last perform.
const BLOCKS_BACK: u64 = 1_000;

/// Prints the chain of verdicts for upkeep `id`.
pub(super) fn run(rpc: &RpcClient, registry: Address, id: U256) -> Result<()> {
    let hex = B256::from(id);
    let known: Option<UpkeepInfo> = rpc.call("keeper_get", json!([hex]))?;
    let Some(upkeep) = known else {
        // The keeper forgets what is cancelled; the registry does not.
        let call = json!({ "to": registry, "data": data(&getUpkeepStatusCall { id }) });
        let Ok(status) = rpc.call::<Bytes>("eth_call", json!([call, "latest"])) else {
            bail!("no upkeep {hex} was ever registered at {registry}");
        };
        let upkeep = UpkeepInfo::from_status(id, &status)?;
        println!("upkeep     {hex}");
        println!("cancelled  with effect from block {}", upkeep.max_valid_block);
        println!(
            "balance    {} ETH, which its admin {} may withdraw: plasma-node keeper withdraw {hex}",
            format_ether(upkeep.balance),
            upkeep.admin
        );
        return Ok(());
    };
    let head = head(rpc)?;
    let call = json!({ "to": registry, "data": data(&getMinBalanceCall { id }) });
    let most: Bytes = rpc.call("eth_call", json!([call, "latest"]))?;
    let most = U256::from(getMinBalanceCall::abi_decode_returns(&most)?);

    println!("upkeep       {hex}");
    println!("target       {}, called by its forwarder {}", upkeep.target, upkeep.forwarder);
    println!("trigger      {}", trigger(&upkeep.trigger));
    println!("registered   in block {}, by admin {}", upkeep.registered_block, upkeep.admin);
    println!("active       {}", if upkeep.paused { "no: paused" } else { "yes" });
    println!(
        "funded       {} ETH; {} ETH spent so far; a perform costs at most {} ETH at the present gas price",
        format_ether(upkeep.balance),
        format_ether(upkeep.amount_spent),
        format_ether(most)
    );
    println!("last perform {}", last_perform(rpc, &upkeep, head)?);
    let (found, advice) = verdict(&upkeep);
    println!("verdict      {found}");
    if let Some(block) = upkeep.next_check_block {
        println!("backs off    until block {block}, or until something that it read changes");
    }
    if let Some(advice) = advice {
        println!("what to do   {advice}");
    }
    Ok(())
}

fn data<C: SolCall>(call: &C) -> Bytes {
    call.abi_encode().into()
}

fn head(rpc: &RpcClient) -> Result<u64> {
    let head: U256 = rpc.call("eth_blockNumber", json!([]))?;
    Ok(head.to())
}

fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Conditional => "condition: whenever checkUpkeep answers true".into(),
        Trigger::Log { filter, same_block } => {
            let topics = filter.topics.iter().enumerate();
            let topics: Vec<_> = topics
                .filter_map(|(place, topic)| topic.map(|topic| format!("topic{place} {topic}")))
                .collect();
            let when = if *same_block { "in the same block" } else { "from the next block on" };
            format!("log: of {} with {}, {when}", filter.address, topics.join(", "))
        }
        Trigger::EveryBlocks { blocks } => format!("interval: every {blocks} blocks"),
        Trigger::EveryMilliseconds { milliseconds } => format!("interval: every {milliseconds} ms"),
        Trigger::Cron { expression } => format!("cron: \"{}\", UTC", expression.as_str()),
        Trigger::Resolver { resolver, .. } => format!("resolver: whenever {resolver} says so"),
        Trigger::Unknown => "none that this node can read".into(),
    }
}

/// The latest perform that the record has, or the registry knows.
fn last_perform(rpc: &RpcClient, upkeep: &UpkeepInfo, head: u64) -> Result<String> {
    let block = upkeep.last_performed_block;
    if block == 0 {
        return Ok("none yet".into());
    }
    let in_block = format!("in block {block}, {} blocks ago", head.saturating_sub(block));
    if head.saturating_sub(block) > BLOCKS_BACK {
        return Ok(in_block);
    }
    let quantity = format!("{block:#x}");
    let params = json!([B256::from(upkeep.id), quantity, quantity]);
    let decisions: Vec<Decision> = rpc.call("keeper_history", params)?;
    let performed = decisions.into_iter().find(|decision| decision.outcome.is_performed());
    Ok(match performed.map(|decision| decision.outcome) {
        Some(Outcome::Performed { tx, gas_used, payment }) => format!(
            "{in_block}: {gas_used} gas for {} ETH, transaction {tx}",
            format_ether(payment)
        ),
        Some(Outcome::PerformedReverted { tx, gas_used, payment, reason }) => format!(
            "{in_block}, which failed ({reason}): {gas_used} gas for {} ETH, transaction {tx}",
            format_ether(payment)
        ),
        _ => in_block,
    })
}

/// What became of it last, and what its admin or the operator can do.
fn verdict(upkeep: &UpkeepInfo) -> (String, Option<String>) {
    let (found, advice) = found(upkeep);
    match (&upkeep.trigger, upkeep.last_outcome.as_deref()) {
        (
            Trigger::Log { .. },
            Some(Outcome::NotNeeded | Outcome::Paused | Outcome::Cancelled) | None,
        ) => (found, advice),
        (Trigger::Log { .. }, _) => (format!("the latest log that it wanted: {found}"), advice),
        _ => (found, advice),
    }
}

fn found(upkeep: &UpkeepInfo) -> (String, Option<String>) {
    let id = B256::from(upkeep.id);
    let advice = |text: &str| Some(text.replace("ID", &id.to_string()));
    let Some(outcome) = upkeep.last_outcome.as_deref() else {
        return ("not looked at yet".into(), advice("wait for the next block"));
    };
    match outcome {
        Outcome::Performed { .. } => ("performed in the last block".into(), None),
        Outcome::PerformedReverted { reason, .. } => (
            format!("performed in the last block, but its target failed: {reason}"),
            advice(
                "a simulation had succeeded: look at what else ran in that block (debug_traceTransaction)",
            ),
        ),
        Outcome::NotNeeded => not_needed(upkeep),
        Outcome::CheckReverted { reason } => (
            format!("the check fails: {reason}"),
            advice("mend the contract, or its check data: setUpkeepCheckData(ID, …)"),
        ),
        Outcome::CheckOutOfGas => (
            "the check uses up its gas".into(),
            advice("make the check cheaper, or move work off it: it has 10,000,000 gas"),
        ),
        Outcome::SimulationReverted { reason } => (
            format!("due, but a perform would fail: {reason}"),
            advice(
                "nothing is sent and nothing charged while this lasts; it is tried again in each block, more seldom where that costs much",
            ),
        ),
        Outcome::Underfunded { by } => (
            format!("due, but {} ETH lack for a perform", format_ether(*by)),
            advice("plasma-node keeper fund ID AMOUNT"),
        ),
        Outcome::Dropped { reason: DropReason::TooOld } => (
            format!("given up after {LOG_PATIENCE_BLOCKS} blocks"),
            advice("keeper history ID tells what stood in the way while it waited"),
        ),
        Outcome::Dropped { reason: DropReason::TooMany } => (
            format!("given up, as {MAX_WAITING_LOGS} logs waited already"),
            advice("keeper history ID tells what the others wait for"),
        ),
        Outcome::Paused => ("paused by its admin".into(), advice("plasma-node keeper unpause ID")),
        Outcome::Cancelled => ("cancelled in the last block".into(), None),
        Outcome::Deferred { reason, since } => {
            let (why, what) = deferred(*reason);
            (format!("due since block {since}, but waiting: {why}"), advice(what))
        }
    }
}

fn not_needed(upkeep: &UpkeepInfo) -> (String, Option<String>) {
    let what = match &upkeep.trigger {
        Trigger::Conditional => "not needed: checkUpkeep answers false".into(),
        Trigger::Resolver { resolver, .. } => format!("not needed: {resolver} answers false"),
        Trigger::EveryBlocks { blocks } => {
            let last = upkeep.last_performed_block.max(upkeep.registered_block);
            format!("not needed: due again in block {}", last.saturating_add(*blocks))
        }
        Trigger::Cron { expression } => {
            let last = match upkeep.last_performed_timestamp {
                0 => upkeep.registered_timestamp,
                performed => performed,
            };
            match expression.next_after(last) {
                Some(second) => format!("not needed: due again at Unix time {second}"),
                None => "not needed: its calendar has come to its end".into(),
            }
        }
        Trigger::Log { .. } => "not needed: no log waits that it wants".into(),
        Trigger::EveryMilliseconds { .. } | Trigger::Unknown => {
            "not needed: its interval is not over".into()
        }
    };
    (what, None)
}

/// A sentence for each reason to wait, and what to do.
fn deferred(reason: DeferReason) -> (&'static str, &'static str) {
    match reason {
        DeferReason::GasShare => (
            "others used up the keeper's share of the block's gas",
            "it is first in line in the next block; the operator may raise keeperGasSharePercent",
        ),
        DeferReason::BlockGas => (
            "the block has too little gas left",
            "it is first in line in the next block; a larger block gas limit helps",
        ),
        DeferReason::TooLarge => (
            "its gas limit is more than a transaction, or the keeper's share of a block, may have",
            "lower it: setUpkeepGasLimit(ID, …)",
        ),
        DeferReason::NoActiveLane => (
            "no keeper account is authorised in the registry",
            "the registry's owner has to authorise one: setLane(ADDRESS, true); keeper_lanes names them",
        ),
        DeferReason::LaneFunds => (
            "no keeper account holds enough to pay for the gas up front",
            "the operator has to send native token to one; keeper_lanes names them",
        ),
        DeferReason::InvalidTransaction => (
            "the perform transaction was invalid",
            "it is planned anew in the next block; if this lasts, the node's log says more",
        ),
        DeferReason::TransactionReverted | DeferReason::Refused => (
            "the registry refused the perform without charging",
            "it is planned anew in the next block; if this lasts, the node's log says more",
        ),
        DeferReason::RegistryPaused => {
            ("the whole registry is paused", "its owner can end that: unpause()")
        }
        DeferReason::UnsupportedTrigger => (
            "this node does not serve its trigger, or cannot read its configuration",
            "correct it: setUpkeepTriggerConfig(ID, …); docs/keeper.md says how",
        ),
        DeferReason::RoundLimit => (
            "it became due in the last of the block's rounds of performs",
            "it is first in line at the next tick or block",
        ),
        DeferReason::PerformsBefore => (
            "performs for other logs come first, and its balance may not cover all of them together",
            "wait for the next block, or fund it: plasma-node keeper fund ID AMOUNT",
        ),
        DeferReason::CheckGas => (
            "the gas that checks may take in a block is used up",
            "it is checked in one of the next blocks; a check that uses 1,000,000 gas and fails comes last: mend or cancel it",
        ),
        DeferReason::NotCheckedYet => {
            ("it was registered or changed after the block's last look", "wait for the next block")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upkeep(outcome: Outcome) -> UpkeepInfo {
        let value = json!({
            "id": B256::with_last_byte(7), "target": Address::ZERO, "forwarder": Address::ZERO, "admin": Address::ZERO,
            "triggerType": 0, "trigger": "conditional", "triggerConfig": "0x", "checkData": "0x", "offchainConfig": "0x",
            "performGas": 1, "balance": "0x0", "amountSpent": "0x0", "paused": false, "active": true,
            "maxValidBlock": 4294967295u64, "lastPerformedBlock": 0, "lastPerformedTimestamp": 0,
            "registeredBlock": 1, "registeredTimestamp": 100,
        });
        let upkeep: UpkeepInfo = serde_json::from_value(value).unwrap();
        UpkeepInfo { last_outcome: Some(Box::new(outcome)), ..upkeep }
    }

    #[test]
    fn verdicts_say_what_to_do_with_the_id_in_it() {
        let (found, advice) =
            verdict(&upkeep(Outcome::Underfunded { by: U256::from(10).pow(U256::from(17)) }));
        assert_eq!(found, "due, but 0.100000000000000000 ETH lack for a perform");
        let id = B256::with_last_byte(7);
        assert_eq!(advice.unwrap(), format!("plasma-node keeper fund {id} AMOUNT"));
        let reason = DeferReason::UnsupportedTrigger;
        let (found, advice) = verdict(&upkeep(Outcome::Deferred { reason, since: 5 }));
        assert!(found.starts_with("due since block 5, but waiting: "), "{found}");
        assert!(advice.unwrap().contains(&format!("setUpkeepTriggerConfig({id}, …)")));
        assert_eq!(verdict(&upkeep(Outcome::NotNeeded)).0, "not needed: checkUpkeep answers false");
    }

    #[test]
    fn calendars_and_blocks_tell_when_they_are_due() {
        let trigger = Trigger::Cron { expression: "*/10 * * * * *".parse().unwrap() };
        let cron = UpkeepInfo { trigger, ..upkeep(Outcome::NotNeeded) };
        assert_eq!(verdict(&cron).0, "not needed: due again at Unix time 110");
        let trigger = Trigger::EveryBlocks { blocks: 5 };
        let blocks = UpkeepInfo { trigger, ..upkeep(Outcome::NotNeeded) };
        assert_eq!(verdict(&blocks).0, "not needed: due again in block 6");
    }
}
