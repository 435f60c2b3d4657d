//! `eth_subscribe`.

use super::logs::LogFilter;
use crate::{
    api::Api,
    error::RpcResult,
    live::{Live, LiveBlock, LivePending, LiveSync},
    params::Arguments,
    subscription::{self, End, Feed, Names, Subscriber},
};
use jsonrpsee::RpcModule;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;

/// What a client can subscribe to.
enum Topic {
    NewHeads(Receiver<Arc<LiveBlock>>),
    Logs(Receiver<Arc<LiveBlock>>, Box<LogFilter>),
    PendingHashes(Receiver<Arc<LivePending>>),
    PendingTransactions(Receiver<Arc<LivePending>>),
    /// What comes, and how it is at the beginning.
    Syncing(Receiver<Arc<LiveSync>>, Arc<LiveSync>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Name {
    NewHeads,
    Logs,
    NewPendingTransactions,
    Syncing,
}

pub(crate) fn register(module: &mut RpcModule<Api>, live: &Live) {
    subscription::register::<Topic>(module, live);
}

impl Feed for Topic {
    const NAMES: Names = Names {
        subscribe: "eth_subscribe",
        notification: "eth_subscription",
        unsubscribe: "eth_unsubscribe",
    };

    fn open(arguments: &Arguments<'_>, live: &Live) -> RpcResult<Self> {
        let name: String = arguments.required(0)?;
        let known = Name::deserialize(serde::de::value::StrDeserializer::new(&name));
        let known: Name =
            known.map_err(|_: serde::de::value::Error| subscription::unknown(&name, "eth"))?;
        Ok(match known {
            Name::NewHeads => Self::NewHeads(live.blocks()),
            Name::Logs => Self::Logs(live.blocks(), Box::new(arguments.or_default(1)?)),
            Name::NewPendingTransactions if arguments.or_default(1)? => {
                Self::PendingTransactions(live.pending())
            }
            Name::NewPendingTransactions => Self::PendingHashes(live.pending()),
            Name::Syncing => {
                let (changes, now) = live.syncing();
                Self::Syncing(changes, now)
            }
        })
    }

    async fn serve(self, subscriber: &Subscriber) -> End {
        match self {
            Self::NewHeads(blocks) => {
                let header = |block: &LiveBlock| match block.header() {
                    Some(header) if !block.removed => vec![subscriber.message(header)],
                    _ => Vec::new(),
                };
                subscriber.follow(blocks, header).await
            }
            Self::Logs(blocks, filter) => {
                let logs = |block: &LiveBlock| {
                    block.logs(&filter.0).map(|log| subscriber.message(log)).collect()
                };
                subscriber.follow(blocks, logs).await
            }
            Self::PendingHashes(transactions) => {
                let hash = |transaction: &LivePending| {
                    transaction.hash().map(|hash| subscriber.message(hash)).into_iter().collect()
                };
                subscriber.follow(transactions, hash).await
            }
            Self::PendingTransactions(transactions) => {
                let full = |transaction: &LivePending| {
                    transaction.full().map(|full| subscriber.message(full)).into_iter().collect()
                };
                subscriber.follow(transactions, full).await
            }
            Self::Syncing(changes, now) => {
                let state = |sync: &LiveSync| vec![subscriber.message(&sync.0)];
                match subscriber.send(state(&now)).await {
                    Some(end) => end,
                    None => subscriber.follow(changes, state).await,
                }
            }
        }
    }
}
