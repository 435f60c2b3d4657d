//! Calling methods for the connections that are no WebSockets: HTTP and the unix socket.

use crate::{
    error,
    ids::{LackingIds, Message},
    server::HexIds,
};
use jsonrpsee::{
    BoundedSubscriptions, ConnectionId, MethodCallback, MethodResponse, MethodSink, Methods,
    SubscriptionState,
    core::{
        middleware::{Batch, BatchEntry, BatchEntryErr, Notification},
        server::{MethodResponseNotifyTx, helpers::prepare_error},
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

/// What one message came to.
pub(crate) struct Answer {
    response: MethodResponse,
    lacking: LackingIds,
}

impl Answer {
    /// Whether it is to be sent: what a subscription answers it has sent itself, and notifications have no answer.
    pub(crate) fn is_to_be_sent(&self) -> bool {
        self.response.is_method_call() || self.response.is_batch()
    }

    /// Its text, and who is to be told that it was sent.
    pub(crate) fn into_parts(self) -> (Box<RawValue>, Option<MethodResponseNotifyTx>) {
        let (text, sent, _) = self.response.into_parts();
        (self.lacking.put_into(text), sent)
    }
}

/// Answers one message: a request, a notification or a batch.
pub(crate) async fn answer<S>(service: &S, message: &[u8]) -> Answer
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        >,
{
    if message.first() != Some(&b'[') {
        let mut lacking = LackingIds::of_one();
        let response = match lacking.read(message) {
            Message::Call(request) => service.call(request).await,
            Message::Notification(notification) => service.notification(notification).await,
            Message::Invalid => {
                let (id, code) = prepare_error(message);
                MethodResponse::error(id, code)
            }
        };
        return Answer { response, lacking };
    }
    let mut lacking = LackingIds::of_batch();
    let Ok(entries) = serde_json::from_slice::<Vec<&RawValue>>(message) else {
        let response = MethodResponse::error(Id::Null, ErrorCode::ParseError);
        return Answer { response, lacking };
    };
    let entries: Vec<_> = entries.into_iter().map(|text| entry(text, &mut lacking)).collect();
    let response = service.batch(Batch::from(entries)).await;
    Answer { response, lacking }
}

/// One request or notification of a batch.
fn entry<'a>(
    text: &'a RawValue,
    lacking: &mut LackingIds,
) -> Result<BatchEntry<'a>, BatchEntryErr<'a>> {
    match lacking.read(text.get().as_bytes()) {
        Message::Call(request) => Ok(BatchEntry::Call(request)),
        Message::Notification(notification) => Ok(BatchEntry::Notification(notification)),
        Message::Invalid => {
            let invalid = serde_json::from_str::<InvalidRequest<'_>>(text.get());
            let id = invalid.map_or(Id::Null, |it| it.id);
            Err(BatchEntryErr::new(id, ErrorCode::InvalidRequest.into()))
        }
    }
}
