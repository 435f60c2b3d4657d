//! HTTP requests that are answered before anything behind sees them.

use http::{Request, Response};
use jsonrpsee::server::HttpBody;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Decides which requests pass.
pub(crate) trait Gate {
    /// The answer to a request that does not pass; `None` lets it on, as it was left.
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<HttpBody>>;
}

/// Puts a [`Gate`] before a service, and so before every WebSocket handshake too.
#[derive(Debug)]
pub(crate) struct GateLayer<G>(Arc<G>);

impl<G> GateLayer<G> {
    pub(crate) fn new(gate: G) -> Self {
        Self(Arc::new(gate))
    }
}

// Derived, this would ask for a gate that can be cloned.
impl<G> Clone for GateLayer<G> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<G, S> Layer<S> for GateLayer<G> {
    type Service = Gated<G, S>;

    fn layer(&self, inner: S) -> Gated<G, S> {
        Gated { gate: self.clone(), inner }
    }
}

/// The service of [`GateLayer`].
#[derive(Debug)]
pub(crate) struct Gated<G, S> {
    gate: GateLayer<G>,
    inner: S,
}

impl<G, S: Clone> Clone for Gated<G, S> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), inner: self.inner.clone() }
    }
}

impl<G, S, B> Service<Request<B>> for Gated<G, S>
where
    G: Gate,
    S: Service<Request<B>, Response = Response<HttpBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        futures::future::Either<std::future::Ready<Result<Self::Response, Self::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.0.refusal(&mut request) {
            Some(refusal) => futures::future::Either::Left(std::future::ready(Ok(refusal))),
            None => futures::future::Either::Right(self.inner.call(request)),
        }
    }
}
