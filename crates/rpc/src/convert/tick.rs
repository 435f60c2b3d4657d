//! Ticks.

use super::receipt::rpc_log;
use alloy_consensus::TxReceipt;
use alloy_primitives::B256;
use alloy_rpc_types_eth::Log;
use plasma_chain::{Tick, TickedBlock};
use serde::Serialize;

/// A tick as `plasma_subscribe("ticks")` reports it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcTick {
    /// Number of the block.
    #[serde(with = "alloy_serde::quantity")]
    pub block_number: u64,
    /// Number of the tick within the block, from 0.
    #[serde(with = "alloy_serde::quantity")]
    pub tick: u32,
    /// Hash of the block where it was sealed with this tick; `None` while it is open.
    pub block_hash: Option<B256>,
    /// What the tick added, in the order of the block.
    pub transactions: Vec<TickTransaction>,
}

/// A transaction and the essentials of its receipt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TickTransaction {
    /// Its hash.
    pub hash: B256,
    /// Its position in the block.
    #[serde(with = "alloy_serde::quantity")]
    pub transaction_index: u64,
    /// 1 where it succeeded, 0 where it was reverted.
    #[serde(with = "alloy_serde::quantity")]
    pub status: u64,
    /// Gas that it used alone.
    #[serde(with = "alloy_serde::quantity")]
    pub gas_used: u64,
    /// Its logs.
    pub logs: Vec<Log>,
}

impl From<&Tick> for RpcTick {
    fn from(tick: &Tick) -> Self {
        let block = tick.block();
        let mut log_index = block.first_log_index(tick.first);
        let mut transactions = Vec::with_capacity(tick.positions().len());
        for index in tick.positions() {
            let (Some(transaction), Some(receipt)) =
                (block.transactions.get(index), block.receipts.get(index))
            else {
                break;
            };
            let log = |(log, log_index)| rpc_log(block, index, log, log_index, false);
            let logs: Vec<_> = receipt.logs().iter().zip(log_index..).map(log).collect();
            log_index += logs.len() as u64;
            transactions.push(TickTransaction {
                hash: *transaction.tx_hash(),
                transaction_index: index as u64,
                status: receipt.success.into(),
                gas_used: block.gas_used(index).unwrap_or_default(),
                logs,
            });
        }
        Self {
            block_number: block.number(),
            tick: tick.number,
            block_hash: match &tick.block {
                TickedBlock::Open(_) => None,
                TickedBlock::Sealed(block) => Some(block.hash),
            },
            transactions,
        }
    }
}
