//! Errors of `eth_simulateV1`: codes and words as geth has them.
//!
//! | code | meaning |
//! |---|---|
//! | -38010, -38011 | nonce too low, too high |
//! | -38012 | the fee is below the block's base fee |
//! | -38013 | too little gas for the call to begin |
//! | -38014 | the sender cannot pay |
//! | -38015 | the calls of a block ask for more gas than it has |
//! | -38020, -38021 | block numbers or times are not in order |
//! | -38024 | the sender has code |
//! | -38025 | the init code is too large |
//! | -38026 | more than this node simulates in one request |
//! | -32015 | in the result of a call: it halted |

use super::{INVALID_PARAMS, REVERTED, error, from_storage, internal, revert_message};
use alloy_primitives::U256;
use alloy_rpc_types_eth::simulate::SimulateError;
use jsonrpsee::types::ErrorObjectOwned;
use plasma_evm::{EVMError, ExecutionResult, InvalidTransaction, SimulationError, StateDbError};

const NONCE_TOO_LOW: i32 = -38010;
const NONCE_TOO_HIGH: i32 = -38011;
const BASE_FEE_TOO_LOW: i32 = -38012;
const INTRINSIC_GAS: i32 = -38013;
const INSUFFICIENT_FUNDS: i32 = -38014;
const BLOCK_GAS_LIMIT: i32 = -38015;
const BLOCK_NUMBER: i32 = -38020;
const BLOCK_TIMESTAMP: i32 = -38021;
const SENDER_HAS_CODE: i32 = -38024;
const INIT_CODE_SIZE: i32 = -38025;
const CLIENT_LIMIT: i32 = -38026;
const VM_ERROR: i32 = -32015;

/// Why a call cannot be part of a simulated block.
pub fn refused(source: SimulationError) -> ErrorObjectOwned {
    match source {
        EVMError::Transaction(invalid) => {
            error(code(&invalid), super::invalid_transaction_message(&invalid))
        }
        EVMError::Database(StateDbError::Storage(source)) => from_storage(source),
        EVMError::Header(source) => error(INVALID_PARAMS, source.to_string()),
        other => internal(other.to_string()),
    }
}

fn code(invalid: &InvalidTransaction) -> i32 {
    use InvalidTransaction as Invalid;
    match invalid {
        Invalid::NonceTooLow { .. } => NONCE_TOO_LOW,
        Invalid::NonceTooHigh { .. } | Invalid::NonceOverflowInTransaction => NONCE_TOO_HIGH,
        Invalid::GasPriceLessThanBasefee => BASE_FEE_TOO_LOW,
        Invalid::CallGasCostMoreThanGasLimit { .. } | Invalid::GasFloorMoreThanGasLimit { .. } => {
            INTRINSIC_GAS
        }
        Invalid::LackOfFundForMaxFee { .. } | Invalid::OverflowPaymentInTransaction => {
            INSUFFICIENT_FUNDS
        }
        Invalid::RejectCallerWithCode => SENDER_HAS_CODE,
        Invalid::CreateInitCodeSizeLimit => INIT_CODE_SIZE,
        _ => INVALID_PARAMS,
    }
}

/// What a call's result says of its failure; `None` where it succeeded.
pub fn of_call(result: &ExecutionResult) -> Option<SimulateError> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(SimulateError {
            code: REVERTED,
            message: revert_message(output),
            data: Some(output.clone()),
        }),
        ExecutionResult::Halt { reason, .. } => {
            Some(SimulateError { code: VM_ERROR, message: super::halt_message(reason), data: None })
        }
    }
}

/// The calls of a block ask for more gas than it has left.
pub fn block_gas_limit(used: u64, limit: u64) -> ErrorObjectOwned {
    error(BLOCK_GAS_LIMIT, format!("block gas limit reached: {used} >= {limit}"))
}

/// A block does not come after the one before it.
pub fn block_number(number: U256, previous: u64) -> ErrorObjectOwned {
    error(BLOCK_NUMBER, format!("block numbers must be in order: {number} <= {previous}"))
}

/// A block's time is not after that of the one before it.
pub fn block_timestamp(timestamp: u64, previous: u64) -> ErrorObjectOwned {
    error(BLOCK_TIMESTAMP, format!("block timestamps must be in order: {timestamp} <= {previous}"))
}

/// More blocks than are simulated in one request.
pub fn too_many_blocks() -> ErrorObjectOwned {
    error(CLIENT_LIMIT, "too many blocks")
}

/// The calls of a request have used up its gas.
pub fn out_of_budget(cap: u64) -> ErrorObjectOwned {
    error(
        CLIENT_LIMIT,
        format!("the calls need more than the {cap} gas of one request (--rpc.gascap)"),
    )
}
