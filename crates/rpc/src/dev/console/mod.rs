//! What transactions say: `console.log` and reasons of failures, in the node's log.
//!
//! A block is executed once more after it is sealed, on a thread of its own, so that building
//! blocks does not wait. Who watches keeps at most [`QUEUE`] blocks; what comes while the queue is
//! full is left out and counted.
//!
//! Invariant: nothing of this runs outside of development.

mod format;
mod report;
mod signature;

use crate::{
    api::{Api, Target},
    exec::Prepared,
};
use plasma_chain::{ChainEvent, ExecutedBlock};
use plasma_evm::{HaltReason, ResultAndState, TxEnv, tracing::CallsTo};
pub(crate) use signature::CONSOLE;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
};

/// Most blocks that wait to be looked at.
const QUEUE: usize = 64;

/// Blocks with more transactions are not looked at: nobody reads as much.
const MAX_TRANSACTIONS: usize = 50;

/// Follows the chain until the task is aborted or the chain stops; `None` outside of development.
/// Must be called within a tokio runtime.
pub(crate) fn watch(api: &Api) -> Option<JoinHandle<()>> {
    api.chain.dev()?;
    let (queue, blocks) = mpsc::channel(QUEUE);
    let omitted = Arc::new(AtomicU64::new(0));
    tokio::spawn(tell(api.clone(), blocks, omitted.clone()));
    Some(tokio::spawn(collect(api.clone(), queue, omitted)))
}

/// Puts blocks into the queue, and keeps blobs of what comes into the pool. It does nothing that
/// takes long, so that it is never behind the chain.
async fn collect(api: Api, queue: mpsc::Sender<Arc<ExecutedBlock>>, omitted: Arc<AtomicU64>) {
    let mut events = api.chain.subscribe();
    let mut announced = api.chain.pool().subscribe();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            pooled = announced.recv() => {
                if let Some(blobs) = &api.blobs {
                    blobs.take_in();
                }
                match pooled {
                    Err(RecvError::Closed) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => continue,
                }
            }
        };
        match event {
            Ok(ChainEvent::Sealed(block)) if is_of_interest(&api, &block) => {
                if queue.try_send(block).is_err() {
                    omitted.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(_) => {}
            // Events, not blocks: an upper bound.
            Err(RecvError::Lagged(missed)) => {
                omitted.fetch_add(missed, Ordering::Relaxed);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn is_of_interest(api: &Api, block: &ExecutedBlock) -> bool {
    /// What a transaction costs that runs no code.
    const TRANSFER: u64 = 21_000;

    if !listens(api) || block.transactions.len() > MAX_TRANSACTIONS {
        return false;
    }
    let quiet = |index: usize| {
        let succeeded = block.receipts.get(index).is_some_and(|receipt| receipt.success);
        succeeded && block.gas_used(index) == Some(TRANSFER)
    };
    !(0..block.transactions.len()).all(quiet)
}

/// Looks at the queue's blocks, one after the other.
async fn tell(api: Api, mut blocks: mpsc::Receiver<Arc<ExecutedBlock>>, omitted: Arc<AtomicU64>) {
    while let Some(block) = blocks.recv().await {
        let missed = omitted.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::info!(
                target: "plasma::dev", missed, "blocks came too fast to tell what they logged"
            );
        }
        let api = api.clone();
        let told = tokio::task::spawn_blocking(move || tell_block(&api, &block)).await;
        if let Err(failure) = told {
            // The runtime ends, or the defect is in the log already.
            tracing::debug!(target: "plasma::dev", %failure, "a block was not told");
        }
    }
}

fn tell_block(api: &Api, block: &ExecutedBlock) {
    let current = |api: &Api| {
        let found = api.target(block.number().into());
        matches!(found, Ok(Some(Target::Sealed(found))) if found.hash == block.hash)
    };
    // After a snapshot was restored there is nothing to say of what came after it.
    if !current(api) {
        return;
    }
    match report::of_block(api, block) {
        Ok(reports) => reports.iter().for_each(report::Report::log),
        Err(failure) => {
            let (number, failure) = (block.number(), failure.message());
            tracing::debug!(target: "plasma::dev", number, failure, "a block was not told");
        }
    }
}

/// Whether what transactions and calls say is told.
pub(crate) fn listens(api: &Api) -> bool {
    api.chain.dev().is_some() && api.dev_logging.load(Ordering::Relaxed)
}

/// Logs what a call said that left `outcome`. It runs once more only where it came across the
/// console.
pub(crate) fn tell_call(
    method: &'static str,
    prepared: &Prepared,
    call: TxEnv,
    outcome: &ResultAndState<HaltReason>,
) {
    if !outcome.state.contains_key(&CONSOLE) {
        return;
    }
    let (from, to) = (call.caller, call.kind.to().copied());
    match prepared.inspect(call, CallsTo::new(CONSOLE)) {
        Ok((_, calls)) => report::log_call(method, from, to, &calls),
        Err(failure) => {
            tracing::debug!(target: "plasma::dev", %failure, "a call was not told");
        }
    }
}
