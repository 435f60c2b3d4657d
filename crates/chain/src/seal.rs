//! Completes the open block and, where no consensus layer is asked, makes it the head.

use crate::{
    ChainError, ChainEvent, Tick, TickedBlock,
    block::{Effects, ExecutedBlock},
    inner::Inner,
    metrics,
    producer::Producer,
    upkeeps::head_for,
};
use alloy_eips::eip7685::Requests;
use alloy_primitives::Bytes;
use plasma_parallel::ConflictReport;
use plasma_storage::{BlockRecord, StateChanges, TrieUpdates};
use plasma_trie::StateTrie;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A block that is complete and stands in no journal yet.
pub(crate) struct Built {
    pub(crate) block: Arc<ExecutedBlock>,
    pub(crate) effects: Effects,
    /// Requests for the consensus layer (EIP-7685).
    pub(crate) requests: Requests,
    /// The keeper's decisions in the block.
    pub(crate) keeper_record: Bytes,
    conflicts: Arc<ConflictReport>,
    updates: TrieUpdates,
    trie: StateTrie,
    patch: Option<StateChanges>,
    performs: usize,
    /// Number, first transaction and changes of the tick that nobody was told of.
    told: Option<(u32, usize, Vec<Arc<StateChanges>>)>,
    opened: Instant,
}

impl Producer {
    /// Completes the open block. Nothing is durable or visible by that.
    pub(crate) fn build(&mut self, chain: &Inner) -> Result<Built, ChainError> {
        let mut open = self.open.take().ok_or_else(|| ChainError::UnknownBlock(0))?;
        let patch = open.patch.clone();
        let (performs, untold, opened) = (open.performs, open.untold.take(), open.opened);
        let conflicts = Arc::new(open.conflicts.clone());
        let trie = open.trie.take().unwrap_or_else(|| chain.open_trie());
        let mut rooted = None;
        let built = open.seal(|changes| {
            let started = Instant::now();
            let (trie, updates) = trie.finish(changes)?;
            metrics::rooted(started.elapsed());
            let root = trie.root();
            rooted = Some((trie, updates));
            Ok(root)
        })?;
        let (trie, updates) = rooted.expect("sealing computes the root once");
        let keeper_record = match self.keeper.as_mut() {
            Some(keeper) => keeper.on_sealed(&head_for(keeper, &built.executed)),
            None => Default::default(),
        };
        let changes = Arc::new(built.changes);
        let told = untold.map(|untold| untold.into_told(&changes, &built.closing));
        self.keeper_carry.merge(Arc::unwrap_or_clone(built.closing));
        Ok(Built {
            block: Arc::new(built.executed),
            effects: Effects { changes, appearances: Arc::new(built.appearances) },
            requests: built.requests,
            keeper_record,
            conflicts,
            updates,
            trie,
            patch,
            performs,
            told,
            opened,
        })
    }

    /// Seals the open block (opening one first where there is none) and makes it the head.
    pub(crate) fn seal(&mut self, chain: &Inner) -> Result<Arc<ExecutedBlock>, ChainError> {
        self.open(chain)?;
        let started = Instant::now();
        let built = self.build(chain)?;
        let block = built.block;
        let record = BlockRecord {
            keeper: built.keeper_record,
            dev_patch: built.patch,
            ..BlockRecord::from(&*block)
        };
        chain.db.append_block(&record)?;
        let keeper = self.keeper.as_ref();
        self.latency.sealed(|upkeep| keeper?.due_since(upkeep));
        self.dev.block_sealed();
        chain.adopt(block.clone(), built.effects, Arc::new(built.updates), built.trie, self)?;
        let incarnations: u64 = built.conflicts.incarnations.iter().map(|&n| u64::from(n)).sum();
        report(&block, built.performs, incarnations, built.opened.elapsed(), started.elapsed());
        chain.remember_conflicts(block.number(), built.conflicts);
        if let Some((number, first, changes)) = built.told {
            let block = TickedBlock::Sealed(block.clone());
            chain.announce(ChainEvent::Tick(Tick { number, first, block, changes }));
        }
        chain.announce(ChainEvent::Sealed(block.clone()));
        Ok(block)
    }
}

/// One line per block: what stood in it and what it cost.
fn report(
    block: &ExecutedBlock,
    performs: usize,
    incarnations: u64,
    open: Duration,
    seal: Duration,
) {
    let transactions = block.transactions.len();
    metrics::sealed(transactions, block.header.gas_used, performs, incarnations, seal);
    let efficiency =
        if transactions == 0 { 1.0 } else { incarnations as f64 / transactions as f64 };
    tracing::info!(
        target: "plasma::chain",
        number = block.number(),
        hash = %block.hash,
        txs = transactions,
        performs,
        gas = block.header.gas_used,
        incarnations_per_tx = format_args!("{efficiency:.2}"),
        open_ms = open.as_millis() as u64,
        seal_ms = format_args!("{:.1}", seal.as_secs_f64() * 1e3),
        "block"
    );
}
