//! Executing calls that change nothing: `eth_call`, gas estimation, access lists, simulation.

mod access_list;
mod database;
mod deadline;
mod environment;
mod estimate;

pub use access_list::create_access_list;
pub use database::CallState;
pub use deadline::run_until;
pub(crate) use deadline::{
    check_time, is_interrupted, run_briefly, run_unless, run_within, watched_evm,
};
pub use environment::{Overrides, Prepared, prepare};
pub use estimate::estimate_gas;

use crate::error::{self, RpcResult};
use alloy_primitives::Bytes;
use plasma_evm::ExecutionResult;

/// The output of a successful execution; a revert or a halt becomes geth's error.
pub fn output(result: ExecutionResult) -> RpcResult<Bytes> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(error::reverted(&output)),
        ExecutionResult::Halt { reason, .. } => Err(error::halted(&reason)),
    }
}
