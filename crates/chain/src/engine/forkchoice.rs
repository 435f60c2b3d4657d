//! What a consensus layer says of the head.

use super::{EngineControl, PayloadVerdict};
use crate::{
    ChainError, ChainEvent, block::ExecutedBlock, import::reorganise, inner::Inner,
    validation::Ancestors,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use plasma_storage::{Checkpoints, StorageError};
use std::sync::Arc;

/// The blocks that a consensus layer names (`ForkchoiceStateV1`); zero: none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forkchoice {
    /// The head.
    pub head: B256,
    /// The latest block that is safe.
    pub safe: B256,
    /// The latest block that is final.
    pub finalized: B256,
}

/// What became of a fork choice.
#[derive(Clone, Debug)]
pub enum ForkchoiceVerdict {
    /// The head is where it was asked to be.
    Head(Arc<ExecutedBlock>),
    /// The named head is an ancestor of the final block: nothing was done.
    Old(Arc<ExecutedBlock>),
    /// The named head is not known here.
    Syncing,
    /// The named head is invalid, with why, as for a payload.
    Invalid(PayloadVerdict),
    /// The safe or the final block is no ancestor of the head; nothing was done.
    Inconsistent(String),
    /// The chain cannot go back so far; nothing was done.
    TooDeep(String),
}

impl EngineControl {
    /// Makes the named block the head, where it is known, and remembers which blocks are safe and final.
    ///
    /// # Errors
    /// Where the node itself fails.
    pub fn forkchoice_updated(&self, named: Forkchoice) -> Result<ForkchoiceVerdict, ChainError> {
        let chain = &*self.chain;
        let mut producer = chain.producer.lock();
        let fault = chain.engine.lock().invalid.get(named.head);
        if let Some(fault) = fault {
            return Ok(ForkchoiceVerdict::Invalid(fault.into()));
        }
        let Some(target) = chain.ancestor(named.head)? else {
            let head = chain.head().number();
            let mut state = chain.engine.lock();
            state.syncing_since.get_or_insert(head);
            let progress = state.progress(head);
            drop(state);
            chain.announce(ChainEvent::Syncing(progress));
            return Ok(ForkchoiceVerdict::Syncing);
        };
        let finalized = match ancestor_named(chain, &target, named.finalized)? {
            Some(found) => found,
            None => return Ok(inconsistent("final", named.finalized)),
        };
        let safe = match ancestor_named(chain, &target, named.safe)? {
            Some(found) => found,
            None => return Ok(inconsistent("safe", named.safe)),
        };
        let head = chain.head();
        let canonical =
            chain.block(target.number())?.is_some_and(|found| found.hash == target.hash);
        let final_before = chain.engine.lock().checkpoints.finalized;
        if canonical && final_before.is_some_and(|block| target.number() < block.number) {
            return Ok(ForkchoiceVerdict::Old(target));
        }
        if target.hash != head.hash {
            // A payload on the old head comes to nothing.
            producer.open = None;
            chain.engine.lock().open = None;
            match reorganise(chain, &mut producer, &target) {
                Err(ChainError::Storage(
                    error @ (StorageError::BeyondReorgs { .. } | StorageError::Pruned { .. }),
                )) => return Ok(ForkchoiceVerdict::TooDeep(error.to_string())),
                other => other?,
            }
        }
        let mut state = chain.engine.lock();
        let caught_up = state.syncing_since.take().is_some();
        let Checkpoints { safe: safe_before, finalized: final_before } = state.checkpoints;
        let checkpoints = Checkpoints {
            safe: safe.or(safe_before.filter(|block| block.number <= target.number())),
            finalized: finalized.or(final_before),
        };
        if checkpoints != state.checkpoints {
            state.checkpoints = checkpoints;
            chain.db.remember_checkpoints(checkpoints);
        }
        drop(state);
        if caught_up {
            chain.announce(ChainEvent::Syncing(None));
        }
        Ok(ForkchoiceVerdict::Head(target))
    }
}

/// Block `hash` in the chain that ends in `target`; the inner `None` for the zero hash, the outer one where it is not in that
/// chain.
fn ancestor_named(
    chain: &Inner,
    target: &Arc<ExecutedBlock>,
    hash: B256,
) -> Result<Option<Option<BlockNumHash>>, ChainError> {
    if hash.is_zero() {
        return Ok(Some(None));
    }
    let Some(block) = chain.ancestor(hash)? else { return Ok(None) };
    Ok(chain.is_ancestor(&block, target)?.then_some(Some(BlockNumHash::new(block.number(), hash))))
}

fn inconsistent(what: &str, hash: B256) -> ForkchoiceVerdict {
    ForkchoiceVerdict::Inconsistent(format!("the {what} block {hash} is no ancestor of the head"))
}
