//! Blocks from outside: checked, executed, compared, and made the head where they are heaviest.

mod prepare;
mod reorg;
mod side;

pub use prepare::PreparedBlock;
pub(crate) use reorg::{give_back, reorganise};
pub(crate) use side::SideChains;

use crate::{
    ChainError, ChainEvent, access_list,
    block::{Effects, ExecutedBlock},
    inner::Inner,
    producer::{KeeperAhead, Producer},
    replay::execute_with_report,
    validation::{Ancestors, proof_of_stake, validate_block},
};
use alloy_consensus::{
    Eip658Value, Receipt as ConsensusReceipt, ReceiptEnvelope, TxReceipt, proofs,
};
use alloy_primitives::{B256, Bloom};
use plasma_parallel::ConflictReport;
use plasma_storage::{BlockRecord, TrieUpdates};
use plasma_trie::StateTrie;
use side::StateAfter;
use std::sync::Arc;

/// What became of a block from outside.
#[derive(Clone, Debug)]
pub enum Imported {
    /// It is the head now.
    Head(Arc<ExecutedBlock>),
    /// It is valid and kept, but another chain is heavier.
    Side(Arc<ExecutedBlock>),
    /// It was here already.
    Known(Arc<ExecutedBlock>),
}

impl Imported {
    /// The block.
    pub fn block(&self) -> &Arc<ExecutedBlock> {
        match self {
            Self::Head(block) | Self::Side(block) | Self::Known(block) => block,
        }
    }
}

/// A block found valid, and what it makes of its parent's state.
pub(crate) struct Verified {
    pub(crate) record: BlockRecord,
    pub(crate) effects: Effects,
    updates: TrieUpdates,
    trie: StateTrie,
    conflicts: ConflictReport,
}

/// Blocks on their way into the journal.
struct Journaling<'a> {
    chain: &'a Inner,
    waiting: Vec<BlockRecord>,
    /// Whether blocks may wait for one commit together, seen by readers before it.
    together: bool,
}

impl<'a> Journaling<'a> {
    fn new(chain: &'a Inner, together: bool) -> Self {
        Self { chain, waiting: Vec::new(), together }
    }

    fn push(&mut self, record: BlockRecord) -> Result<(), ChainError> {
        self.waiting.push(record);
        if self.together { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), ChainError> {
        if !self.waiting.is_empty() {
            self.chain.db.append_blocks(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

/// Imports `blocks` in order up to the first that is refused. The journal gets the new head's
/// blocks in one commit: they are durable when this returns, not before.
pub(crate) fn import_batch(
    chain: &Inner,
    blocks: Vec<PreparedBlock>,
    mut each: impl FnMut(&Imported),
) -> Result<(), ChainError> {
    let mut producer = chain.producer.lock();
    let mut journal = Journaling::new(chain, true);
    let outcome = blocks.into_iter().try_for_each(|block| {
        each(&import_one(chain, &mut producer, block, &mut journal)?);
        Ok(())
    });
    chain.or_stop(journal.commit())?;
    outcome
}

/// Checks and executes `block` and makes it the head, where its chain is the heaviest. It is
/// durable before anybody sees it.
pub(crate) fn import(chain: &Inner, block: PreparedBlock) -> Result<Imported, ChainError> {
    let mut producer = chain.producer.lock();
    import_one(chain, &mut producer, block, &mut Journaling::new(chain, false))
}

fn import_one(
    chain: &Inner,
    producer: &mut Producer,
    block: PreparedBlock,
    journal: &mut Journaling<'_>,
) -> Result<Imported, ChainError> {
    let number = block.block.header.number;
    let parent_hash = block.block.header.parent_hash;
    let parent = chain.ancestor(parent_hash)?.ok_or(ChainError::UnknownParent {
        number,
        hash: block.hash,
        parent: parent_hash,
    })?;
    // Before "known" is answered: another body may come under the hash of a known header.
    validate_block(&chain.spec, chain, &parent, &block.block)?;
    if let Some(known) = chain.ancestor(block.hash)? {
        return Ok(Imported::Known(known));
    }
    let head = chain.head();
    let verified = verify(chain, &parent, block)?;
    if parent.hash == head.hash {
        // What fails from here on leaves journal, state and readers at odds.
        return chain.or_stop(extend(chain, producer, verified, journal)).map(Imported::Head);
    }
    chain.or_stop(journal.commit())?;
    let block = Arc::new(ExecutedBlock::from(verified.record));
    chain.side.lock().insert(block.clone(), Some(verified.effects));
    if !heavier(&block, &head, proof_of_stake(&chain.spec, &parent)) {
        return Ok(Imported::Side(block));
    }
    reorganise(chain, producer, &block)?;
    Ok(Imported::Head(block))
}

/// Whether the chain of `block` is to be preferred to that of `head`: more work, or, where no
/// work is done any more, more blocks.
fn heavier(block: &ExecutedBlock, head: &ExecutedBlock, proof_of_stake: bool) -> bool {
    let work = block.total_difficulty.cmp(&head.total_difficulty);
    work.is_gt() || (work.is_eq() && proof_of_stake && block.number() > head.number())
}

/// Executes `block` on its parent's state and holds the outcome against its header.
pub(crate) fn verify(
    chain: &Inner,
    parent: &Arc<ExecutedBlock>,
    block: PreparedBlock,
) -> Result<Verified, ChainError> {
    let StateAfter { state, mut trie, nodes, .. } = chain.state_after(parent)?;
    let total_difficulty = parent.total_difficulty.saturating_add(block.block.header.difficulty);
    let mut record = block.into_record(total_difficulty);
    let kind = chain.config.executor;
    let execution = execute_with_report(chain, kind, &record, state, Some((&trie, &nodes)))?;
    let mut finished = execution.finished;
    record.receipts = std::mem::take(&mut finished.receipts);
    record.post_states = execution.post_states;
    let header = &record.header;
    let invalid =
        |field, found, expected| ChainError::invalid(header.number, field, found, expected);
    if finished.gas_used != header.gas_used {
        let expected = finished.gas_used.to_string();
        return Err(invalid("gas used", header.gas_used.to_string(), expected));
    }
    check_receipts(&record)?;
    let requests = finished.requests.requests_hash();
    if let Some(stated) = header.requests_hash.filter(|stated| *stated != requests) {
        return Err(invalid("requests hash", stated.to_string(), requests.to_string()));
    }
    record.access_list = access_list::checked(&record, &finished)?;
    let header = &record.header;
    let updates = trie.update(&nodes, &finished.changes)?;
    if trie.root() != header.state_root {
        let stated = header.state_root.to_string();
        return Err(invalid("state root", stated, trie.root().to_string()));
    }
    let effects = Effects::new(finished.changes, finished.appearances);
    let conflicts = execution.report;
    Ok(Verified { record, effects, updates, trie, conflicts })
}

/// Makes a verified child of the head the head.
fn extend(
    chain: &Inner,
    producer: &mut Producer,
    verified: Verified,
    journal: &mut Journaling<'_>,
) -> Result<Arc<ExecutedBlock>, ChainError> {
    let Verified { record, effects, updates, trie, conflicts } = verified;
    let block = Arc::new(ExecutedBlock::from(record.clone()));
    journal.push(record)?;
    let open = producer.open.take();
    chain.adopt(block.clone(), effects, Arc::new(updates), trie, producer)?;
    follow(producer, chain, &block)?;
    chain.remember_conflicts(block.number(), Arc::new(conflicts));
    chain.announce(ChainEvent::Sealed(block.clone()));
    if let Some(open) = open {
        give_back(chain, &open.transactions, [&block]);
    }
    Ok(block)
}

/// Brings the keeper to `head`, which has just become the head.
fn follow(producer: &mut Producer, chain: &Inner, head: &ExecutedBlock) -> Result<(), ChainError> {
    if producer.keeper_ahead == KeeperAhead::Payload(head.hash) {
        // It planned this block's performs and knows what became of them.
        producer.keeper_ahead = KeeperAhead::Nothing;
        return Ok(());
    }
    producer.keeper_to_head(chain)
}

/// The commitments of the header to its receipts.
fn check_receipts(record: &BlockRecord) -> Result<(), ChainError> {
    let number = record.header.number;
    let bloom = record.receipts.iter().fold(Bloom::ZERO, |all, receipt| all | receipt.bloom());
    if bloom != record.header.logs_bloom {
        return Err(ChainError::invalid(number, "logs bloom", record.header.logs_bloom, bloom));
    }
    let root = receipts_root(record);
    if root != record.header.receipts_root {
        let stated = record.header.receipts_root;
        return Err(ChainError::invalid(number, "receipts root", stated, root));
    }
    Ok(())
}

fn receipts_root(record: &BlockRecord) -> B256 {
    if record.post_states.is_empty() {
        let receipts: Vec<_> = record.receipts.iter().map(TxReceipt::with_bloom_ref).collect();
        return proofs::calculate_receipt_root(&receipts);
    }
    // Before Byzantium, when all transactions were of the legacy type.
    let with_root = record.receipts.iter().zip(&record.post_states).map(|(receipt, root)| {
        let receipt = ConsensusReceipt {
            status: Eip658Value::PostState(*root),
            cumulative_gas_used: receipt.cumulative_gas_used,
            logs: receipt.logs.clone(),
        };
        ReceiptEnvelope::Legacy(receipt.into_with_bloom())
    });
    proofs::calculate_receipt_root(&with_root.collect::<Vec<_>>())
}
