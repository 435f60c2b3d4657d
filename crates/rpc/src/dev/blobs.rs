//! Blobs, which leave the pool with their transactions: a development node keeps the newest.

use super::{Call, Commands};
use crate::error::{self, RpcResult};
use alloy_eips::{eip4844::Blob, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::B256;
use parking_lot::Mutex;
use plasma_txpool::{PoolTransaction, TxPool};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// Most blob transactions that are kept: with six blobs each, 50 MiB.
const KEPT: usize = 64;

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.query(&["anvil_getBlobByHash", "hardhat_getBlobByHash"], 1, by_hash);
    commands.query(
        &["anvil_getBlobsByTransactionHash", "hardhat_getBlobsByTransactionHash"],
        1,
        of_transaction,
    );
}

/// The newest blob transactions that became ready for a block.
#[derive(Debug)]
pub(crate) struct KeptBlobs(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    announced: Receiver<Arc<PoolTransaction>>,
    transactions: VecDeque<Arc<PoolTransaction>>,
}

impl KeptBlobs {
    pub(crate) fn new(pool: &TxPool) -> Self {
        Self(Mutex::new(Kept { announced: pool.subscribe(), transactions: VecDeque::new() }))
    }

    /// Takes in what the pool has announced since the last time.
    pub(super) fn take_in(&self) {
        self.0.lock().take_in();
    }

    /// What `find` finds, the newest transaction first.
    fn find<T>(&self, find: impl FnMut(&Arc<PoolTransaction>) -> Option<T>) -> Option<T> {
        let mut kept = self.0.lock();
        kept.take_in();
        kept.transactions.iter().rev().find_map(find)
    }
}

impl Kept {
    fn take_in(&mut self) {
        loop {
            match self.announced.try_recv() {
                Ok(transaction) if transaction.sidecar.is_some() => {
                    if self.transactions.len() == KEPT {
                        self.transactions.pop_front();
                    }
                    self.transactions.push_back(transaction);
                }
                // What was missed is not kept; the rest follows.
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

fn kept<'a>(call: &Call<'a>) -> RpcResult<&'a KeptBlobs> {
    call.api.blobs.as_ref().ok_or_else(|| error::method_not_found(call.name))
}

fn blobs(sidecar: &BlobTransactionSidecarVariant) -> &[Blob] {
    match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => &sidecar.blobs,
        BlobTransactionSidecarVariant::Eip7594(sidecar) => &sidecar.blobs,
    }
}

/// The blob with this versioned hash; `null` where it is unknown.
fn by_hash(call: &Call<'_>) -> RpcResult<Option<Box<Blob>>> {
    let versioned: B256 = call.arguments.required(0)?;
    let place = |sidecar: &BlobTransactionSidecarVariant, place: usize| {
        blobs(sidecar).get(place).copied().map(Box::new)
    };
    let waiting = call.api.chain.pool().blobs(&[versioned]).into_iter().flatten().next();
    if let Some((sidecar, at)) = waiting {
        return Ok(place(&sidecar, at));
    }
    Ok(kept(call)?.find(|transaction| {
        let sidecar = transaction.sidecar.as_ref()?;
        let at = sidecar.versioned_hashes().position(|hash| hash == versioned)?;
        place(sidecar, at)
    }))
}

/// The blobs of a transaction in their order; `null` where it is unknown.
fn of_transaction(call: &Call<'_>) -> RpcResult<Option<Vec<Blob>>> {
    let hash: B256 = call.arguments.required(0)?;
    if let Some(sidecar) = call.api.chain.pool().blob_sidecar(hash) {
        return Ok(Some(blobs(&sidecar).to_vec()));
    }
    Ok(kept(call)?.find(|transaction| {
        let sidecar = transaction.sidecar.as_ref().filter(|_| transaction.hash == hash)?;
        Some(blobs(sidecar).to_vec())
    }))
}
