//! The keeper's limits and choices.

use crate::LaneKeys;
use alloy_primitives::{Address, U256};

/// Gas of every check call, exactly.
pub const CHECK_GAS: u64 = 10_000_000;
/// Longest perform data that a check may return, in bytes.
pub const MAX_PERFORM_DATA_BYTES: usize = 5_000;
/// Longest revert data that is looked at, in bytes; the rest is cut off.
pub const MAX_REVERT_DATA_BYTES: usize = 5_000;
/// Most gas that one transaction may have (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 16_777_216;
/// Gas that a perform's limit leaves beside calldata and the target's own gas: what the registry
/// demands when its function starts (50,000), and room to get there.
pub const PERFORM_OVERHEAD_GAS: u64 = 60_000;

/// What a perform for a log takes beside that: the registry keeps a key for it.
pub const LOG_PERFORM_GAS: u64 = 26_000;
/// Most logs that wait for one upkeep; further ones are dropped, and the record says so.
pub const MAX_WAITING_LOGS: usize = 1_000;
/// Blocks for which a log waits for an upkeep that is paused, cannot pay, or would fail.
pub const LOG_PATIENCE_BLOCKS: u64 = 256;

/// Gas from which on an evaluation that finds nothing to perform counts as wasteful.
pub const WASTEFUL_CHECK_GAS: u64 = 1_000_000;
/// Most blocks for which an upkeep is left alone whose evaluation is wasteful and fails again and again, while nothing that it read
/// changes.
pub(crate) const MOST_BACK_OFF_BLOCKS: u64 = 64;

/// How a keeper works.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// Address of the registry contract.
    pub registry: Address,
    /// The accounts that send perform transactions.
    pub lanes: LaneKeys,
    /// Part of the block gas limit that performs may reserve, in percent.
    pub gas_share_percent: u64,
    /// Most keeper rounds after one batch (cascades); the chain stops calling after so many.
    pub max_rounds: u32,
    /// Gas of every check call.
    pub check_gas: u64,
    /// Gas that a block's evaluations (checks and simulations of performs) may take, all together; those that are left
    /// over come first in the next block. Upkeeps whose last evaluation was wasteful share a tenth of it beside it.
    pub check_gas_per_block: u64,
    /// Priority fee of perform transactions, in wei per gas.
    pub tip: u128,
    /// Gas limit of a perform beside calldata and the target's gas.
    pub perform_overhead_gas: u64,
    /// Longest perform data, in bytes.
    pub max_perform_data_bytes: usize,
    /// A lane that holds less than this (wei) is reported as low.
    pub low_lane_balance: U256,
    /// Check every upkeep in every round instead of those whose reads changed. Slow; decisions
    /// are the same, which is what it serves to show.
    pub check_everything: bool,
}

impl KeeperConfig {
    /// The usual limits for `registry` and `lanes`.
    pub fn new(registry: Address, lanes: LaneKeys) -> Self {
        Self {
            registry,
            lanes,
            gas_share_percent: plasma_chainspec::DEFAULT_KEEPER_GAS_SHARE_PERCENT,
            max_rounds: 4,
            check_gas: CHECK_GAS,
            check_gas_per_block: 500_000_000,
            tip: 0,
            perform_overhead_gas: PERFORM_OVERHEAD_GAS,
            max_perform_data_bytes: MAX_PERFORM_DATA_BYTES,
            low_lane_balance: U256::from(1_000_000_000_000_000_000u128), // 1 ether
            check_everything: false,
        }
    }
}
