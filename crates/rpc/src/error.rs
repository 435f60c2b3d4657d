//! The one place that makes JSON-RPC errors: codes and words as geth has them.
//!
//! | code | meaning |
//! |---|---|
//! | 3 | execution reverted; `data` is the revert data |
//! | 4, 5, 6 | `eth_sendRawTransactionSync` (EIP-7966): timed out, not accepted, nonce gap |
//! | -32000 | the request is well formed but cannot be served (pool, state, execution) |
//! | -32001 | a block from before the fork that brought what is asked for |
//! | -32005 | a limit of this node; the message names the flag |
//! | -32601 | the method does not exist |
//! | -32602 | the parameters are wrong |
//! | -32603 | the node failed |

pub mod engine;
pub mod simulation;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use plasma_chain::ChainError;
use plasma_evm::{EVMError, HaltReason, InvalidTransaction, SimulationError, StateDbError};
use plasma_keeper::KeeperError;
use plasma_storage::StorageError;
use plasma_txpool::PoolError;

/// What a method answers: its result or a JSON-RPC error.
pub type RpcResult<T> = Result<T, ErrorObjectOwned>;

/// Execution reverted (geth's code; EIP-1474 knows none).
pub const REVERTED: i32 = 3;
/// EIP-7966: the transaction was accepted but not included in time.
pub const SYNC_TIMEOUT: i32 = 4;
/// EIP-7966: the transaction was not accepted as ready for inclusion.
pub const SYNC_NOT_READY: i32 = 5;
/// EIP-7966: the nonce leaves a gap.
pub const SYNC_NONCE_GAP: i32 = 6;
/// The request cannot be served.
pub const SERVER_ERROR: i32 = -32000;
/// What was asked for does not exist (EIP-1474).
pub const RESOURCE_NOT_FOUND: i32 = -32001;
/// A limit of this node was exceeded (EIP-1474).
pub const LIMIT_EXCEEDED: i32 = -32005;
/// There is no such method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The parameters are wrong.
pub const INVALID_PARAMS: i32 = -32602;
/// The node failed.
pub const INTERNAL_ERROR: i32 = -32603;

/// An error without `data`.
pub fn error(code: i32, message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObject::owned(code, message, None::<()>)
}

/// -32602 with a sentence.
pub fn invalid_params(message: impl Into<String>) -> ErrorObjectOwned {
    error(INVALID_PARAMS, message)
}

/// -32602 for the argument at `index`, counted from zero.
pub fn invalid_argument(index: usize, reason: impl std::fmt::Display) -> ErrorObjectOwned {
    invalid_params(format!("invalid argument {index}: {reason}"))
}

/// -32602: the argument at `index` must be there.
pub fn missing_argument(index: usize) -> ErrorObjectOwned {
    invalid_params(format!("missing value for required argument {index}"))
}

/// -32000 with a sentence.
pub fn server_error(message: impl Into<String>) -> ErrorObjectOwned {
    error(SERVER_ERROR, message)
}

/// -32603 with a sentence; the cause also goes to the log, since it is the node's fault.
pub fn internal(message: impl Into<String>) -> ErrorObjectOwned {
    let message = message.into();
    tracing::error!(target: "plasma::rpc", %message, "a request failed inside the node");
    error(INTERNAL_ERROR, message)
}

/// -32005 with a sentence that names the flag.
pub fn limit_exceeded(message: impl Into<String>) -> ErrorObjectOwned {
    error(LIMIT_EXCEEDED, message)
}

/// -32601.
pub fn method_not_found(method: &str) -> ErrorObjectOwned {
    error(METHOD_NOT_FOUND, format!("the method {method} does not exist/is not available"))
}

/// -32601 for a method that this node does not have on purpose, with what to do instead.
pub fn method_refused(method: &str, sentence: &str) -> ErrorObjectOwned {
    error(
        METHOD_NOT_FOUND,
        format!("the method {method} does not exist/is not available: {sentence}"),
    )
}

/// The answer to a block number, tag or hash that names no block where one is needed.
pub fn header_not_found() -> ErrorObjectOwned {
    server_error("header not found")
}

/// The answer where a block has no access list (EIP-7928), as execution-apis has it.
pub fn no_access_list(number: u64) -> ErrorObjectOwned {
    error(
        RESOURCE_NOT_FOUND,
        format!(
            "Resource not found: block {number} is from before Amsterdam and has no access list"
        ),
    )
}

/// The answer to an unknown filter id.
pub fn filter_not_found() -> ErrorObjectOwned {
    server_error("filter not found")
}

/// The answer when too much heavy work waits already.
pub fn busy(limit: usize) -> ErrorObjectOwned {
    limit_exceeded(format!(
        "the node is busy: {limit} heavy requests wait already; try again later (--rpc.max-queued)"
    ))
}

/// An error of the chain.
pub fn from_chain(source: ChainError) -> ErrorObjectOwned {
    match source {
        ChainError::Storage(source) => from_storage(source),
        ChainError::UnknownBlock(_) => header_not_found(),
        ChainError::Refused(_) | ChainError::Stopped(_) => server_error(source.to_string()),
        other => internal(other.to_string()),
    }
}

/// An error of the database; a state that is no longer kept is the caller's mistake, not ours.
pub fn from_storage(source: StorageError) -> ErrorObjectOwned {
    match source {
        StorageError::Pruned { .. } | StorageError::BeyondReorgs { .. } => {
            server_error(source.to_string())
        }
        // The chain went back after the block was found.
        StorageError::Unknown { .. } => header_not_found(),
        other => internal(other.to_string()),
    }
}

/// An error of the keeper, asked about the state of some block.
pub fn from_keeper(source: KeeperError) -> ErrorObjectOwned {
    match source {
        KeeperError::Storage(source) => from_storage(source),
        other => server_error(other.to_string()),
    }
}

/// A refusal of the pool, in geth's words.
pub fn from_pool(source: PoolError) -> ErrorObjectOwned {
    error(source.code(), source.to_string())
}

/// Code 3 with the revert data, and the reason in the message where the data tells one.
pub fn reverted(output: &Bytes) -> ErrorObjectOwned {
    ErrorObject::owned(REVERTED, revert_message(output), Some(output))
}

/// `execution reverted`, with the reason of `Error(string)` or `Panic(uint256)`.
pub fn revert_message(output: &[u8]) -> String {
    match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    }
}

/// The reason in revert data, where it is Solidity's `Error(string)` or `Panic(uint256)`.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    Panic::abi_decode(output).ok().map(|panic| panic_reason(panic.code))
}

fn panic_reason(code: U256) -> String {
    let text = match u64::try_from(code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        _ => return format!("unknown panic code: {code:#x}"),
    };
    text.to_owned()
}

/// -32000 for an execution that stopped in an exceptional way.
pub fn halted(reason: &HaltReason) -> ErrorObjectOwned {
    server_error(halt_message(reason))
}

/// geth's words for an exceptional halt.
pub fn halt_message(reason: &HaltReason) -> String {
    let text = match reason {
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::OpcodeNotFound => "invalid opcode",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
        other => return format!("execution halted: {other:?}"),
    };
    text.to_owned()
}

/// Why a call could not be executed at all.
pub fn from_simulation(source: SimulationError) -> ErrorObjectOwned {
    match source {
        EVMError::Transaction(invalid) => server_error(invalid_transaction_message(&invalid)),
        EVMError::Database(StateDbError::Storage(source)) => from_storage(source),
        EVMError::Header(source) => server_error(source.to_string()),
        other => internal(other.to_string()),
    }
}

/// geth's words for a transaction that breaks a rule.
pub fn invalid_transaction_message(invalid: &InvalidTransaction) -> String {
    use InvalidTransaction as Invalid;
    match invalid {
        Invalid::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        Invalid::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        Invalid::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        Invalid::GasPriceLessThanBasefee => "max fee per gas less than block base fee".to_owned(),
        Invalid::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".to_owned()
        }
        Invalid::NonceTooHigh { tx, state } => {
            format!("nonce too high: tx: {tx} state: {state}")
        }
        Invalid::NonceTooLow { tx, state } => format!("nonce too low: tx: {tx} state: {state}"),
        Invalid::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        Invalid::InvalidChainId => "invalid chain id for signer".to_owned(),
        Invalid::RejectCallerWithCode => "sender not an eoa".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_went_away_is_not_found() {
        let object = from_storage(StorageError::Unknown { number: 6, latest: 4 });
        assert_eq!((object.code(), object.message()), (SERVER_ERROR, "header not found"));
    }

    #[test]
    fn a_revert_carries_code_data_and_reason() {
        let output = Bytes::from(Revert::from("user error").abi_encode());
        let object = reverted(&output);
        assert_eq!(object.code(), 3);
        assert_eq!(object.message(), "execution reverted: user error");
        let data: Bytes = serde_json::from_str(object.data().unwrap().get()).unwrap();
        assert_eq!(data, output);
    }

    #[test]
    fn a_panic_is_told_in_words() {
        let output = Panic { code: U256::from(1) }.abi_encode();
        assert_eq!(revert_message(&output), "execution reverted: assert(false)");
        let unknown = Panic { code: U256::from(0x77) }.abi_encode();
        assert_eq!(revert_message(&unknown), "execution reverted: unknown panic code: 0x77");
    }

    #[test]
    fn custom_errors_and_garbage_have_no_reason() {
        assert_eq!(revert_message(&[]), "execution reverted");
        assert_eq!(revert_message(&[1, 2, 3, 4, 5]), "execution reverted");
        // `Error(string)` whose length points outside of the data.
        let mut broken = Revert::from("x").abi_encode();
        broken[4 + 32 + 28] = 0xff;
        assert_eq!(revert_message(&broken), "execution reverted");
    }

    #[test]
    fn parameter_errors_speak_like_geth() {
        assert_eq!(missing_argument(1).message(), "missing value for required argument 1");
        assert_eq!(invalid_argument(0, "no").message(), "invalid argument 0: no");
        assert_eq!(invalid_argument(0, "no").code(), -32602);
        assert_eq!(
            method_not_found("eth_x").message(),
            "the method eth_x does not exist/is not available"
        );
    }

    #[test]
    fn a_pruned_state_is_the_callers_error() {
        let object = from_storage(StorageError::Pruned { number: 3, oldest: 9 });
        assert_eq!(object.code(), -32000);
        assert!(object.message().contains("pruned"), "{}", object.message());
    }
}
