//! What happens on the chain and in the pool, prepared once for all subscribers.

use crate::{
    api::Api,
    convert::{self, RpcTick},
    eth::info::sync_progress,
};
use alloy_consensus::transaction::Recovered;
use alloy_rpc_types_eth::{Filter, Log};
use parking_lot::Mutex;
use plasma_chain::{ChainError, ChainEvent, ExecutedBlock, SyncProgress};
use plasma_keeper::Decision;
use plasma_txpool::PoolTransaction;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::broadcast::{self, error::RecvError};

/// Blocks that a subscriber may be behind before it is dropped.
const BLOCKS_BEHIND: usize = 4096;

/// Pending transactions that a subscriber may be behind before it is dropped.
const PENDING_BEHIND: usize = 65_536;

/// Blocks whose decisions a subscriber may be behind before it is dropped.
const DECISIONS_BEHIND: usize = 1024;

/// Ticks that a subscriber may be behind before it is dropped.
const TICKS_BEHIND: usize = 1024;

/// Changes of the sync status that a subscriber may be behind before it is dropped.
const SYNC_BEHIND: usize = 256;

/// How often expired filters are looked for.
const EXPIRY_ROUND: Duration = Duration::from_secs(30);

/// The feed of events. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    blocks: broadcast::Sender<Arc<LiveBlock>>,
    pending: broadcast::Sender<Arc<LivePending>>,
    decisions: broadcast::Sender<Arc<LiveDecisions>>,
    ticks: broadcast::Sender<Arc<LiveTick>>,
    /// The same with state changes.
    full_ticks: broadcast::Sender<Arc<LiveTick>>,
    syncing: broadcast::Sender<Arc<LiveSync>>,
    /// What was sent of that last.
    synced: Arc<Mutex<Arc<LiveSync>>>,
}

/// The sync status as `syncing` reports it: `false` while the chain follows.
#[derive(Debug)]
pub(crate) struct LiveSync(pub(crate) Value);

impl LiveSync {
    fn new(progress: Option<SyncProgress>) -> Self {
        let Some(SyncProgress { starting, current, highest }) = progress else {
            return Self(json!(false));
        };
        // Plain numbers, other than in `eth_syncing`, as geth sends them.
        Self(json!({
            "syncing": true,
            "status": {
                "startingBlock": starting,
                "currentBlock": current,
                "highestBlock": highest,
            },
        }))
    }
}

/// A block that became canonical, or ceased to be.
#[derive(Debug)]
pub(crate) struct LiveBlock {
    block: Arc<ExecutedBlock>,
    pub(crate) removed: bool,
    header: OnceLock<Option<Box<RawValue>>>,
    logs: OnceLock<Vec<LiveLog>>,
}

/// A log of such a block.
#[derive(Debug)]
pub(crate) struct LiveLog {
    log: Log,
    json: OnceLock<Option<Box<RawValue>>>,
}

/// A transaction that became ready for a block.
#[derive(Debug)]
pub(crate) struct LivePending {
    transaction: Arc<PoolTransaction>,
    hash: OnceLock<Option<Box<RawValue>>>,
    full: OnceLock<Option<Box<RawValue>>>,
}

/// What the keeper decided in a block that became canonical.
#[derive(Debug)]
pub(crate) enum LiveDecisions {
    /// All decisions, in order of registration.
    Made(Vec<LiveDecision>),
    /// The database does not tell.
    Unreadable,
}

/// One decision.
#[derive(Debug)]
pub(crate) struct LiveDecision {
    pub(crate) decision: Decision,
    json: OnceLock<Option<Box<RawValue>>>,
}

/// A tick of a block that is being made.
#[derive(Debug)]
pub(crate) enum LiveTick {
    /// What it added, as `ticks` reports it. Written at once: an open block is too much to be held for those who are
    /// behind.
    Grew(Box<RawValue>),
    /// One or more ticks cannot be told.
    Missed,
}

impl LiveDecision {
    fn new(decision: Decision) -> Self {
        Self { decision, json: OnceLock::new() }
    }

    /// The decision as `keeper_history` answers it.
    pub(crate) fn json(&self) -> Option<&RawValue> {
        self.json.get_or_init(|| raw(&self.decision)).as_deref()
    }
}

impl LiveBlock {
    fn new(block: Arc<ExecutedBlock>, removed: bool) -> Self {
        Self { block, removed, header: OnceLock::new(), logs: OnceLock::new() }
    }

    /// The header as `newHeads` reports it.
    pub(crate) fn header(&self) -> Option<&RawValue> {
        self.header.get_or_init(|| raw(&convert::rpc_header(&self.block))).as_deref()
    }

    /// The logs that `filter` wants, each as `logs` reports it.
    pub(crate) fn logs<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a RawValue> {
        let logs = if filter.matches_bloom(self.block.header.logs_bloom) {
            self.logs.get_or_init(|| self.all_logs()).as_slice()
        } else {
            &[]
        };
        let wanted = logs.iter().filter(|live| {
            filter.matches_address(live.log.inner.address)
                && filter.matches_topics(live.log.inner.topics())
        });
        wanted.filter_map(|live| live.json.get_or_init(|| raw(&live.log)).as_deref())
    }

    fn all_logs(&self) -> Vec<LiveLog> {
        let all = Filter::new();
        let logs = convert::block_logs(&self.block, &all, self.removed);
        logs.map(|log| LiveLog { log, json: OnceLock::new() }).collect()
    }
}

impl LivePending {
    fn new(transaction: Arc<PoolTransaction>) -> Self {
        Self { transaction, hash: OnceLock::new(), full: OnceLock::new() }
    }

    /// The hash alone.
    pub(crate) fn hash(&self) -> Option<&RawValue> {
        self.hash.get_or_init(|| raw(&self.transaction.hash)).as_deref()
    }

    /// The whole transaction.
    pub(crate) fn full(&self) -> Option<&RawValue> {
        let write = || {
            let found = &self.transaction;
            let transaction = Recovered::new_unchecked(found.transaction.clone(), found.sender);
            raw(&convert::pool_transaction(transaction))
        };
        self.full.get_or_init(write).as_deref()
    }
}

/// What the keeper decided in `block`; nothing where that is canonical no longer.
fn decisions(api: &Api, block: &ExecutedBlock) -> Result<Vec<Decision>, ChainError> {
    let record = api.chain.keeper_record(block.number())?;
    // Records go by number: only now it is known that this one was the block's own.
    let canonical = api.chain.block(block.number())?.is_some_and(|found| found.hash == block.hash);
    let record = record.filter(|_| canonical).unwrap_or_default();
    Ok(record.decisions)
}

fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value)
        .inspect_err(|reason| tracing::error!(%reason, "an event cannot be written as JSON"))
        .ok()
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            blocks: broadcast::Sender::new(BLOCKS_BEHIND),
            pending: broadcast::Sender::new(PENDING_BEHIND),
            decisions: broadcast::Sender::new(DECISIONS_BEHIND),
            ticks: broadcast::Sender::new(TICKS_BEHIND),
            full_ticks: broadcast::Sender::new(TICKS_BEHIND),
            syncing: broadcast::Sender::new(SYNC_BEHIND),
            synced: Arc::new(Mutex::new(Arc::new(LiveSync::new(None)))),
        }
    }

    pub(crate) fn blocks(&self) -> broadcast::Receiver<Arc<LiveBlock>> {
        self.blocks.subscribe()
    }

    pub(crate) fn pending(&self) -> broadcast::Receiver<Arc<LivePending>> {
        self.pending.subscribe()
    }

    pub(crate) fn decisions(&self) -> broadcast::Receiver<Arc<LiveDecisions>> {
        self.decisions.subscribe()
    }

    /// Ticks, with what they changed or without.
    pub(crate) fn ticks(&self, with_changes: bool) -> broadcast::Receiver<Arc<LiveTick>> {
        if with_changes { self.full_ticks.subscribe() } else { self.ticks.subscribe() }
    }

    /// Changes of the sync status, and what it is before the first of them.
    pub(crate) fn syncing(&self) -> (broadcast::Receiver<Arc<LiveSync>>, Arc<LiveSync>) {
        let now = self.synced.lock();
        (self.syncing.subscribe(), now.clone())
    }

    /// Follows the chain and the pool until the task is aborted or the chain stops.
    pub(crate) async fn run(self, api: Api) {
        let mut chain = api.chain.subscribe();
        let mut pool = api.chain.pool().subscribe();
        let mut last = api.chain.head().number();
        let mut expiry = tokio::time::interval(EXPIRY_ROUND);
        let mut pool_open = true;
        loop {
            tokio::select! {
                event = chain.recv() => match event {
                    Ok(event) => self.on_chain(&api, event, &mut last),
                    // Blocks that were missed are sent with the next; ticks cannot be told any more.
                    Err(RecvError::Lagged(_)) => {
                        Self::send_tick(&self.ticks, None);
                        Self::send_tick(&self.full_ticks, None);
                        self.on_sync(sync_progress(&api));
                    }
                    Err(RecvError::Closed) => return,
                },
                transaction = pool.recv(), if pool_open => match transaction {
                    Ok(transaction) => self.on_pending(&api, transaction),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "pending transactions were not told to subscribers");
                    }
                    Err(RecvError::Closed) => pool_open = false,
                },
                _ = expiry.tick() => api.filters.expire(),
            }
        }
    }

    fn on_chain(&self, api: &Api, event: ChainEvent, last: &mut u64) {
        match event {
            ChainEvent::Sealed(block) => {
                for number in *last + 1..block.number() {
                    if let Ok(Some(missed)) = api.chain.block(number) {
                        self.send_decisions(api, &missed);
                        self.send(missed, false);
                    }
                }
                *last = block.number();
                self.send_decisions(api, &block);
                self.send(block, false);
            }
            ChainEvent::Reverted { to, removed, .. } => {
                for block in removed {
                    api.filters.on_removed(&block);
                    self.send(block, true);
                }
                *last = to;
            }
            ChainEvent::Tick(tick) => {
                if self.ticks.receiver_count() > 0 {
                    Self::send_tick(&self.ticks, raw(&RpcTick::new(&tick)));
                }
                if self.full_ticks.receiver_count() > 0 {
                    Self::send_tick(&self.full_ticks, raw(&RpcTick::with_changes(&tick)));
                }
            }
            ChainEvent::Syncing(progress) => self.on_sync(progress),
        }
    }

    /// Tells of the sync status where it is another one than before.
    fn on_sync(&self, progress: Option<SyncProgress>) {
        let status = Arc::new(LiveSync::new(progress));
        let mut last = self.synced.lock();
        if last.0 != status.0 {
            *last = status.clone();
            // Fails only where nobody listens.
            let _ = self.syncing.send(status);
        }
    }

    /// Sends a tick, or, where there is none, that one was missed.
    fn send_tick(ticks: &broadcast::Sender<Arc<LiveTick>>, written: Option<Box<RawValue>>) {
        // Fails only where the last subscriber has just left.
        let _ = ticks.send(Arc::new(written.map_or(LiveTick::Missed, LiveTick::Grew)));
    }

    /// Tells of the keeper's decisions in `block`, unless it has ceased to be canonical meanwhile.
    fn send_decisions(&self, api: &Api, block: &ExecutedBlock) {
        if self.decisions.receiver_count() == 0 {
            return;
        }
        let told = match decisions(api, block) {
            Ok(decisions) if decisions.is_empty() => return,
            Ok(decisions) => {
                LiveDecisions::Made(decisions.into_iter().map(LiveDecision::new).collect())
            }
            Err(reason) => {
                let number = block.number();
                tracing::error!(target: "plasma::rpc", number, %reason, "decisions of a block cannot be told");
                LiveDecisions::Unreadable
            }
        };
        let _ = self.decisions.send(Arc::new(told));
    }

    fn send(&self, block: Arc<ExecutedBlock>, removed: bool) {
        if self.blocks.receiver_count() > 0 {
            // Fails only where the last subscriber has just left.
            let _ = self.blocks.send(Arc::new(LiveBlock::new(block, removed)));
        }
    }

    fn on_pending(&self, api: &Api, transaction: Arc<PoolTransaction>) {
        if self.pending.receiver_count() > 0 {
            let _ = self.pending.send(Arc::new(LivePending::new(transaction.clone())));
        }
        api.filters.on_pending(transaction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::harness::Node;

    #[tokio::test]
    async fn an_event_is_written_once_for_all_who_are_told() {
        let node = Node::start();
        // PUSH1 1 PUSH0 PUSH0 LOG1, PUSH1 2 PUSH0 PUSH0 LOG1, STOP.
        let receipt =
            node.send(json!({"data": "0x60015f5fa160025f5fa100", "gas": "0x30d40"})).await;
        assert_eq!(receipt["logs"].as_array().unwrap().len(), 2);
        let live = LiveBlock::new(node.api.chain.head(), false);
        let told = |filter: &Filter| live.logs(filter).map(std::ptr::from_ref).collect::<Vec<_>>();
        let one = alloy_primitives::B256::with_last_byte(1);
        let (all, first) = (told(&Filter::new()), told(&Filter::new().event_signature(one)));
        assert_eq!(all.len(), 2);
        assert_eq!(first, all[..1]);
        for _ in 0..1000 {
            assert_eq!(told(&Filter::new()), all);
            let header = live.header().map(std::ptr::from_ref);
            assert_eq!(header, live.header().map(std::ptr::from_ref));
        }
    }
}
