//! What all methods share that subscribe a client to something.
//!
//! Each subscription is a task that takes prepared events from [`Live`] and sends them. A
//! subscriber whose connection takes nothing for a while, or who falls too far behind, is dropped
//! with an error notification that says so; nobody else notices.

use crate::{
    api::Api,
    error::{self, RpcResult},
    live::Live,
    params::Arguments,
};
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule, SubscriptionCloseResponse, SubscriptionMessage,
    SubscriptionSink,
    core::SubscriptionError,
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// The names of a namespace's subscriptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    /// The method that begins one.
    pub(crate) subscribe: &'static str,
    /// The method of what is sent.
    pub(crate) notification: &'static str,
    /// The method that ends one.
    pub(crate) unsubscribe: &'static str,
}

/// What a client has asked for and listens to.
pub(crate) trait Feed: Sized + Send + 'static {
    /// The names under which it is served.
    const NAMES: Names;

    /// Reads what the client asks for, and begins to listen.
    ///
    /// # Errors
    /// -32601 for a subscription that does not exist, -32602 where its parameters are wrong.
    fn open(arguments: &Arguments<'_>, live: &Live) -> RpcResult<Self>;

    /// Sends until the client is gone or too slow.
    fn serve(self, subscriber: &Subscriber) -> impl Future<Output = End> + Send;
}

/// Why a subscription ended.
pub(crate) enum End {
    /// The client unsubscribed or went away.
    Gone,
    /// The node ended it; the sentence is for the client.
    Dropped(&'static str),
}

/// A notification, or why there is none.
pub(crate) type Message = Result<SubscriptionMessage, &'static str>;

/// A client that is told.
pub(crate) struct Subscriber {
    sink: SubscriptionSink,
    notification: &'static str,
    /// How long the connection may take nothing.
    patience: Duration,
}

/// Registers the subscriptions of a namespace.
pub(crate) fn register<F: Feed>(module: &mut RpcModule<Api>, live: &Live) {
    let live = live.clone();
    let Names { subscribe, notification, unsubscribe } = F::NAMES;
    let registered = module.register_subscription(
        subscribe,
        notification,
        unsubscribe,
        move |params, pending, api, _| {
            let patience = api.config.subscription_patience;
            serve::<F>(params, pending, live.clone(), patience)
        },
    );
    registered.expect("each method is registered once");
}

/// The answer to a subscription that does not exist.
pub(crate) fn unknown(name: &str, namespace: &str) -> ErrorObjectOwned {
    error::method_not_found(&format!("\"{name}\" subscription in {namespace} namespace"))
}

async fn serve<F: Feed>(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    live: Live,
    patience: Duration,
) -> SubscriptionCloseResponse {
    let opened = Arguments::new(&params, 2).and_then(|arguments| F::open(&arguments, &live));
    // From here on nothing is missed: what the feed listens with stands before the client has its id.
    let feed = match opened {
        Ok(feed) => feed,
        Err(refusal) => {
            pending.reject(refusal).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    let subscriber = Subscriber { sink, notification: F::NAMES.notification, patience };
    match feed.serve(&subscriber).await {
        End::Dropped(reason) => {
            tracing::debug!(reason, "a subscription was dropped");
            SubscriptionCloseResponse::NotifErr(SubscriptionError::from(reason))
        }
        End::Gone => SubscriptionCloseResponse::None,
    }
}

impl Subscriber {
    /// A notification with `result`.
    pub(crate) fn message<T: Serialize + ?Sized>(&self, result: &T) -> Message {
        SubscriptionMessage::new(self.notification, self.sink.subscription_id(), &result)
            .map_err(|_| "the subscription was dropped: an event cannot be written")
    }

    /// Sends what `messages` makes of each event. The first message that there is none of ends the subscription.
    pub(crate) async fn follow<T>(
        &self,
        mut events: Receiver<Arc<T>>,
        messages: impl Fn(&T) -> Vec<Message>,
    ) -> End {
        loop {
            let event = tokio::select! {
                () = self.sink.closed() => return End::Gone,
                event = events.recv() => event,
            };
            let event = match event {
                Ok(event) => event,
                Err(RecvError::Closed) => return End::Gone,
                Err(RecvError::Lagged(_)) => {
                    return End::Dropped(
                        "the subscription was dropped: the client fell too far behind",
                    );
                }
            };
            if let Some(end) = self.send(messages(&event)).await {
                return end;
            }
        }
    }

    /// Sends `messages`, unless the subscription ends before.
    pub(crate) async fn send(&self, messages: Vec<Message>) -> Option<End> {
        for message in messages {
            let message = match message {
                Ok(message) => message,
                Err(reason) => return Some(End::Dropped(reason)),
            };
            if self.sink.send_timeout(message, self.patience).await.is_err() {
                if self.sink.is_closed() {
                    return Some(End::Gone);
                }
                return Some(End::Dropped(
                    "the subscription was dropped: the client takes no messages \
                     (--rpc.subscription-buffer, --rpc.subscription-patience)",
                ));
            }
        }
        None
    }
}
