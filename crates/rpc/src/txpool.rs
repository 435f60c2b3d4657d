//! The `txpool` namespace.

use crate::{
    api::{Api, heavy, quick},
    convert::{self, RpcTransaction},
};
use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_primitives::{Address, U64};
use jsonrpsee::RpcModule;
use plasma_txpool::{PoolContent, PoolTransaction};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};

/// One sender's transactions, by nonce in decimal.
type ByNonce<T> = BTreeMap<String, T>;

/// One half of the pool.
type BySender<T> = BTreeMap<Checksummed, ByNonce<T>>;

/// Both halves.
#[derive(Clone, Debug, Serialize)]
struct Halves<T> {
    pending: T,
    queued: T,
}

/// An address as geth writes it in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Checksummed(Address);

impl Serialize for Checksummed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_checksum(None))
    }
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "txpool_status", 0, |api, _| {
        let status = api.chain.pool().status();
        Ok(Halves { pending: U64::from(status.pending), queued: U64::from(status.queued) })
    });
    heavy(module, "txpool_content", 0, |api, _| {
        Ok(Halves::from(api.chain.pool().content()).map(|half| by_sender(half, rpc)))
    });
    heavy(module, "txpool_inspect", 0, |api, _| {
        Ok(Halves::from(api.chain.pool().content()).map(|half| by_sender(half, summary)))
    });
    heavy(module, "txpool_contentFrom", 1, |api, arguments| {
        let sender: Address = arguments.required(0)?;
        let content = Halves::from(api.chain.pool().content_from(sender));
        Ok(content.map(|mut half| by_nonce(half.remove(&sender).unwrap_or_default(), rpc)))
    });
}

type Queue = BTreeMap<u64, Arc<PoolTransaction>>;

impl From<PoolContent> for Halves<BTreeMap<Address, Queue>> {
    fn from(content: PoolContent) -> Self {
        Self { pending: content.pending, queued: content.queued }
    }
}

impl<T> Halves<T> {
    fn map<U>(self, change: impl Fn(T) -> U) -> Halves<U> {
        Halves { pending: change(self.pending), queued: change(self.queued) }
    }
}

fn by_sender<T>(senders: BTreeMap<Address, Queue>, show: fn(&PoolTransaction) -> T) -> BySender<T> {
    let shown = |(sender, queue)| (Checksummed(sender), by_nonce(queue, show));
    senders.into_iter().map(shown).collect()
}

fn by_nonce<T>(queue: Queue, show: fn(&PoolTransaction) -> T) -> ByNonce<T> {
    queue.into_iter().map(|(nonce, found)| (nonce.to_string(), show(&found))).collect()
}

fn rpc(found: &PoolTransaction) -> RpcTransaction {
    let transaction = Recovered::new_unchecked(found.transaction.clone(), found.sender);
    convert::pool_transaction(transaction)
}

/// geth's one-line form.
fn summary(found: &PoolTransaction) -> String {
    let transaction = &found.transaction;
    let to = match transaction.to() {
        Some(to) => to.to_checksum(None),
        None => "contract creation".to_owned(),
    };
    format!(
        "{to}: {} wei + {} gas × {} wei",
        transaction.value(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas()
    )
}
