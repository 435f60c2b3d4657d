//! What happens to every request: names of unknown methods, limits on batches, figures.

use crate::{
    api::Api,
    engine, error,
    eth::{
        filters::{self, ConnectionFilters},
        submit,
    },
    rate::RateLimit,
    refused,
};
use alloy_primitives::B256;
use futures::{FutureExt, StreamExt, stream};
use jsonrpsee::{
    MethodResponse,
    core::{
        middleware::{Batch, BatchEntry, Notification},
        server::{BatchResponseBuilder, Methods},
    },
    server::middleware::rpc::RpcServiceT,
    types::{ErrorObjectOwned, Id, Request},
};
use metrics::{Counter, Histogram, counter, histogram};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// Requests of one batch that run at once.
const BATCH_PARALLEL: usize = 8;

/// jsonrpsee's code for an answer that is too large.
const RESPONSE_TOO_LARGE: i32 = -32008;

/// jsonrpsee's code for too many subscriptions.
const TOO_MANY_SUBSCRIPTIONS: i32 = -32006;

/// Transactions that a batch has submitted, for whose blocks it waits once at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchSubmissions(Arc<Mutex<Vec<B256>>>);

impl BatchSubmissions {
    pub(crate) fn add(&self, hash: B256) {
        self.0.lock().push(hash);
    }

    fn take(&self) -> Vec<B256> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The figures of one method. They are looked up by name once, when the method is first called: figures must neither grow with
/// what clients invent nor show what nobody uses.
#[derive(Debug)]
struct Figures {
    method: &'static str,
    measured: OnceLock<(Counter, Histogram)>,
}

impl Figures {
    const fn new(method: &'static str) -> Self {
        Self { method, measured: OnceLock::new() }
    }

    /// Counts a request that took this long.
    fn count(&self, took: Duration) {
        let (requests, seconds) = self.measured.get_or_init(|| {
            let requests = counter!("rpc_requests_total", "method" => self.method);
            (requests, histogram!("rpc_request_seconds", "method" => self.method))
        });
        requests.increment(1);
        seconds.record(took);
    }

    fn count_error(&self) {
        counter!("rpc_errors_total", "method" => self.method).increment(1);
    }
}

/// What the middleware knows.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    api: Api,
    methods: Arc<HashMap<&'static str, Figures>>,
    /// Whether consensus clients are spoken to here.
    engine: bool,
    /// Shared by all ports of a server.
    rate: Option<Arc<RateLimit>>,
}

impl Front {
    pub(crate) fn new(api: Api, methods: &Methods) -> Self {
        let engine = methods.method_names().any(engine::is_engine);
        let rate = api.rate.clone();
        let methods = methods.method_names().map(|name| (name, Figures::new(name))).collect();
        Self { api, methods: Arc::new(methods), engine, rate }
    }

    /// The answer to a request of the address `peer` where that has made too many.
    fn too_fast(&self, peer: Option<IpAddr>) -> Option<ErrorObjectOwned> {
        let (Some(rate), Some(address)) = (&self.rate, peer) else { return None };
        if rate.take(address, Instant::now()) {
            return None;
        }
        Some(error::limit_exceeded(format!(
            "too many requests: this node answers {} a second to one address (--rpc.rate-limit); try \
             again later",
            rate.per_second()
        )))
    }

    /// The answer to a method that does not exist.
    fn unknown(&self, method: &str) -> ErrorObjectOwned {
        let name = cut(method);
        if self.engine && engine::is_engine(&name) {
            return engine::not_served(&name, self.api.chain.engine().is_some());
        }
        match refused::sentence(&name, self.api.chain.dev().is_some()) {
            Some(sentence) => error::method_refused(&name, sentence),
            None => error::method_not_found(&name),
        }
    }

    /// Limits that jsonrpsee enforces, in words that name the flag.
    fn reword(&self, code: i32) -> Option<ErrorObjectOwned> {
        let config = &self.api.config;
        match code {
            RESPONSE_TOO_LARGE => Some(error::limit_exceeded(format!(
                "the answer is larger than {} bytes (--rpc.max-response-size)",
                config.max_response_bytes
            ))),
            TOO_MANY_SUBSCRIPTIONS => Some(error::limit_exceeded(format!(
                "this connection has {} subscriptions already (--rpc.max-subscriptions)",
                config.max_subscriptions_per_connection
            ))),
            _ => None,
        }
    }
}

/// The middleware over a service `S`.
#[derive(Clone, Debug)]
pub(crate) struct FrontService<S> {
    /// A handle of the connection's own: one that all connections share would be counted by all threads at once.
    pub(crate) front: Arc<Front>,
    /// The address that requests come from; `None` on the unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// The connection's filters; `None` over HTTP, where a connection says nothing of who is behind it.
    pub(crate) filters: Option<ConnectionFilters>,
    pub(crate) inner: S,
}

impl<S> RpcServiceT for FrontService<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(
        &self,
        mut request: Request<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { front, peer, filters, inner } = self.clone();
        async move {
            if let Some(filters) = filters
                && request.method_name().starts_with(filters::INSTALLS)
            {
                request.extensions_mut().insert(filters);
            }
            if let Some(refusal) = front.too_fast(peer) {
                counter!("rpc_requests_total", "method" => "refused").increment(1);
                return MethodResponse::error(request.id, refusal);
            }
            let Some(figures) = front.methods.get(request.method_name()) else {
                counter!("rpc_requests_total", "method" => "unknown").increment(1);
                let refusal = front.unknown(request.method_name());
                return MethodResponse::error(request.id, refusal);
            };
            let started = Instant::now();
            let id = request.id.clone().into_owned();
            let mut response = inner.call(request).await;
            if let Some(code) = response.as_error_code() {
                figures.count_error();
                if let Some(reworded) = front.reword(code) {
                    response = MethodResponse::error(id, reworded);
                }
            }
            figures.count(started.elapsed());
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let config = &service.front.api.config;
            if batch.len() > config.max_batch {
                return MethodResponse::error(
                    Id::Null,
                    error::limit_exceeded(format!(
                        "the batch has {} requests, but at most {} are allowed (--rpc.max-batch)",
                        batch.len(),
                        config.max_batch
                    )),
                );
            }
            let submissions = BatchSubmissions::default();
            let limit = config.max_response_bytes as usize;
            let mut entries = Vec::with_capacity(batch.len());
            for entry in batch {
                let (service, submissions) = (service.clone(), submissions.clone());
                entries.push(async move { service.entry(entry, submissions).await }.boxed());
            }
            // In the order of the requests, whatever order they end in.
            let mut answers = stream::iter(entries).buffered(BATCH_PARALLEL);
            let mut response = BatchResponseBuilder::new_with_limit(limit);
            let mut only_notifications = false;
            while let Some(answer) = answers.next().await {
                match answer {
                    None => only_notifications = true,
                    Some(answer) => {
                        if response.append(answer).is_err() {
                            let reworded = service.front.reword(RESPONSE_TOO_LARGE);
                            let fallback = || error::limit_exceeded("the answer is too large");
                            let refusal = reworded.unwrap_or_else(fallback);
                            return MethodResponse::error(Id::Null, refusal);
                        }
                    }
                }
            }
            for hash in submissions.take() {
                submit::wait_for_block(&service.front.api, hash).await;
            }
            if response.is_empty() && only_notifications {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(response.finish())
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

impl<S> FrontService<S>
where
    Self: RpcServiceT<MethodResponse = MethodResponse, NotificationResponse = MethodResponse>,
{
    /// Answers one entry of a batch; `None` for a notification, which has no answer.
    async fn entry(
        &self,
        entry: Result<BatchEntry<'_>, jsonrpsee::core::middleware::BatchEntryErr<'_>>,
        submissions: BatchSubmissions,
    ) -> Option<MethodResponse> {
        match entry {
            Ok(BatchEntry::Call(mut request)) => {
                request.extensions_mut().insert(submissions);
                Some(self.call(request).await)
            }
            Ok(BatchEntry::Notification(notification)) => {
                self.notification(notification).await;
                None
            }
            Err(malformed) => {
                let (refusal, id) = malformed.into_parts();
                Some(MethodResponse::error(id, refusal))
            }
        }
    }
}

/// Names in messages are cut, so that nobody makes the node repeat megabytes.
fn cut(name: &str) -> String {
    name.chars().take(100).collect()
}
