//! What conflicts allow: the work of a batch over its critical path.
//!
//! A transaction depends on the earlier ones of its batch that wrote what it reads. The critical path
//! is the heaviest chain of such dependencies, a transaction's weight being the time that it takes; no
//! executor that gives every transaction its final input, on however many threads, is faster than the
//! path, so that work over path bounds the ratio of any run. It is looked for in two ways, as it
//! depends on what is taken for a read:
//!
//! - *as executed*: whoever changes a balance or a nonce has read it, as the EVM has;
//! - *additive*: nonces of senders are known beforehand and changes of balances are additions, so that
//!   only code which asks for a balance reads it.
//!
//! The beneficiary's balance is left out of both, as its fees would chain every transaction to the
//! one before.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, U256};
use eyre::{Result, ensure};
use revm::{
    Context, DatabaseCommit as _, ExecuteEvm as _, InspectEvm as _, Inspector, MainBuilder as _,
    MainContext as _,
    bytecode::opcode,
    context::result::EVMError,
    database::CacheDB,
    interpreter::{Interpreter, interpreter_types::Jumps as _},
    state::EvmState,
};

use super::Workload;

/// Passes over the batch; the shortest time of each transaction counts.
const PASSES: usize = 3;

/// How far a batch could be spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WorkOverPath {
    pub(super) as_executed: f64,
    pub(super) additive: f64,
}

/// Part of the state that a transaction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Location {
    Balance(Address),
    Nonce(Address),
    /// Code and existence, and with them what storage there was before.
    Code(Address),
    Slot(Address, U256),
}

/// What one transaction reads and writes.
#[derive(Debug, Default)]
struct Accesses {
    reads: Vec<Location>,
    /// Read only where changes are not taken for additions.
    reads_to_change: Vec<Location>,
    writes: Vec<Location>,
}

/// Executes a workload in sequence and finds its paths, each transaction weighing what its entry in
/// `weights` says.
pub(super) fn work_over_path(workload: &Workload, weights: &[Duration]) -> Result<WorkOverPath> {
    let accesses = accesses(workload)?;
    ensure!(accesses.len() == weights.len(), "{}: weights lack", workload.name);
    Ok(WorkOverPath {
        as_executed: over_path(&accesses, weights, true),
        additive: over_path(&accesses, weights, false),
    })
}

fn over_path(accesses: &[Accesses], weights: &[Duration], changes_read: bool) -> f64 {
    let mut ready: HashMap<Location, Duration> = HashMap::new();
    let (mut path, mut work) = (Duration::ZERO, Duration::ZERO);
    for (accesses, weight) in accesses.iter().zip(weights) {
        let to_change = accesses.reads_to_change.iter().filter(|_| changes_read);
        let reads = accesses.reads.iter().chain(to_change);
        let start = reads.filter_map(|location| ready.get(location)).max();
        let end = start.copied().unwrap_or_default() + *weight;
        for location in &accesses.writes {
            // Additions may end in any order; who reads their sum waits for all.
            let known = ready.entry(*location).or_default();
            *known = end.max(*known);
        }
        path = path.max(end);
        work += *weight;
    }
    if path.is_zero() { 1.0 } else { work.as_secs_f64() / path.as_secs_f64() }
}

/// Notes whose balances the code of one transaction asks for.
#[derive(Debug, Default)]
struct BalanceReads(HashSet<Address>);

impl<C> Inspector<C> for BalanceReads {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut C) {
        match interpreter.bytecode.opcode() {
            opcode::SELFBALANCE => {
                self.0.insert(interpreter.input.target_address);
            }
            opcode::BALANCE => {
                if let Ok(word) = interpreter.stack.peek(0) {
                    self.0.insert(Address::from_word(word.into()));
                }
            }
            _ => {}
        }
    }
}

fn accesses(workload: &Workload) -> Result<Vec<Accesses>> {
    let env = &workload.env;
    let beneficiary = env.block_env.beneficiary;
    let mut evm = Context::mainnet()
        .with_block(env.block_env.clone())
        .with_cfg(env.cfg_env.clone())
        .with_db(CacheDB::new(&workload.state))
        .build_mainnet_with_inspector(BalanceReads::default());
    let mut all = Vec::with_capacity(workload.transactions.len());
    for transaction in &workload.transactions {
        evm.inspector.0.clear();
        match evm.inspect_tx(transaction.clone()) {
            Ok(executed) => {
                let asked = &evm.inspector.0;
                all.push(of_state(&executed.state, transaction.caller, beneficiary, asked));
                evm.ctx.journaled_state.database.commit(executed.state);
            }
            Err(EVMError::Transaction(_)) => all.push(Accesses::default()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// The state after a transaction holds all that it loaded, changed or not.
fn of_state(
    state: &EvmState,
    caller: Address,
    beneficiary: Address,
    asked: &HashSet<Address>,
) -> Accesses {
    let mut found = Accesses::default();
    for (&address, account) in state {
        let (before, now) = (account.original_info(), &account.info);
        found.reads.push(Location::Code(address));
        // The fee alone may bring the beneficiary into being.
        let appeared = before.is_empty() != now.is_empty() && address != beneficiary;
        if appeared
            || account.is_created()
            || account.is_selfdestructed()
            || before.code_hash != now.code_hash
        {
            found.writes.push(Location::Code(address));
        }
        if before.nonce != now.nonce {
            let reads =
                if address == caller { &mut found.reads_to_change } else { &mut found.reads };
            reads.push(Location::Nonce(address));
            found.writes.push(Location::Nonce(address));
        }
        if address != beneficiary {
            if asked.contains(&address) {
                found.reads.push(Location::Balance(address));
            }
            if before.balance != now.balance {
                found.reads_to_change.push(Location::Balance(address));
                found.writes.push(Location::Balance(address));
            }
        }
        for (&slot, value) in &account.storage {
            found.reads.push(Location::Slot(address, slot));
            if value.is_changed() {
                found.writes.push(Location::Slot(address, slot));
            }
        }
    }
    found
}

/// The time of each transaction in a sequential run. The state is a copy, so that no transaction is
/// charged with the growth of a cache.
pub(super) fn weights(workload: &Workload) -> Result<Vec<Duration>> {
    let env = &workload.env;
    let mut weights = vec![Duration::MAX; workload.transactions.len()];
    for _ in 0..PASSES {
        let mut evm = Context::mainnet()
            .with_block(env.block_env.clone())
            .with_cfg(env.cfg_env.clone())
            .with_db(workload.state.clone())
            .build_mainnet();
        for (transaction, weight) in workload.transactions.iter().zip(&mut weights) {
            let transaction = transaction.clone();
            let started = Instant::now();
            let executed = evm.transact(transaction);
            *weight = started.elapsed().min(*weight);
            match executed {
                Ok(executed) => evm.ctx.journaled_state.database.commit(executed.state),
                Err(EVMError::Transaction(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accesses(reads: &[Location], changes: &[Location]) -> Accesses {
        Accesses {
            reads: reads.to_vec(),
            reads_to_change: changes.to_vec(),
            writes: changes.to_vec(),
        }
    }

    #[test]
    fn paths_are_the_heaviest_chains() {
        let millis = |times: &[u64]| -> Vec<Duration> {
            times.iter().map(|time| Duration::from_millis(*time)).collect()
        };
        let [a, b] = [1, 2].map(|byte| Location::Balance(Address::repeat_byte(byte)));
        // All add to one balance: a chain, unless additions commute.
        let batch = [accesses(&[], &[a]), accesses(&[], &[a]), accesses(&[], &[a])];
        assert_eq!(over_path(&batch, &millis(&[3, 1, 2]), true), 1.0);
        assert_eq!(over_path(&batch, &millis(&[3, 1, 2]), false), 2.0);
        // A reader of the sum waits for the longest of them, and only for them.
        let batch =
            [accesses(&[], &[a]), accesses(&[], &[a]), accesses(&[], &[b]), accesses(&[a], &[])];
        assert_eq!(over_path(&batch, &millis(&[4, 1, 3, 2]), false), 10.0 / 6.0);
        assert_eq!(over_path(&[], &[], true), 1.0);
    }
}
