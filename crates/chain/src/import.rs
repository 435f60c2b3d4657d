//! Blocks from outside: checked, executed, compared, and made the head.

use crate::{
    ChainError, ChainEvent,
    block::ExecutedBlock,
    inner::Inner,
    replay::{differences, execute_with_report},
    validation::validate_block,
};
use alloy_consensus::{TxReceipt, proofs, transaction::SignerRecoverable};
use plasma_storage::{BlockRecord, Transaction};
use std::sync::Arc;

/// Checks and executes `block`, which must follow the head, and makes it the head.
pub(crate) fn import(
    chain: &Inner,
    block: alloy_consensus::Block<Transaction>,
) -> Result<Arc<ExecutedBlock>, ChainError> {
    let mut producer = chain.producer.lock();
    producer.open = None;
    let parent = chain.head();
    let hash = block.header.hash_slow();
    if block.header.number <= parent.number()
        && let Some(known) = chain.block(block.header.number)?
        && known.hash == hash
    {
        return Ok(known);
    }
    validate_block(&chain.spec, &parent, &block)?;
    let number = block.header.number;
    let senders = recover_senders(number, &block.body.transactions)?;
    let mut record = BlockRecord {
        hash,
        header: block.header,
        transactions: block.body.transactions,
        senders,
        receipts: Vec::new(),
        ommers: block.body.ommers,
        withdrawals: block.body.withdrawals,
        keeper: Default::default(),
        dev_patch: None,
    };
    let (mut trie, snapshot) = chain.trie_at_head()?;
    let (finished, conflicts) = execute_with_report(
        chain,
        chain.config.executor,
        &parent.header,
        &record,
        Arc::new(snapshot.clone()),
    )?;
    let updates = trie.update(&snapshot, &finished.changes)?;
    record.receipts.clone_from(&finished.receipts);
    if let Some(first) = differences(&record, &finished, trie.root()).into_iter().next() {
        return Err(ChainError::InvalidBlock {
            number,
            field: "result of execution",
            found: format!("{} {}", first.what, first.stored),
            expected: first.found,
        });
    }
    check_receipts(&record)?;
    chain.db.append_block(&record)?;
    let block = Arc::new(ExecutedBlock::from(record));
    chain.adopt(block.clone(), Arc::new(finished.changes), Arc::new(updates), trie, &producer)?;
    if let Some(keeper) = producer.keeper.as_mut() {
        let env = plasma_evm::block_env(&chain.spec, &block.header);
        keeper.reload(&chain.db.latest()?, &env)?;
    }
    chain.remember_conflicts(number, Arc::new(conflicts));
    chain.announce(ChainEvent::Sealed(block.clone()));
    Ok(block)
}

/// The commitments of the header to its receipts.
fn check_receipts(record: &BlockRecord) -> Result<(), ChainError> {
    let number = record.header.number;
    let with_bloom: Vec<_> =
        record.receipts.iter().map(|receipt| receipt.with_bloom_ref()).collect();
    let root = proofs::calculate_receipt_root(&with_bloom);
    if root != record.header.receipts_root {
        return Err(ChainError::invalid(
            number,
            "receipts root",
            record.header.receipts_root,
            root,
        ));
    }
    let bloom = with_bloom
        .iter()
        .fold(alloy_primitives::Bloom::ZERO, |all, receipt| all | receipt.logs_bloom);
    if bloom != record.header.logs_bloom {
        return Err(ChainError::invalid(number, "logs bloom", record.header.logs_bloom, bloom));
    }
    Ok(())
}

fn recover_senders(
    number: u64,
    transactions: &[Transaction],
) -> Result<Vec<alloy_primitives::Address>, ChainError> {
    use rayon::prelude::*;
    transactions
        .par_iter()
        .enumerate()
        .map(|(index, transaction)| {
            transaction.recover_signer().map_err(|error| ChainError::InvalidTransaction {
                number,
                index,
                hash: *transaction.tx_hash(),
                reason: format!("its signature names no sender: {error}"),
            })
        })
        .collect()
}
