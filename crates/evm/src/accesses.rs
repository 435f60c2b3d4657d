//! What one transaction reads and writes, for whoever asks which transactions depend on which.
//!
//! Taken from what an execution loaded and changed, so it is the same however often the transaction
//! is executed on the same state.

use crate::{BlockState, EvmEnv, StateDbError};
use alloy_evm::Evm;
use alloy_primitives::{Address, U256, map::AddressSet};
use plasma_vm::PlasmaEvm;
use revm::{
    Inspector,
    bytecode::opcode,
    context::TxEnv,
    context_interface::result::{EVMError, HaltReason, ResultAndState},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::Jumps as _,
    },
    state::EvmState,
};
use std::collections::BTreeSet;

/// A part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// One storage slot.
    Storage(Address, U256),
    /// Balance of an account.
    Balance(Address),
    /// Nonce of an account.
    Nonce(Address),
    /// Code of an account (an EIP-7702 delegation is code).
    Code(Address),
    /// Whether the account exists, and with it what storage it had before.
    Existence(Address),
}

/// What one transaction read and wrote.
///
/// Whoever changes a balance or a nonce has read it. Two things are left out. What is written is
/// what ends different from before, so a slot that is set to its old value is only read. And fees
/// are paid to the beneficiary without reading its balance: that is read only by code that asks for
/// it, else every transaction would depend on the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accesses {
    /// What was read, what was written included.
    pub reads: BTreeSet<Location>,
    /// What was changed.
    pub writes: BTreeSet<Location>,
    /// Loaded accounts that have code.
    pub contracts: BTreeSet<Address>,
}

/// A transaction's accesses, and what it did to the state (not committed).
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What was read and written.
    pub accesses: Accesses,
    /// Result and state changes.
    pub outcome: ResultAndState<HaltReason>,
}

/// Executes `tx` on `state` in `env` and tells what it read and wrote. Commits nothing.
///
/// # Errors
/// The transaction is invalid there, or the state cannot be read.
pub fn record_accesses(
    state: &mut BlockState,
    env: &EvmEnv,
    tx: TxEnv,
) -> Result<Recorded, EVMError<StateDbError>> {
    let beneficiary = env.block_env.beneficiary;
    let mut reads = BalanceReads { sender: tx.caller, of: AddressSet::default() };
    let evm = PlasmaEvm::new(state, env.clone());
    let outcome = evm.with_inspector(&mut reads).transact_raw(tx)?;
    if reads.sender != beneficiary {
        // Whoever sends must be able to pay; a free transaction leaves no other trace of that.
        reads.of.insert(reads.sender);
    }
    let accesses = of_state(&outcome.state, beneficiary, &reads.of);
    Ok(Recorded { accesses, outcome })
}

/// Notes whose balances code asks for or tries to send from: a transfer that fails leaves no other
/// trace.
#[derive(Debug)]
struct BalanceReads {
    sender: Address,
    of: AddressSet,
}

impl BalanceReads {
    /// The sender's own money is no question of code.
    fn sends(&mut self, from: Address) {
        if from != self.sender {
            self.of.insert(from);
        }
    }
}

impl<C> Inspector<C> for BalanceReads {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut C) {
        match interpreter.bytecode.opcode() {
            opcode::SELFBALANCE => {
                self.of.insert(interpreter.input.target_address);
            }
            opcode::BALANCE => {
                if let Ok(word) = interpreter.stack.peek(0) {
                    self.of.insert(Address::from_word(word.into()));
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, _context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if inputs.transfers_value() {
            self.sends(inputs.transfer_from());
        }
        None
    }

    fn create(&mut self, _context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        if !inputs.value().is_zero() {
            self.sends(inputs.caller());
        }
        None
    }
}

/// The state after a transaction holds all that it loaded, changed or not.
fn of_state(state: &EvmState, beneficiary: Address, asked: &AddressSet) -> Accesses {
    let mut found = Accesses::default();
    for (&address, account) in state {
        let (before, now) = (account.original_info(), &account.info);
        found.reads.insert(Location::Code(address));
        found.reads.insert(Location::Existence(address));
        if !now.is_empty_code_hash() {
            found.contracts.insert(address);
        }
        // The fee alone may bring the beneficiary into being.
        let appeared = before.is_empty() != now.is_empty() && address != beneficiary;
        if appeared || account.is_created() || account.is_selfdestructed() {
            found.writes.insert(Location::Existence(address));
        }
        if before.code_hash != now.code_hash {
            found.writes.insert(Location::Code(address));
        }
        if before.nonce != now.nonce {
            found.reads.insert(Location::Nonce(address));
            found.writes.insert(Location::Nonce(address));
        }
        let changed = before.balance != now.balance;
        if asked.contains(&address) || (changed && address != beneficiary) {
            found.reads.insert(Location::Balance(address));
        }
        if changed {
            found.writes.insert(Location::Balance(address));
        }
        for (&slot, value) in &account.storage {
            found.reads.insert(Location::Storage(address, slot));
            if value.is_changed() {
                found.writes.insert(Location::Storage(address, slot));
            }
        }
    }
    found
}
