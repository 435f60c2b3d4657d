//! Errors and panics: the batch ends with an error, and the executor goes on.

use std::{error::Error, fmt, num::NonZeroUsize};

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, U256, map::HashSet};
use plasma_vm::StorageProbeRef;
use revm::{
    DatabaseRef,
    bytecode::opcode as op,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    database_interface::DBErrorMarker,
    primitives::{TxKind, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use super::{
    executors,
    world::{contract, sender},
};
use crate::{ExecutorError, ParallelConfig, ParallelExecutor, execute_sequential};

const POISON: Address = Address::with_last_byte(0xbd);

#[derive(Debug)]
struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk is gone")
    }
}

impl Error for Unreadable {}
impl DBErrorMarker for Unreadable {}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Error,
    Panic,
}

/// A state that fails when [`POISON`] is read.
struct Faulty {
    inner: InMemoryDB,
    fault: Fault,
}

impl Faulty {
    fn check(&self, address: Address) -> Result<(), Unreadable> {
        match self.fault {
            _ if address != POISON => Ok(()),
            Fault::Error => Err(Unreadable),
            Fault::Panic => panic!("the reader broke"),
        }
    }
}

impl StorageProbeRef for Faulty {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Unreadable> {
        self.check(address)?;
        Ok(self.inner.has_storage_ref(address, hidden).unwrap())
    }
}

impl DatabaseRef for Faulty {
    type Error = Unreadable;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        self.check(address)?;
        Ok(self.inner.basic_ref(address).unwrap())
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Unreadable> {
        Ok(self.inner.code_by_hash_ref(code_hash).unwrap())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Unreadable> {
        Ok(self.inner.storage_ref(address, index).unwrap())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unreadable> {
        Ok(self.inner.block_hash_ref(number).unwrap())
    }
}

fn funded() -> InMemoryDB {
    let mut state = InMemoryDB::default();
    for number in 0..6 {
        let info = AccountInfo { balance: U256::from(1_000_000_000), ..Default::default() };
        state.insert_account_info(sender(number), info);
    }
    state
}

fn environment(spec: SpecId) -> EvmEnv {
    let block = BlockEnv { gas_limit: 30_000_000, ..BlockEnv::default() };
    EvmEnv::new(CfgEnv::new_with_spec(spec), block)
}

/// Thirty transfers among six senders, the one at `poisoned` to [`POISON`].
fn transfers(poisoned: Option<usize>) -> Vec<TxEnv> {
    (0..30u8)
        .map(|index| TxEnv {
            caller: sender(index),
            nonce: u64::from(index / 6),
            gas_limit: 21_000,
            kind: TxKind::Call(if Some(usize::from(index)) == poisoned {
                POISON
            } else {
                sender(index + 1)
            }),
            value: U256::from(1),
            chain_id: Some(1),
            ..TxEnv::default()
        })
        .collect()
}

#[test]
fn a_state_error_names_the_transaction() {
    let state = Faulty { inner: funded(), fault: Fault::Error };
    let (env, transactions) = (environment(SpecId::CANCUN), transfers(Some(17)));
    let sequential = execute_sequential(&state, &env, &transactions).unwrap_err();
    for executor in executors() {
        let error = executor.execute(&state, &env, &transactions).unwrap_err();
        assert!(matches!(error, ExecutorError::Database { index: 17, .. }), "{error}");
        assert_eq!(error.to_string(), sequential.to_string());
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        // The executor works on.
        let outcome = executor.execute(&state, &env, &transfers(None)).unwrap();
        assert_eq!(outcome.outcomes.len(), 30);
    }
}

/// An execution that was too early may read what is never read in order; its error or panic is void.
#[test]
fn faults_of_void_executions_are_none() {
    // With input: slot 0 = 1. Without: reads the balance of the address in slot 0.
    let code = [
        op::CALLDATASIZE,
        op::PUSH1,
        9,
        op::JUMPI,
        op::PUSH0,
        op::SLOAD,
        op::BALANCE,
        op::POP,
        op::STOP,
        op::JUMPDEST,
        op::PUSH1,
        1,
        op::PUSH0,
        op::SSTORE,
        op::STOP,
    ];
    let code = Bytecode::new_legacy(code.to_vec().into());
    let pointer = contract(0);
    let mut inner = funded();
    inner.insert_account_info(pointer, AccountInfo::default().with_code(code));
    inner
        .insert_account_storage(pointer, U256::ZERO, U256::from_be_slice(POISON.as_slice()))
        .unwrap();
    let mut transactions = transfers(None);
    for transaction in &mut transactions {
        transaction.kind = TxKind::Call(pointer);
        transaction.value = U256::ZERO;
        transaction.gas_limit = 100_000;
    }
    transactions[0].data = super::assembler::word(1);
    let env = environment(SpecId::CANCUN);
    for fault in [Fault::Error, Fault::Panic] {
        let state = Faulty { inner: inner.clone(), fault };
        for executor in executors() {
            let outcome = executor.execute(&state, &env, &transactions).unwrap();
            assert!(outcome.outcomes.iter().all(|o| o.result().is_some_and(|r| r.is_success())));
        }
    }
}

#[test]
fn a_panic_ends_the_batch_with_an_error() {
    let state = Faulty { inner: funded(), fault: Fault::Panic };
    let env = environment(SpecId::CANCUN);
    for executor in executors() {
        let error = executor.execute(&state, &env, &transfers(Some(11))).unwrap_err();
        assert!(
            matches!(&error, ExecutorError::Panicked { index: 11, message } if message == "the reader broke"),
            "{error}"
        );
        let outcome = executor.execute(&state, &env, &transfers(None)).unwrap();
        assert_eq!(outcome.outcomes.len(), 30);
    }
}

#[test]
fn an_incomplete_environment_is_an_error() {
    let mut env = environment(SpecId::CANCUN);
    env.block_env.prevrandao = None;
    let transactions = transfers(None);
    assert!(matches!(
        execute_sequential(&funded(), &env, &transactions),
        Err(ExecutorError::Header { .. })
    ));
    for executor in executors() {
        let error = executor.execute(&funded(), &env, &transactions).unwrap_err();
        assert!(matches!(error, ExecutorError::Header { .. }), "{error}");
    }
}

#[test]
fn an_unreadable_beneficiary_is_an_error() {
    let state = Faulty { inner: funded(), fault: Fault::Error };
    let mut env = environment(SpecId::CANCUN);
    env.block_env.beneficiary = POISON;
    for executor in executors() {
        let error = executor.execute(&state, &env, &transfers(None)).unwrap_err();
        assert!(matches!(error, ExecutorError::Database { index: 0, .. }), "{error}");
    }
}

#[test]
fn short_batches_and_single_threads_go_sequential() {
    let env = environment(SpecId::CANCUN);
    let two = NonZeroUsize::new(2).unwrap();
    let executor = ParallelExecutor::new(ParallelConfig::new(two)).unwrap();
    let parallel = |executor: &ParallelExecutor, transactions: &[TxEnv]| {
        executor.execute(&funded(), &env, transactions).unwrap().report.parallel
    };
    assert!(!parallel(&executor, &[]));
    assert!(!parallel(&executor, &transfers(None)[..3]));
    assert!(parallel(&executor, &transfers(None)));
    let executor = ParallelExecutor::new(ParallelConfig::new(NonZeroUsize::MIN)).unwrap();
    assert!(!parallel(&executor, &transfers(None)));
}

#[test]
fn batches_may_run_at_the_same_time() {
    let env = environment(SpecId::CANCUN);
    let transactions = transfers(None);
    let expected = execute_sequential(&funded(), &env, &transactions).unwrap().outcomes;
    for executor in executors() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let batch = executor.execute(&funded(), &env, &transactions).unwrap();
                        assert_eq!(batch.outcomes, expected);
                    }
                });
            }
        });
    }
}
