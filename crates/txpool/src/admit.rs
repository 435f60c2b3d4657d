//! The rules that depend on what else waits in the pool: funds for all of a sender's transactions,
//! replacement, limits, room.

use crate::{
    PoolConfig, PoolError, PoolTransaction, error::Overdraft, index::Index, limits,
    validate::Sender,
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, U256};

/// Checks what depends on the sender's other transactions.
pub(crate) fn check_beside_others(
    config: &PoolConfig,
    index: &Index,
    tx: &PoolTransaction,
    sender: &Sender,
) -> Result<(), PoolError> {
    let Some(queue) = index.sender(&tx.sender) else {
        let gap = tx.nonce() > sender.nonce;
        return if sender.delegated && gap { Err(PoolError::DelegatedGap) } else { Ok(()) };
    };
    // A state that is read while a block closes can be older than what the pool was told.
    if tx.nonce() < queue.nonce() {
        return Err(PoolError::NonceTooLow { next: queue.nonce(), nonce: tx.nonce() });
    }
    let old = queue.get(tx.nonce());

    // Or newer: then what the open block has executed already costs nothing more.
    let executed = queue.iter().take_while(|(nonce, _)| *nonce < sender.nonce);
    let executed = executed.fold(U256::ZERO, |sum, (_, tx)| sum.saturating_add(tx.cost()));
    let queued = queue.cost().saturating_sub(executed);
    let cost = tx.cost();
    let old_cost = old.map_or(U256::ZERO, |old| old.cost());
    let need = queued.saturating_sub(old_cost).saturating_add(cost);
    if need > sender.balance {
        return Err(PoolError::InsufficientFundsForAll(Box::new(Overdraft {
            balance: sender.balance,
            queued,
            added: cost.saturating_sub(old_cost),
            overshot: need - sender.balance,
            replaces: old.is_some(),
        })));
    }
    if let Some(old) = old {
        return check_replacement(old, tx, config.price_bump_percent);
    }
    let gap = tx.nonce() > queue.pending_end().max(sender.nonce);
    if sender.delegated {
        if gap {
            return Err(PoolError::DelegatedGap);
        }
        if queue.len() >= limits::DELEGATED_ACCOUNT_TRANSACTIONS {
            return Err(PoolError::DelegatedLimit);
        }
    }
    let account_full = queue.len() >= config.max_account_transactions
        || (gap && queue.len() - queue.pending_len() >= config.max_account_queued)
        || (tx.sidecar.is_some() && queue.blob_transactions() >= limits::ACCOUNT_BLOB_TRANSACTIONS);
    if account_full {
        return Err(PoolError::AccountLimit { pooled: queue.len() });
    }
    Ok(())
}

/// Names the transactions to drop so that `tx` fits: of other senders, each one's last, which
/// leaves no gap, and cheaper than `tx`.
pub(crate) fn make_room(
    config: &PoolConfig,
    index: &Index,
    tx: &PoolTransaction,
    state_nonce: u64,
) -> Result<Vec<B256>, PoolError> {
    let queue = index.sender(&tx.sender);
    if queue.is_some_and(|queue| queue.get(tx.nonce()).is_some()) {
        return Ok(Vec::new());
    }
    if tx.sidecar.is_some() && index.blob_transactions() >= config.max_blob_transactions {
        return Err(PoolError::Full);
    }
    let mut too_many = (index.len() + 1).saturating_sub(config.max_transactions);
    let mut too_large = (index.bytes() + tx.encoded_length).saturating_sub(config.max_bytes);
    let next = queue.map_or(state_nonce, |queue| queue.pending_end().max(state_nonce));
    let pending = tx.nonce() <= next;
    let mut dropped = Vec::new();
    let mut tails = index.tails().filter(|(_, last)| last.sender != tx.sender);
    while too_many > 0 || too_large > 0 {
        let ((last_pending, tip, fee, _), last) = tails.next().ok_or(PoolError::Full)?;
        if (tx.tip_cap(), tx.transaction.max_fee_per_gas()) <= (tip, fee) {
            return Err(PoolError::Underpriced);
        }
        if last_pending && !pending {
            return Err(PoolError::FutureReplacesPending);
        }
        too_many = too_many.saturating_sub(1);
        too_large = too_large.saturating_sub(last.encoded_length);
        dropped.push(last.hash);
    }
    Ok(dropped)
}

/// Both fees must be higher by the bump, and the blob fee too where blobs are concerned.
fn check_replacement(
    old: &PoolTransaction,
    new: &PoolTransaction,
    bump: u64,
) -> Result<(), PoolError> {
    let blobs = old.sidecar.is_some() || new.sidecar.is_some();
    let bump = if blobs { limits::BLOB_PRICE_BUMP_PERCENT.max(bump) } else { bump };
    let fees = |tx: &PoolTransaction| {
        let blob_fee = tx.transaction.max_fee_per_blob_gas();
        (tx.transaction.max_fee_per_gas(), tx.tip_cap(), blob_fee)
    };
    let ((old_fee, old_tip, old_blob), (new_fee, new_tip, new_blob)) = (fees(old), fees(new));
    let mut pairs = vec![("gas fee cap", old_fee, new_fee), ("gas tip cap", old_tip, new_tip)];
    if let (Some(old_blob), Some(new_blob)) = (old_blob, new_blob) {
        pairs.push(("blob gas fee cap", old_blob, new_blob));
    }
    for (name, old, new) in pairs {
        let needed = U256::from(old) * U256::from(100 + bump) / U256::from(100u64);
        if new > old && U256::from(new) >= needed {
            continue;
        }
        let detail = if !blobs {
            String::new()
        } else if new <= old {
            format!(": new tx {name} {new} <= {old} queued")
        } else {
            format!(": new tx {name} {new} < {old} queued + {bump}% replacement penalty")
        };
        return Err(PoolError::ReplacementUnderpriced(detail));
    }
    Ok(())
}
