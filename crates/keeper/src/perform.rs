//! Perform transactions: their calldata, gas limit, lane and signature.

use crate::{
    KeeperConfig, KeeperError,
    abi::{LogTrigger, Registry},
    config::{LOG_PERFORM_GAS, MAX_TRANSACTION_GAS},
    decision::DeferReason,
    logs::{EmittedLog, TriggerLog, dedup_key},
};
use alloy_consensus::{Transaction as _, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use alloy_sol_types::{SolCall, SolValue};
use plasma_storage::{StateReader, Transaction};

/// A perform that is to be executed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPerform {
    /// The upkeep's id.
    pub upkeep: U256,
    /// The block for which it is planned.
    pub block: u64,
    /// The lane that sends it.
    pub lane: Address,
    /// The signed transaction, which other performs may share.
    pub transaction: Recovered<Transaction>,
    /// Its part of the transaction's gas limit.
    pub gas: u64,
    /// What made it due, where that is a log: `abi.encode(bytes32 logBlockHash, bytes32 txHash, uint32 logIndex,
    /// uint32 blockNum, bytes32 blockHash)`, the last two of the check block. Empty for all others: the registry
    /// tells the parent block itself.
    pub trigger: Bytes,
    /// The block since which the upkeep is due.
    pub due_since_block: u64,
}

impl PlannedPerform {
    /// Reads performs back from their transaction in block number `block`, when journaled ticks are executed again. None
    /// where the transaction performs nothing on `registry`. Since when the upkeeps were due is not in the
    /// transaction: the performs' own block is assumed.
    pub fn from_transaction(
        transaction: &Recovered<Transaction>,
        registry: Address,
        block: u64,
    ) -> Vec<Self> {
        if transaction.to() != Some(registry) {
            return Vec::new();
        }
        let input = transaction.input();
        let called: Vec<(U256, Bytes)> =
            if let Ok(call) = Registry::performDueCall::abi_decode(input) {
                vec![(call.id, Bytes::new())]
            } else if let Ok(call) = Registry::performManyCall::abi_decode(input) {
                call.ids.into_iter().map(|id| (id, Bytes::new())).collect()
            } else if let Ok(call) = Registry::performCall::abi_decode(input) {
                vec![(call.id, call.trigger)]
            } else {
                return Vec::new();
            };
        let count = called.len() as u64;
        let limit = transaction.gas_limit();
        let parts = called.into_iter().enumerate().map(|(place, (upkeep, trigger))| Self {
            upkeep,
            block,
            lane: transaction.signer(),
            transaction: transaction.clone(),
            gas: limit / count + if place == 0 { limit % count } else { 0 },
            trigger,
            due_since_block: block,
        });
        parts.collect()
    }
}

impl PlannedPerform {
    /// What the registry notes this perform under; `None` where it is not for a log.
    pub(crate) fn log_key(&self) -> Option<B256> {
        let trigger = log_trigger(&self.trigger)?;
        Some(dedup_key(self.upkeep, trigger.logBlockHash, trigger.txHash, trigger.logIndex))
    }

    /// Holds the place of the log of this perform's own block that it is for: for performs that are read back from the journal
    /// before the log is.
    pub(crate) fn place_of_log(&self) -> Option<TriggerLog> {
        let trigger =
            log_trigger(&self.trigger).filter(|trigger| trigger.logBlockHash.is_zero())?;
        Some(TriggerLog {
            emitted: EmittedLog {
                log: Log::default(),
                tx_hash: trigger.txHash,
                index: trigger.logIndex,
            },
            block: self.block,
            block_hash: B256::ZERO,
            timestamp: 0,
        })
    }
}

fn log_trigger(trigger: &[u8]) -> Option<LogTrigger> {
    // Both kinds are words alone, so that the length tells them apart.
    (trigger.len() == 5 * 32).then(|| LogTrigger::abi_decode(trigger).ok()).flatten()
}

/// Calldata of a perform that is alone in its transaction; `trigger` is empty but for logs.
pub(crate) fn encode_perform(id: U256, trigger: &Bytes, data: &Bytes) -> Bytes {
    if trigger.is_empty() {
        return Registry::performDueCall { id, performData: data.clone() }.abi_encode().into();
    }
    Registry::performCall { id, trigger: trigger.clone(), performData: data.clone() }
        .abi_encode()
        .into()
}

/// Calldata of several performs.
pub(crate) fn encode_bundle<'a>(performs: impl Iterator<Item = (U256, &'a Bytes)>) -> Bytes {
    let (ids, datas) = performs.map(|(id, data)| (id, data.clone())).unzip();
    Registry::performManyCall { ids, performDatas: datas }.abi_encode().into()
}

/// The check block of performs in block `number`, which is its parent: number and hash.
pub(crate) fn check_block(
    state: &dyn StateReader,
    number: u64,
) -> Result<(u32, B256), KeeperError> {
    let parent = number.saturating_sub(1);
    // The interface's width; it wraps after 2^32 blocks.
    Ok((parent as u32, state.block_hash(parent)?.unwrap_or_default()))
}

/// Gas limit of a perform: intrinsic gas with its calldata (EIP-2028, and the floor of EIP-7623), and what it needs itself.
/// `None` where that exceeds a transaction's cap (EIP-7825).
pub(crate) fn perform_gas_limit(
    config: &KeeperConfig,
    perform_gas: u32,
    for_log: bool,
    input: &[u8],
) -> Option<u64> {
    let log = if for_log { LOG_PERFORM_GAS } else { 0 };
    let own = own_gas(config, perform_gas, input) + log;
    Some(transaction_gas_limit(own, input)).filter(|gas| *gas <= MAX_TRANSACTION_GAS)
}

/// What one perform needs beside intrinsic gas: the registry's own work and copying of the data, and the target's gas enlarged by
/// 1/30 because each of two calls passes on at most 63/64 of what is left (EIP-150).
pub(crate) fn own_gas(config: &KeeperConfig, perform_gas: u32, data: &[u8]) -> u64 {
    let target = u64::from(perform_gas) + u64::from(perform_gas) / 30;
    config.perform_overhead_gas + 2 * data.len() as u64 + target
}

/// Gas limit of a transaction with calldata `input` whose performs need `own`.
pub(crate) fn transaction_gas_limit(own: u64, input: &[u8]) -> u64 {
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + 4 * (input.len() as u64 - zeros);
    (21_000 + 4 * tokens + own).max(21_000 + 10 * tokens)
}

/// What one lane can still do in this round.
#[derive(Clone, Debug)]
struct LaneState {
    number: usize,
    next_nonce: u64,
    /// Wei not yet promised to a planned transaction.
    free: U256,
    queued: usize,
}

/// Gives performs to lanes.
#[derive(Debug)]
pub(crate) struct LaneAllocator<'a> {
    config: &'a KeeperConfig,
    lanes: Vec<LaneState>,
    chain_id: u64,
    max_fee: u128,
}

/// A transaction with its lane, not signed yet.
#[derive(Clone, Debug)]
pub(crate) struct Unsigned {
    pub(crate) lane: usize,
    pub(crate) transaction: TxEip1559,
}

impl<'a> LaneAllocator<'a> {
    /// Reads nonces and balances of the lanes that are `active` in the registry.
    pub(crate) fn new(
        config: &'a KeeperConfig,
        active: &[bool],
        state: &dyn StateReader,
        chain_id: u64,
        max_fee: u128,
    ) -> Result<Self, KeeperError> {
        let mut lanes = Vec::new();
        for (number, address) in config.lanes.lanes().iter().enumerate() {
            if active.get(number) == Some(&true) {
                let account = state.account(*address)?.unwrap_or_default();
                lanes.push(LaneState {
                    number,
                    next_nonce: account.nonce,
                    free: account.balance,
                    queued: 0,
                });
            }
        }
        Ok(Self { config, lanes, chain_id, max_fee })
    }

    /// Prepares a transaction on the lane with the fewest queued that can pay for it.
    pub(crate) fn allocate(
        &mut self,
        input: Bytes,
        gas_limit: u64,
    ) -> Result<Unsigned, DeferReason> {
        if self.lanes.is_empty() {
            return Err(DeferReason::NoActiveLane);
        }
        let cost = U256::from(gas_limit) * U256::from(self.max_fee);
        let lane = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.free >= cost)
            .min_by_key(|lane| (lane.queued, lane.number))
            .ok_or(DeferReason::LaneFunds)?;
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: lane.next_nonce,
            gas_limit,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.config.tip,
            to: TxKind::Call(self.config.registry),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        lane.next_nonce += 1;
        lane.free -= cost;
        lane.queued += 1;
        Ok(Unsigned { lane: lane.number, transaction })
    }

    /// How many lanes are authorised.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Fee cap of what is allocated, in wei per gas.
    pub(crate) fn max_fee(&self) -> u128 {
        self.max_fee
    }

    /// Lanes whose balance is below the configured mark, with what they hold.
    pub(crate) fn low(&self) -> Vec<(Address, U256)> {
        self.lanes
            .iter()
            .filter(|lane| lane.free < self.config.low_lane_balance)
            .map(|lane| (self.config.lanes.lanes()[lane.number], lane.free))
            .collect()
    }
}
