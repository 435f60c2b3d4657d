//! Perform transactions: their calldata, gas limit, lane and signature.

use crate::{
    KeeperConfig, KeeperError,
    abi::{ConditionalTrigger, LogTrigger, Registry},
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
    /// The signed transaction.
    pub transaction: Recovered<Transaction>,
    /// The trigger as the registry gets it: `abi.encode(uint32 blockNum, bytes32 blockHash)` of the
    /// check block; for a log, before these, `bytes32 logBlockHash, bytes32 txHash, uint32 logIndex`.
    pub trigger: Bytes,
    /// The block since which the upkeep is due.
    pub due_since_block: u64,
}

impl PlannedPerform {
    /// Reads a perform back from its transaction, when journaled ticks are executed again. `None`
    /// where the transaction is no perform of a single upkeep on `registry`. Since when the upkeep
    /// was due is not in the transaction: the perform's own block is assumed.
    pub fn from_transaction(
        transaction: &Recovered<Transaction>,
        registry: Address,
    ) -> Option<Self> {
        if transaction.to() != Some(registry) {
            return None;
        }
        let call = Registry::performCall::abi_decode(transaction.input()).ok()?;
        let check_block = match log_trigger(&call.trigger) {
            Some(trigger) => trigger.blockNum,
            None => ConditionalTrigger::abi_decode(&call.trigger).ok()?.blockNum,
        };
        let block = u64::from(check_block) + 1;
        Some(Self {
            upkeep: call.id,
            block,
            lane: transaction.signer(),
            transaction: transaction.clone(),
            trigger: call.trigger,
            due_since_block: block,
        })
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

/// Calldata of `perform`.
pub(crate) fn encode_perform(id: U256, trigger: &Bytes, data: &Bytes) -> Bytes {
    Registry::performCall { id, trigger: trigger.clone(), performData: data.clone() }
        .abi_encode()
        .into()
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

/// The trigger of a perform, for a log or for none.
pub(crate) fn trigger_data(check_block: (u32, B256), log: Option<&TriggerLog>) -> Bytes {
    match log {
        Some(log) => log.trigger(check_block),
        None => {
            let (number, hash) = check_block;
            ConditionalTrigger { blockNum: number, blockHash: hash }.abi_encode().into()
        }
    }
}

/// Gas limit of a perform: intrinsic gas with its calldata (EIP-2028, and the floor of EIP-7623),
/// the registry's own work and copying of the data, and the target's gas enlarged by 1/30 because
/// each of two calls passes on at most 63/64 of what is left (EIP-150). `None` where that exceeds
/// a transaction's cap (EIP-7825).
pub(crate) fn perform_gas_limit(
    config: &KeeperConfig,
    perform_gas: u32,
    for_log: bool,
    input: &[u8],
) -> Option<u64> {
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + 4 * (input.len() as u64 - zeros);
    let target = u64::from(perform_gas) + u64::from(perform_gas) / 30;
    let copying = 2 * input.len() as u64;
    let log = if for_log { LOG_PERFORM_GAS } else { 0 };
    let wanted = 21_000 + 4 * tokens + config.perform_overhead_gas + log + copying + target;
    let floor = 21_000 + 10 * tokens;
    Some(wanted.max(floor)).filter(|gas| *gas <= MAX_TRANSACTION_GAS)
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
