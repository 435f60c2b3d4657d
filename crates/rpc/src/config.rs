//! Settings and limits of the JSON-RPC server. Every limit is a flag of the node, and the errors
//! name the flag.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Settings of the authenticated port.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Its address (`--authrpc.addr`, `--authrpc.port`). Port 0 takes a free one.
    pub address: SocketAddr,
    /// Values of the `Host` header that are served (`--authrpc.vhosts`), as those of
    /// [`RpcConfig::virtual_hosts`].
    pub virtual_hosts: Vec<String>,
    /// File with the secret that tokens are signed with (`--authrpc.jwtsecret`), 32 bytes in hex;
    /// made with mode 0600 where absent.
    pub secret_file: PathBuf,
}

/// Settings of the JSON-RPC server.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Address of HTTP and WebSocket (`--http.addr`, `--http.port`). Port 0 takes a free one.
    pub http_address: SocketAddr,
    /// A second address for WebSocket alone (`--ws.addr`, `--ws.port`).
    pub ws_address: Option<SocketAddr>,
    /// The authenticated port; `None`: there is none.
    pub auth: Option<AuthConfig>,
    /// Origins that browsers may call from (`--http.corsdomain`); `*` allows all, empty none.
    pub cors_origins: Vec<String>,
    /// Values of the `Host` header that are served (`--http.vhosts`); `*` allows all. IP addresses
    /// and requests without the header always pass.
    pub virtual_hosts: Vec<String>,
    /// Largest request in bytes (`--rpc.max-request-size`).
    pub max_request_bytes: u32,
    /// Largest answer in bytes (`--rpc.max-response-size`).
    pub max_response_bytes: u32,
    /// Most requests in one batch (`--rpc.max-batch`).
    pub max_batch: usize,
    /// Most connections at once (`--rpc.max-connections`).
    pub max_connections: u32,
    /// Most subscriptions of one connection (`--rpc.max-subscriptions`).
    pub max_subscriptions_per_connection: u32,
    /// Notifications that may wait for one slow connection (`--rpc.subscription-buffer`); a
    /// subscription that would need more is dropped.
    pub subscription_buffer: u32,
    /// Most filters at once (`--rpc.max-filters`).
    pub max_filters: usize,
    /// A filter that nobody asks for this long is removed (`--rpc.filter-timeout`).
    pub filter_timeout: Duration,
    /// Gas of `eth_call`, `eth_estimateGas` and their kin (`--rpc.gascap`); 0: no cap.
    pub call_gas_cap: u64,
    /// Time of one such call (`--rpc.evmtimeout`).
    pub call_timeout: Duration,
    /// Most blocks that one log query may search: those which the index of logs names, however far
    /// apart they are (`--rpc.max-log-blocks`).
    pub max_log_blocks: u64,
    /// Most logs that one query may answer (`--rpc.max-logs`).
    pub max_logs: usize,
    /// Heavy requests that run at once (`--rpc.workers`); 0: one per core.
    pub workers: usize,
    /// Heavy requests that may wait for a worker (`--rpc.max-queued`).
    pub max_queued: usize,
    /// Longest wait of `eth_sendRawTransactionSync` (`--rpc.txsync.maxtimeout`).
    pub sync_timeout_max: Duration,
    /// Its wait where the request names none (`--rpc.txsync.defaulttimeout`).
    pub sync_timeout_default: Duration,
    /// How long `eth_sendRawTransaction` waits for its block while mining on demand.
    pub automine_wait: Duration,
    /// What `web3_clientVersion` answers.
    pub client_version: String,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            http_address: SocketAddr::from(([127, 0, 0, 1], 8545)),
            ws_address: None,
            auth: None,
            cors_origins: Vec::new(),
            virtual_hosts: vec!["localhost".to_owned()],
            max_request_bytes: 15 << 20,
            max_response_bytes: 160 << 20,
            max_batch: 1000,
            max_connections: 5000,
            max_subscriptions_per_connection: 1024,
            subscription_buffer: 2048,
            max_filters: 10_000,
            filter_timeout: Duration::from_secs(300),
            call_gas_cap: 50_000_000,
            call_timeout: Duration::from_secs(5),
            max_log_blocks: 100_000,
            max_logs: 100_000,
            workers: 0,
            max_queued: 1024,
            sync_timeout_max: Duration::from_secs(60),
            sync_timeout_default: Duration::from_secs(20),
            automine_wait: Duration::from_secs(1),
            client_version: format!(
                "plasma/v{}/{}-{}/rust",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        }
    }
}
