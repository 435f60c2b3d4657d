//! Waiting for a transaction to be included.

use crate::{Chain, ChainEvent, ExecutedBlock, PendingBlock, TickedBlock};
use alloy_primitives::B256;
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

/// Where an included transaction stands, with its position there.
#[derive(Clone, Debug)]
pub enum Inclusion {
    /// In a sealed block.
    Sealed(Arc<ExecutedBlock>, usize),
    /// In the open block, pre-confirmed: its tick is in the journal, so that nothing but the hash of the block is still to come.
    Preconfirmed(Arc<PendingBlock>, usize),
}

impl Inclusion {
    /// The block, and the transaction's position in it.
    pub fn place(&self) -> (&ExecutedBlock, usize) {
        match self {
            Self::Sealed(block, index) => (block, *index),
            Self::Preconfirmed(pending, index) => (&pending.block, *index),
        }
    }
}

impl Chain {
    /// Waits until the transaction stands in a sealed block; `None` after `timeout`.
    pub async fn wait_for_inclusion(
        &self,
        hash: B256,
        timeout: Duration,
    ) -> Option<(Arc<ExecutedBlock>, usize)> {
        let mut head = self.inner.head_number.subscribe();
        let deadline = Instant::now() + timeout;
        loop {
            head.borrow_and_update();
            if let Some(found) = self.inner.recent.read().transaction(hash) {
                return Some(found);
            }
            match tokio::time::timeout_at(deadline, head.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Waits until the transaction is pre-confirmed or sealed, whatever comes first; `None` after `timeout`. Under a consensus
    /// layer nothing is pre-confirmed.
    pub async fn wait_for_preconfirmation(
        &self,
        hash: B256,
        timeout: Duration,
    ) -> Option<Inclusion> {
        if self.inner.config.driven {
            let (block, index) = self.wait_for_inclusion(hash, timeout).await?;
            return Some(Inclusion::Sealed(block, index));
        }
        let deadline = Instant::now() + timeout;
        // Before looking, so that nothing passes in between.
        let mut events = self.subscribe();
        let mut missed = true;
        loop {
            if std::mem::take(&mut missed)
                && let Some(found) = self.included(hash)
            {
                return Some(found);
            }
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Ok(ChainEvent::Tick(tick))) => {
                    let TickedBlock::Open(pending) = &tick.block else { continue };
                    let mut new = tick.positions();
                    let transactions = &pending.block.transactions;
                    if let Some(index) = new.find(|index| *transactions[*index].tx_hash() == hash) {
                        return Some(Inclusion::Preconfirmed(pending.clone(), index));
                    }
                }
                Ok(Ok(ChainEvent::Sealed(block))) => {
                    if let Some(index) = block.position(&hash) {
                        return Some(Inclusion::Sealed(block, index));
                    }
                }
                Ok(Ok(ChainEvent::Reverted { .. } | ChainEvent::Syncing(_))) => {}
                Ok(Err(RecvError::Lagged(_))) => missed = true,
                Ok(Err(RecvError::Closed)) | Err(_) => return None,
            }
        }
    }

    fn included(&self, hash: B256) -> Option<Inclusion> {
        if let Some((block, index)) = self.inner.recent.read().transaction(hash) {
            return Some(Inclusion::Sealed(block, index));
        }
        let pending = self.pending();
        let index = pending.block.position(&hash)?;
        Some(Inclusion::Preconfirmed(pending, index))
    }
}
