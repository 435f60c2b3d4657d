//! The TCP ports: accepting connections, and what stands between them and the methods.

use crate::{
    RpcConfig,
    auth::TokenGate,
    call::Callable,
    error,
    eth::filters::ConnectionFilters,
    gate::GateLayer,
    http_calls::{self, Calls, Requests},
    http_layer::HostGate,
    middleware::{Front, FrontService},
    origin::OriginGate,
    server::RpcError,
};
use http::StatusCode;
use jsonrpsee::{
    Methods,
    server::{
        ConnectionGuard, ConnectionPermit, Server, ServerConfig, ServerHandle, StopHandle,
        middleware::rpc::RpcServiceBuilder, stop_channel,
    },
    types::{ErrorObjectOwned, Id, Response, ResponsePayload},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_http::cors::CorsLayer;

/// Connections above the limit that are told so at once; further ones are closed without a word.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// How long a connection that is turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long to wait where the system has no room for another connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(50);

/// Bounds how many connections there are, over all ports and the unix socket.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    guard: ConnectionGuard,
    turned_away: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(config: &RpcConfig) -> Self {
        Self {
            guard: ConnectionGuard::new(config.max_connections as usize),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
        }
    }

    /// A place for one more, where there is one.
    pub(crate) fn admit(&self) -> Option<ConnectionPermit> {
        self.guard.try_acquire()
    }

    /// Why a connection has no place, as a JSON-RPC response.
    pub(crate) fn refusal(&self) -> String {
        refusal(error::limit_exceeded(format!(
            "the node has {} connections already (--rpc.max-connections)",
            self.guard.max_connections()
        )))
    }

    /// Tells an HTTP client that there is no place for it.
    async fn turn_away(self, mut stream: TcpStream) {
        let Ok(_place) = self.turned_away.try_acquire() else { return };
        let body = self.refusal();
        let status = StatusCode::TOO_MANY_REQUESTS;
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        let tell = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            // Closing before the request was read would take the answer away again.
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // A client that does not listen has nothing to be told.
        let _ = tokio::time::timeout(FAREWELL, tell).await;
    }
}

/// A response with this error that belongs to no request in particular.
pub(crate) fn refusal(reason: ErrorObjectOwned) -> String {
    let answer = Response::new(ResponsePayload::<()>::error(reason), Id::Null);
    serde_json::to_string(&answer)
        .unwrap_or_else(|failure| error::internal(failure.to_string()).to_string())
}

/// Bounds on one request over HTTP and on its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PostLimits {
    pub(crate) request_bytes: u32,
    pub(crate) response_bytes: usize,
}

/// What stands between a port and the methods behind it.
pub(crate) struct Door {
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) guard: GateLayer<HostGate>,
    pub(crate) origins: Option<GateLayer<OriginGate>>,
    pub(crate) auth: Option<GateLayer<TokenGate>>,
    pub(crate) front: Front,
    pub(crate) methods: Methods,
    pub(crate) connections: Connections,
}

impl Door {
    /// Starts a server on `address`, whose port the flag `flag` sets; without `posts` it takes only
    /// WebSockets.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub(crate) async fn open(
        &self,
        address: SocketAddr,
        flag: &'static str,
        config: ServerConfig,
        posts: Option<PostLimits>,
    ) -> Result<(SocketAddr, ServerHandle), RpcError> {
        let bind = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => RpcError::PortInUse { address, flag },
            _ => RpcError::Bind { address, flag, source },
        };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let gates = tower::ServiceBuilder::new()
            .option_layer(self.cors.clone())
            .layer(self.guard.clone())
            .option_layer(self.origins.clone())
            .option_layer(self.auth.clone());
        let builder = Server::builder().set_config(config).to_service_builder();
        let (stop, handle) = stop_channel();
        let (methods, connections) = (self.methods.clone(), self.connections.clone());
        let (front, posts) = (self.front.clone(), posts);
        tokio::spawn(async move {
            while let Some((stream, peer)) = accept(&listener, &stop).await {
                let Some(permit) = connections.admit() else {
                    tokio::spawn(connections.clone().turn_away(stream));
                    continue;
                };
                let (front, peer) = (Arc::new(front.clone()), Some(peer.ip()));
                let calls = posts.map(|limits| Calls {
                    service: FrontService {
                        front: front.clone(),
                        peer,
                        filters: None,
                        inner: Callable::new(methods.clone(), limits.response_bytes, None),
                    },
                    most_bytes: limits.request_bytes,
                });
                let filters = Some(ConnectionFilters::default());
                let rpc = RpcServiceBuilder::new().layer_fn(move |inner| FrontService {
                    front: front.clone(),
                    peer,
                    filters: filters.clone(),
                    inner,
                });
                let others = builder.clone().set_rpc_middleware(rpc);
                let others = others.build(methods.clone(), stop.clone());
                let requests = Requests::new(calls, others, permit);
                let service = gates.service(requests.clone());
                let have_begun = move || requests.have_begun();
                let (patience, stop) = (http_calls::FIRST_REQUEST, stop.clone());
                tokio::spawn(http_calls::serve(stream, service, have_begun, patience, stop));
            }
        });
        Ok((bound, handle))
    }
}

/// The next connection; `None` when the server is stopped.
async fn accept(listener: &TcpListener, stop: &StopHandle) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = stop.clone().shutdown() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are written whole; waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                return Some((stream, peer));
            }
            Err(reason) => {
                // A connection that failed early, or too many open files: neither ends the server.
                tracing::debug!(target: "plasma::rpc", %reason, "a connection was not accepted");
                tokio::time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
}
