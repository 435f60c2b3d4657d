//! What the keeper is told of sealed blocks.

use crate::{ChainError, block::ExecutedBlock, inner::Inner};
use alloy_consensus::transaction::Recovered;
use plasma_keeper::{EmittedLog, Keeper, SealedBlock};
use plasma_storage::{Receipt, Transaction};

/// Logs of a block's transactions from position `from` on, each with its place in the block.
pub(crate) fn emitted_logs(
    transactions: &[Recovered<Transaction>],
    receipts: &[Receipt],
    from: usize,
) -> Vec<EmittedLog> {
    let before: usize = receipts[..from].iter().map(|receipt| receipt.logs.len()).sum();
    let logs = transactions[from..].iter().zip(&receipts[from..]).flat_map(|(tx, receipt)| {
        receipt.logs.iter().map(|log| (*tx.inner().tx_hash(), log.clone()))
    });
    let placed = (before as u32..).zip(logs);
    placed.map(|(index, (tx_hash, log))| EmittedLog { log, tx_hash, index }).collect()
}

/// A new head as the keeper gets to know it: with its logs only where somebody listens.
pub(crate) fn head_for(keeper: &Keeper, block: &ExecutedBlock) -> SealedBlock {
    sealed_block(block, keeper.listens())
}

fn sealed_block(block: &ExecutedBlock, with_logs: bool) -> SealedBlock {
    let logs = || emitted_logs(&block.transactions, &block.receipts, 0);
    SealedBlock {
        number: block.number(),
        hash: block.hash,
        timestamp: block.header.timestamp,
        logs: with_logs.then(logs).unwrap_or_default(),
    }
}

/// Gives a keeper that was loaded at the head the queue that the head's record left.
pub(crate) fn restore_queue(chain: &Inner, keeper: &mut Keeper) -> Result<(), ChainError> {
    let head = chain.head();
    let record = chain.db.keeper_record(head.number())?.unwrap_or_default();
    let head = head_for(keeper, &head);
    keeper.restore_queue(&record, &head, |number| {
        Ok(chain.block(number)?.map(|block| sealed_block(&block, true)))
    })
}
