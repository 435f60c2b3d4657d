//! `eth_subscribe`.
//!
//! Each subscription is a task that takes prepared events from [`Live`] and sends them. A
//! subscriber whose connection takes nothing for a while, or who falls too far behind, is dropped
//! with an error notification that says so; nobody else notices.

use super::logs::LogFilter;
use crate::{
    api::Api,
    error,
    live::{Live, LiveBlock, LivePending},
    params::Arguments,
};
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule, SubscriptionCloseResponse, SubscriptionMessage,
    SubscriptionSink,
    core::SubscriptionError,
    types::{ErrorObjectOwned, Params},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How long a connection may take nothing before its subscription is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

const NOTIFICATION: &str = "eth_subscription";

/// What a client can subscribe to.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<LogFilter>),
    PendingHashes,
    PendingTransactions,
    Syncing,
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
    let live = live.clone();
    let registered = module.register_subscription(
        "eth_subscribe",
        NOTIFICATION,
        "eth_unsubscribe",
        move |params, pending, _, _| serve(params, pending, live.clone()),
    );
    registered.expect("each method is registered once");
}

fn topic(params: &Params<'_>) -> Result<Topic, ErrorObjectOwned> {
    let arguments = Arguments::new(params, 2)?;
    let name: String = arguments.required(0)?;
    let known = Name::deserialize(serde::de::value::StrDeserializer::new(&name));
    let known: Name = known.map_err(|_: serde::de::value::Error| {
        error::method_not_found(&format!("\"{name}\" subscription in eth namespace"))
    })?;
    Ok(match known {
        Name::NewHeads => Topic::NewHeads,
        Name::Logs => Topic::Logs(Box::new(arguments.or_default(1)?)),
        Name::NewPendingTransactions if arguments.or_default(1)? => Topic::PendingTransactions,
        Name::NewPendingTransactions => Topic::PendingHashes,
        Name::Syncing => Topic::Syncing,
    })
}

async fn serve(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    live: Live,
) -> SubscriptionCloseResponse {
    let topic = match topic(&params) {
        Ok(topic) => topic,
        Err(refusal) => {
            pending.reject(refusal).await;
            return SubscriptionCloseResponse::None;
        }
    };
    // From here on nothing is missed: the receiver stands before the client has its id.
    let blocks = live.blocks();
    let transactions = live.pending();
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    let end = match topic {
        Topic::NewHeads => {
            drop(transactions);
            let header = |block: &LiveBlock| match block.header() {
                Some(header) if !block.removed => vec![message(&sink, header)],
                _ => Vec::new(),
            };
            follow(&sink, blocks, header).await
        }
        Topic::Logs(filter) => {
            drop(transactions);
            let logs = |block: &LiveBlock| {
                block.logs(&filter.0).iter().map(|log| message(&sink, log)).collect()
            };
            follow(&sink, blocks, logs).await
        }
        Topic::PendingHashes => {
            drop(blocks);
            let hash = |transaction: &LivePending| {
                transaction.hash().map(|hash| message(&sink, hash)).into_iter().collect()
            };
            follow(&sink, transactions, hash).await
        }
        Topic::PendingTransactions => {
            drop(blocks);
            let full = |transaction: &LivePending| {
                transaction.full().map(|full| message(&sink, full)).into_iter().collect()
            };
            follow(&sink, transactions, full).await
        }
        Topic::Syncing => {
            // There is nothing to sync from, so the state never changes.
            drop((blocks, transactions));
            sink.closed().await;
            End::Gone
        }
    };
    match end {
        End::Slow(reason) => {
            tracing::debug!(reason, "a subscription was dropped");
            SubscriptionCloseResponse::NotifErr(SubscriptionError::from(reason))
        }
        End::Gone => SubscriptionCloseResponse::None,
    }
}

/// Why a subscription ended.
enum End {
    /// The client unsubscribed or went away.
    Gone,
    /// The client is too slow; the sentence is for it.
    Slow(&'static str),
}

/// A notification, or why there is none.
type Message = Result<SubscriptionMessage, serde_json::Error>;

fn message<T: Serialize + ?Sized>(sink: &SubscriptionSink, result: &T) -> Message {
    SubscriptionMessage::new(NOTIFICATION, sink.subscription_id(), &result)
}

async fn follow<T>(
    sink: &SubscriptionSink,
    mut events: Receiver<Arc<T>>,
    messages: impl Fn(&T) -> Vec<Message>,
) -> End {
    loop {
        let event = tokio::select! {
            () = sink.closed() => return End::Gone,
            event = events.recv() => event,
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Closed) => return End::Gone,
            Err(RecvError::Lagged(_)) => {
                return End::Slow("the subscription was dropped: the client fell too far behind");
            }
        };
        for message in messages(&event) {
            let Ok(message) = message else {
                return End::Slow("the subscription was dropped: an event cannot be written");
            };
            if sink.send_timeout(message, PATIENCE).await.is_err() {
                if sink.is_closed() {
                    return End::Gone;
                }
                return End::Slow("the subscription was dropped: the client takes no messages");
            }
        }
    }
}
