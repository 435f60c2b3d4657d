//! All senders' transactions with the orders that the pool keeps up to date: by hash, by who can go
//! next, by who may be dropped.

use crate::{PoolTransaction, account::SenderQueue};
use alloy_primitives::{
    Address, B256,
    map::{AddressMap, B256Map},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Order in which transactions run: higher tip first, then earlier arrival. Arrivals are unique.
pub(crate) type ReadyKey = (Reverse<u128>, u64);

/// Order in which transactions are dropped from a full pool: queued before pending, lower tip
/// first, then lower fee cap, then later arrival.
pub(crate) type TailKey = (bool, u128, u128, Reverse<u64>);

/// What the next block asks of fees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fees {
    /// Base fee per gas, in wei.
    pub(crate) base_fee: u64,
    /// Base fee per blob gas, in wei.
    pub(crate) blob_base_fee: u128,
}

/// The pool's content.
#[derive(Debug, Default)]
pub(crate) struct Index {
    senders: AddressMap<SenderQueue>,
    by_hash: B256Map<Arc<PoolTransaction>>,
    /// Transactions by the versioned hashes of the blobs that they carry: several may carry the same.
    by_blob: BTreeSet<(B256, B256)>,
    /// Senders whose next transaction can pay the fees, in the order of that transaction.
    ready: BTreeMap<ReadyKey, Address>,
    /// Every sender by its last transaction: the only one that leaves no gap when dropped.
    tails: BTreeMap<TailKey, Address>,
    fees: Fees,
    pending: usize,
    bytes: usize,
    blob_transactions: usize,
    arrivals: u64,
}

impl Index {
    /// Number of transactions.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Number of pending ones.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Bytes of all encodings.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of blob transactions.
    pub(crate) fn blob_transactions(&self) -> usize {
        self.blob_transactions
    }

    /// Fees that [`Self::ready`] is ordered by.
    pub(crate) fn fees(&self) -> Fees {
        self.fees
    }

    /// The transaction with this hash.
    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<PoolTransaction>> {
        self.by_hash.get(hash)
    }

    /// A transaction that carries the blob with this versioned hash, and the place of the blob in it.
    pub(crate) fn with_blob(&self, versioned: B256) -> Option<(&Arc<PoolTransaction>, usize)> {
        let (_, hash) = self.by_blob.range((versioned, B256::ZERO)..).next()?;
        let pooled = self.by_hash.get(hash)?;
        let place = blob_hashes(pooled).iter().position(|blob| *blob == versioned)?;
        Some((pooled, place))
    }

    /// One sender's transactions; never empty.
    pub(crate) fn sender(&self, address: &Address) -> Option<&SenderQueue> {
        self.senders.get(address)
    }

    /// All senders.
    pub(crate) fn senders(&self) -> impl Iterator<Item = (&Address, &SenderQueue)> {
        self.senders.iter()
    }

    /// Senders that can go next, best first.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (ReadyKey, Address)> + '_ {
        self.ready.iter().map(|(key, address)| (*key, *address))
    }

    /// The transactions that may be dropped, worst first, one of each sender.
    pub(crate) fn tails(&self) -> impl Iterator<Item = (TailKey, &Arc<PoolTransaction>)> + '_ {
        self.tails
            .iter()
            .filter_map(|(key, address)| Some((*key, self.senders.get(address)?.last()?)))
    }

    /// Adds a transaction, or replaces the one with its sender and nonce. `nonce` is the account's
    /// next nonce where the sender is new here. Returns it as it stands in the pool.
    pub(crate) fn insert(
        &mut self,
        mut pooled: PoolTransaction,
        nonce: u64,
    ) -> (Arc<PoolTransaction>, Option<Arc<PoolTransaction>>) {
        self.arrivals += 1;
        pooled.arrival = self.arrivals;
        let pooled = Arc::new(pooled);
        let inserted = Arc::clone(&pooled);
        let replaced =
            self.change(pooled.sender, Some(nonce), |queue| queue.insert(inserted)).flatten();
        if let Some(replaced) = &replaced {
            self.forget(replaced);
        }
        self.bytes += pooled.encoded_length;
        self.blob_transactions += usize::from(pooled.sidecar.is_some());
        self.by_blob.extend(blob_hashes(&pooled).iter().map(|blob| (*blob, pooled.hash)));
        self.by_hash.insert(pooled.hash, Arc::clone(&pooled));
        (pooled, replaced)
    }

    /// Takes one transaction out.
    pub(crate) fn remove(&mut self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        let pooled = Arc::clone(self.by_hash.get(hash)?);
        self.change(pooled.sender, None, |queue| queue.remove(pooled.nonce()));
        self.forget(&pooled);
        Some(pooled)
    }

    /// The account's next nonce is `nonce` now. Returns what is stale by it.
    pub(crate) fn set_nonce(&mut self, sender: Address, nonce: u64) -> Vec<Arc<PoolTransaction>> {
        let unchanged = self.senders.get(&sender).is_none_or(|queue| queue.nonce() == nonce);
        if unchanged {
            return Vec::new();
        }
        let stale = self.change(sender, None, |queue| queue.set_nonce(nonce)).unwrap_or_default();
        for pooled in &stale {
            self.forget(pooled);
        }
        stale
    }

    /// Orders the ready senders by new fees.
    pub(crate) fn set_fees(&mut self, fees: Fees) {
        if self.fees == fees {
            return;
        }
        self.fees = fees;
        self.ready.clear();
        for (address, queue) in &mut self.senders {
            queue.ready = ready_key(queue, fees);
            if let Some(key) = queue.ready {
                self.ready.insert(key, *address);
            }
        }
    }

    /// Removes everything; arrivals go on counting.
    pub(crate) fn clear(&mut self) {
        *self = Self { arrivals: self.arrivals, fees: self.fees, ..Self::default() };
    }

    /// Changes one sender's queue and brings all orders up to date. A sender that is not here is
    /// made where `nonce` tells its next nonce, else nothing happens.
    fn change<T>(
        &mut self,
        sender: Address,
        nonce: Option<u64>,
        change: impl FnOnce(&mut SenderQueue) -> T,
    ) -> Option<T> {
        let queue = match nonce {
            Some(nonce) => self.senders.entry(sender).or_insert_with(|| SenderQueue::new(nonce)),
            None => self.senders.get_mut(&sender)?,
        };
        let pending_before = queue.pending_len();
        let result = change(queue);
        self.pending = self.pending + queue.pending_len() - pending_before;

        let (ready, tail) = (ready_key(queue, self.fees), tail_key(queue));
        if ready != queue.ready {
            if let Some(key) = queue.ready.take() {
                self.ready.remove(&key);
            }
            if let Some(key) = ready {
                self.ready.insert(key, sender);
            }
            queue.ready = ready;
        }
        if tail != queue.tail {
            if let Some(key) = queue.tail.take() {
                self.tails.remove(&key);
            }
            if let Some(key) = tail {
                self.tails.insert(key, sender);
            }
            queue.tail = tail;
        }
        if queue.len() == 0 {
            self.senders.remove(&sender);
        }
        Some(result)
    }

    fn forget(&mut self, pooled: &PoolTransaction) {
        self.by_hash.remove(&pooled.hash);
        for blob in blob_hashes(pooled) {
            self.by_blob.remove(&(*blob, pooled.hash));
        }
        self.bytes -= pooled.encoded_length;
        self.blob_transactions -= usize::from(pooled.sidecar.is_some());
    }
}

/// Versioned hashes of the blobs that a transaction has here; none where they did not come with it.
fn blob_hashes(pooled: &PoolTransaction) -> &[B256] {
    use alloy_consensus::Transaction as _;
    let hashes = pooled.transaction.blob_versioned_hashes().filter(|_| pooled.sidecar.is_some());
    hashes.unwrap_or_default()
}

/// Key of the sender's next transaction, where it can pay the fees.
fn ready_key(queue: &SenderQueue, fees: Fees) -> Option<ReadyKey> {
    key_of(queue.get(queue.nonce())?, fees)
}

/// Key of one transaction, where it can pay the fees.
pub(crate) fn key_of(pooled: &PoolTransaction, fees: Fees) -> Option<ReadyKey> {
    if !pooled.pays(fees.base_fee, fees.blob_base_fee) {
        return None;
    }
    Some((Reverse(pooled.effective_tip(fees.base_fee)?), pooled.arrival))
}

fn tail_key(queue: &SenderQueue) -> Option<TailKey> {
    use alloy_consensus::Transaction as _;
    let last = queue.last()?;
    let pending = last.nonce() < queue.pending_end();
    Some((pending, last.tip_cap(), last.transaction.max_fee_per_gas(), Reverse(last.arrival)))
}
