//! The choice of the next batch.

use crate::{
    PoolHead, PoolTransaction,
    index::{Fees, Index, ReadyKey, key_of},
};
use alloy_consensus::Transaction as _;
use plasma_storage::StateReader;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, btree_map::Range},
    sync::Arc,
};

/// No transaction needs less gas: below this the batch is full.
const LEAST_GAS: u64 = 21_000;

/// A sender's next transaction and those that follow it.
struct Candidate<'a> {
    key: ReadyKey,
    pooled: &'a Arc<PoolTransaction>,
    rest: Range<'a, u64, Arc<PoolTransaction>>,
}

impl<'a> Candidate<'a> {
    /// The first of `rest`, where there is one and it can pay.
    fn next(mut rest: Range<'a, u64, Arc<PoolTransaction>>, fees: Fees) -> Option<Self> {
        let (_, pooled) = rest.next()?;
        Some(Self { key: key_of(pooled, fees)?, pooled, rest })
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Candidate<'_> {}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// Chooses among the pending transactions: see [`crate::TxPool::best`]. The index must be ordered by
/// the fees of `head`. Cost: a state read and a heap operation for each sender that is considered,
/// a heap operation for each transaction that is taken.
pub(crate) fn select(
    index: &Index,
    head: &PoolHead,
    state: &dyn StateReader,
    gas: u64,
    limit: usize,
    blobs: u64,
) -> Vec<Arc<PoolTransaction>> {
    let fees = head.fees();
    let mut chosen = Vec::with_capacity(limit.min(index.pending()));
    let (mut gas_left, mut blobs_left) = (gas, blobs);
    // Senders wait in the index's order; a sender enters the heap when its turn comes, and again
    // for each transaction that follows the one that was taken.
    let mut senders = index.ready().peekable();
    let mut heap: BinaryHeap<Reverse<Candidate<'_>>> = BinaryHeap::new();
    while chosen.len() < limit && gas_left >= LEAST_GAS {
        let sender_first = match (senders.peek(), heap.peek()) {
            (None, None) => break,
            (Some((key, _)), Some(Reverse(candidate))) => *key < candidate.key,
            (sender, _) => sender.is_some(),
        };
        if sender_first {
            let Some((_, address)) = senders.next() else {
                break;
            };
            let account = match state.account(address) {
                Ok(account) => account,
                Err(error) => {
                    tracing::warn!(%address, %error, "sender left out of the batch: its state could not be read");
                    continue;
                }
            };
            // The open block may be ahead of the pool, which then still holds what it executed.
            let nonce = account.map_or(0, |account| account.nonce);
            let Some(queue) = index.sender(&address).filter(|queue| nonce >= queue.nonce()) else {
                continue;
            };
            heap.extend(Candidate::next(queue.pending_from(nonce), fees).map(Reverse));
            continue;
        }
        let Some(Reverse(candidate)) = heap.pop() else {
            break;
        };
        let needed = candidate.pooled.transaction.gas_limit();
        let blob_count = candidate.pooled.blob_count();
        // One that does not fit holds back its sender's later ones, and nobody else's.
        if needed > gas_left || blob_count > blobs_left {
            continue;
        }
        gas_left -= needed;
        blobs_left -= blob_count;
        chosen.push(Arc::clone(candidate.pooled));
        heap.extend(Candidate::next(candidate.rest, fees).map(Reverse));
    }
    chosen
}
