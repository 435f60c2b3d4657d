//! Ticks.

use super::receipt::rpc_log;
use alloy_consensus::TxReceipt;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U64, U256};
use alloy_rpc_types_eth::Log;
use plasma_chain::{Tick, TickedBlock};
use plasma_storage::{AccountChange, StateChanges};
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// What the tick changed, by address; `None` where that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_changes: Option<Vec<TickChange>>,
}

/// An account after a tick that changed it. Balance, nonce and code hash are `None` where it is there no more.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TickChange {
    /// The account.
    pub address: Address,
    /// Its balance in wei.
    pub balance: Option<U256>,
    /// Its nonce.
    pub nonce: Option<U64>,
    /// The Keccak-256 hash of its code.
    pub code_hash: Option<B256>,
    /// All storage from before is gone; what stands in `storage` was written afterwards.
    pub storage_cleared: bool,
    /// Slots that were written, with their values now.
    pub storage: BTreeMap<B256, B256>,
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

impl RpcTick {
    /// `tick` with what it changed.
    pub fn with_changes(tick: &Tick) -> Self {
        let mut all = StateChanges::default();
        for changes in &tick.changes {
            all.merge(StateChanges::clone(changes));
        }
        let changed: BTreeMap<Address, AccountChange> = all.accounts.into_iter().collect();
        let change = |(address, change): (Address, AccountChange)| TickChange {
            address,
            balance: change.account.map(|account| account.balance),
            nonce: change.account.map(|account| U64::from(account.nonce)),
            code_hash: change
                .account
                .map(|account| account.bytecode_hash.unwrap_or(KECCAK256_EMPTY)),
            storage_cleared: change.storage_wiped,
            storage: change
                .storage
                .iter()
                .map(|(slot, value)| ((*slot).into(), (*value).into()))
                .collect(),
        };
        Self { state_changes: Some(changed.into_iter().map(change).collect()), ..Self::new(tick) }
    }

    /// `tick` without what it changed.
    pub fn new(tick: &Tick) -> Self {
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
            state_changes: None,
        }
    }
}
