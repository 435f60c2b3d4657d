//! Settings and limits of the JSON-RPC server. Every limit is a flag of the node, and the errors
//! name the flag.

use crate::RpcError;
use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

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
    /// Origins of browser pages that may open a WebSocket (`--ws.origins`); `*` allows all. Empty:
    /// those of `cors_origins`, and pages of this machine (`http://localhost`, any port).
    pub ws_origins: Vec<String>,
    /// The unix socket for programs of this machine (`--ipcpath`); `None`: there is none
    /// (`--ipcdisable`).
    pub ipc_path: Option<PathBuf>,
    /// Whether a development node serves its methods and keys to other machines, too
    /// (`--dev.serve-unsafe-methods-on-all-addresses`).
    pub unsafe_methods_everywhere: bool,
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
    /// Requests of one address per second (`--rpc.rate-limit`), of which twice as many may come at
    /// once; `None`: no limit. Each entry of a batch is a request. The unix socket has no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Most connections at once, over all ports and the unix socket (`--rpc.max-connections`).
    pub max_connections: u32,
    /// Most subscriptions of one connection (`--rpc.max-subscriptions`).
    pub max_subscriptions_per_connection: u32,
    /// Notifications that may wait for one slow connection (`--rpc.subscription-buffer`); a
    /// subscription that would need more is dropped.
    pub subscription_buffer: u32,
    /// How long a connection may take nothing before its subscriptions are dropped
    /// (`--rpc.subscription-patience`).
    pub subscription_patience: Duration,
    /// Most filters at once (`--rpc.max-filters`).
    pub max_filters: usize,
    /// Most filters that were installed over one WebSocket or unix socket
    /// (`--rpc.max-connection-filters`). Over HTTP only their sum is bounded.
    pub max_filters_per_connection: usize,
    /// A filter that nobody asks for this long is removed (`--rpc.filter-timeout`).
    pub filter_timeout: Duration,
    /// Gas of `eth_call`, `eth_estimateGas` and their kin (`--rpc.gascap`); 0: no cap.
    pub call_gas_cap: u64,
    /// Time of one such call (`--rpc.evmtimeout`).
    pub call_timeout: Duration,
    /// Time of one `debug_trace*` or `trace_*` request, and the longest `timeout` that it may ask for
    /// (`--rpc.trace-timeout`).
    pub trace_timeout: Duration,
    /// Memory in bytes that the trace of one transaction may take, and size of the answer to a
    /// request (`--rpc.max-trace-size`).
    pub max_trace_bytes: usize,
    /// Most blocks that one log query may search: those which the index of logs names, however far
    /// apart they are (`--rpc.max-log-blocks`).
    pub max_log_blocks: u64,
    /// Most logs that one query may answer (`--rpc.max-logs`).
    pub max_logs: usize,
    /// Heavy requests that run at once (`--rpc.workers`); 0: one per core.
    pub workers: usize,
    /// Traces and simulations that run at once (`--rpc.trace-workers`), beside the other heavy
    /// requests; 0: one for every two cores, and two at least.
    pub trace_workers: usize,
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
            ws_origins: Vec::new(),
            ipc_path: None,
            unsafe_methods_everywhere: false,
            auth: None,
            cors_origins: Vec::new(),
            virtual_hosts: vec!["localhost".to_owned()],
            max_request_bytes: 15 << 20,
            max_response_bytes: 160 << 20,
            max_batch: 1000,
            rate_limit: None,
            max_connections: 5000,
            max_subscriptions_per_connection: 1024,
            subscription_buffer: 2048,
            subscription_patience: Duration::from_secs(10),
            max_filters: 10_000,
            max_filters_per_connection: 1_024,
            filter_timeout: Duration::from_secs(300),
            call_gas_cap: 50_000_000,
            call_timeout: Duration::from_secs(5),
            trace_timeout: Duration::from_secs(120),
            max_trace_bytes: 512 << 20,
            max_log_blocks: 100_000,
            max_logs: 100_000,
            workers: 0,
            trace_workers: 0,
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

impl RpcConfig {
    /// Checks that a node with `unsafe_methods` (a development node's, or with keys of its own) serves
    /// them to this machine alone, unless told otherwise. The authenticated port has none of them.
    ///
    /// # Errors
    /// [`RpcError::Unsafe`] for an address that other machines may reach.
    pub fn check_exposure(&self, unsafe_methods: bool) -> Result<(), RpcError> {
        if !unsafe_methods || self.unsafe_methods_everywhere {
            return Ok(());
        }
        let addresses = [(Some(self.http_address), "--http.addr"), (self.ws_address, "--ws.addr")];
        for (address, flag) in addresses {
            if let Some(address) = address
                && !address.ip().to_canonical().is_loopback()
            {
                return Err(RpcError::Unsafe { address, flag });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(http: &str, ws: Option<&str>, everywhere: bool) -> Option<String> {
        let config = RpcConfig {
            http_address: http.parse().unwrap(),
            ws_address: ws.map(|address| address.parse().unwrap()),
            unsafe_methods_everywhere: everywhere,
            ..RpcConfig::default()
        };
        assert!(config.check_exposure(false).is_ok());
        config.check_exposure(true).err().map(|error| error.to_string())
    }

    #[test]
    fn unsafe_methods_stay_on_this_machine() {
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(exposed(local, Some(local), false), None, "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.168.0.7:1", "[::ffff:10.0.0.1]:1"] {
            let message = exposed(open, None, false).unwrap();
            assert!(message.starts_with("--http.addr"), "{message}");
            assert!(message.contains("--dev.serve-unsafe-methods-on-all-addresses"), "{message}");
            assert!(exposed("127.0.0.1:1", Some(open), false).unwrap().starts_with("--ws.addr"));
            assert_eq!(exposed(open, Some(open), true), None);
        }
    }
}
