//! EIP-7610: a contract is not created where there is storage.

use crate::StorageProbe;
use alloy_primitives::{Bytes, KECCAK256_EMPTY, U256, map::HashSet};
use revm::{
    Database,
    context_interface::{ContextTr, JournalTr, journaled_state::account::JournaledAccountTr},
    handler::FrameResult,
    interpreter::{
        CreateInputs, CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult,
        interpreter_action::FrameInit,
    },
    primitives::constants::CALL_STACK_LIMIT,
};

/// How `init` ends if it is a creation at an address that has storage but neither nonce nor code;
/// `None` leaves the frame to revm, with nothing done that revm does not do in any case.
///
/// The result, and what it leaves in the journal, are those of revm's own collisions: the caller's
/// nonce is raised, the new address is warm, and the frame's gas is gone.
pub(crate) fn storage_collision<CTX>(
    context: &mut CTX,
    init: &FrameInit,
) -> Result<Option<FrameResult>, <CTX::Db as Database>::Error>
where
    CTX: ContextTr<Db: StorageProbe>,
{
    let FrameInput::Create(inputs) = &init.frame_input else { return Ok(None) };
    // What ends a creation before revm looks for a collision.
    if init.depth > CALL_STACK_LIMIT as usize {
        return Ok(None);
    }
    let journal = context.journal_mut();
    let caller = &journal.load_account(inputs.caller())?.data.info;
    if caller.balance < inputs.value() || caller.nonce == u64::MAX {
        return Ok(None);
    }
    let address = inputs.created_address(caller.nonce);
    let account = journal.load_account(address)?.data;
    if account.info.nonce != 0 || account.info.code_hash != KECCAK256_EMPTY {
        return Ok(None);
    }
    // An account that this transaction created keeps nonce 0 before EIP-158.
    let in_database = !account.is_loaded_as_not_existing() && !account.is_created();
    if !in_database && account.storage.is_empty() {
        return Ok(None);
    }
    let mut hidden = HashSet::<U256>::default();
    let mut occupied = false;
    for (slot, value) in &account.storage {
        occupied |= !value.present_value.is_zero();
        hidden.insert(*slot);
    }
    if !occupied && in_database {
        occupied = context.db_mut().has_storage(address, &hidden)?;
    }
    if !occupied {
        return Ok(None);
    }
    context.journal_mut().load_account_mut(inputs.caller())?.data.bump_nonce();
    Ok(Some(collision(inputs)))
}

/// The result of a creation that is refused.
fn collision(inputs: &CreateInputs) -> FrameResult {
    FrameResult::Create(CreateOutcome {
        result: InterpreterResult {
            result: InstructionResult::CreateCollision,
            gas: Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir()),
            output: Bytes::new(),
        },
        address: None,
        charged_create_state_gas: inputs.charged_create_state_gas(),
    })
}
