//! The head moves to another block: to that of a heavier chain, or to what a consensus layer says.
//!
//! A crash in between leaves a valid, shorter chain: the fork point with as much of the new branch as
//! the journal has.

use super::{follow, side::StateAfter};
use crate::{
    ChainError, ChainEvent,
    block::{Effects, ExecutedBlock},
    inner::Inner,
    producer::Producer,
};
use alloy_consensus::transaction::Recovered;
use alloy_primitives::map::B256Set;
use plasma_storage::{BlockRecord, StorageError, Transaction};
use plasma_txpool::PoolTransaction;
use std::sync::Arc;

/// Makes `target`, a side block or an ancestor of the head, the head: goes back to where its branch
/// begins, then adopts the branch block by block.
pub(crate) fn reorganise(
    chain: &Inner,
    producer: &mut Producer,
    target: &Arc<ExecutedBlock>,
) -> Result<(), ChainError> {
    // All that can fail for want of data fails here, before anything is undone.
    let StateAfter { fork, branch, .. } = chain.state_after(target)?;
    let from = chain.head().number();
    let open = producer.open.take();
    let removed = if fork == from {
        Vec::new()
    } else {
        tracing::warn!(
            target: "plasma::chain",
            from, fork, to = target.number(), hash = %target.hash,
            "the head moves to another chain"
        );
        match chain.unwind(fork) {
            // Nothing was changed: the fork lies deeper than the way back is kept.
            Err(error @ ChainError::Storage(StorageError::BeyondReorgs { .. })) => {
                producer.open = open;
                return Err(error);
            }
            other => chain.or_stop(other)?,
        }
    };
    chain.or_stop(adopt_branch(chain, producer, from, target, &removed, &branch))?;
    let oldest_first = removed.iter().rev().flat_map(|block| &block.transactions);
    // What stood in a payload never left the pool.
    let open = open.iter().filter(|_| !chain.config.driven).flat_map(|open| &open.transactions);
    give_back(chain, oldest_first.chain(open), branch.iter().map(|(block, _)| block));
    Ok(())
}

/// Adopts `branch`, which ends in `target`, on top of the block to which the chain has been unwound from block `from`. Without
/// a branch that is `target` itself.
fn adopt_branch(
    chain: &Inner,
    producer: &mut Producer,
    from: u64,
    target: &Arc<ExecutedBlock>,
    removed: &[Arc<ExecutedBlock>],
    branch: &[(Arc<ExecutedBlock>, Effects)],
) -> Result<(), ChainError> {
    for block in removed {
        chain.side.lock().insert(block.clone(), None);
    }
    let fork = target.number() - branch.len() as u64;
    if fork < from {
        chain.announce(ChainEvent::Reverted { from, to: fork, removed: removed.to_vec() });
    }
    if branch.is_empty() {
        chain.set_head(target.clone(), producer, None)?;
    }
    for (block, effects) in branch {
        let (mut trie, nodes) = chain.trie_at_head()?;
        let updates = trie.update(&nodes, &effects.changes)?;
        if trie.root() != block.header.state_root {
            let expected = block.header.state_root;
            return Err(ChainError::invalid(block.number(), "state root", trie.root(), expected));
        }
        // A payload of this node's own has a record of its keeper.
        let keeper = chain.engine.lock().keeper_record(block.hash);
        chain.db.append_block(&BlockRecord { keeper, ..BlockRecord::from(&**block) })?;
        chain.adopt(block.clone(), effects.clone(), Arc::new(updates), trie, producer)?;
        chain.side.lock().remove(block);
        chain.remember_conflicts(block.number(), Arc::default());
        chain.announce(ChainEvent::Sealed(block.clone()));
    }
    // Once, however long the branch is: it may have to read the whole registry.
    follow(producer, chain, target)
}

/// Puts those of `transactions` back into the pool that are not in the blocks of `adopted`.
pub(crate) fn give_back<'a>(
    chain: &Inner,
    transactions: impl IntoIterator<Item = &'a Recovered<Transaction>>,
    adopted: impl IntoIterator<Item = &'a Arc<ExecutedBlock>>,
) {
    let included: B256Set =
        adopted.into_iter().flat_map(|block| &block.transactions).map(|tx| *tx.tx_hash()).collect();
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
