//! JSON-RPC over HTTP/1.1 for one connection.
//!
//! Calls are answered here. All other requests (handshakes of WebSockets, what is no JSON) are jsonrpsee's, whose own way to the
//! methods does the same, but sets up for every request what a connection needs once.

use crate::{call::Callable, middleware::FrontService};
use futures::{
    FutureExt,
    future::{BoxFuture, Either},
};
use http::{
    Method,
    header::{AUTHORIZATION, COOKIE},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use jsonrpsee::{
    core::BoxError,
    server::{
        BatchRequestConfig, ConnectionPermit, HttpRequest, HttpResponse, StopHandle,
        http::{call_with_service, content_type_is_json},
    },
};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tower::Service;

/// How long a connection may take until it sends something.
const FIRST_REQUEST: Duration = Duration::from_secs(30);

/// What answers the calls of one connection.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) service: FrontService<Callable>,
    /// Bytes that a request may have.
    pub(crate) most_bytes: u32,
}

/// The HTTP requests of one connection. A handle of the connection's own, which every request takes.
#[derive(Debug)]
pub(crate) struct Requests<S>(Arc<Parts<S>>);

#[derive(Debug)]
struct Parts<S> {
    /// `None` where the port takes only WebSockets.
    calls: Option<Calls>,
    others: S,
    admitted: Admitted,
}

/// The place of a connection among those that are allowed. It is held as long as the connection or, after a handshake, its
/// WebSocket, with whose request it goes.
#[derive(Clone, Debug)]
struct Admitted(#[allow(dead_code, reason = "held, not read")] Arc<ConnectionPermit>);

impl<S> Requests<S> {
    pub(crate) fn new(calls: Option<Calls>, others: S, permit: ConnectionPermit) -> Self {
        Self(Arc::new(Parts { calls, others, admitted: Admitted(Arc::new(permit)) }))
    }
}

// Derived, this would ask for others that can be cloned.
impl<S> Clone for Requests<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Service<HttpRequest<Incoming>> for Requests<S>
where
    S: Service<HttpRequest<Incoming>, Response = HttpResponse, Error = BoxError> + Clone,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Either<BoxFuture<'static, Result<HttpResponse, BoxError>>, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Neither calls nor jsonrpsee make a request wait here.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: HttpRequest<Incoming>) -> Self::Future {
        let Parts { calls, others, admitted } = &*self.0;
        match calls {
            Some(calls) if request.method() == Method::POST && content_type_is_json(&request) => {
                // Every request of a batch would get a copy of them.
                request.extensions_mut().clear();
                let (service, most_bytes) = (calls.service.clone(), calls.most_bytes);
                let batches = BatchRequestConfig::Unlimited;
                let answer = call_with_service(request, batches, most_bytes, service);
                Either::Left(answer.map(Ok).boxed())
            }
            _ => {
                request.extensions_mut().insert(admitted.clone());
                for (name, value) in request.headers_mut() {
                    // So that no log shows it, whoever writes requests there.
                    value.set_sensitive(name == AUTHORIZATION || name == COOKIE);
                }
                Either::Right(others.clone().call(request))
            }
        }
    }
}

/// Serves a connection until it ends. Where the node stops, the request that is being answered still is.
pub(crate) async fn serve<S>(stream: TcpStream, service: S, stop: StopHandle)
where
    S: Service<HttpRequest<Incoming>, Response = HttpResponse> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let stopped = stop.shutdown();
    tokio::pin!(stopped);
    let begun = tokio::select! {
        begun = tokio::time::timeout(FIRST_REQUEST, stream.readable()) => matches!(begun, Ok(Ok(()))),
        () = &mut stopped => false,
    };
    if !begun {
        return;
    }
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ended matters to nobody.
        _ = &mut connection => return,
        () = &mut stopped => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
