//! Upkeeps that wait for logs: every log that the chain has for them must be told of, or not be wanted.
//!
//! The keeper asks the target at some point between the end of the block before and the end of the block; what the record
//! does not tell of is taken for missed where the target wants it at both.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes, Log, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use eyre::{Result, eyre};
use plasma_keeper::{
    Decision, LogFilter, LogPosition, Outcome, Trigger, UpkeepInfo,
    abi::{
        Automation,
        Registry::{UpkeepRegistered, getUpkeepStatusCall},
        RegistryLogs,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Findings, NONE, Past};

/// A log as JSON-RPC tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundLog {
    #[serde(flatten)]
    log: Log,
    block_hash: B256,
    transaction_hash: B256,
    log_index: U256,
}

impl FoundLog {
    fn position(&self, block_number: u64) -> LogPosition {
        LogPosition { block_number, log_index: self.log_index.to() }
    }
}

impl Past<'_> {
    /// The registry at the end of another block.
    fn at(&self, number: u64) -> Result<Past<'_>> {
        let block: Value =
            self.rpc.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false]))?;
        let timestamp: U256 = serde_json::from_value(block["timestamp"].clone())
            .map_err(|_| eyre!("block {number} is not known any more"))?;
        Ok(Past { rpc: self.rpc, registry: self.registry, number, timestamp: timestamp.to() })
    }

    fn logs(&self, filter: &LogFilter) -> Result<Vec<FoundLog>> {
        let block = format!("{:#x}", self.number);
        let filter = json!({
            "address": filter.address, "topics": filter.topics, "fromBlock": block, "toBlock": block,
        });
        self.rpc.call("eth_getLogs", json!([filter]))
    }

    /// The filter of an upkeep that listens at the end of this block, and the place of its registration in the block.
    fn listens_for(&self, id: U256) -> Result<Option<(LogFilter, u64)>> {
        if self.number == 0 || !self.active()?.contains(&id) {
            return Ok(None);
        }
        let upkeep = UpkeepInfo::from_status(id, &self.call(&getUpkeepStatusCall { id })?)?;
        let Trigger::Log { filter, .. } = upkeep.trigger else { return Ok(None) };
        if upkeep.paused {
            return Ok(None);
        }
        if upkeep.registered_block < self.number {
            return Ok(Some((*filter, 0)));
        }
        let topics = [Some(UpkeepRegistered::SIGNATURE_HASH), Some(id.into()), None, None];
        let registration = self.logs(&LogFilter { address: self.registry, topics })?;
        let place = registration.first().map_or(0, |log| log.log_index.to());
        Ok(Some((*filter, place)))
    }

    /// Holds what is told of the logs of an upkeep against those that the chain has.
    pub(super) fn audit_logs(
        &self,
        id: U256,
        told: &[Decision],
        waited: BTreeSet<LogPosition>,
        findings: &mut Findings,
    ) -> Result<()> {
        let same_block = Trigger::type_of_id(id) == super::SAME_BLOCK_LOG;
        let before = self.at(self.number - 1)?;
        let source = if same_block { self } else { &before };
        let mut due = waited;
        if let Some((filter, place)) = source.listens_for(id)? {
            let logs = source.logs(&filter)?;
            let since = logs.iter().filter(|log| log.log_index >= U256::from(place));
            due.extend(since.map(|log| log.position(source.number)));
        }
        let told_of: BTreeSet<_> = told.iter().filter_map(|decision| decision.log).collect();
        for position in due.difference(&told_of) {
            let wanted = |past: &Past<'_>| past.wants(id, same_block, *position);
            if wanted(self)? && wanted(&before)? {
                let what = format!("wants log {position:?}, of which the record does not tell");
                findings.missed(self.number, id, &what);
            }
        }
        for decision in told {
            if let (Some(position), true) = (decision.log, waits(&decision.outcome)) {
                findings.waiting.entry(id).or_default().insert(position);
            }
        }
        Ok(())
    }

    /// Whether the target wants a log, asked at the end of this block.
    fn wants(&self, id: U256, same_block: bool, position: LogPosition) -> Result<bool> {
        let at = self.at(position.block_number)?;
        let found = at.log_at(position.log_index)?;
        let found =
            found.ok_or_else(|| eyre!("block {} has no log {}", at.number, position.log_index))?;
        let log = Automation::Log {
            index: found.log_index,
            timestamp: U256::from(at.timestamp),
            txHash: found.transaction_hash,
            blockNumber: U256::from(at.number),
            blockHash: if same_block { B256::ZERO } else { found.block_hash },
            source: found.log.address,
            topics: found.log.topics().to_vec(),
            data: found.log.data.data.clone(),
        };
        let call = RegistryLogs::checkUpkeepCall { id, triggerData: log.abi_encode().into() };
        let answer: Bytes = self.call(&call)?;
        let reason = RegistryLogs::checkUpkeepCall::abi_decode_returns(&answer)?.reason;
        // Where money lacks, or all is paused, the registry does not ask the target.
        Ok(reason == NONE)
    }

    fn log_at(&self, index: u64) -> Result<Option<FoundLog>> {
        let block = format!("{:#x}", self.number);
        let logs: Vec<FoundLog> =
            self.rpc.call("eth_getLogs", json!([{ "fromBlock": block, "toBlock": block }]))?;
        Ok(logs.into_iter().find(|log| log.log_index == U256::from(index)))
    }
}

fn waits(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::SimulationReverted { .. }
            | Outcome::Underfunded { .. }
            | Outcome::Paused
            | Outcome::Deferred { .. }
    )
}
