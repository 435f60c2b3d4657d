//! Submitting signed transactions.

use super::{fees, transactions};
use crate::{
    api::Api,
    convert::RpcReceipt,
    error::{self, RpcResult},
    middleware::BatchSubmissions,
    params::{Arguments, Quantity},
};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U64};
use jsonrpsee::{
    Extensions, RpcModule,
    types::{ErrorObject, ErrorObjectOwned},
};
use plasma_txpool::PoolTransaction;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// With this many transactions ready for the next block, submissions come in a burst, and nobody
/// waits for blocks one by one.
const BURST: usize = 64;

/// So do submissions that come while this many wait for their blocks already: their receipts are
/// there a block later.
const BURST_WAITERS: usize = 8;

/// Transactions up to this size (bytes) are admitted on the thread that read them.
const IN_PLACE_BYTES: usize = 4_096;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    let registered = module.register_async_method(
        "eth_sendRawTransaction",
        |params, api: Arc<Api>, extensions| async move {
            let raw: Bytes = Arguments::new(&params, 1)?.required(0)?;
            send(&api, raw, &extensions).await
        },
    );
    registered.expect("each method is registered once");
    let registered = module.register_async_method(
        "eth_sendRawTransactionSync",
        |params, api: Arc<Api>, _| async move {
            let arguments = Arguments::new(&params, 2)?;
            let timeout = arguments.optional::<Quantity>(1)?;
            send_and_wait(&api, arguments.required(0)?, timeout).await
        },
    );
    registered.expect("each method is registered once");
}

/// Hands a transaction to the pool. While the chain mines on demand, the answer waits for the block,
/// so that a receipt asked for right afterwards is there.
async fn send(api: &Api, raw: Bytes, extensions: &Extensions) -> RpcResult<B256> {
    let in_place = raw.len() <= IN_PLACE_BYTES;
    // Counts from here, so that the producer knows of what is being decoded, too.
    let submission = api.chain.announce_submission();
    let job = {
        let api = api.clone();
        move || {
            let transaction = plasma_txpool::decode_and_recover(&raw).map_err(error::from_pool)?;
            // Where its nonce is not next or it does not pay the base fee, no block waits for it.
            let ready = expected_nonce(&api, &transaction)? >= transaction.transaction.nonce()
                && pays_base_fee(&api, &transaction);
            drop(submission);
            let hash = api.chain.submit(transaction).map_err(error::from_pool)?;
            Ok((hash, ready && comes_at_once(&api)))
        }
    };
    // Recovering a sender and admitting its transaction takes about 80 µs, which is less than what
    // handing it to another thread and back costs; what is larger, blobs above all, is handed over.
    let (hash, wait) = if in_place { job()? } else { api.submitters.run(job).await? };
    if wait {
        match extensions.get::<BatchSubmissions>() {
            // The batch as a whole waits once, after its last request.
            Some(batch) => batch.add(hash),
            None => wait_for_block(api, hash).await,
        }
    }
    Ok(hash)
}

/// Waits until `hash` stands in a block, for as long as a submission may.
pub(crate) async fn wait_for_block(api: &Api, hash: B256) {
    let _waiting = Waiting::new(&api.waiting);
    // Whether it came in time makes no difference: the pool has the transaction.
    let _ = api.chain.wait_for_inclusion(hash, api.config.automine_wait).await;
}

/// One that waits for a block, counted while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        // Relaxed, here and below: the count is a hint and orders nothing else.
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// True where the chain mines on demand and is not in a burst.
pub(crate) fn comes_at_once(api: &Api) -> bool {
    api.waiting.load(Ordering::Relaxed) < BURST_WAITERS
        && api.chain.pool().status().pending < BURST
        && match api.chain.dev() {
            Some(dev) => dev.automine(),
            None => api.chain.config().automine,
        }
}

/// The nonce with which the sender's next transaction would be ready.
fn expected_nonce(api: &Api, transaction: &PoolTransaction) -> RpcResult<u64> {
    let state = api.state(Some(BlockId::pending()))?;
    let account = state.account(transaction.sender).map_err(error::from_storage)?;
    let nonce = account.map_or(0, |account| account.nonce);
    Ok(api.chain.pool().next_nonce(transaction.sender, nonce))
}

fn pays_base_fee(api: &Api, transaction: &PoolTransaction) -> bool {
    transaction.transaction.max_fee_per_gas() >= u128::from(fees::next_base_fee(api))
}

/// EIP-7966: submits a transaction and answers its receipt as soon as it is pre-confirmed. Where its block is still open then, the
/// receipt is as it will be, but for the hash of the block, which is `null`.
///
/// # Errors
/// Code 6 where the nonce leaves a gap (`data`: the expected nonce; the pool does not take the
/// transaction), code 4 where there was no receipt in time (`data`: the hash; the pool keeps it),
/// else as `eth_sendRawTransaction`.
async fn send_and_wait(api: &Api, raw: Bytes, timeout: Option<Quantity>) -> RpcResult<RpcReceipt> {
    let timeout = sync_timeout(api, timeout);
    let job = {
        let api = api.clone();
        move || {
            let transaction = plasma_txpool::decode_and_recover(&raw).map_err(error::from_pool)?;
            let expected = expected_nonce(&api, &transaction)?;
            let nonce = transaction.transaction.nonce();
            if nonce > expected {
                return Err(nonce_gap(nonce, expected));
            }
            if !pays_base_fee(&api, &transaction) {
                return Err(error::error(
                    error::SYNC_NOT_READY,
                    format!(
                        "the transaction was not accepted: it offers {} wei per gas and would \
                         wait until the base fee ({} wei) falls",
                        transaction.transaction.max_fee_per_gas(),
                        fees::next_base_fee(&api)
                    ),
                ));
            }
            api.chain.submit(transaction).map_err(error::from_pool)
        }
    };
    let hash = api.submitters.run(job).await?;
    receipt_within(api, hash, timeout).await
}

/// How long a submission waits for its receipt: as asked, within this node's limit.
pub(crate) fn sync_timeout(api: &Api, asked: Option<Quantity>) -> Duration {
    match asked {
        None | Some(Quantity(0)) => api.config.sync_timeout_default,
        Some(Quantity(millis)) => Duration::from_millis(millis).min(api.config.sync_timeout_max),
    }
}

/// The receipt of a transaction in the pool, as soon as it is there.
///
/// # Errors
/// Code 4 where there was none in time (`data`: the hash).
pub(crate) async fn receipt_within(
    api: &Api,
    hash: B256,
    timeout: Duration,
) -> RpcResult<RpcReceipt> {
    let included = api.chain.wait_for_preconfirmation(hash, timeout).await;
    let included = included.ok_or_else(|| timed_out(hash, timeout))?;
    let (block, index) = included.place();
    transactions::receipt_in(api, block, index).ok_or_else(|| {
        error::internal(format!("the block of transaction {hash} has no receipt of it"))
    })
}

fn nonce_gap(nonce: u64, expected: u64) -> ErrorObjectOwned {
    ErrorObject::owned(
        error::SYNC_NONCE_GAP,
        format!("nonce gap: the transaction has nonce {nonce}, but {expected} is next"),
        Some(U64::from(expected)),
    )
}

fn timed_out(hash: B256, timeout: Duration) -> ErrorObjectOwned {
    ErrorObject::owned(
        error::SYNC_TIMEOUT,
        format!("the transaction was added to the pool but was not included within {timeout:?}"),
        Some(hash),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_errors_carry_what_the_eip_demands() {
        let gap = nonce_gap(7, 5);
        assert_eq!((gap.code(), gap.data().unwrap().get()), (6, "\"0x5\""));
        let late = timed_out(B256::repeat_byte(1), Duration::from_secs(2));
        assert_eq!(late.code(), 4);
        let hash: B256 = serde_json::from_str(late.data().unwrap().get()).unwrap();
        assert_eq!(hash, B256::repeat_byte(1));
    }
}
