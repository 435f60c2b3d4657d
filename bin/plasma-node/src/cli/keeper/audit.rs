//! `plasma-node keeper audit`: whether the keeper's record is true, as told by the chain's state and receipts.
//!
//! Invariant: nothing is taken from the keeper but its claims. That an upkeep was not needed is held against the registry's
//! own check, or the arithmetic of its interval or calendar, on the state at the end of the block: the keeper's last look
//! at a block comes after its last transaction. That one was performed is held against the registry's events, and what
//! became of the logs that an upkeep waits for is held against the logs of the chain: see [`logs`].

mod logs;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent};
use clap::Args;
use eyre::{Context as _, Result, bail, ensure, eyre};
use plasma_keeper::{
    Decision, LogPosition, Outcome, Trigger, UpkeepInfo,
    abi::{
        Automation::{self, StreamsLookup},
        Registry::{
            UpkeepPerformed, checkUpkeepCall, executeCallbackCall, getActiveUpkeepIDsCall,
            getUpkeepStatusCall,
        },
    },
};
use serde_json::{Value, json};

use crate::cli::rpc_client::RpcClient;

/// Ids asked for at once.
const PAGE: u64 = 1_000;
/// Problems that are printed; all are counted.
const MOST_PRINTED: usize = 100;

/// Trigger types whose condition is a contract's.
const CONDITION: u8 = 0;
const RESOLVER: u8 = 4;
/// Those with logs as triggers.
const LOG: u8 = 1;
const SAME_BLOCK_LOG: u8 = 5;

/// `checkUpkeep`'s reasons, see the registry.
const NONE: u8 = 0;
const CHECK_REVERTED: u8 = 3;
const NOT_NEEDED: u8 = 4;
const INSUFFICIENT_BALANCE: u8 = 6;
const REGISTRY_PAUSED: u8 = 9;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// First block.
    #[arg(long)]
    from: u64,
    /// Last block [default: the head].
    #[arg(long)]
    to: Option<u64>,
}

/// What an audit has come to.
#[derive(Debug, Default)]
struct Findings {
    blocks: u64,
    /// Upkeeps, each counted once for each block in which it is active.
    upkeeps: u64,
    performed: u64,
    /// Outcomes other than performed and not needed.
    explained: u64,
    not_needed: u64,
    /// Of those, the ones of which the registry only says that they lack money, or that all of it is paused.
    undecided: u64,
    missed: u64,
    contradicted: u64,
    printed: usize,
    /// Logs that waited at the end of the block before, by upkeep.
    waiting: BTreeMap<U256, BTreeSet<LogPosition>>,
    /// Logs that were performed in the blocks so far.
    performed_logs: BTreeSet<(U256, LogPosition)>,
}

impl Findings {
    fn missed(&mut self, block: u64, id: U256, what: &str) {
        self.missed += 1;
        self.print(block, id, what);
    }

    fn contradicted(&mut self, block: u64, id: U256, what: &str) {
        self.contradicted += 1;
        self.print(block, id, what);
    }

    fn print(&mut self, block: u64, id: U256, what: &str) {
        if self.printed < MOST_PRINTED {
            println!("block {block} upkeep {} {what}", B256::from(id));
        } else if self.printed == MOST_PRINTED {
            println!("… and more, which are only counted");
        }
        self.printed += 1;
    }
}

/// What the end of a check on the state says.
enum Verdict {
    NotNeeded,
    Needed,
    Undecided,
    Other(String),
}

/// A registry at the end of one block, over JSON-RPC.
struct Past<'a> {
    rpc: &'a RpcClient,
    registry: Address,
    number: u64,
    timestamp: u64,
}

impl Past<'_> {
    fn call<C: SolCall>(&self, call: &C) -> Result<Bytes> {
        let call = json!({ "to": self.registry, "data": Bytes::from(call.abi_encode()) });
        self.rpc
            .call("eth_call", json!([call, format!("{:#x}", self.number)]))
            .wrap_err_with(|| format!("block {}", self.number))
    }

    fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return> {
        Ok(C::abi_decode_returns(&self.call(call)?)?)
    }

    /// All active upkeeps.
    fn active(&self) -> Result<BTreeSet<U256>> {
        let mut ids = BTreeSet::new();
        for page in 0.. {
            let start = page * PAGE;
            let call = getActiveUpkeepIDsCall {
                startIndex: U256::from(start),
                maxCount: U256::from(PAGE),
            };
            let some = self.ask(&call)?;
            let last = (some.len() as u64) < PAGE;
            ids.extend(some);
            if last {
                break;
            }
        }
        Ok(ids)
    }

    /// Performs by the registry's events: success, in the order of the block, by upkeep.
    fn performs(&self) -> Result<BTreeMap<U256, Vec<(B256, bool)>>> {
        let block = format!("{:#x}", self.number);
        let filter = json!({
            "address": self.registry, "fromBlock": block, "toBlock": block,
            "topics": [UpkeepPerformed::SIGNATURE_HASH],
        });
        let logs: Vec<Value> = self.rpc.call("eth_getLogs", json!([filter]))?;
        let mut performs = BTreeMap::<_, Vec<_>>::new();
        for log in logs {
            let transaction = serde_json::from_value(log["transactionHash"].clone())?;
            let log: Log = serde_json::from_value(log)?;
            let event = UpkeepPerformed::decode_log(&log)?;
            performs.entry(event.id).or_default().push((transaction, event.success));
        }
        Ok(performs)
    }

    /// Whether an upkeep that was not performed in this block is due at its end.
    fn check(&self, id: U256) -> Result<Verdict> {
        match Trigger::type_of_id(id) {
            CONDITION | RESOLVER => self.check_condition(id),
            _ => {
                let status = self.call(&getUpkeepStatusCall { id })?;
                let upkeep = UpkeepInfo::from_status(id, &status)?;
                Ok(if !upkeep.trigger.is_served() {
                    Verdict::Other("has a trigger that is not served, and no outcome".into())
                } else if upkeep.time_has_come(self.number, self.timestamp * 1_000) {
                    // The keeper looked at the beginning of the block's second or later.
                    Verdict::Needed
                } else {
                    Verdict::NotNeeded
                })
            }
        }
    }

    fn check_condition(&self, id: U256) -> Result<Verdict> {
        let found = self.ask(&checkUpkeepCall { id })?;
        let mut reason = found.reason;
        if let (CHECK_REVERTED, CONDITION, Ok(lookup)) =
            (reason, Trigger::type_of_id(id), StreamsLookup::abi_decode(&found.performData))
        {
            let call = Automation::checkErrorHandlerCall {
                errCode: U256::from(plasma_keeper::streams_error(&lookup)),
                extraData: lookup.extraData,
            };
            let payload = call.abi_encode().into();
            reason = self.ask(&executeCallbackCall { id, payload })?.reason;
        }
        Ok(match reason {
            NONE => Verdict::Needed,
            NOT_NEEDED => Verdict::NotNeeded,
            // The registry looks at these first, the keeper at the condition.
            INSUFFICIENT_BALANCE | REGISTRY_PAUSED => Verdict::Undecided,
            other => Verdict::Other(format!(
                "has no outcome, and checkUpkeep answers the reason {other}"
            )),
        })
    }
}

/// Audits a range of blocks; fails where the record is not true.
pub(super) fn run(rpc: &RpcClient, registry: Address, args: &AuditArgs) -> Result<()> {
    let head: U256 = rpc.call("eth_blockNumber", json!([]))?;
    let head = head.to::<u64>();
    let to = args.to.unwrap_or(head);
    ensure!(args.from > 0, "block 0 has no keeper's record: begin with --from 1");
    ensure!(to <= head, "block {to} does not exist yet: the head is block {head}");
    if args.from > to {
        bail!("the range begins with block {} and ends with block {to}", args.from);
    }
    let mut findings = Findings::default();
    for number in args.from..=to {
        audit_block(rpc, registry, number, &mut findings)?;
    }
    let Findings { blocks, upkeeps, performed, explained, not_needed, undecided, .. } = findings;
    println!(
        "{blocks} blocks, {upkeeps} upkeeps in them: {performed} performed, {explained} explained, {not_needed} not needed \
         ({} confirmed, {undecided} not decidable); {} missed, {} contradicted",
        not_needed - undecided.min(not_needed),
        findings.missed,
        findings.contradicted
    );
    match findings.missed + findings.contradicted {
        0 => Ok(()),
        wrong => bail!("the keeper's record is wrong in {wrong} places"),
    }
}

fn audit_block(
    rpc: &RpcClient,
    registry: Address,
    number: u64,
    findings: &mut Findings,
) -> Result<()> {
    let quantity = format!("{number:#x}");
    let block: Value = rpc.call("eth_getBlockByNumber", json!([quantity, false]))?;
    let timestamp: U256 = serde_json::from_value(block["timestamp"].clone())
        .map_err(|_| eyre!("block {number} is not known any more"))?;
    let past = Past { rpc, registry, number, timestamp: timestamp.to() };
    let decisions: Vec<Decision> = rpc.call("keeper_history", json!([null, quantity, quantity]))?;
    let mut performs = past.performs()?;
    let mut active = past.active()?;
    findings.blocks += 1;
    let mut waiting = std::mem::take(&mut findings.waiting);
    for told in decisions.chunk_by(|one, next| one.upkeep == next.upkeep) {
        let upkeep = told[0].upkeep;
        findings.upkeeps += 1;
        let was_active = active.remove(&upkeep);
        let happened = performs.remove(&upkeep).unwrap_or_default();
        audit_upkeep(number, told, was_active, happened, findings);
        if matches!(Trigger::type_of_id(upkeep), LOG | SAME_BLOCK_LOG) {
            let before = waiting.remove(&upkeep).unwrap_or_default();
            past.audit_logs(upkeep, told, before, findings)?;
        }
    }
    for (upkeep, happened) in performs {
        let what = format!("was performed {happened:?}, of which the record does not tell");
        findings.contradicted(number, upkeep, &what);
        active.remove(&upkeep);
    }
    // Whoever has no outcome in the record was not needed by it.
    for upkeep in active {
        findings.upkeeps += 1;
        findings.not_needed += 1;
        if matches!(Trigger::type_of_id(upkeep), LOG | SAME_BLOCK_LOG) {
            let before = waiting.remove(&upkeep).unwrap_or_default();
            past.audit_logs(upkeep, &[], before, findings)?;
            continue;
        }
        match past.check(upkeep)? {
            Verdict::NotNeeded => {}
            Verdict::Undecided => findings.undecided += 1,
            Verdict::Needed => {
                findings.missed(number, upkeep, "was due, and the record says that it was not");
            }
            Verdict::Other(what) => findings.contradicted(number, upkeep, &what),
        }
    }
    Ok(())
}

/// Holds what the record tells of one upkeep in one block against events and status.
fn audit_upkeep(
    number: u64,
    told: &[Decision],
    was_active: bool,
    mut happened: Vec<(B256, bool)>,
    findings: &mut Findings,
) {
    let upkeep = told[0].upkeep;
    let distinct: BTreeSet<_> = told.iter().map(|decision| decision.log).collect();
    if distinct.len() < told.len() {
        findings.contradicted(number, upkeep, "has two outcomes");
    }
    let claimed = |decision: &Decision| match &decision.outcome {
        Outcome::Performed { tx, .. } => Some((*tx, true)),
        Outcome::PerformedReverted { tx, .. } => Some((*tx, false)),
        _ => None,
    };
    let mut claims: Vec<(B256, bool)> = told.iter().filter_map(claimed).collect();
    let names: BTreeSet<_> = told.iter().map(|decision| decision.outcome.name()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    // Of several logs, the order in the record is theirs, that of the events the block's.
    claims.sort_unstable();
    happened.sort_unstable();
    if claims != happened {
        let what = format!("is {names} by the record, with {happened:?} by events");
        findings.contradicted(number, upkeep, &what);
    }
    // What was performed may have been cancelled as well.
    let is_cancelled = told.iter().any(|decision| decision.outcome == Outcome::Cancelled);
    if claims.is_empty() && was_active == is_cancelled {
        let state = if was_active { "active" } else { "not active" };
        let what = format!("is {names} by the record, but {state}");
        findings.contradicted(number, upkeep, &what);
    }
    if claims.is_empty() {
        findings.explained += 1;
    } else {
        findings.performed += 1;
    }
    for decision in told.iter().filter(|decision| decision.outcome.is_performed()) {
        if let Some(log) = decision.log
            && !findings.performed_logs.insert((upkeep, log))
        {
            let what = format!("was performed a second time for log {log:?}");
            findings.contradicted(number, upkeep, &what);
        }
    }
}
