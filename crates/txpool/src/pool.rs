//! [`TxPool`]: the pool as the rest of the node sees it.

use crate::{
    AddOutcome, PoolConfig, PoolContent, PoolError, PoolHead, PoolStatus, PoolTransaction,
    admit::{check_beside_others, make_room},
    index::Index,
    limits, select,
    validate::{check_sender, check_transaction},
};
use alloy_consensus::{EthereumTypedTransaction, TxEip4844};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use parking_lot::RwLock;
use plasma_chainspec::ChainSpec;
use plasma_storage::{Account, StateChanges, StateReader};
use std::sync::Arc;
use tokio::sync::broadcast;

/// The transaction pool. All methods take `&self` and may be called from any thread; those that
/// take a state read it and belong off the async runtime.
#[derive(Debug)]
pub struct TxPool {
    config: PoolConfig,
    spec: Arc<ChainSpec>,
    index: RwLock<Index>,
    announcements: broadcast::Sender<Arc<PoolTransaction>>,
}

impl TxPool {
    /// An empty pool.
    pub fn new(config: PoolConfig, spec: Arc<ChainSpec>) -> Self {
        let (announcements, _) = broadcast::channel(limits::ANNOUNCEMENTS);
        Self { config, spec, index: RwLock::default(), announcements }
    }

    /// How it was configured.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Validates a transaction against `state` and the block to come, and takes it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn add(
        &self,
        tx: PoolTransaction,
        state: &dyn StateReader,
        head: &PoolHead,
    ) -> Result<AddOutcome, PoolError> {
        let result = self.validate_and_insert(tx, state, head);
        metrics::counter!("plasma_txpool_added_total", "result" => if result.is_ok() { "ok" } else { "refused" })
            .increment(1);
        result
    }

    /// The same for a transaction that `sender` did not sign, for a developer who impersonates it:
    /// the sender may be a contract. See [`PoolTransaction::unsigned`].
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn add_unsigned(
        &self,
        transaction: EthereumTypedTransaction<TxEip4844>,
        sender: Address,
        state: &dyn StateReader,
        head: &PoolHead,
    ) -> Result<AddOutcome, PoolError> {
        self.add(PoolTransaction::unsigned(transaction, sender), state, head)
    }

    fn validate_and_insert(
        &self,
        tx: PoolTransaction,
        state: &dyn StateReader,
        head: &PoolHead,
    ) -> Result<AddOutcome, PoolError> {
        if self.contains(tx.hash) {
            return Err(PoolError::AlreadyKnown);
        }
        check_transaction(&tx, head, &self.spec, &self.config)?;
        let sender = check_sender(&tx, state)?;

        let mut index = self.index.write();
        if index.get(&tx.hash).is_some() {
            return Err(PoolError::AlreadyKnown);
        }
        check_beside_others(&self.config, &index, &tx, &sender)?;
        for hash in make_room(&self.config, &index, &tx, sender.nonce)? {
            index.remove(&hash);
        }
        index.set_fees(head.fees());
        let pending_before =
            index.sender(&tx.sender).map_or(sender.nonce, |queue| queue.pending_end());
        let (tx, replaced) = index.insert(tx, sender.nonce);
        let mut announced = promoted(&index, tx.sender, pending_before);
        let pending =
            index.sender(&tx.sender).is_some_and(|queue| tx.nonce() < queue.pending_end());
        if tx.nonce() < pending_before {
            announced.push(Arc::clone(&tx));
        }
        report(&index);
        drop(index);
        self.announce(announced);
        Ok(AddOutcome { hash: tx.hash, pending, replaced: replaced.map(|replaced| replaced.hash) })
    }

    /// The next batch: pending transactions, each sender's in nonce order without gaps, senders by
    /// effective tip (ties: earlier arrival first), the sum of gas limits at most `gas`, at most
    /// `limit` of them, and no more blobs than a block may have. What cannot pay the fees of `head`
    /// is left out, and so is a sender whose nonce in `state` the pool has not reached. The answer
    /// depends on nothing else; the transactions stay in the pool until they are removed.
    pub fn best(
        &self,
        head: &PoolHead,
        state: &dyn StateReader,
        gas: u64,
        limit: usize,
    ) -> Vec<Arc<PoolTransaction>> {
        let params = self.spec.blob_params_at(head.timestamp);
        self.best_with_blobs(
            head,
            state,
            gas,
            limit,
            params.map_or(0, |params| params.max_blob_count),
        )
    }

    /// The same with at most `blobs` blobs, for a block that holds some already.
    pub fn best_with_blobs(
        &self,
        head: &PoolHead,
        state: &dyn StateReader,
        gas: u64,
        limit: usize,
        blobs: u64,
    ) -> Vec<Arc<PoolTransaction>> {
        let mut index = self.index.read();
        while index.fees() != head.fees() {
            drop(index);
            self.index.write().set_fees(head.fees());
            index = self.index.read();
        }
        select::select(&index, head, state, gas, limit, blobs)
    }

    /// Drops what a block (or tick) executed: each sender's transactions up to the nonce.
    pub fn remove_included(&self, included: &[(Address, u64)]) {
        let mut next_nonces = AddressMap::<u64>::default();
        for (sender, nonce) in included {
            let next = next_nonces.entry(*sender).or_default();
            *next = (*next).max(nonce.saturating_add(1));
        }
        let mut index = self.index.write();
        let mut announced = Vec::new();
        let mut removed = Vec::new();
        for (sender, next) in next_nonces {
            let Some(queue) = index.sender(&sender) else {
                continue;
            };
            let pending_before = queue.pending_end();
            let next = next.max(queue.nonce());
            removed.extend(index.set_nonce(sender, next));
            announced.extend(promoted(&index, sender, pending_before));
        }
        report(&index);
        // Freed after the lock is.
        drop(index);
        drop(removed);
        self.announce(announced);
    }

    /// Follows the next nonce of the sender of transaction `hash`, which `nonce` reads, where the pool is behind it: the state that
    /// the transaction was validated against may be older than the last block, of which the pool was told before it knew the
    /// sender. Answers whether the transaction is pending.
    ///
    /// # Errors
    /// Those of `nonce`, which is called while the pool stands still.
    pub fn catch_up<E>(
        &self,
        hash: B256,
        nonce: impl FnOnce(Address) -> Result<u64, E>,
    ) -> Result<bool, E> {
        let mut index = self.index.write();
        let Some(tx) = index.get(&hash).cloned() else { return Ok(false) };
        let before = index.sender(&tx.sender).map(|queue| (queue.nonce(), queue.pending_end()));
        let Some((known, pending_before)) = before else { return Ok(false) };
        let next = nonce(tx.sender)?;
        let mut announced = Vec::new();
        if next > known {
            index.set_nonce(tx.sender, next);
            announced = promoted(&index, tx.sender, pending_before);
            report(&index);
        }
        let queue = index.sender(&tx.sender);
        let pending =
            queue.is_some_and(|queue| (queue.nonce()..queue.pending_end()).contains(&tx.nonce()));
        drop(index);
        self.announce(announced);
        Ok(pending)
    }

    /// Drops a transaction that the executor found invalid; its sender's later ones wait for
    /// another with its nonce. False where it is not here.
    pub fn remove_invalid(&self, hash: B256, reason: &str) -> bool {
        let removed = self.drop_transaction(hash);
        if removed {
            tracing::debug!(%hash, reason, "dropped a transaction that cannot be executed");
        }
        removed
    }

    /// Follows a new head: reads every sender from `state`, drops what is stale or has become
    /// impossible (dearer than the whole balance, more gas than a block has), moves the rest between
    /// pending and queued. Nonces may have gone back (a reverted chain).
    ///
    /// # Errors
    /// Where the state cannot be read; the pool is then as before.
    pub fn on_head(&self, head: &PoolHead, state: &dyn StateReader) -> Result<(), PoolError> {
        let senders: Vec<Address> =
            self.index.read().senders().map(|(address, _)| *address).collect();
        let mut accounts = Vec::with_capacity(senders.len());
        for address in senders {
            accounts.push((address, state.account(address)?));
        }
        self.follow(head, accounts);
        Ok(())
    }

    /// The same where what the block changed is known: no state is read, and only senders whose
    /// account changed cost time.
    pub fn on_block(&self, head: &PoolHead, changes: &StateChanges) {
        let accounts: Vec<_> = {
            let index = self.index.read();
            let changed = changes.accounts.iter();
            changed
                .filter(|(address, _)| index.sender(address).is_some())
                .map(|(address, change)| (*address, change.account))
                .collect()
        };
        self.follow(head, accounts);
    }

    fn follow(&self, head: &PoolHead, accounts: Vec<(Address, Option<Account>)>) {
        let mut index = self.index.write();
        index.set_fees(head.fees());
        let mut announced = Vec::new();
        for (address, account) in accounts {
            let (nonce, balance) =
                account.map_or((0, U256::ZERO), |account| (account.nonce, account.balance));
            let Some(queue) = index.sender(&address) else {
                continue;
            };
            let pending_before = queue.pending_end();
            index.set_nonce(address, nonce);
            let Some(queue) = index.sender(&address) else {
                continue;
            };
            let impossible: Vec<B256> = queue
                .impossible(balance, head.gas_limit)
                .into_iter()
                .filter_map(|nonce| Some(queue.get(nonce)?.hash))
                .collect();
            for hash in impossible {
                index.remove(&hash);
            }
            announced.extend(promoted(&index, address, pending_before));
        }
        report(&index);
        drop(index);
        self.announce(announced);
    }

    /// The transaction with this hash.
    pub fn get(&self, hash: B256) -> Option<Arc<PoolTransaction>> {
        self.index.read().get(&hash).cloned()
    }

    /// True where the transaction waits here.
    pub fn contains(&self, hash: B256) -> bool {
        self.index.read().get(&hash).is_some()
    }

    /// Blobs, commitments and proofs of a blob transaction that waits here.
    pub fn blob_sidecar(&self, hash: B256) -> Option<Arc<BlobTransactionSidecarVariant>> {
        self.index.read().get(&hash)?.sidecar.clone()
    }

    /// The blobs with these versioned hashes (EIP-4844), as far as transactions that wait here carry them: each with
    /// the sidecar that has it and its place there.
    pub fn blobs(
        &self,
        versioned: &[B256],
    ) -> Vec<Option<(Arc<BlobTransactionSidecarVariant>, usize)>> {
        let index = self.index.read();
        let find = |hash: &B256| {
            let (pooled, place) = index.with_blob(*hash)?;
            Some((pooled.sidecar.clone()?, place))
        };
        versioned.iter().map(find).collect()
    }

    /// The nonce that the sender should use next, its pending transactions counted; `state_nonce`
    /// is its account's nonce.
    pub fn next_nonce(&self, sender: Address, state_nonce: u64) -> u64 {
        let index = self.index.read();
        let Some(queue) = index.sender(&sender) else {
            return state_nonce;
        };
        if queue.pending_end() >= state_nonce {
            return queue.pending_end();
        }
        // The state is ahead of the pool: some queued ones may follow it.
        let mut next = state_nonce;
        while queue.get(next).is_some() {
            next += 1;
        }
        next
    }

    /// Everything, by sender and nonce.
    pub fn content(&self) -> PoolContent {
        let index = self.index.read();
        let mut content = PoolContent::default();
        for (address, _) in index.senders() {
            collect(&index, *address, &mut content);
        }
        content
    }

    /// One sender's part of [`Self::content`].
    pub fn content_from(&self, sender: Address) -> PoolContent {
        let index = self.index.read();
        let mut content = PoolContent::default();
        collect(&index, sender, &mut content);
        content
    }

    /// Numbers of pending and queued transactions.
    pub fn status(&self) -> PoolStatus {
        let index = self.index.read();
        PoolStatus { pending: index.pending(), queued: index.len() - index.pending() }
    }

    /// Drops one transaction; false where it is not here.
    pub fn drop_transaction(&self, hash: B256) -> bool {
        let mut index = self.index.write();
        let removed = index.remove(&hash);
        report(&index);
        removed.is_some()
    }

    /// Drops everything.
    pub fn clear(&self) {
        let mut index = self.index.write();
        index.clear();
        report(&index);
    }

    /// Every transaction as it becomes pending. A receiver that falls far behind loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PoolTransaction>> {
        self.announcements.subscribe()
    }

    fn announce(&self, transactions: Vec<Arc<PoolTransaction>>) {
        for tx in transactions {
            // An error says that nobody listens.
            let _ = self.announcements.send(tx);
        }
    }
}

/// The sender's transactions that are pending now and lie at or behind `before`, the end of what
/// was pending.
fn promoted(index: &Index, sender: Address, before: u64) -> Vec<Arc<PoolTransaction>> {
    let Some(queue) = index.sender(&sender) else {
        return Vec::new();
    };
    queue.pending_from(before).map(|(_, tx)| Arc::clone(tx)).collect()
}

fn collect(index: &Index, sender: Address, content: &mut PoolContent) {
    let Some(queue) = index.sender(&sender) else {
        return;
    };
    for (nonce, tx) in queue.iter() {
        let part =
            if nonce < queue.pending_end() { &mut content.pending } else { &mut content.queued };
        part.entry(sender).or_default().insert(nonce, Arc::clone(tx));
    }
}

fn report(index: &Index) {
    metrics::gauge!("plasma_txpool_pending").set(index.pending() as f64);
    metrics::gauge!("plasma_txpool_queued").set((index.len() - index.pending()) as f64);
    metrics::gauge!("plasma_txpool_bytes").set(index.bytes() as f64);
}
