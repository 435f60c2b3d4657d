//! Calls whose effects are thrown away.

use crate::{EvmEnv, StateDb, StateDbError};
use alloy_evm::Evm;
use plasma_storage::StateReader;
use plasma_vm::PlasmaEvm;
use revm::{
    context::TxEnv,
    context_interface::result::{EVMError, HaltReason, ResultAndState},
    database_interface::WrapDatabaseRef,
};

/// Why a simulation has no result: the transaction is invalid, or the state could not be read.
pub type SimulationError = EVMError<StateDbError>;

/// Executes `tx` on `state` in `env`; nothing is committed anywhere.
///
/// Checks of nonce, balance or fees follow `env.cfg_env`'s switches. A revert or a halt is a
/// result, not an error.
pub fn simulate(
    state: &dyn StateReader,
    env: EvmEnv,
    tx: TxEnv,
) -> Result<ResultAndState<HaltReason>, SimulationError> {
    PlasmaEvm::new(WrapDatabaseRef(StateDb(state)), env).transact_raw(tx)
}
