//! Verifying by block access lists (EIP-7928): right lists give what sequential execution gives, wrong
//! ones are refused, whatever is wrong with them and however many threads look.

use std::num::NonZeroUsize;

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::{Address, B256, U256};
use plasma_vm::AccessListBuilder;
use proptest::{prelude::*, sample::Index};
use revm::{
    DatabaseRef,
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};

use super::world::{Scene, World, world};
use crate::{
    AccessList, AccessListError, ParallelConfig, ParallelExecutor, TransactionOutcome, VerifyError,
    execute_sequential,
};

/// Threads that every list is verified with.
const THREADS: [usize; 3] = [1, 2, 8];

fn executors() -> &'static [ParallelExecutor] {
    static EXECUTORS: std::sync::OnceLock<Vec<ParallelExecutor>> = std::sync::OnceLock::new();
    EXECUTORS.get_or_init(|| {
        THREADS
            .iter()
            .map(|threads| {
                let threads = NonZeroUsize::new(*threads).expect("thread counts are positive");
                ParallelExecutor::new(ParallelConfig::new(threads)).unwrap()
            })
            .collect()
    })
}

/// The world under Amsterdam. Accounts that exist without anything in them, or with nothing but
/// storage, are gone since EIP-161; lists say nothing of them.
fn scene(mut world: World) -> Scene {
    world.spec = SpecId::AMSTERDAM;
    let mut scene = world.without_ghosts().scene();
    scene.state.cache.accounts.retain(|_, account| !account.info.is_empty());
    // A block holds valid transactions only; those that are not have changed nothing.
    let all = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
    let mut valid = all.outcomes.iter().map(|outcome| outcome.result().is_some());
    scene.transactions.retain(|_| valid.next().unwrap());
    scene
}

/// The list that the outcomes add up to.
fn list_of(outcomes: &[TransactionOutcome]) -> BlockAccessList {
    let mut list = AccessListBuilder::default();
    for (index, outcome) in outcomes.iter().enumerate() {
        let TransactionOutcome::Executed { state, .. } = outcome else { continue };
        list.add_state(BlockAccessIndex::from_tx_index(index as u64), state);
    }
    list.finish()
}

fn verify(
    executor: &ParallelExecutor,
    scene: &Scene,
    list: &[AccountChanges],
) -> Result<Vec<TransactionOutcome>, VerifyError> {
    let checked = AccessList::new(list, scene.transactions.len());
    let verified = executor.verify(&scene.state, &scene.env, &scene.transactions, &checked)?;
    let outcomes: Vec<_> = verified.into_iter().collect();
    // What was accessed after an invalid transaction depends on who got how far.
    if first_invalid(&outcomes).is_none() {
        checked.finish().map_err(|source| VerifyError::List { transaction: usize::MAX, source })?;
    }
    Ok(outcomes)
}

fn first_invalid(outcomes: &[TransactionOutcome]) -> Option<(usize, String)> {
    outcomes.iter().enumerate().find_map(|(index, outcome)| match outcome {
        TransactionOutcome::Executed { .. } => None,
        TransactionOutcome::Invalid(reason) => Some((index, reason.to_string())),
    })
}

/// One thing done wrong.
#[derive(Clone, Debug)]
enum Wrong {
    AccountLacks(Index),
    AccountTooMany(u64),
    Twice(Index),
    Swapped(Index),
    Balance(Index, Index, u64),
    Nonce(Index, Index),
    SlotValue(Index, Index, Index),
    ChangeLacks(Index, Index),
    ChangeTooMany(Index, Index, u64),
    ChangeMoved(Index, Index),
    ReadLacks(Index, Index),
    ReadTooMany(Index, u64),
    ReadIsChange(Index, Index),
    SlotLacks(Index, Index),
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Wrong::AccountLacks),
        any::<u64>().prop_map(Wrong::AccountTooMany),
        index().prop_map(Wrong::Twice),
        index().prop_map(Wrong::Swapped),
        (index(), index(), 1..5u64).prop_map(|(at, change, by)| Wrong::Balance(at, change, by)),
        (index(), index()).prop_map(|(at, change)| Wrong::Nonce(at, change)),
        (index(), index(), index()).prop_map(|(at, slot, it)| Wrong::SlotValue(at, slot, it)),
        (index(), index()).prop_map(|(at, change)| Wrong::ChangeLacks(at, change)),
        (index(), index(), 1..5u64).prop_map(|(at, to, by)| Wrong::ChangeTooMany(at, to, by)),
        (index(), index()).prop_map(|(at, change)| Wrong::ChangeMoved(at, change)),
        (index(), index()).prop_map(|(at, slot)| Wrong::ReadLacks(at, slot)),
        (index(), 100..200u64).prop_map(|(at, slot)| Wrong::ReadTooMany(at, slot)),
        (index(), index()).prop_map(|(at, slot)| Wrong::ReadIsChange(at, slot)),
        (index(), index()).prop_map(|(at, slot)| Wrong::SlotLacks(at, slot)),
    ]
}

/// One of those that have what is asked for.
fn pick<'l>(
    list: &'l mut [AccountChanges],
    at: &Index,
    has: impl Fn(&AccountChanges) -> bool,
) -> Option<&'l mut AccountChanges> {
    let found: Vec<usize> = (0..list.len()).filter(|place| has(&list[*place])).collect();
    (!found.is_empty()).then(|| &mut list[*at.get(&found)])
}

impl Wrong {
    /// Does it; `None` where there is nothing to do it to.
    fn apply(&self, list: &mut BlockAccessList, transactions: usize) -> Option<()> {
        match self {
            Self::AccountLacks(at) => {
                (!list.is_empty()).then(|| list.remove(at.index(list.len())))?;
            }
            Self::AccountTooMany(word) => {
                let address = Address::from_word(B256::from(U256::from(*word)));
                let place = list.partition_point(|account| account.address < address);
                if list.get(place).is_some_and(|account| account.address == address) {
                    return None;
                }
                list.insert(place, AccountChanges::new(address));
            }
            Self::Twice(at) => {
                let account = pick(list, at, |_| true)?.clone();
                list.push(account);
                list.sort_by_key(|account| account.address);
            }
            Self::Swapped(at) => {
                let place = list.len().checked_sub(1).filter(|last| *last > 0)?;
                let place = at.index(place);
                list.swap(place, place + 1);
            }
            Self::Balance(at, change, by) => {
                let account = pick(list, at, |account| !account.balance_changes.is_empty())?;
                let changes = &mut account.balance_changes;
                let place = change.index(changes.len());
                changes[place].post_balance =
                    changes[place].post_balance.wrapping_add(U256::from(*by));
            }
            Self::Nonce(at, change) => {
                let account = pick(list, at, |account| !account.nonce_changes.is_empty())?;
                let changes = &mut account.nonce_changes;
                let place = change.index(changes.len());
                changes[place].new_nonce = changes[place].new_nonce.wrapping_add(1);
            }
            Self::SlotValue(at, slot, change) => {
                let account = pick(list, at, |account| !account.storage_changes.is_empty())?;
                let place = slot.index(account.storage_changes.len());
                let changes = &mut account.storage_changes[place].changes;
                let place = change.index(changes.len());
                changes[place].new_value ^= U256::from(1);
            }
            Self::ChangeLacks(at, change) => {
                let account = pick(list, at, |account| !account.balance_changes.is_empty())?;
                let place = change.index(account.balance_changes.len());
                account.balance_changes.remove(place);
            }
            Self::ChangeTooMany(at, to, by) => {
                let account = pick(list, at, |_| true)?;
                let index = BlockAccessIndex::new(to.index(transactions + 2) as u64);
                if account.nonce_changes.iter().any(|change| change.block_access_index == index) {
                    return None;
                }
                let place =
                    account.nonce_changes.partition_point(|it| it.block_access_index < index);
                account.nonce_changes.insert(place, NonceChange::new(index, *by));
                // A balance as well, or the nonce might be called wrong for another reason.
                let place =
                    account.balance_changes.partition_point(|it| it.block_access_index < index);
                if account
                    .balance_changes
                    .get(place)
                    .is_none_or(|it| it.block_access_index != index)
                {
                    account
                        .balance_changes
                        .insert(place, BalanceChange::new(index, U256::from(*by)));
                }
            }
            Self::ChangeMoved(at, change) => {
                let account = pick(list, at, |account| !account.nonce_changes.is_empty())?;
                let place = change.index(account.nonce_changes.len());
                account.nonce_changes[place].block_access_index.increment();
            }
            Self::ReadLacks(at, slot) => {
                let account = pick(list, at, |account| !account.storage_reads.is_empty())?;
                let place = slot.index(account.storage_reads.len());
                account.storage_reads.remove(place);
            }
            Self::ReadTooMany(at, slot) => {
                let account = pick(list, at, |_| true)?;
                let slot = U256::from(*slot);
                let known = account.storage_slots().any(|known| known == slot);
                (!known).then(|| account.storage_reads.push(slot))?;
                account.storage_reads.sort_unstable();
            }
            Self::ReadIsChange(at, slot) => {
                let account = pick(list, at, |account| !account.storage_reads.is_empty())?;
                let place = slot.index(account.storage_reads.len());
                let slot = account.storage_reads.remove(place);
                let change = StorageChange::new(BlockAccessIndex::new(1), U256::from(77));
                let place = account.storage_changes.partition_point(|it| it.slot < slot);
                account.storage_changes.insert(place, SlotChanges::new(slot, vec![change]));
            }
            Self::SlotLacks(at, slot) => {
                let account = pick(list, at, |account| !account.storage_changes.is_empty())?;
                let place = slot.index(account.storage_changes.len());
                account.storage_changes.remove(place);
            }
        }
        Some(())
    }
}

/// What a verification says, comparably.
fn said(verdict: Result<Vec<TransactionOutcome>, VerifyError>) -> Result<(), String> {
    match verdict {
        // Invalid is a block with an invalid transaction, too.
        Ok(outcomes) => first_invalid(&outcomes)
            .map_or(Ok(()), |(index, reason)| Err(format!("transaction {index}: {reason}"))),
        Err(error) => Err(error.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn right_lists_give_sequential_outcomes(world in world(60)) {
        let scene = scene(world);
        let expected = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
        let list = list_of(&expected.outcomes);
        for executor in executors() {
            let found = verify(executor, &scene, &list).unwrap();
            prop_assert_eq!(&found, &expected.outcomes);
        }
        // The same by checking what sequential execution did.
        let checked = AccessList::new(&list, scene.transactions.len());
        for (index, outcome) in expected.outcomes.iter().enumerate() {
            if let TransactionOutcome::Executed { state, .. } = outcome {
                checked.check(BlockAccessIndex::from_tx_index(index as u64), state).unwrap();
            }
        }
        prop_assert_eq!(checked.finish(), Ok(()));
        // And by holding the list against itself.
        let checked = AccessList::new(&list, scene.transactions.len());
        prop_assert_eq!(checked.check_part(&list), Ok(()));
        prop_assert_eq!(checked.finish(), Ok(()));
    }

    #[test]
    fn wrong_lists_are_refused(world in world(40), wrong in wrong()) {
        let scene = scene(world);
        let expected = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
        let right = list_of(&expected.outcomes);
        let mut list = right.clone();
        prop_assume!(wrong.apply(&mut list, scene.transactions.len()).is_some());
        prop_assert_ne!(&list, &right);
        let said_first = said(verify(&executors()[0], &scene, &list));
        prop_assert!(said_first.is_err(), "{:?} went unnoticed", wrong);
        for executor in &executors()[1..] {
            prop_assert_eq!(&said(verify(executor, &scene, &list)), &said_first);
        }
        // What sequential execution did is held against it with the same end.
        let checked = AccessList::new(&list, scene.transactions.len());
        let mut outcome = Ok(());
        for (index, executed) in expected.outcomes.iter().enumerate() {
            if let TransactionOutcome::Executed { state, .. } = executed {
                let place = BlockAccessIndex::from_tx_index(index as u64);
                outcome = outcome.and_then(|()| checked.check(place, state));
            }
        }
        let outcome: Result<(), AccessListError> = outcome.and_then(|()| checked.finish());
        prop_assert!(outcome.is_err(), "{:?} went unnoticed by check", wrong);
        let checked = AccessList::new(&list, scene.transactions.len());
        let outcome = checked.check_part(&right).and_then(|()| checked.finish());
        prop_assert!(outcome.is_err(), "{:?} went unnoticed by check_part", wrong);
    }
}

/// A batch longer than a part of the list and than what one thread takes at a time.
#[test]
fn a_long_block_is_verified_by_many_threads() {
    use revm::{context::TxEnv, database::InMemoryDB, primitives::TxKind};
    let mut state = InMemoryDB::default();
    let member = |number: u64| Address::from_word(B256::from(U256::from(0x10_0000 + number)));
    let rich = AccountInfo { balance: U256::from(1) << 80, ..Default::default() };
    // Counts its calls in slot 0 and who called in a slot of the caller's.
    let counter = Address::with_last_byte(0xcc);
    let code: [u8; 12] = [0x5f, 0x54, 0x60, 0x01, 0x01, 0x5f, 0x55, 0x60, 0x01, 0x33, 0x55, 0x00];
    let code = Bytecode::new_raw(code.to_vec().into());
    state.insert_account_info(counter, AccountInfo::default().with_code(code));
    let env = scene_env();
    let mut transactions = Vec::new();
    for number in 0..2_000u64 {
        state.insert_account_info(member(number), rich.clone());
        let to = if number % 3 == 0 { counter } else { member(number * 7 % 2_000) };
        transactions.push(TxEnv {
            caller: member(number),
            kind: TxKind::Call(to),
            value: U256::from(u64::from(number % 3 != 0)),
            gas_limit: 2_000_000,
            gas_price: 10,
            chain_id: Some(1),
            ..TxEnv::default()
        });
    }
    let scene = Scene { state, env, transactions, addresses: Vec::new(), short_payments: 0 };
    let expected = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
    let succeeded =
        |outcome: &TransactionOutcome| outcome.result().is_some_and(|it| it.is_success());
    let failed = expected.outcomes.iter().find(|outcome| !succeeded(outcome));
    assert!(failed.is_none(), "{failed:?}");
    let mut list = list_of(&expected.outcomes);
    for executor in executors() {
        assert_eq!(verify(executor, &scene, &list).unwrap(), expected.outcomes);
    }
    // The last call is told wrong: named, whoever finds it.
    let last = (0..2_000).rev().find(|number| number % 3 == 0).unwrap();
    let place = list.iter().position(|account| account.address == counter).unwrap();
    let calls = &mut list[place].storage_changes[0].changes;
    assert_eq!(calls.len(), 667);
    calls.last_mut().unwrap().new_value += U256::from(1);
    for executor in executors() {
        let error = verify(executor, &scene, &list).unwrap_err();
        assert!(matches!(error, VerifyError::List { transaction, .. } if transaction == last));
        assert_eq!(
            error.to_string(),
            format!(
                "transaction {last}: slot 0x0 of {counter} at index {}: the block access list says \
                 0x29c, execution gives 0x29b",
                last + 1
            )
        );
    }
}

fn scene_env() -> alloy_evm::EvmEnv {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let world = proptest::strategy::ValueTree::current(&world(2).new_tree(&mut runner).unwrap());
    let mut env = scene(world).env;
    env.block_env.beneficiary = Address::with_last_byte(0xfe);
    env.block_env.gas_limit = u64::MAX;
    env
}

/// Whoever touches an account that exists with nothing in it removes it, which no list tells.
#[test]
fn accounts_with_nothing_in_them_are_left_to_others() {
    use revm::{context::TxEnv, database::InMemoryDB, primitives::TxKind};
    let mut state = InMemoryDB::default();
    let (caller, ghost) = (Address::repeat_byte(0xaa), Address::repeat_byte(0xbb));
    let rich = AccountInfo { balance: U256::from(1) << 80, ..Default::default() };
    state.insert_account_info(caller, rich);
    state.insert_account_info(ghost, AccountInfo::default());
    let call = |nonce| TxEnv {
        caller,
        nonce,
        kind: TxKind::Call(ghost),
        gas_limit: 500_000,
        gas_price: 10,
        chain_id: Some(1),
        ..TxEnv::default()
    };
    let transactions = vec![call(0), call(1)];
    let env = scene_env();
    let scene = Scene { state, env, transactions, addresses: Vec::new(), short_payments: 0 };
    let expected = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
    let list = list_of(&expected.outcomes);
    for executor in executors() {
        let error = verify(executor, &scene, &list).unwrap_err();
        assert!(
            matches!(
                error,
                VerifyError::List {
                    transaction: 0,
                    source: AccessListError::EmptyAccount { address },
                } if address == ghost
            ),
            "{error}"
        );
    }
}

/// A base that cannot be read is an error of its own, not the list's.
#[test]
fn an_unreadable_base_is_no_verdict() {
    struct Broken;
    #[derive(Debug, thiserror::Error)]
    #[error("the disk is gone")]
    struct Gone;
    impl revm::database_interface::DBErrorMarker for Gone {}
    impl DatabaseRef for Broken {
        type Error = Gone;
        fn basic_ref(&self, _: Address) -> Result<Option<AccountInfo>, Gone> {
            Err(Gone)
        }
        fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, Gone> {
            Err(Gone)
        }
        fn storage_ref(&self, _: Address, _: U256) -> Result<U256, Gone> {
            Err(Gone)
        }
        fn block_hash_ref(&self, _: u64) -> Result<B256, Gone> {
            Err(Gone)
        }
    }
    impl plasma_vm::StorageProbeRef for Broken {
        fn has_storage_ref(
            &self,
            _: Address,
            _: &alloy_primitives::map::HashSet<U256>,
        ) -> Result<bool, Gone> {
            Err(Gone)
        }
    }
    let caller = Address::with_last_byte(0xaa);
    let list = vec![AccountChanges::new(caller)];
    let transactions = vec![revm::context::TxEnv { caller, gas_price: 10, ..Default::default() }];
    for executor in executors() {
        let checked = AccessList::new(&list, 1);
        let error = executor.verify(&Broken, &scene_env(), &transactions, &checked).unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        assert!(matches!(error, VerifyError::Execution(_)));
    }
}
