//! Blocks from outside: checked, executed, compared, and made the head where they are heaviest.

mod prepare;
mod reorg;
mod side;

pub use prepare::PreparedBlock;
pub(crate) use side::SideChains;

use crate::{
    ChainError, ChainEvent,
    block::ExecutedBlock,
    inner::Inner,
    producer::Producer,
    replay::{Execution, differences, execute_with_report},
    validation::{Ancestors, proof_of_stake, validate_block},
};
use alloy_consensus::{
    Eip658Value, Receipt as ConsensusReceipt, ReceiptEnvelope, TxReceipt, proofs,
};
use alloy_primitives::{B256, Bloom};
use plasma_parallel::ConflictReport;
use plasma_storage::{BlockRecord, StateReader, StateSnapshot};
use plasma_trie::StateTrie;
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

/// The state on which a block is executed.
pub(super) struct ParentState {
    pub(super) state: Arc<dyn StateReader>,
    pub(super) trie: StateTrie,
    /// Holds the stored nodes of `trie`.
    pub(super) nodes: StateSnapshot,
}

/// A block found valid.
struct Verified {
    record: BlockRecord,
    execution: Execution,
    parent: ParentState,
}

/// Imports `blocks` in order up to the first that is refused. The journal gets the new head's
/// blocks in one commit: they are durable when this returns, not before.
pub(crate) fn import_batch(
    chain: &Inner,
    blocks: Vec<PreparedBlock>,
    mut each: impl FnMut(&Imported),
) -> Result<(), ChainError> {
    let mut producer = chain.producer.lock();
    let mut unjournaled = Vec::new();
    let mut outcome = Ok(());
    for block in blocks {
        match import_one(chain, &mut producer, block, &mut unjournaled) {
            Ok(imported) => each(&imported),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    journal(chain, &mut unjournaled)?;
    outcome
}

/// Checks and executes `block` and makes it the head, where its chain is the heaviest.
pub(crate) fn import(chain: &Inner, block: PreparedBlock) -> Result<Imported, ChainError> {
    let mut imported = None;
    import_batch(chain, vec![block], |one| imported = Some(one.clone()))?;
    imported.ok_or_else(|| ChainError::Stopped("an import ended without an outcome".into()))
}

fn journal(chain: &Inner, records: &mut Vec<BlockRecord>) -> Result<(), ChainError> {
    if !records.is_empty() {
        chain.db.append_blocks(records)?;
        records.clear();
    }
    Ok(())
}

fn import_one(
    chain: &Inner,
    producer: &mut Producer,
    block: PreparedBlock,
    unjournaled: &mut Vec<BlockRecord>,
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
        let open = producer.open.take();
        let block = extend(chain, producer, verified, unjournaled)?;
        if let Some(open) = open {
            reorg::give_back(chain, &open.transactions, std::slice::from_ref(&block));
        }
        return Ok(Imported::Head(block));
    }
    journal(chain, unjournaled)?;
    let Verified { record, execution, .. } = verified;
    let block = Arc::new(ExecutedBlock::from(record));
    chain.side.lock().insert(block.clone(), Some(Arc::new(execution.finished.changes)));
    if !heavier(&block, &head, proof_of_stake(&chain.spec, &parent)) {
        return Ok(Imported::Side(block));
    }
    reorg::reorganise(chain, producer, &block)?;
    Ok(Imported::Head(block))
}

/// Whether the chain of `block` is to be preferred to that of `head`: more work, or, where no
/// work is done any more, more blocks.
fn heavier(block: &ExecutedBlock, head: &ExecutedBlock, proof_of_stake: bool) -> bool {
    let work = block.total_difficulty.cmp(&head.total_difficulty);
    work.is_gt() || (work.is_eq() && proof_of_stake && block.number() > head.number())
}

/// Executes `block` on its parent's state and holds the outcome against its header.
fn verify(
    chain: &Inner,
    parent: &Arc<ExecutedBlock>,
    block: PreparedBlock,
) -> Result<Verified, ChainError> {
    let state = chain.parent_state(parent)?;
    let total_difficulty = parent.total_difficulty.saturating_add(block.block.header.difficulty);
    let mut record = block.into_record(total_difficulty);
    let mut execution = execute_with_report(
        chain,
        chain.config.executor,
        &parent.header,
        &record,
        state.state.clone(),
        Some((&state.trie, &state.nodes)),
    )?;
    record.receipts = std::mem::take(&mut execution.finished.receipts);
    record.post_states = std::mem::take(&mut execution.post_states);
    check_receipts(&record)?;
    let mut trie = state.trie.clone();
    let updates = trie.update(&state.nodes, &execution.finished.changes)?;
    execution.finished.receipts.clone_from(&record.receipts);
    execution.post_states.clone_from(&record.post_states);
    if let Some(first) = differences(&record, &execution, trie.root()).into_iter().next() {
        return Err(ChainError::InvalidBlock {
            number: record.header.number,
            field: "result of execution",
            found: format!("{} {}", first.what, first.stored),
            expected: first.found,
        });
    }
    execution.updates = updates;
    Ok(Verified { record, execution, parent: ParentState { trie, ..state } })
}

/// Makes a verified child of the head the head.
fn extend(
    chain: &Inner,
    producer: &mut Producer,
    verified: Verified,
    unjournaled: &mut Vec<BlockRecord>,
) -> Result<Arc<ExecutedBlock>, ChainError> {
    let Verified { record, execution, parent } = verified;
    let block = Arc::new(ExecutedBlock::from(record.clone()));
    unjournaled.push(record);
    // A listener must not hear of what a power failure could take back.
    if chain.events.receiver_count() > 0 || producer.keeper.is_some() {
        journal(chain, unjournaled)?;
    }
    let changes = Arc::new(execution.finished.changes);
    chain.adopt(block.clone(), changes, Arc::new(execution.updates), parent.trie, producer)?;
    follow(chain, producer, &block, execution.report)?;
    Ok(block)
}

/// Tells keeper and listeners of a new head.
fn follow(
    chain: &Inner,
    producer: &mut Producer,
    block: &Arc<ExecutedBlock>,
    conflicts: ConflictReport,
) -> Result<(), ChainError> {
    if let Some(keeper) = producer.keeper.as_mut() {
        let env = plasma_evm::block_env(&chain.spec, &block.header);
        keeper.reload(&chain.db.latest()?, &env)?;
    }
    chain.remember_conflicts(block.number(), Arc::new(conflicts));
    chain.announce(ChainEvent::Sealed(block.clone()));
    Ok(())
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
