//! What is assumed of a transaction's sender whose earlier transactions are not executed yet.
//!
//! Invariant: an execution on an assumed sender, completed with the sender as it proves to be, is the execution
//! on that sender. A valid transaction's nonce is its sender's, so that it is known beforehand; and
//! all that revm does with the balance of a sender without code is to look whether it suffices, to
//! take from it and to add to it, unless the code that is run asks for it (BALANCE), which is noted,
//! or an addition overflows, which takes a balance that nobody has: where there is one, only the
//! very balance that was assumed will do.
//!
//! So transactions of one sender wait for each other only where they ask for the sender's balance. What such an
//! execution makes of the sender is told to others at its commit: before that, they see the sender as it was.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, U256};
use plasma_vm::StorageProbeRef;
use revm::{
    context::TxEnv,
    context_interface::{Cfg, Transaction, transaction::TransactionType},
    primitives::{KECCAK_EMPTY, hardfork::SpecId},
    state::{AccountInfo, EvmState},
};

use crate::{memory::Memory, validation::AccountRead, write_set::AccountWrite};

/// No balance that ether adds up to has as many bits.
const HUGE_BITS: usize = 200;

/// What was assumed of the sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assumed {
    pub(crate) sender: Address,
    /// The nonce is the transaction's.
    pub(crate) balance: U256,
    /// The sender's balance and nonce in the base.
    pub(crate) base: (U256, u64),
    /// The code that was run has asked for the balance, or may have made it overflow.
    pub(crate) was_looked_at: bool,
}

impl Assumed {
    /// Notes down what the execution that ended in `state` has read of others, and whether it asked for the sender's
    /// balance.
    pub(crate) fn look_back(
        &mut self,
        reads: &[AccountRead],
        state: &EvmState,
        beneficiary: Address,
        asked_for_sender: bool,
    ) {
        // Nothing that is moved is more than what is there, so that sums of what is not huge do not overflow.
        self.was_looked_at |= asked_for_sender
            || reads.iter().any(|read| is_huge(read.balance))
            || state.get(&beneficiary).is_some_and(|it| is_huge(it.original_info().balance));
    }
}

/// Whether a balance may overflow when others are added to it.
fn is_huge(balance: U256) -> bool {
    balance.bit_len() > HUGE_BITS
}

/// Whether something may be assumed of senders in this environment at all.
pub(crate) fn may_assume(env: &EvmEnv) -> bool {
    let cfg = &env.cfg_env;
    // Before EIP-161 empty accounts have rules of their own.
    cfg.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
        && !cfg.is_nonce_check_disabled()
        && !cfg.is_balance_check_disabled()
        && !cfg.is_fee_charge_disabled()
}

/// Whether something may be assumed of the sender of `transaction`.
pub(crate) fn may_assume_of(transaction: &TxEnv, beneficiary: Address) -> bool {
    // The beneficiary's account is the ledger's. Authorizations (EIP-7702) change nonces and code.
    transaction.caller != beneficiary
        && transaction.tx_type != TransactionType::Eip7702 as u8
        && transaction.nonce != u64::MAX
}

/// The sender of `transaction` as it will be if all its transactions before this one are valid, given what it is
/// in the base and as it is so far; `None` where that cannot be assumed.
pub(crate) fn assume(
    transaction: &TxEnv,
    base: &AccountInfo,
    so_far: Option<AccountInfo>,
) -> Option<AccountInfo> {
    let so_far = so_far?;
    let has_code = [base, &so_far].into_iter().any(|info| info.code_hash != KECCAK_EMPTY);
    (!has_code && so_far.nonce < transaction.nonce)
        .then_some(AccountInfo { nonce: transaction.nonce, ..so_far })
}

/// Completes `state`, which `transaction` at position `index` left behind on what was `assumed`, now that all earlier
/// transactions are committed. Gives the sender as it is written; `None` where the assumption was wrong.
pub(crate) fn complete<D: StorageProbeRef>(
    memory: &Memory<D>,
    index: u32,
    transaction: &TxEnv,
    assumed: &Assumed,
    state: &mut EvmState,
) -> Option<AccountWrite> {
    let sender = assumed.sender;
    let (balance, nonce) = assumed.base;
    let base =
        AccountInfo { balance, nonce, code_hash: KECCAK_EMPTY, account_id: None, code: None };
    let writers = memory.account_writers(sender);
    let (now, _) = memory.account(sender, index, Some(base), writers).ok()?;
    let now = now.filter(|now| now.code_hash == KECCAK_EMPTY && now.nonce == transaction.nonce)?;
    if transaction.max_balance_spending().map_or(true, |most| now.balance < most) {
        return None;
    }
    if now.balance != assumed.balance
        && (assumed.was_looked_at || is_huge(now.balance) || is_huge(assumed.balance))
    {
        return None;
    }
    let account = state.get_mut(&sender)?;
    let balance = match account.info.balance.checked_sub(assumed.balance) {
        Some(gained) => now.balance.checked_add(gained)?,
        None => now.balance.checked_sub(assumed.balance - account.info.balance)?,
    };
    account.info.balance = balance;
    account.original_info_mut().balance = now.balance;
    Some(AccountWrite::of_sender(sender, balance, account.info.nonce))
}
