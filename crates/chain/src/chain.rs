//! The handle that everybody else holds.

use crate::{
    ChainConfig, ChainError, ChainEvent, DevControl, ExecutorKind, Imported, PendingBlock,
    PreparedBlock,
    block::ExecutedBlock,
    dev::DevState,
    explain::{self, Dependencies},
    fork::StateFork,
    genesis::ensure_genesis,
    inner::{Inner, Tip},
    metrics,
    producer::Producer,
    recover,
    replay::{self, BlockReplay},
    sequencer::{self, Signal},
    upkeeps,
    view::empty_view,
};
use alloy_consensus::Transaction as _;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, U256};
use parking_lot::{Mutex, RwLock};
use plasma_chainspec::ChainSpec;
use plasma_keeper::{
    BlockDecisions, Decision, Keeper, KeeperConfig, KeeperStats, UpkeepInfo, decode_decisions,
};
use plasma_parallel::{ConflictReport, ParallelConfig, ParallelExecutor};
use plasma_storage::{Database, StateReader, StorageError};
use plasma_trie::{AccountProof, StateTrie};
use plasma_txpool::{PoolError, PoolHead, PoolTransaction, TxPool, with_cell_proofs};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{broadcast, watch};

/// Events that a slow listener may lag behind before it misses some.
const EVENT_BACKLOG: usize = 1_024;

/// A handle to the chain; clones share everything.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(crate) inner: Arc<Inner>,
}

impl Chain {
    /// Opens the chain of `spec` in `db`: writes genesis into a fresh database, executes what the
    /// journal has and the state lacks, and restores the open block. Production starts with
    /// [`Self::start`].
    pub fn open(
        config: ChainConfig,
        spec: Arc<ChainSpec>,
        db: Database,
        pool: Arc<TxPool>,
        keeper: Option<KeeperConfig>,
    ) -> Result<Self, ChainError> {
        ensure_genesis(&spec, &db)?;
        let executor = ParallelExecutor::new(ParallelConfig::new(config.threads))?;
        let state_block = db.state_block();
        let record = db.block_record(state_block)?.ok_or(ChainError::UnknownBlock(state_block))?;
        let head = Arc::new(ExecutedBlock::from(record));
        let snapshot = db.latest()?;
        let trie = StateTrie::new(head.header.state_root);
        let dev_state = DevState::new(config.automine);
        let producer = Producer::new(None, dev_state);
        let view = empty_view(&spec, &config, &producer, head.clone(), Arc::new(snapshot.clone()))?;
        let inner = Arc::new_cyclic(|weak| Inner {
            dev: config.dev.then(|| DevControl::new(weak.clone(), config.automine)),
            head_number: watch::Sender::new(head.number()),
            failure: watch::Sender::new(None),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            view: RwLock::new(view),
            tip: RwLock::new(Tip { trie, snapshot }),
            recent: RwLock::default(),
            side: Mutex::default(),
            engine: Mutex::default(),
            conflicts: RwLock::default(),
            producer: Mutex::new(producer),
            signal: Signal::default(),
            admitting: AtomicUsize::new(0),
            sequencer: Mutex::new(None),
            config,
            spec,
            db,
            pool,
            executor,
        });
        inner.recent.write().insert(head);
        {
            let mut producer = inner.producer.lock();
            recover::catch_up(&inner, &producer)?;
            if inner.config.driven {
                inner.engine.lock().checkpoints = inner.db.checkpoints()?;
            }
            if let Some(keeper) = keeper {
                let view = inner.view();
                let mut keeper =
                    Keeper::load(keeper, &inner.spec, &*view.state, &view.pending.env)?;
                upkeeps::restore_queue(&inner, &mut keeper)?;
                producer.keeper = Some(keeper);
            }
            recover::reopen(&inner, &mut producer)?;
            inner.refresh_pending(&producer)?;
        }
        Ok(Self { inner })
    }

    /// Runs one tick of the open block by hand, as the sequencer does; answers how many
    /// transactions it added.
    pub fn tick(&self) -> Result<usize, ChainError> {
        self.inner.producer.lock().tick(&self.inner, true)
    }

    /// Starts block production in a thread of its own.
    pub fn start(&self) -> Result<(), ChainError> {
        let inner = self.inner.clone();
        metrics::head(self.head().number());
        let handle = std::thread::Builder::new()
            .name("sequencer".into())
            .spawn(move || {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    sequencer::run(&inner)
                }));
                let reason = match outcome {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "the sequencer panicked; its message stands above".to_owned(),
                };
                tracing::error!(target: "plasma::chain", %reason, "block production stopped");
                inner.failure.send_replace(Some(reason));
            })
            .map_err(|error| {
                ChainError::Stopped(format!("no thread for the sequencer: {error}"))
            })?;
        *self.inner.sequencer.lock() = Some(handle);
        Ok(())
    }

    /// Ends block production and writes everything that is pending to disk.
    pub fn stop(&self) -> Result<(), ChainError> {
        self.inner.signal.stop();
        if let Some(handle) = self.inner.sequencer.lock().take()
            && handle.join().is_err()
        {
            tracing::error!(target: "plasma::chain", "the sequencer ended by a panic");
        }
        Ok(self.inner.db.flush()?)
    }

    /// Waits until production stops by itself; answers why.
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(|| "unknown".into()),
            Err(_) => "the chain was dropped".into(),
        }
    }

    /// Why production stopped by itself; `None` while it runs.
    pub fn failure(&self) -> Option<String> {
        self.inner.failure.borrow().clone()
    }

    /// The rules of this chain.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.inner.spec
    }

    /// Transactions that wait for a block.
    pub fn pool(&self) -> &Arc<TxPool> {
        &self.inner.pool
    }

    /// Settings of block production.
    pub fn config(&self) -> &ChainConfig {
        &self.inner.config
    }

    /// The database underneath.
    pub fn database(&self) -> &Database {
        &self.inner.db
    }

    /// The latest sealed block.
    pub fn head(&self) -> Arc<ExecutedBlock> {
        self.inner.head()
    }

    /// The open block as of its last tick.
    pub fn pending(&self) -> Arc<PendingBlock> {
        self.inner.view.read().pending.clone()
    }

    /// What the pool has to know of the block to come.
    pub fn pool_head(&self) -> PoolHead {
        self.inner.view.read().pool_head
    }

    /// The canonical block with this number.
    pub fn block(&self, number: u64) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        self.inner.block(number)
    }

    /// The canonical block with this number, where it is still in memory.
    pub fn recent_block(&self, number: u64) -> Option<Arc<ExecutedBlock>> {
        self.inner.recent.read().by_number.get(&number).cloned()
    }

    /// The canonical block with this hash.
    pub fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        self.inner.block_by_hash(hash)
    }

    /// A sealed transaction: its block and its position there.
    pub fn transaction(
        &self,
        hash: B256,
    ) -> Result<Option<(Arc<ExecutedBlock>, usize)>, ChainError> {
        if let Some(found) = self.inner.recent.read().transaction(hash) {
            return Ok(Some(found));
        }
        let Some((number, index)) = self.inner.db.transaction_location(hash)? else {
            return Ok(None);
        };
        Ok(self.block(number)?.map(|block| (block, index as usize)))
    }

    /// The state after block `number`.
    pub fn state_at(&self, number: u64) -> Result<Arc<dyn StateReader>, ChainError> {
        let view = self.inner.view();
        if number == view.head.number() {
            return Ok(view.state);
        }
        if number > view.head.number() {
            return Err(ChainError::UnknownBlock(number));
        }
        Ok(Arc::new(self.inner.db.snapshot(number)?))
    }

    /// The block with the last transaction by which `sender` used `nonce`, and its index there.
    pub fn sealed_by_nonce(
        &self,
        sender: Address,
        nonce: u64,
    ) -> Result<Option<(Arc<ExecutedBlock>, usize)>, ChainError> {
        let Some((number, index)) = self.inner.db.nonce_location(sender, nonce)? else {
            return Ok(None);
        };
        let index = index as usize;
        // Another chain may have come in between.
        let is_it = |block: &Arc<ExecutedBlock>| {
            let found = block.transactions.get(index);
            found.is_some_and(|found| found.signer() == sender && found.nonce() == nonce)
        };
        Ok(self.block(number)?.filter(is_it).map(|block| (block, index)))
    }

    /// Merkle proof of an account and some of its slots after block `number` (EIP-1186).
    pub fn proof(
        &self,
        number: u64,
        address: Address,
        slots: &[B256],
    ) -> Result<AccountProof, ChainError> {
        let StateFork { trie, nodes, .. } = self.fork(number)?;
        Ok(trie.account_proof(&nodes, address, slots)?)
    }

    /// The state trie after block `number`, to be moved on with changes that are never kept.
    ///
    /// # Errors
    /// Where there is no such block or its state is pruned.
    pub fn fork(&self, number: u64) -> Result<StateFork, ChainError> {
        let (mut trie, nodes) = self.inner.trie_at_head()?;
        if number > nodes.number() {
            return Err(ChainError::UnknownBlock(number));
        }
        if number < nodes.number() {
            self.inner.rewind(&mut trie, &nodes, number)?;
        }
        let state = nodes.at(number)?;
        Ok(StateFork { trie, nodes, state })
    }

    /// Executions and conflicts of a recent block.
    pub fn conflicts(&self, number: u64) -> Option<Arc<ConflictReport>> {
        let conflicts = self.inner.conflicts.read();
        conflicts.iter().find(|(block, _)| *block == number).map(|(_, report)| report.clone())
    }

    /// What the transactions of block `number` depend on, found by executing it again.
    ///
    /// # Errors
    /// Where there is no such block or its parent's state is pruned.
    pub fn dependencies(&self, number: u64) -> Result<Dependencies, ChainError> {
        explain::dependencies(&self.inner, number)
    }

    /// Announces a submission that is about to come, until the answer is dropped: mining on demand
    /// holds the next block open for a moment, so that what arrives together is mined together.
    pub fn announce_submission(&self) -> Submission {
        // Relaxed: the count is a hint for the sequencer and orders nothing else.
        self.inner.admitting.fetch_add(1, Ordering::Relaxed);
        Submission { chain: self.inner.clone() }
    }

    /// Validates a transaction, puts it into the pool and wakes the producer. Takes microseconds,
    /// but tens of milliseconds for each blob: call it off the async runtime for those.
    pub fn submit(&self, transaction: PoolTransaction) -> Result<B256, PoolError> {
        let submission = self.announce_submission();
        let view = self.inner.view();
        let osaka = self.inner.spec.is_osaka_active_at_timestamp(view.pool_head.timestamp);
        let transaction = if osaka { with_cell_proofs(transaction)? } else { transaction };
        // What stands in a payload may still come to nothing: its nonces are not taken yet.
        let state = if self.inner.config.driven { &view.state } else { &view.pending.state };
        let added = self.inner.pool.add(transaction, &**state, &view.pool_head)?;
        let mut pending = added.pending;
        // A block or tick that ended meanwhile told the pool nothing of a sender that it did not know yet.
        if !Arc::ptr_eq(&view.pending, &self.pending()) {
            pending = self.inner.pool.catch_up(added.hash, |sender| {
                let now = self.inner.view();
                let state = if self.inner.config.driven { &now.state } else { &now.pending.state };
                Ok::<_, StorageError>(state.account(sender)?.map_or(0, |account| account.nonce))
            })?;
        }
        drop(submission);
        if pending {
            self.inner.signal.wake();
        }
        Ok(added.hash)
    }

    /// Listens to what happens.
    pub fn subscribe(&self) -> broadcast::Receiver<ChainEvent> {
        self.inner.events.subscribe()
    }

    /// Registered upkeeps as the keeper sees them; empty where no keeper runs.
    pub fn upkeeps(&self) -> Vec<UpkeepInfo> {
        let producer = self.inner.producer.lock();
        producer.keeper.as_ref().map(Keeper::upkeeps).unwrap_or_default()
    }

    /// One upkeep.
    pub fn upkeep(&self, id: U256) -> Option<UpkeepInfo> {
        self.inner.producer.lock().keeper.as_ref()?.upkeep(id)
    }

    /// What the keeper decided in the blocks from `from` to `to`, both included.
    pub fn keeper_decisions(&self, from: u64, to: u64) -> Result<Vec<Decision>, ChainError> {
        let mut decisions = Vec::new();
        for number in from..=to.min(self.head().number()) {
            if let Some(record) = self.inner.db.keeper_record(number)? {
                decisions.extend(decode_decisions(&record)?);
            }
        }
        Ok(decisions)
    }

    /// The keeper's record of block `number`; `None` where there is none: the block is unknown, or was made without
    /// a keeper.
    pub fn keeper_record(&self, number: u64) -> Result<Option<BlockDecisions>, ChainError> {
        if number > self.head().number() {
            return Ok(None);
        }
        let record = self.inner.db.keeper_record(number)?.filter(|record| !record.is_empty());
        Ok(record.map(|record| BlockDecisions::decode(&record)).transpose()?)
    }

    /// Totals of the keeper; `None` where no keeper runs.
    pub fn keeper_stats(&self) -> Option<KeeperStats> {
        self.inner.producer.lock().keeper.as_ref().map(Keeper::stats)
    }

    /// The keeper's accounts.
    pub fn lanes(&self) -> Vec<Address> {
        let producer = self.inner.producer.lock();
        let lanes = |keeper: &Keeper| keeper.config().lanes.lanes().to_vec();
        producer.keeper.as_ref().map(lanes).unwrap_or_default()
    }

    /// Executes the stored blocks `from..=to` again on the given executor and hands each result
    /// to `each`.
    pub fn replay(
        &self,
        from: u64,
        to: u64,
        kind: ExecutorKind,
        mut each: impl FnMut(BlockReplay),
    ) -> Result<(), ChainError> {
        let head = self.head().number();
        if from == 0 || from > to || to > head {
            return Err(ChainError::Refused(format!(
                "blocks {from} to {to} cannot be replayed: the chain has blocks 1 to {head}"
            )));
        }
        let (mut trie, snapshot) = self.inner.trie_at_head()?;
        if from <= snapshot.number() {
            self.inner.rewind(&mut trie, &snapshot, from - 1)?;
        }
        for number in from..=to {
            let record =
                self.inner.db.block_record(number)?.ok_or(ChainError::UnknownBlock(number))?;
            let state = Arc::new(self.inner.db.snapshot(number - 1)?);
            each(replay::replay(&self.inner, kind, &record, state, &mut trie, &snapshot)?);
        }
        Ok(())
    }

    /// Checks `block` against the rules and executes it on its parent's state. It becomes the head
    /// where its chain is the heaviest, and is kept beside it otherwise.
    pub fn import_block(
        &self,
        block: alloy_consensus::Block<plasma_storage::Transaction>,
    ) -> Result<Imported, ChainError> {
        crate::import::import(&self.inner, PreparedBlock::new(&self.inner.spec, block)?)
    }

    /// Imports `blocks` in order up to the first that is refused, and tells `each` what became of
    /// it. They are durable together when this returns, and readers may see them before: for work
    /// without a node.
    pub fn import_batch(
        &self,
        blocks: Vec<PreparedBlock>,
        each: impl FnMut(&Imported),
    ) -> Result<(), ChainError> {
        crate::import::import_batch(&self.inner, blocks, each)
    }

    /// Developers' commands; `None` outside `--dev`.
    pub fn dev(&self) -> Option<&DevControl> {
        self.inner.dev.as_ref()
    }
}

/// A submission that has begun; see [`Chain::announce_submission`].
#[derive(Debug)]
pub struct Submission {
    chain: Arc<Inner>,
}

impl Drop for Submission {
    fn drop(&mut self) {
        self.chain.admitting.fetch_sub(1, Ordering::Relaxed);
    }
}
