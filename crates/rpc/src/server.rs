//! The HTTP and WebSocket server.

use crate::{
    RpcConfig,
    api::Api,
    auth::{self, JwtSecret, TokenGate},
    debug, dev, eth,
    gate::GateLayer,
    http_layer::{self, HostGate},
    keeper,
    live::Live,
    middleware::{Front, FrontService},
    modules, net, ots, plasma, sign,
    sign::DevAccounts,
    testing, txpool,
};
use alloy_primitives::B128;
use jsonrpsee::{
    Methods, RpcModule,
    core::traits::IdProvider,
    server::{
        BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle,
        middleware::rpc::RpcServiceBuilder,
    },
    types::SubscriptionId,
};
use plasma_chain::Chain;
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::task::JoinHandle;
use tower_http::cors::CorsLayer;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address is taken.
    #[error(
        "the JSON-RPC server cannot listen on {address}: the port is in use by another program \
         (is another node running?); choose another with {flag}"
    )]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// The flag that sets the port.
        flag: &'static str,
    },
    /// The address cannot be listened on.
    #[error("the JSON-RPC server cannot listen on {address}: {source}; see {flag}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An additional module has a method that exists already.
    #[error("two modules have the same JSON-RPC method: {0}")]
    Conflict(String),
    /// The secret of the authenticated port cannot be used.
    #[error("--authrpc.jwtsecret: the file {} {reason}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never what it holds.
        reason: String,
    },
    /// A setting cannot be understood.
    #[error("{flag}: {reason}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// A running server. It runs until [`RpcHandle::stop`], or until the handle is dropped.
#[derive(Debug)]
pub struct RpcHandle {
    http_address: SocketAddr,
    ws_address: SocketAddr,
    auth_address: Option<SocketAddr>,
    servers: Vec<ServerHandle>,
    live: JoinHandle<()>,
    /// What tells of transactions in a development node's log.
    console: Option<JoinHandle<()>>,
}

impl RpcHandle {
    /// The address of HTTP (and of WebSocket, where it has no address of its own).
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// The address of WebSocket.
    pub fn ws_address(&self) -> SocketAddr {
        self.ws_address
    }

    /// The address of the authenticated port, where there is one.
    pub fn auth_address(&self) -> Option<SocketAddr> {
        self.auth_address
    }

    /// Takes no more requests, lets those in progress end, and closes all connections.
    pub async fn stop(mut self) {
        for server in &self.servers {
            // Fails only where the server has stopped already.
            let _ = server.stop();
        }
        for server in std::mem::take(&mut self.servers) {
            server.stopped().await;
        }
    }
}

impl Drop for RpcHandle {
    fn drop(&mut self) {
        self.live.abort();
        self.console.iter().for_each(JoinHandle::abort);
    }
}

/// All methods over `chain`; `accounts` are the keys that the node holds, `extra` further methods.
///
/// # Errors
/// [`RpcError::Conflict`] where `extra` has a method that exists already.
pub(crate) fn methods(
    api: &Api,
    live: &Live,
    accounts: Arc<DevAccounts>,
    extra: Methods,
) -> Result<Methods, RpcError> {
    let mut module: RpcModule<Api> = eth::module(api, live);
    net::register(&mut module);
    txpool::register(&mut module);
    keeper::register(&mut module);
    plasma::register(&mut module, live);
    debug::register(&mut module);
    ots::register(&mut module);
    testing::register(&mut module);
    sign::register(&mut module, api, accounts);
    dev::register(&mut module, api);
    let mut methods = Methods::new();
    let conflict =
        |reason: jsonrpsee::core::RegisterMethodError| RpcError::Conflict(reason.to_string());
    methods.merge(module).map_err(conflict)?;
    methods.merge(extra).map_err(conflict)?;
    let mut last = RpcModule::new(api.clone());
    modules::register(&mut last, &methods);
    methods.merge(last).map_err(conflict)?;
    Ok(methods)
}

/// Starts serving JSON-RPC over `chain`, with `accounts` as the keys that the node holds and
/// `extra` as further methods. Must be called within a tokio runtime.
///
/// # Errors
/// Where an address cannot be listened on, a setting cannot be understood, or the secret of the
/// authenticated port cannot be used.
pub async fn serve(
    config: RpcConfig,
    chain: Chain,
    accounts: Arc<DevAccounts>,
    extra: Methods,
) -> Result<RpcHandle, RpcError> {
    let api = Api::new(config, chain);
    let live = Live::new();
    let methods = methods(&api, &live, accounts, extra)?;
    let front = Front::new(api.clone(), &methods);
    let config = &api.config;
    let both = config.ws_address.is_none();
    let base = || {
        ServerConfig::builder()
            .max_request_body_size(config.max_request_bytes)
            .max_response_body_size(config.max_response_bytes)
            .max_connections(config.max_connections)
            .max_subscriptions_per_connection(config.max_subscriptions_per_connection)
            .set_message_buffer_capacity(config.subscription_buffer)
            .set_batch_request_config(BatchRequestConfig::Unlimited)
            .enable_ws_ping(PingConfig::new())
            .set_tcp_no_delay(true)
            .set_id_provider(HexIds)
    };
    let first = if both { base().build() } else { base().http_only().build() };
    let cors = http_layer::cors(&config.cors_origins)?;
    let guard = HostGate::new(config, &config.virtual_hosts, "--http.vhosts");
    let guard = GateLayer::new(guard);
    let open = Door { cors, guard, auth: None, front, methods };
    let (http_address, http) = open.start(config.http_address, "--http.port", first).await?;
    let mut servers = vec![http];
    let mut ws_address = http_address;
    if let Some(address) = config.ws_address {
        let second = base().ws_only().build();
        let (bound, ws) = open.start(address, "--ws.port", second).await?;
        ws_address = bound;
        servers.push(ws);
    }
    let mut auth_address = None;
    if let Some(auth) = &config.auth {
        let secret = JwtSecret::from_file(&auth.secret_file)?;
        let methods = auth::methods(&api, &live)?;
        let guard = HostGate::new(config, &auth.virtual_hosts, "--authrpc.vhosts");
        let locked = Door {
            cors: None,
            guard: GateLayer::new(guard),
            auth: Some(GateLayer::new(TokenGate::new(secret))),
            front: Front::new(api.clone(), &methods),
            methods,
        };
        let (bound, server) = locked.start(auth.address, "--authrpc.port", base().build()).await?;
        auth_address = Some(bound);
        servers.push(server);
    }
    let live = tokio::spawn(live.run(api.clone()));
    let console = dev::console::watch(&api);
    Ok(RpcHandle { http_address, ws_address, auth_address, servers, live, console })
}

/// What stands between a port and the methods behind it.
struct Door {
    cors: Option<CorsLayer>,
    guard: GateLayer<HostGate>,
    auth: Option<GateLayer<TokenGate>>,
    front: Front,
    methods: Methods,
}

impl Door {
    /// Starts a server on `address`, whose port the flag `flag` sets.
    async fn start(
        &self,
        address: SocketAddr,
        flag: &'static str,
        server: ServerConfig,
    ) -> Result<(SocketAddr, ServerHandle), RpcError> {
        let bind = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => RpcError::PortInUse { address, flag },
            _ => RpcError::Bind { address, flag, source },
        };
        let http = tower::ServiceBuilder::new()
            .option_layer(self.cors.clone())
            .layer(self.guard.clone())
            .option_layer(self.auth.clone());
        let front = self.front.clone();
        let rpc = RpcServiceBuilder::new()
            .layer_fn(move |inner| FrontService { front: front.clone(), inner });
        let server = Server::builder()
            .set_config(server)
            .set_http_middleware(http)
            .set_rpc_middleware(rpc)
            .build(address)
            .await
            .map_err(bind)?;
        let bound = server.local_addr().map_err(bind)?;
        Ok((bound, server.start(self.methods.clone())))
    }
}

/// Subscription ids as geth's: random hex.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        B128::random().to_string().into()
    }
}
