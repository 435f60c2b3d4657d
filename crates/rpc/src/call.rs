//! Calling methods for the connections that are no WebSockets: HTTP and the unix socket.

use crate::{error, server::HexIds};
use jsonrpsee::{
    BoundedSubscriptions, ConnectionId, MethodCallback, MethodResponse, MethodSink, Methods,
    SubscriptionState,
    core::{
        middleware::{Batch, BatchEntry, BatchEntryErr, Notification},
        server::helpers::prepare_error,
    },
    server::middleware::rpc::RpcServiceT,
    types::{ErrorCode, Id, InvalidRequest, Params, Request, error::reject_too_many_subscriptions},
};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The methods, as one connection may call them. A handle of the connection's own: handles that all connections share would
/// be counted by all threads at once, with every request.
#[derive(Clone, Debug)]
pub(crate) struct Callable(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    methods: Methods,
    most_bytes: usize,
    push: Option<Push>,
}

/// A connection that messages can be pushed to.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) connection: ConnectionId,
    /// Where subscriptions send.
    pub(crate) sink: MethodSink,
    pub(crate) subscriptions: BoundedSubscriptions,
}

impl Callable {
    /// The methods, which answer with so many bytes at most; `push` is `None` where nothing can be pushed to the client,
    /// so that there are no subscriptions.
    pub(crate) fn new(methods: Methods, most_bytes: usize, push: Option<Push>) -> Self {
        Self(Arc::new(Parts { methods, most_bytes, push }))
    }
}

impl Parts {
    /// The connection's number; connections that nothing is pushed to need none.
    fn connection(&self) -> ConnectionId {
        self.push.as_ref().map_or(ConnectionId(0), |push| push.connection)
    }
}

/// The answer to subscriptions where nothing can be pushed.
fn no_push<'a>(id: Id<'a>) -> MethodResponse {
    let reason =
        "notifications not supported: subscriptions need a WebSocket connection or the unix socket";
    MethodResponse::error(id, error::error(error::METHOD_NOT_FOUND, reason))
}

impl RpcServiceT for Callable {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = Arc::clone(&self.0);
        async move {
            let Request { id, method, params, extensions, .. } = request;
            let params = Params::new(params.as_ref().map(|params| RawValue::get(params)));
            match service.methods.method(&method) {
                None => MethodResponse::error(id, error::method_not_found(&method)),
                Some(MethodCallback::Sync(call)) => {
                    call(id, params, service.most_bytes, extensions)
                }
                Some(MethodCallback::Async(call)) => {
                    let (id, params) = (id.into_owned(), params.into_owned());
                    call(id, params, service.connection(), service.most_bytes, extensions).await
                }
                Some(MethodCallback::Subscription(call)) => {
                    let Some(Push { connection, sink, subscriptions }) = service.push.clone()
                    else {
                        return no_push(id);
                    };
                    let Some(permit) = subscriptions.acquire() else {
                        let refusal = reject_too_many_subscriptions(subscriptions.max());
                        return MethodResponse::error(id, refusal);
                    };
                    let answer = {
                        let state = SubscriptionState {
                            conn_id: connection,
                            id_provider: &HexIds,
                            subscription_permit: permit,
                        };
                        call(id, params, sink, state, extensions)
                    };
                    answer.await
                }
                Some(MethodCallback::Unsubscription(call)) => match &service.push {
                    None => no_push(id),
                    Some(push) => call(id, params, push.connection, service.most_bytes, extensions),
                },
            }
        }
    }

    fn batch<'a>(&self, _batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // The layer around this one answers batches, entry by entry.
        let never = || error::internal("a batch came where none can come");
        async move { MethodResponse::error(Id::Null, never()) }
    }

    fn notification<'a>(
        &self,
        _notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        std::future::ready(MethodResponse::notification())
    }
}

/// Answers one message of the unix socket: a request, a notification or a batch.
pub(crate) async fn answer<S>(service: &S, message: &[u8]) -> MethodResponse
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        >,
{
    if message.first() != Some(&b'[') {
        if let Ok(request) = serde_json::from_slice::<Request<'_>>(message) {
            return service.call(request).await;
        }
        if let Ok(notification) = serde_json::from_slice::<Notification<'_>>(message) {
            return service.notification(notification).await;
        }
        let (id, code) = prepare_error(message);
        return MethodResponse::error(id, code);
    }
    let Ok(entries) = serde_json::from_slice::<Vec<&RawValue>>(message) else {
        return MethodResponse::error(Id::Null, ErrorCode::ParseError);
    };
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    service.batch(Batch::from(entries)).await
}

/// One request or notification of a batch.
fn entry(text: &RawValue) -> Result<BatchEntry<'_>, BatchEntryErr<'_>> {
    if let Ok(request) = serde_json::from_str::<Request<'_>>(text.get()) {
        return Ok(BatchEntry::Call(request));
    }
    if let Ok(notification) = serde_json::from_str::<Notification<'_>>(text.get()) {
        return Ok(BatchEntry::Notification(notification));
    }
    let id = serde_json::from_str::<InvalidRequest<'_>>(text.get()).map_or(Id::Null, |it| it.id);
    Err(BatchEntryErr::new(id, ErrorCode::InvalidRequest.into()))
}
