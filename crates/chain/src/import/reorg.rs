//! Another chain has become the heavier one.
//!
//! A crash in between leaves a valid, shorter chain: the fork point with as much of the new branch as
//! the journal has.

use super::follow;
use crate::{ChainError, ChainEvent, block::ExecutedBlock, inner::Inner, producer::Producer};
use alloy_consensus::transaction::Recovered;
use alloy_primitives::map::B256Set;
use plasma_parallel::ConflictReport;
use plasma_storage::{BlockRecord, Transaction};
use plasma_txpool::PoolTransaction;
use std::sync::Arc;

/// Makes side block `target` the head: goes back to where its branch begins, then adopts the
/// branch block by block.
pub(super) fn reorganise(
    chain: &Inner,
    producer: &mut Producer,
    target: &Arc<ExecutedBlock>,
) -> Result<(), ChainError> {
    let (fork, branch) = chain.branch(target)?;
    // All that can fail for want of data fails here, before anything is undone: the changes of
    // every block of the branch are known afterwards.
    let mut after = chain.parent_state(target)?;
    let from = chain.head().number();
    tracing::warn!(
        target: "plasma::chain",
        from, fork, to = target.number(), hash = %target.hash,
        "another chain is heavier: the head moves to it"
    );
    // Fails without having changed anything where the fork lies deeper than the way back is kept.
    let open = producer.open.take();
    let removed = match chain.unwind(fork) {
        Ok(removed) => removed,
        Err(error) => {
            producer.open = open;
            return Err(error);
        }
    };
    for block in &removed {
        chain.side.lock().insert(block.clone(), None);
    }
    chain.announce(ChainEvent::Reverted { from, to: fork, removed: removed.clone() });
    for block in &branch {
        let (mut trie, nodes) = chain.trie_at_head()?;
        after.state = Arc::new(nodes.clone());
        let changes = chain.side_changes(block, &after)?;
        let updates = trie.update(&nodes, &changes)?;
        if trie.root() != block.header.state_root {
            let expected = block.header.state_root;
            return Err(ChainError::invalid(block.number(), "state root", trie.root(), expected));
        }
        chain.db.append_block(&BlockRecord::from(&**block))?;
        chain.adopt(block.clone(), changes, Arc::new(updates), trie, producer)?;
        chain.side.lock().remove(block);
        follow(chain, producer, block, ConflictReport::default())?;
    }
    let oldest_first = removed.iter().rev().flat_map(|block| &block.transactions);
    let open = open.iter().flat_map(|open| &open.transactions);
    give_back(chain, oldest_first.chain(open), &branch);
    Ok(())
}

/// Puts those of `transactions` back into the pool that are not in the blocks of `adopted`.
pub(super) fn give_back<'a>(
    chain: &Inner,
    transactions: impl IntoIterator<Item = &'a Recovered<Transaction>>,
    adopted: &[Arc<ExecutedBlock>],
) {
    let included: B256Set =
        adopted.iter().flat_map(|block| &block.transactions).map(|tx| *tx.tx_hash()).collect();
    let view = chain.view();
    for transaction in transactions {
        let hash = *transaction.tx_hash();
        if included.contains(&hash) {
            continue;
        }
        let pooled = PoolTransaction::new(transaction.inner().clone(), transaction.signer(), None);
        if let Err(reason) = chain.pool.add(pooled, &*view.pending.state, &view.pool_head) {
            tracing::info!(target: "plasma::chain", %hash, %reason, "transaction of a removed block is not pending again");
        }
    }
}
