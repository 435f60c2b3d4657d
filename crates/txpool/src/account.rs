//! The transactions of one sender, by nonce.

use crate::{
    PoolTransaction,
    index::{ReadyKey, TailKey},
};
use alloy_primitives::U256;
use std::{
    collections::{BTreeMap, btree_map::Range},
    sync::Arc,
};

/// One sender's transactions. Those from `nonce` up to `pending_end` are pending: no nonce is
/// missing among them. What lies behind is queued.
#[derive(Debug)]
pub(crate) struct SenderQueue {
    nonce: u64,
    pending_end: u64,
    transactions: BTreeMap<u64, Arc<PoolTransaction>>,
    cost: U256,
    blob_transactions: usize,
    /// Its place among the senders that can go next; kept by [`crate::index::Index`].
    pub(crate) ready: Option<ReadyKey>,
    /// Its place among those that may be dropped; kept likewise.
    pub(crate) tail: Option<TailKey>,
}

impl SenderQueue {
    /// Nothing waits; the account's next nonce is `nonce`.
    pub(crate) fn new(nonce: u64) -> Self {
        Self {
            nonce,
            pending_end: nonce,
            transactions: BTreeMap::new(),
            cost: U256::ZERO,
            blob_transactions: 0,
            ready: None,
            tail: None,
        }
    }

    /// The account's next nonce.
    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }

    /// First nonce that is not pending.
    pub(crate) fn pending_end(&self) -> u64 {
        self.pending_end
    }

    /// All its transactions.
    pub(crate) fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Its pending transactions.
    pub(crate) fn pending_len(&self) -> usize {
        // Pending nonces have no gaps, so their number is a difference; it fits as `len` does.
        (self.pending_end - self.nonce) as usize
    }

    /// The most that all of them can cost, in wei.
    pub(crate) fn cost(&self) -> U256 {
        self.cost
    }

    /// Its blob transactions.
    pub(crate) fn blob_transactions(&self) -> usize {
        self.blob_transactions
    }

    /// The one with this nonce.
    pub(crate) fn get(&self, nonce: u64) -> Option<&Arc<PoolTransaction>> {
        self.transactions.get(&nonce)
    }

    /// All, by rising nonce.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Arc<PoolTransaction>)> {
        self.transactions.iter().map(|(nonce, pooled)| (*nonce, pooled))
    }

    /// The pending ones from `from` on, by rising nonce.
    pub(crate) fn pending_from(&self, from: u64) -> Range<'_, u64, Arc<PoolTransaction>> {
        let from = from.max(self.nonce);
        self.transactions.range(from.min(self.pending_end)..self.pending_end)
    }

    /// The one with the highest nonce.
    pub(crate) fn last(&self) -> Option<&Arc<PoolTransaction>> {
        self.transactions.last_key_value().map(|(_, pooled)| pooled)
    }

    /// Puts a transaction in its place; returns the one that it replaces. Its nonce must not be
    /// below the account's.
    pub(crate) fn insert(&mut self, pooled: Arc<PoolTransaction>) -> Option<Arc<PoolTransaction>> {
        let nonce = pooled.nonce();
        debug_assert!(nonce >= self.nonce);
        self.count_in(&pooled);
        let replaced = self.transactions.insert(nonce, pooled);
        if let Some(replaced) = &replaced {
            self.count_out(replaced);
        }
        self.extend();
        replaced
    }

    /// Takes the one with this nonce out. What follows it is queued from then on.
    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PoolTransaction>> {
        let removed = self.transactions.remove(&nonce)?;
        self.count_out(&removed);
        self.pending_end = self.pending_end.min(nonce);
        Some(removed)
    }

    /// The account's next nonce is `nonce` now. Returns those that are stale by it.
    pub(crate) fn set_nonce(&mut self, nonce: u64) -> Vec<Arc<PoolTransaction>> {
        if nonce == self.nonce {
            return Vec::new();
        }
        let kept = self.transactions.split_off(&nonce);
        let stale = std::mem::replace(&mut self.transactions, kept);
        for pooled in stale.values() {
            self.count_out(pooled);
        }
        // After a revert the nonce lies before what was pending, and a gap may have opened.
        self.pending_end = if nonce < self.nonce { nonce } else { self.pending_end.max(nonce) };
        self.nonce = nonce;
        self.extend();
        stale.into_values().collect()
    }

    /// Nonces of those that cannot run any more: dearer than the whole balance, or with more gas
    /// than a block has.
    pub(crate) fn impossible(&self, balance: U256, gas_limit: u64) -> Vec<u64> {
        use alloy_consensus::Transaction as _;
        let impossible = |pooled: &PoolTransaction| {
            pooled.transaction.gas_limit() > gas_limit || pooled.cost() > balance
        };
        self.iter().filter(|(_, pooled)| impossible(pooled)).map(|(nonce, _)| nonce).collect()
    }

    fn extend(&mut self) {
        let following = self.transactions.range(self.pending_end..);
        for (nonce, _) in following {
            if *nonce != self.pending_end {
                break;
            }
            // No transaction has the nonce 2^64-1: validation refuses it.
            self.pending_end += 1;
        }
    }

    fn count_in(&mut self, pooled: &PoolTransaction) {
        self.cost = self.cost.saturating_add(pooled.cost());
        self.blob_transactions += usize::from(pooled.sidecar.is_some());
    }

    fn count_out(&mut self, pooled: &PoolTransaction) {
        self.cost = self.cost.saturating_sub(pooled.cost());
        self.blob_transactions -= usize::from(pooled.sidecar.is_some());
    }
}
