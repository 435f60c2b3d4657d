//! One case: environment, transaction, execution, comparison.

use super::fixture::{Case, Post, PreAccount};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, RecoveredAuthority, RecoveredAuthorization, SignedAuthorization},
    eip7825::MAX_TX_GAS_LIMIT_OSAKA,
    eip7840::BlobParams,
};
use alloy_primitives::{
    Address, B256, Bytes, Log, TxKind, U256, keccak256,
    map::{B256Map, HashSet},
};
use alloy_rlp::Encodable;
use eyre::{ContextCompat as _, Result, bail, ensure};
use k256::ecdsa::SigningKey;
use plasma_evm::{
    BlockState, EvmEnv, SpecId, TxEnv,
    revm::{
        DatabaseCommit,
        context::{BlockEnv, CfgEnv},
        context_interface::{block::BlobExcessGasAndPrice, either::Either},
    },
};
use plasma_parallel::{ParallelExecutor, TransactionOutcome, execute_sequential};
use plasma_storage::{Account, AccountChange, StateChanges, StateReader, StorageError};
use plasma_trie::{EmptyNodes, StateTrie};
use std::sync::Arc;

/// Copies of a transaction that are executed in one batch with it.
const COPIES: u8 = 3;

/// Transactions that use more gas are not copied: loops that run for seconds say nothing of parallel
/// execution.
const COPIED_GAS: u64 = 500_000;

/// The chain id of tests that name none.
const DEFAULT_CHAIN_ID: u64 = 1;

/// From this type on (EIP-4844, EIP-7702) a transaction must name a recipient.
const FIRST_TYPE_WITHOUT_CREATION: u8 = 3;

/// Runs one case; the error says what differs.
pub(super) fn run(
    executor: &ParallelExecutor,
    case: &Case,
    fork: SpecId,
    post: &Post,
) -> Result<(), String> {
    check(executor, case, fork, post).map_err(|error| format!("{error:#}"))
}

fn check(executor: &ParallelExecutor, case: &Case, fork: SpecId, post: &Post) -> Result<()> {
    let env = environment(case, fork);
    let tx = transaction(case, post)?;
    let pre = Arc::new(PreState::new(case));
    let base: Arc<dyn StateReader> = pre.clone();
    if tx.kind.is_create() && tx.tx_type >= FIRST_TYPE_WITHOUT_CREATION {
        // Such a transaction has no encoding, so it never reaches execution.
        ensure!(post.expect_exception.is_some(), "a type {} creation cannot exist", tx.tx_type);
        let (root, _, _) = finish(&pre, &env, BlockState::new(base), Vec::new())?;
        ensure!(root == post.hash, "state root {root}, expected {}", post.hash);
        return Ok(());
    }
    let block = BlockState::new(base.clone());
    let transactions = [tx];
    let parallel = executor.execute(&block, &env, &transactions)?;
    let sequential = execute_sequential(&block, &env, &transactions)?;
    if sequential.outcomes.iter().all(|outcome| outcome.gas_used() <= COPIED_GAS) {
        check_copies(executor, &pre, &env, &transactions[0])?;
    }
    let (root, logs, invalid) =
        finish(&pre, &env, BlockState::new(base.clone()), parallel.outcomes)?;
    let (other_root, other_logs, other_invalid) =
        finish(&pre, &env, BlockState::new(base), sequential.outcomes)?;
    ensure!(
        (root, logs, &invalid) == (other_root, other_logs, &other_invalid),
        "parallel and sequential execution differ: {root} {logs} {invalid:?} against {other_root} {other_logs} {other_invalid:?}"
    );
    match (&post.expect_exception, &invalid) {
        (Some(expected), None) => bail!("executed, but {expected} was expected"),
        (None, Some(reason)) => bail!("refused: {reason}"),
        _ => {}
    }
    ensure!(root == post.hash, "state root {root}, expected {}", post.hash);
    ensure!(logs == post.logs, "logs hash {logs}, expected {}", post.logs);
    Ok(())
}

/// Executes `tx` in one batch with copies of itself by senders of their own, who are as its sender
/// is: what they meet of each other depends on the case. The parallel executor must give what the
/// sequential one gives.
fn check_copies(
    executor: &ParallelExecutor,
    pre: &PreState,
    env: &EvmEnv,
    tx: &TxEnv,
) -> Result<()> {
    let mut pre = pre.clone();
    let mut batch = vec![tx.clone()];
    for number in 1..=COPIES {
        let caller = Address::from_word(keccak256([tx.caller.as_slice(), &[number]].concat()));
        if let Some(sender) = pre.changes.accounts.get(&tx.caller).cloned() {
            pre.changes.accounts.insert(caller, sender);
        }
        batch.push(TxEnv { caller, ..tx.clone() });
    }
    let block = BlockState::new(Arc::new(pre));
    let parallel = executor.execute(&block, env, &batch)?.outcomes;
    let sequential = execute_sequential(&block, env, &batch)?.outcomes;
    for (index, (parallel, sequential)) in parallel.iter().zip(&sequential).enumerate() {
        ensure!(
            parallel == sequential,
            "copy {index} in a batch: {parallel:?} in parallel, {sequential:?} in sequence"
        );
    }
    ensure!(parallel.len() == sequential.len(), "outcomes of the batch of copies lack");
    Ok(())
}

/// State root, hash of the logs, and why the transaction was refused.
fn finish(
    pre: &PreState,
    env: &EvmEnv,
    mut block: BlockState,
    outcomes: Vec<TransactionOutcome>,
) -> Result<(B256, B256, Option<String>)> {
    let mut logs: Vec<Log> = Vec::new();
    let mut invalid = None;
    for outcome in outcomes {
        match outcome {
            TransactionOutcome::Executed { result, state } => {
                logs.extend(result.into_logs());
                block.commit(state);
            }
            TransactionOutcome::Invalid(reason) => invalid = Some(reason.to_string()),
        }
    }
    // The suites close each case with a block reward of zero, which before EIP-161 leaves an empty
    // account behind.
    let beneficiary = env.block_env.beneficiary;
    if !env.cfg_env.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
        && block.account(beneficiary)?.is_none()
    {
        let mut reward = StateChanges::default();
        let empty = AccountChange { account: Some(Account::default()), ..AccountChange::default() };
        reward.accounts.insert(beneficiary, empty);
        block.apply(reward);
    }
    let mut trie = StateTrie::new(alloy_trie::EMPTY_ROOT_HASH);
    trie.update(&EmptyNodes, &pre.changes)?;
    // Everything is in memory, so nothing is ever loaded.
    trie.update(&EmptyNodes, &block.into_changes())?;
    let mut encoded = Vec::new();
    logs.encode(&mut encoded);
    Ok((trie.root(), keccak256(encoded), invalid))
}

fn environment(case: &Case, fork: SpecId) -> EvmEnv {
    let chain_id = case.config.chainid.map_or(DEFAULT_CHAIN_ID, |id| id.as_u64());
    let mut cfg = CfgEnv::new_with_spec(fork).with_chain_id(chain_id);
    let params = blob_params(case, fork);
    if let Some(params) = params {
        cfg.set_max_blobs_per_tx(params.max_blobs_per_tx);
    }
    if fork.is_enabled_in(SpecId::OSAKA) {
        cfg.tx_gas_limit_cap = Some(MAX_TX_GAS_LIMIT_OSAKA);
    }
    let env = &case.env;
    let merged = fork.is_enabled_in(SpecId::MERGE);
    let random = env.current_random.map(|value| B256::from(value.0)).unwrap_or_default();
    let block = BlockEnv {
        number: env.current_number.0,
        beneficiary: env.current_coinbase,
        timestamp: env.current_timestamp.0,
        gas_limit: env.current_gas_limit.as_u64(),
        basefee: env.current_base_fee.map_or(0, |fee| fee.as_u64()),
        difficulty: if merged { U256::ZERO } else { env.current_difficulty.0 },
        prevrandao: merged.then_some(random),
        blob_excess_gas_and_price: params.map(|params| {
            let excess = env.current_excess_blob_gas.map_or(0, |gas| gas.as_u64());
            BlobExcessGasAndPrice {
                excess_blob_gas: excess,
                blob_gasprice: params.calc_blob_fee(excess),
            }
        }),
        slot_num: env.slot_number.map_or(0, |slot| slot.as_u64()),
    };
    EvmEnv::new(cfg, block)
}

fn blob_params(case: &Case, fork: SpecId) -> Option<BlobParams> {
    if !fork.is_enabled_in(SpecId::CANCUN) {
        return None;
    }
    let (name, mut params) = if fork.is_enabled_in(SpecId::OSAKA) {
        ("Osaka", BlobParams::osaka())
    } else if fork.is_enabled_in(SpecId::PRAGUE) {
        ("Prague", BlobParams::prague())
    } else {
        ("Cancun", BlobParams::cancun())
    };
    if let Some(schedule) = case.config.blob_schedule.get(name) {
        params.target_blob_count = schedule.target.as_u64();
        params.max_blob_count = schedule.max.as_u64();
        params.update_fraction = schedule.base_fee_update_fraction.as_u128();
    }
    Some(params)
}

fn transaction(case: &Case, post: &Post) -> Result<TxEnv> {
    let parts = &case.transaction;
    let at = &post.indexes;
    let sender = match (parts.sender, parts.secret_key) {
        (Some(sender), _) => sender,
        (None, Some(secret)) => {
            let key = SigningKey::from_slice(secret.as_slice())?;
            Address::from_private_key(&key)
        }
        (None, None) => bail!("the test names no sender"),
    };
    let access_list = match &parts.access_lists {
        Some(lists) => lists.get(at.data).cloned().flatten(),
        None => None,
    };
    let tx_type = if parts.authorization_list.is_some() {
        4
    } else if parts.max_fee_per_blob_gas.is_some() {
        3
    } else if parts.max_fee_per_gas.is_some() {
        2
    } else {
        u8::from(access_list.is_some())
    };
    let price = parts.gas_price.or(parts.max_fee_per_gas);
    Ok(TxEnv {
        tx_type,
        caller: sender,
        gas_limit: parts.gas_limit.get(at.gas).context("gas index")?.as_u64(),
        gas_price: price.map_or(0, |price| price.as_u128()),
        kind: parts.to.map_or(TxKind::Create, TxKind::Call),
        value: parts.value.get(at.value).context("value index")?.0,
        data: parts.data.get(at.data).context("data index")?.clone(),
        nonce: parts.nonce.as_u64(),
        chain_id: Some(case.config.chainid.map_or(DEFAULT_CHAIN_ID, |id| id.as_u64())),
        access_list: AccessList(
            access_list
                .into_iter()
                .flatten()
                .map(|item| AccessListItem {
                    address: item.address,
                    storage_keys: item.storage_keys.iter().map(|key| key.0.into()).collect(),
                })
                .collect(),
        ),
        gas_priority_fee: parts.max_priority_fee_per_gas.map(|fee| fee.as_u128()),
        blob_hashes: parts.blob_versioned_hashes.clone().unwrap_or_default(),
        max_fee_per_blob_gas: parts.max_fee_per_blob_gas.map_or(0, |fee| fee.as_u128()),
        authorization_list: parts
            .authorization_list
            .iter()
            .flatten()
            .map(|entry| {
                let parity = entry.y_parity.or(entry.v).context("authorization without parity")?;
                let signed = SignedAuthorization::new_unchecked(
                    Authorization {
                        chain_id: entry.chain_id.0,
                        address: entry.address,
                        nonce: entry.nonce.as_u64(),
                    },
                    parity.0.saturating_to(),
                    entry.r.0,
                    entry.s.0,
                );
                let authority = match signed.recover_authority() {
                    Ok(address) => RecoveredAuthority::Valid(address),
                    Err(_) => RecoveredAuthority::Invalid,
                };
                Ok(Either::Right(RecoveredAuthorization::new_unchecked(
                    signed.inner().clone(),
                    authority,
                )))
            })
            .collect::<Result<_>>()?,
    })
}

/// The test's pre-state.
#[derive(Clone)]
struct PreState {
    changes: StateChanges,
    codes: B256Map<Bytes>,
}

impl PreState {
    fn new(case: &Case) -> Self {
        let mut changes = StateChanges::default();
        let mut codes = B256Map::default();
        for (address, account) in &case.pre {
            let PreAccount { balance, code, nonce, storage } = account;
            let hash = (!code.is_empty()).then(|| keccak256(code));
            if let Some(hash) = hash {
                codes.insert(hash, code.clone());
            }
            changes.accounts.insert(
                *address,
                AccountChange {
                    account: Some(Account {
                        nonce: nonce.as_u64(),
                        balance: balance.0,
                        bytecode_hash: hash,
                    }),
                    storage_wiped: false,
                    storage: storage.iter().map(|(slot, value)| (slot.0, value.0)).collect(),
                },
            );
        }
        Self { changes, codes }
    }
}

impl StateReader for PreState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        Ok(self.changes.accounts.get(&address).and_then(|change| change.account))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        let change = self.changes.accounts.get(&address);
        Ok(change.and_then(|change| change.storage.get(&slot)).copied().unwrap_or(U256::ZERO))
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let mut slots = self.changes.accounts.get(&address).into_iter().flat_map(|it| &it.storage);
        Ok(slots.any(|(slot, value)| !hidden.contains(slot) && !value.is_zero()))
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(self.codes.get(&code_hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        // The suites define a block's hash as the hash of its number in decimal digits.
        Ok(Some(keccak256(number.to_string())))
    }
}
