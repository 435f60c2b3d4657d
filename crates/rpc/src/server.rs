//! Starting and stopping the server: its methods, its ports and its socket.

use crate::{
    RpcConfig,
    api::Api,
    auth::{self, JwtSecret, TokenGate},
    debug, dev, discover, eth,
    gate::GateLayer,
    http_layer::{self, HostGate},
    ipc::{self, Ipc},
    keeper,
    live::Live,
    middleware::Front,
    modules, net,
    origin::OriginGate,
    ots, plasma,
    ports::{Connections, Door, PostLimits},
    sign::{self, DevAccounts},
    testing, txpool,
};
use alloy_primitives::B128;
use jsonrpsee::{
    Methods, RpcModule,
    core::traits::IdProvider,
    server::{BatchRequestConfig, PingConfig, ServerConfig, ServerHandle},
    types::SubscriptionId,
};
use plasma_chain::Chain;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::task::JoinHandle;

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
    /// The unix socket cannot be served.
    #[error("--ipcpath: the socket {} {reason}", path.display())]
    Ipc {
        /// Where it shall be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A development node would be open to other machines.
    #[error(
        "{flag} {address} would let other machines change this development node's state and sign \
         with its keys: serve 127.0.0.1, or give --dev.serve-unsafe-methods-on-all-addresses if only \
         trusted machines reach it"
    )]
    Unsafe {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
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
    ipc: Option<Ipc>,
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

    /// The unix socket, where there is one.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.ipc.as_ref().map(Ipc::path)
    }

    /// Takes no more requests, lets those in progress end, and closes all connections.
    pub async fn stop(mut self) {
        let socket = self.ipc.as_ref().map(|ipc| &ipc.server);
        for server in self.servers.iter().chain(socket) {
            // Fails only where the server has stopped already.
            let _ = server.stop();
        }
        for server in std::mem::take(&mut self.servers) {
            server.stopped().await;
        }
        if let Some(ipc) = self.ipc.take() {
            ipc.server.clone().stopped().await;
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
    discover::register(&mut last, &methods);
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
    config.check_exposure(chain.dev().is_some() || !accounts.is_empty())?;
    let api = Api::new(config, chain);
    let live = Live::new();
    let methods = methods(&api, &live, accounts, extra)?;
    let config = &api.config;
    let connections = Connections::new(config);
    let front = Front::new(api.clone(), &methods);
    let guard = HostGate::new(config, &config.virtual_hosts, "--http.vhosts");
    let open = Door {
        cors: http_layer::cors(&config.cors_origins)?,
        guard: GateLayer::new(guard),
        origins: Some(GateLayer::new(OriginGate::new(&config.ws_origins, &config.cors_origins)?)),
        auth: None,
        front,
        methods,
        connections: connections.clone(),
    };
    let first = match config.ws_address {
        None => port(config).build(),
        Some(_) => port(config).http_only().build(),
    };
    let posts = PostLimits {
        request_bytes: config.max_request_bytes,
        response_bytes: config.max_response_bytes as usize,
    };
    let (http_address, http) =
        open.open(config.http_address, "--http.port", first, Some(posts)).await?;
    let mut servers = vec![http];
    let mut ws_address = http_address;
    if let Some(address) = config.ws_address {
        let second = port(config).ws_only().build();
        let (bound, ws) = open.open(address, "--ws.port", second, None).await?;
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
            // Without a token no page gets in.
            origins: None,
            auth: Some(GateLayer::new(TokenGate::new(secret))),
            front: Front::new(api.clone(), &methods),
            methods,
            connections: connections.clone(),
        };
        let settings = port(config).build();
        let (bound, server) =
            locked.open(auth.address, "--authrpc.port", settings, Some(posts)).await?;
        auth_address = Some(bound);
        servers.push(server);
    }
    let ipc = match &config.ipc_path {
        None => None,
        Some(path) => {
            let limits = ipc::Limits {
                request_bytes: config.max_request_bytes as usize,
                response_bytes: config.max_response_bytes as usize,
                subscriptions: config.max_subscriptions_per_connection,
                buffer: config.subscription_buffer.max(1) as usize,
            };
            let Door { front, methods, .. } = open;
            Some(ipc::open(path, ipc::Served { front, methods, connections, limits })?)
        }
    };
    let live = tokio::spawn(live.run(api.clone()));
    let console = dev::console::watch(&api);
    Ok(RpcHandle { http_address, ws_address, auth_address, servers, ipc, live, console })
}

/// The settings of a port.
fn port(config: &RpcConfig) -> jsonrpsee::server::ServerConfigBuilder {
    ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        // Connections are counted where they are accepted.
        .max_connections(u32::MAX)
        .max_subscriptions_per_connection(config.max_subscriptions_per_connection)
        .set_message_buffer_capacity(config.subscription_buffer.max(1))
        .set_batch_request_config(BatchRequestConfig::Unlimited)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(HexIds)
}

/// Subscription ids as geth's: random hex.
#[derive(Debug)]
pub(crate) struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        B128::random().to_string().into()
    }
}
