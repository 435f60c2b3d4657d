//! What all handles to the chain share.
//!
//! Invariant: head, state and trie move together; nothing becomes visible here before its journal
//! record is durable.

use crate::{
    ChainConfig, ChainError, ChainEvent, DevControl, PendingBlock, Tick, TickedBlock,
    block::{Effects, ExecutedBlock, transaction_entries},
    engine::EngineState,
    import::SideChains,
    latency::Latency,
    metrics,
    open_block::OpenBlock,
    producer::{Producer, pool_head},
    recent::{RECENT_BLOCKS, Recent},
    sequencer::Signal,
    upkeeps,
    view::{View, empty_view, with_patch},
};
use alloy_primitives::B256;
use parking_lot::{Mutex, RwLock};
use plasma_chainspec::ChainSpec;
use plasma_parallel::{ConflictReport, ParallelExecutor};
use plasma_storage::{
    Database, StateChanges, StateReader, StateSnapshot, StorageError, TrieUpdates,
};
use plasma_trie::{OpenTrie, StateTrie};
use plasma_txpool::TxPool;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicUsize},
    thread::JoinHandle,
};
use tokio::sync::{broadcast, watch};

/// Blocks whose conflict reports are kept.
const CONFLICT_REPORTS: usize = 256;

/// Accounts and slots by which a trie goes back at a time: about 50 MiB of memory.
const REWIND_PART: usize = 250_000;

/// The head's trie with the snapshot that holds its stored nodes.
pub(crate) struct Tip {
    pub(crate) trie: StateTrie,
    pub(crate) snapshot: StateSnapshot,
}

pub(crate) struct Inner {
    pub(crate) config: ChainConfig,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) db: Database,
    pub(crate) pool: Arc<TxPool>,
    pub(crate) executor: ParallelExecutor,
    pub(crate) producer: Mutex<Producer>,
    pub(crate) signal: Signal,
    /// Submissions that have begun and have not reached the pool yet.
    pub(crate) admitting: AtomicUsize,
    pub(crate) view: RwLock<View>,
    pub(crate) tip: RwLock<Tip>,
    pub(crate) recent: RwLock<Recent>,
    /// Valid blocks beside the canonical chain.
    pub(crate) side: Mutex<SideChains>,
    /// What a consensus layer has said, and what it has asked for.
    pub(crate) engine: Mutex<EngineState>,
    pub(crate) conflicts: RwLock<VecDeque<(u64, Arc<ConflictReport>)>>,
    pub(crate) events: broadcast::Sender<ChainEvent>,
    pub(crate) head_number: watch::Sender<u64>,
    /// Why production stopped by itself.
    pub(crate) failure: watch::Sender<Option<String>>,
    pub(crate) sequencer: Mutex<Option<JoinHandle<()>>>,
    pub(crate) dev: Option<DevControl>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("head", &self.head().number()).finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn view(&self) -> View {
        self.view.read().clone()
    }

    pub(crate) fn head(&self) -> Arc<ExecutedBlock> {
        self.view.read().head.clone()
    }

    /// The open block as readers see it.
    pub(crate) fn pending(&self) -> Arc<PendingBlock> {
        self.view.read().pending.clone()
    }

    pub(crate) fn block(&self, number: u64) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        if let Some(block) = self.recent.read().by_number.get(&number) {
            return Ok(Some(block.clone()));
        }
        if number > self.head().number() {
            return Ok(None);
        }
        Ok(self.db.block_record(number)?.map(|record| Arc::new(ExecutedBlock::from(record))))
    }

    /// The canonical block with this hash.
    pub(crate) fn block_by_hash(
        &self,
        hash: B256,
    ) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        let recent = self.recent.read().by_hash.get(&hash).copied();
        match recent.map_or_else(|| self.db.block_number(hash), |number| Ok(Some(number)))? {
            Some(number) => self.block(number),
            None => Ok(None),
        }
    }

    /// The head's trie, to be changed at will, and the snapshot that holds its stored nodes.
    pub(crate) fn trie_at_head(&self) -> Result<(StateTrie, StateSnapshot), StorageError> {
        let tip = self.tip.read();
        Ok((tip.trie.clone(), tip.snapshot.clone()))
    }

    /// The head's trie for the block that follows.
    pub(crate) fn open_trie(&self) -> OpenTrie {
        let tip = self.tip.read();
        let nodes = Arc::new(tip.snapshot.clone());
        OpenTrie::new(tip.trie.clone(), nodes, self.config.trie_cache_bytes)
    }

    /// Moves `trie`, which stands at `snapshot`, back to block `number` of the chain that leads there:
    /// a developer's chain may have gone back meanwhile, or to another branch.
    ///
    /// # Errors
    /// [`ChainError::UnknownBlock`] where block `number` is another one by now, [`StorageError::Pruned`]
    /// where its state is not kept.
    pub(crate) fn rewind(
        &self,
        trie: &mut StateTrie,
        snapshot: &StateSnapshot,
        number: u64,
    ) -> Result<(), ChainError> {
        // A snapshot from before the last pruning reaches further back, which nothing else does.
        let oldest = self.db.oldest_state();
        if number < oldest {
            return Err(StorageError::Pruned { number, oldest }.into());
        }
        snapshot.reverse_changes(number, REWIND_PART, |back| {
            trie.update(snapshot, &back)?;
            Ok::<_, ChainError>(())
        })?;
        let hash = snapshot.block_hash(number)?;
        let block = self.block(number)?.filter(|block| Some(block.hash) == hash);
        let expected = block.ok_or(ChainError::UnknownBlock(number))?.header.state_root;
        if trie.root() != expected {
            return Err(ChainError::invalid(
                number,
                "state root after going back to it",
                trie.root(),
                expected,
            ));
        }
        Ok(())
    }

    /// Makes a journaled block the head.
    pub(crate) fn adopt(
        &self,
        block: Arc<ExecutedBlock>,
        effects: Effects,
        updates: Arc<TrieUpdates>,
        trie: StateTrie,
        producer: &Producer,
    ) -> Result<(), ChainError> {
        let Effects { changes, appearances } = effects;
        let entries = transaction_entries(&block, Arc::unwrap_or_clone(appearances));
        let for_pool = changes.clone();
        let (number, hash, receipts) = (block.number(), block.hash, &block.receipts);
        self.db.push_block_state(number, hash, entries, changes, updates, receipts)?;
        let snapshot = self.db.latest()?;
        let mut trie = trie;
        // While a block is open this happens beside it; the margin leaves it to that.
        trie.evict(self.config.trie_cache_bytes.saturating_add(self.config.trie_cache_bytes / 8));
        *self.tip.write() = Tip { trie, snapshot };
        self.recent.write().insert(block.clone());
        self.set_head(block, producer, Some(&for_pool))
    }

    /// Shows `block`, whose state is the database's tip, as the head.
    pub(crate) fn set_head(
        &self,
        block: Arc<ExecutedBlock>,
        producer: &Producer,
        changes: Option<&StateChanges>,
    ) -> Result<(), ChainError> {
        let number = block.number();
        self.view.write().head = block;
        self.refresh_pending(producer)?;
        let view = self.view();
        match changes {
            Some(changes) => self.pool.on_block(&view.pool_head, changes),
            None => self.pool.on_head(&view.pool_head, &*view.pending.state)?,
        }
        self.head_number.send_replace(number);
        metrics::head(number);
        Ok(())
    }

    /// Builds what readers see of the present anew: head state, pending block, pool head.
    pub(crate) fn refresh_pending(&self, producer: &Producer) -> Result<(), ChainError> {
        let head = self.head();
        let snapshot: Arc<dyn StateReader> = Arc::new(self.tip.read().snapshot.clone());
        let view = match &producer.open {
            Some(open) if !open.transactions.is_empty() => View {
                head,
                state: with_patch(snapshot, producer),
                pending: Arc::new(open.pending()),
                pool_head: pool_head(open),
            },
            _ => empty_view(&self.spec, &self.config, producer, head, snapshot)?,
        };
        *self.view.write() = view;
        Ok(())
    }

    /// Shows the open block to readers.
    pub(crate) fn show_pending(&self, open: &OpenBlock) -> Arc<PendingBlock> {
        let pending = Arc::new(open.pending());
        self.view.write().pending = pending.clone();
        pending
    }

    /// Shows the open block to readers after tick `number`, which begins with transaction `first` and made `changes`, and tells
    /// listeners.
    pub(crate) fn publish_pending(
        &self,
        open: &OpenBlock,
        number: u32,
        first: usize,
        changes: Arc<StateChanges>,
    ) {
        let pending = self.show_pending(open);
        let block = TickedBlock::Open(pending);
        self.announce(ChainEvent::Tick(Tick { number, first, block, changes: vec![changes] }));
    }

    pub(crate) fn announce(&self, event: ChainEvent) {
        // Without listeners there is nobody to tell; that is no failure.
        let _listeners = self.events.send(event);
    }

    pub(crate) fn remember_conflicts(&self, number: u64, report: Arc<ConflictReport>) {
        let mut conflicts = self.conflicts.write();
        if conflicts.len() >= CONFLICT_REPORTS {
            conflicts.pop_front();
        }
        conflicts.push_back((number, report));
    }

    /// Passes `result` on. An error of making a block ends production: what stood in the open block is
    /// in the journal or was acknowledged to nobody, and going on could break what was promised.
    pub(crate) fn or_stop<T>(&self, result: Result<T, ChainError>) -> Result<T, ChainError> {
        if let Err(error) = &result {
            tracing::error!(target: "plasma::chain", %error, "block production stopped");
            self.failure.send_replace(Some(error.to_string()));
            self.signal.stop();
        }
        result
    }

    /// Unwinds the chain to block `number`; the caller holds the producer.
    pub(crate) fn revert_to(&self, producer: &mut Producer, number: u64) -> Result<(), ChainError> {
        let from = self.head().number();
        let ticks = producer.open.take().map_or(0, |open| open.ticks);
        let removed = self.unwind(number)?;
        if number == from && ticks > 0 {
            // The journal has ticks of the block that is open no longer.
            self.db.revert_to(number)?;
        }
        self.pool.clear();
        let head = self.block(number)?.ok_or(ChainError::UnknownBlock(number))?;
        self.set_head(head, producer, None)?;
        producer.latency = Latency::default();
        if let Some(keeper) = producer.keeper.as_mut() {
            let view = self.view();
            let loaded = keeper.reload(&*view.state, &view.pending.env);
            if let Err(error) =
                loaded.map_err(ChainError::from).and_then(|()| upkeeps::restore_queue(self, keeper))
            {
                producer.keeper_failed(self, error)?;
            }
        }
        if number < from {
            self.announce(ChainEvent::Reverted { from, to: number, removed });
        }
        Ok(())
    }

    /// Takes database, trie and caches back to block `number`, and answers the blocks that are
    /// canonical no longer (of late ones only), newest first. The open block and the head that
    /// readers see are the caller's to set.
    pub(crate) fn unwind(&self, number: u64) -> Result<Vec<Arc<ExecutedBlock>>, ChainError> {
        let from = self.head().number();
        let mut removed = Vec::new();
        for gone in (number + 1..=from).rev().take(RECENT_BLOCKS) {
            removed.extend(self.block(gone)?);
        }
        let head = self.block(number)?.ok_or(ChainError::UnknownBlock(number))?;
        if number < from {
            self.db.revert_to(number)?;
        }
        self.recent.write().truncate(number);
        self.conflicts.write().retain(|(block, _)| *block <= number);
        let snapshot = self.db.latest()?;
        *self.tip.write() = Tip { trie: StateTrie::new(head.header.state_root), snapshot };
        Ok(removed)
    }
}
