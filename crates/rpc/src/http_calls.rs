//! JSON-RPC over HTTP/1.1 for one connection.
//!
//! Calls are answered here. All other requests (handshakes of WebSockets, what is no JSON) are jsonrpsee's, whose own way to the
//! methods does the same, but sets up for every request what a connection needs once.

use crate::{
    call::{self, Callable},
    middleware::FrontService,
};
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
    core::{
        BoxError,
        http_helpers::{HttpError, read_body},
    },
    server::{
        ConnectionPermit, HttpRequest, HttpResponse, StopHandle,
        http::{content_type_is_json, response},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tower::Service;

/// How long a connection may take until it has sent its first request.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(30);

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
    /// Whether there was a request.
    begun: AtomicBool,
}

/// The place of a connection among those that are allowed. It is held as long as the connection or, after a handshake, its
/// WebSocket, with whose request it goes.
#[derive(Clone, Debug)]
struct Admitted(#[allow(dead_code, reason = "held, not read")] Arc<ConnectionPermit>);

impl<S> Requests<S> {
    pub(crate) fn new(calls: Option<Calls>, others: S, permit: ConnectionPermit) -> Self {
        let (admitted, begun) = (Admitted(Arc::new(permit)), AtomicBool::new(false));
        Self(Arc::new(Parts { calls, others, admitted, begun }))
    }

    /// Whether there was a request on this connection.
    pub(crate) fn have_begun(&self) -> bool {
        self.0.begun.load(Ordering::Relaxed)
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
        let Parts { calls, others, admitted, begun } = &*self.0;
        // Relaxed: it is looked at once, and orders nothing.
        begun.store(true, Ordering::Relaxed);
        match calls {
            Some(calls) if request.method() == Method::POST && content_type_is_json(&request) => {
                // Every request of a batch would get a copy of them.
                request.extensions_mut().clear();
                let (service, most_bytes) = (calls.service.clone(), calls.most_bytes);
                Either::Left(answer(request, service, most_bytes).map(Ok).boxed())
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

/// Reads a request of at most `most_bytes` bytes and answers it.
async fn answer(
    request: HttpRequest<Incoming>,
    service: FrontService<Callable>,
    most_bytes: u32,
) -> HttpResponse {
    let (head, body) = request.into_parts();
    match read_body(&head.headers, body, most_bytes).await {
        Ok((message, _)) => {
            let (text, _) = call::answer(&service, &message).await.into_parts();
            // A notification, which has no answer, is told `null`, as jsonrpsee does.
            response::ok_response(String::from(Box::<str>::from(text)))
        }
        Err(HttpError::TooLarge) => response::too_large(most_bytes),
        Err(HttpError::Malformed) => response::malformed(),
        Err(HttpError::Stream(reason)) => {
            tracing::debug!(target: "plasma::rpc", %reason, "a request was not read");
            response::internal_error()
        }
    }
}

/// Serves a connection until it ends, or until it has taken more than `patience` for its first request, of which `have_begun` tells. Where
/// the node stops, the request that is being answered still is.
pub(crate) async fn serve<S>(
    stream: TcpStream,
    service: S,
    have_begun: impl Fn() -> bool,
    patience: Duration,
    stop: StopHandle,
) where
    S: Service<HttpRequest<Incoming>, Response = HttpResponse> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let (stopped, patience) = (stop.shutdown(), tokio::time::sleep(patience));
    tokio::pin!(connection, stopped, patience);
    let mut is_patient = true;
    loop {
        tokio::select! {
            // How a connection ended matters to nobody.
            _ = &mut connection => return,
            () = &mut stopped => break,
            () = &mut patience, if is_patient => {
                if !have_begun() {
                    return;
                }
                is_patient = false;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::server::{HttpBody, stop_channel};
    use std::convert::Infallible;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn connected(have_begun: bool) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |_: HttpRequest<Incoming>| async {
            Ok::<_, Infallible>(HttpResponse::new(HttpBody::from("here")))
        };
        let (service, (stop, handle)) = (tower::service_fn(answer), stop_channel());
        let patience = Duration::from_millis(20);
        tokio::spawn(async move {
            serve(stream, service, move || have_begun, patience, stop).await;
            drop(handle);
        });
        client
    }

    #[tokio::test]
    async fn a_connection_that_does_not_get_to_a_request_is_closed() {
        let mut client = connected(false).await;
        client.write_all(b"POST / HTTP/1.1\r\nhost: a").await.unwrap();
        assert_eq!(client.read(&mut [0; 100]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn one_that_has_may_rest() {
        let mut client = connected(true).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 1000];
        let length = client.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
    }
}
