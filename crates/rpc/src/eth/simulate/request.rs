//! What `eth_simulateV1` is asked for, and the row of blocks that follows from it.

use crate::error::{RpcResult, invalid_params, simulation};
use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::U256;
use alloy_rpc_types_eth::{
    BlockOverrides, TransactionRequest, simulate::MAX_SIMULATE_BLOCKS, state::StateOverride,
};
use serde::Deserialize;

/// Seconds from one block to the next where the request names no time, as in geth.
const BLOCK_TIME: u64 = 12;

/// The first parameter of `eth_simulateV1`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Simulation {
    #[serde(default)]
    block_state_calls: Vec<BlockStateCalls>,
    /// Whether transfers of ether are told as logs of an ERC-20 token.
    #[serde(default)]
    pub(super) trace_transfers: bool,
    /// Whether calls must be valid transactions, signature and code at the sender left aside.
    #[serde(default)]
    pub(super) validation: bool,
    /// Whether the answer holds whole transactions instead of hashes.
    #[serde(default)]
    pub(super) return_full_transactions: bool,
}

/// One block as the request has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStateCalls {
    block_overrides: Option<Overrides>,
    state_overrides: Option<StateOverride>,
    #[serde(default)]
    calls: Vec<TransactionRequest>,
}

/// Members of the header that the request sets, and the withdrawals.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Overrides {
    #[serde(flatten)]
    pub(super) header: BlockOverrides,
    #[serde(default)]
    pub(super) withdrawals: Option<Withdrawals>,
}

/// One block that is to be simulated; its number follows from its place.
#[derive(Clone, Debug, Default)]
pub(super) struct PlannedBlock {
    pub(super) timestamp: u64,
    pub(super) overrides: Overrides,
    pub(super) state: StateOverride,
    pub(super) calls: Vec<TransactionRequest>,
}

impl Simulation {
    /// The blocks after `base`, without gaps: numbers that the request leaves out become empty
    /// blocks.
    ///
    /// # Errors
    /// Where numbers or times do not increase, or there are no or too many blocks.
    pub(super) fn plan(&mut self, base: &Header) -> RpcResult<Vec<PlannedBlock>> {
        let blocks = std::mem::take(&mut self.block_state_calls);
        if blocks.is_empty() {
            return Err(invalid_params("empty input"));
        }
        if blocks.len() as u64 > MAX_SIMULATE_BLOCKS {
            return Err(simulation::too_many_blocks());
        }
        let mut planned = Vec::with_capacity(blocks.len());
        let (mut number, mut timestamp) = (base.number, base.timestamp);
        for block in blocks {
            let overrides = block.block_overrides.unwrap_or_default();
            let next = wanted_number(&overrides, base.number, number)?;
            for _ in number + 1..next {
                timestamp = later(timestamp)?;
                planned.push(PlannedBlock { timestamp, ..PlannedBlock::default() });
            }
            number = next;
            timestamp = match overrides.header.time {
                Some(wanted) if wanted <= timestamp => {
                    return Err(simulation::block_timestamp(wanted, timestamp));
                }
                Some(wanted) => wanted,
                None => later(timestamp)?,
            };
            planned.push(PlannedBlock {
                timestamp,
                overrides,
                state: block.state_overrides.unwrap_or_default(),
                calls: block.calls,
            });
        }
        Ok(planned)
    }
}

/// The number of the block after `previous`.
fn wanted_number(overrides: &Overrides, base: u64, previous: u64) -> RpcResult<u64> {
    let wanted = match overrides.header.number {
        Some(wanted) => wanted,
        None => U256::from(previous) + U256::from(1),
    };
    if wanted <= U256::from(previous) {
        return Err(simulation::block_number(wanted, previous));
    }
    match u64::try_from(wanted) {
        Ok(wanted) if wanted - base <= MAX_SIMULATE_BLOCKS => Ok(wanted),
        _ => Err(simulation::too_many_blocks()),
    }
}

fn later(timestamp: u64) -> RpcResult<u64> {
    timestamp
        .checked_add(BLOCK_TIME)
        .ok_or_else(|| invalid_params("a block's time does not fit in 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn base() -> Header {
        Header { number: 54, timestamp: 540, ..Header::default() }
    }

    fn plan(blocks: Value) -> RpcResult<Vec<(u64, usize)>> {
        let mut simulation: Simulation =
            serde_json::from_value(json!({ "blockStateCalls": blocks })).unwrap();
        let planned = simulation.plan(&base())?;
        Ok(planned.iter().map(|block| (block.timestamp, block.calls.len())).collect())
    }

    #[test]
    fn gaps_become_empty_blocks_that_are_twelve_seconds_apart() {
        let call = json!([{}]);
        let blocks = json!([
            { "blockOverrides": { "number": "0x39" }, "calls": call },
            { "calls": call },
            { "blockOverrides": { "number": "0x3c", "time": "0x400" }, "calls": call },
        ]);
        assert_eq!(
            plan(blocks).unwrap(),
            [(552, 0), (564, 0), (576, 1), (588, 1), (600, 0), (1024, 1)]
        );
    }

    #[test]
    fn numbers_and_times_must_increase() {
        let code = |blocks| plan(blocks).unwrap_err().code();
        let number = |number: &str| json!({ "blockOverrides": { "number": number } });
        let time = |time: &str| json!({ "blockOverrides": { "time": time } });
        assert_eq!(code(json!([number("0x36")])), -38020);
        assert_eq!(code(json!([number("0x40"), number("0x40")])), -38020);
        assert_eq!(code(json!([time("0x21c")])), -38021);
        assert_eq!(code(json!([time("0x228"), time("0x227")])), -38021);
        // The second block's own time is twelve seconds after the first's.
        assert_eq!(code(json!([time("0x227"), {}, time("0x228")])), -38021);
    }

    #[test]
    fn no_block_and_too_many_blocks_are_refused() {
        assert_eq!(plan(json!([])).unwrap_err().code(), -32602);
        assert_eq!(plan(json!(vec![json!({}); 256])).unwrap().len(), 256);
        assert_eq!(plan(json!(vec![json!({}); 257])).unwrap_err().code(), -38026);
        let far = |number: &str| plan(json!([{ "blockOverrides": { "number": number } }]));
        assert_eq!(far("0x136").unwrap().len(), 256);
        assert_eq!(far("0x137").unwrap_err().code(), -38026);
        assert_eq!(far(&format!("{:#x}", U256::MAX)).unwrap_err().code(), -38026);
        let late = json!([{ "blockOverrides": { "time": "0xffffffffffffffff" } }, {}]);
        assert_eq!(plan(late).unwrap_err().code(), -32602);
    }

    #[test]
    fn overrides_are_read_under_all_their_names() {
        let overrides: Overrides = serde_json::from_value(json!({
            "timestamp": "0x5", "feeRecipient": "0x0000000000000000000000000000000000000001",
            "baseFeePerGas": "0x7", "withdrawals": [{
                "index": "0x0", "validatorIndex": "0x1", "amount": "0x2",
                "address": "0x0000000000000000000000000000000000000003",
            }],
        }))
        .unwrap();
        assert_eq!(overrides.header.time, Some(5));
        assert_eq!(overrides.header.base_fee, Some(U256::from(7)));
        assert!(overrides.header.coinbase.is_some());
        assert_eq!(overrides.withdrawals.unwrap().len(), 1);
    }
}
