//! A keeper's load: performs of many upkeeps, sent by a few lanes.

use alloy_primitives::{Bytes, U256, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};

use super::{
    builder::{Builder, Kind, address, code, sender},
    workloads::scaled,
};

/// Upkeeps at full size, and how often each is performed.
const UPKEEPS: usize = 200;
const PERFORMS_EACH: usize = 10;
/// Accounts that send performs, in turns.
const LANES: usize = 16;
/// One upkeep in this many asks the oracle.
const ASKING: usize = 5;
/// One update of the oracle comes with this many performs.
const PERFORMS_PER_UPDATE: usize = 500;

const UPKEEP: &str = include_str!("../../contracts/artifacts/Upkeep.runtime.hex");
const ORACLE: &str = include_str!("../../contracts/artifacts/Oracle.runtime.hex");
/// Slots of an upkeep before its positions, and its positions.
const FIRST_POSITION: u64 = 3;
const POSITIONS: u64 = 16;

sol! {
    function performUpkeep(bytes performData) external;
    function update(uint256 newAnswer) external;
}

/// Performs in a random order that is the same in every run; each upkeep is performed several
/// times. A fifth of the upkeeps read one oracle, which an account of its own updates a few times.
pub(super) fn performs(mut builder: Builder, scale: f64) -> Builder {
    let oracle = address(Kind::Oracle, 0);
    builder.contract(oracle, &code(ORACLE));
    builder.store(oracle, U256::ZERO, U256::from(1_000_000));
    let upkeeps = scaled(UPKEEPS, scale);
    let upkeep_code = code(UPKEEP);
    for index in 0..upkeeps {
        let upkeep = address(Kind::Upkeep, index);
        builder.contract(upkeep, &upkeep_code);
        if index % ASKING == 0 {
            builder.store(upkeep, U256::ZERO, oracle.into_word().into());
        }
        builder.store(upkeep, U256::from(1), U256::from(1_000_000));
        builder.store(upkeep, U256::from(2), U256::from(index + 1));
        for position in FIRST_POSITION..FIRST_POSITION + POSITIONS {
            builder.store(upkeep, U256::from(position), U256::from(1) << 64);
        }
    }
    for lane in 0..LANES {
        builder.fund(address(Kind::Lane, lane));
    }
    let updater = sender(0);
    builder.fund(updater);

    let mut order: Vec<usize> = (0..upkeeps * PERFORMS_EACH).collect();
    order.sort_by_cached_key(|perform| keccak256(perform.to_be_bytes()));
    for (place, perform) in order.into_iter().enumerate() {
        if place % PERFORMS_PER_UPDATE == PERFORMS_PER_UPDATE / 2 || place == 0 {
            let call = updateCall { newAnswer: U256::from(1_000_001 + place) };
            builder.send(updater, oracle, 0, call.abi_encode().into(), 100_000);
        }
        let call = performUpkeepCall { performData: Bytes::from(U256::from(perform).abi_encode()) };
        let (lane, upkeep) =
            (address(Kind::Lane, place % LANES), address(Kind::Upkeep, perform % upkeeps));
        builder.send(lane, upkeep, 0, call.abi_encode().into(), 200_000);
    }
    builder
}
