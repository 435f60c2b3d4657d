//! Flags of the JSON-RPC server: where it serves, whom, and its limits.

use super::units;
use clap::Args;
use plasma_rpc::{AuthConfig, RpcConfig};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest path that a unix socket may have, in bytes, on all systems: 104 with the zero at its
/// end, and a little for the name under which it is made.
const LONGEST_SOCKET_PATH: usize = 90;

/// Where consensus layers look for the Engine API.
const ENGINE_PORT: u16 = 8551;

/// Heading of the limits.
const LIMITS: &str = "JSON-RPC limits";

/// JSON-RPC settings.
#[derive(Debug, Args)]
pub(crate) struct RpcArgs {
    /// Address of HTTP and WebSocket.
    #[arg(long = "http.addr", env = "PLASMA_HTTP_ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "JSON-RPC")]
    http_addr: IpAddr,
    /// Port of HTTP and WebSocket; 0 takes a free one.
    #[arg(
        long = "http.port",
        env = "PLASMA_HTTP_PORT",
        default_value_t = 8545,
        help_heading = "JSON-RPC"
    )]
    http_port: u16,
    /// Origins that browsers may call from, separated by commas; * allows all.
    #[arg(long = "http.corsdomain", value_delimiter = ',', help_heading = "JSON-RPC")]
    cors: Vec<String>,
    /// Host names that are served, separated by commas; * allows all.
    #[arg(
        long = "http.vhosts",
        value_delimiter = ',',
        default_value = "localhost",
        help_heading = "JSON-RPC"
    )]
    vhosts: Vec<String>,
    /// Address of a second, WebSocket-only port.
    #[arg(long = "ws.addr", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "JSON-RPC")]
    ws_addr: IpAddr,
    /// Second, WebSocket-only port [default: none; WebSocket is also served on the HTTP port].
    #[arg(long = "ws.port", help_heading = "JSON-RPC")]
    ws_port: Option<u16>,
    /// Origins of pages that may open a WebSocket, separated by commas; * allows all [default: those
    /// of --http.corsdomain, and http://localhost on any port].
    #[arg(long = "ws.origins", value_delimiter = ',', help_heading = "JSON-RPC")]
    ws_origins: Vec<String>,
    /// Unix socket for programs of this user [default: DATADIR/plasma.ipc].
    #[arg(long = "ipcpath", value_name = "PATH", help_heading = "JSON-RPC")]
    ipc_path: Option<PathBuf>,
    /// Serve no unix socket.
    #[arg(long = "ipcdisable", conflicts_with = "ipc_path", help_heading = "JSON-RPC")]
    ipc_disable: bool,
    /// Let other machines use a development node's methods and keys; without this flag it serves
    /// loopback addresses alone.
    #[arg(
        long = "dev.serve-unsafe-methods-on-all-addresses",
        requires = "dev",
        help_heading = "JSON-RPC"
    )]
    unsafe_everywhere: bool,
    /// Most bytes of a request.
    #[arg(long = "rpc.max-request-size", value_name = "BYTES", default_value_t = RpcConfig::default().max_request_bytes, help_heading = LIMITS)]
    max_request_size: u32,
    /// Most bytes of an answer.
    #[arg(long = "rpc.max-response-size", value_name = "BYTES", default_value_t = RpcConfig::default().max_response_bytes, help_heading = LIMITS)]
    max_response_size: u32,
    /// Most requests in a batch.
    #[arg(long = "rpc.max-batch", value_name = "COUNT", default_value_t = RpcConfig::default().max_batch, help_heading = LIMITS)]
    max_batch: usize,
    /// Requests of one address per second; twice as many may come at once. Each entry of a batch
    /// counts [default: no limit].
    #[arg(long = "rpc.rate-limit", value_name = "PER SECOND", help_heading = LIMITS)]
    rate_limit: Option<NonZeroU32>,
    /// Most connections at once, over all ports and the unix socket.
    #[arg(long = "rpc.max-connections", value_name = "COUNT", default_value_t = RpcConfig::default().max_connections, help_heading = LIMITS)]
    max_connections: u32,
    /// Most subscriptions of one connection.
    #[arg(long = "rpc.max-subscriptions", value_name = "COUNT", default_value_t = RpcConfig::default().max_subscriptions_per_connection, help_heading = LIMITS)]
    max_subscriptions: u32,
    /// Notifications that may wait for a slow connection before its subscription is dropped.
    #[arg(long = "rpc.subscription-buffer", value_name = "COUNT", default_value_t = RpcConfig::default().subscription_buffer, value_parser = clap::value_parser!(u32).range(1..), help_heading = LIMITS)]
    subscription_buffer: u32,
    /// How long a connection may take nothing before its subscriptions are dropped.
    #[arg(long = "rpc.subscription-patience", value_name = "TIME", default_value = "10s", value_parser = units::duration, help_heading = LIMITS)]
    subscription_patience: Duration,
    /// Most filters at once.
    #[arg(long = "rpc.max-filters", value_name = "COUNT", default_value_t = RpcConfig::default().max_filters, help_heading = LIMITS)]
    max_filters: usize,
    /// Most filters of one WebSocket or unix connection.
    #[arg(long = "rpc.max-connection-filters", value_name = "COUNT", default_value_t = RpcConfig::default().max_filters_per_connection, help_heading = LIMITS)]
    max_connection_filters: usize,
    /// A filter that nobody asks for this long is removed.
    #[arg(long = "rpc.filter-timeout", value_name = "TIME", default_value = "5m", value_parser = units::duration, help_heading = LIMITS)]
    filter_timeout: Duration,
    /// Gas of eth_call, eth_estimateGas and their kin; 0 means no cap.
    #[arg(long = "rpc.gascap", value_name = "GAS", default_value_t = RpcConfig::default().call_gas_cap, help_heading = LIMITS)]
    gas_cap: u64,
    /// Time of one such call, and of the trace of one transaction that names no timeout.
    #[arg(long = "rpc.evmtimeout", value_name = "TIME", default_value = "5s", value_parser = units::duration, help_heading = LIMITS)]
    evm_timeout: Duration,
    /// Time of one request that traces, simulates or searches logs, and the longest timeout that it
    /// may ask for.
    #[arg(long = "rpc.trace-timeout", value_name = "TIME", default_value = "2m", value_parser = units::duration, help_heading = LIMITS)]
    trace_timeout: Duration,
    /// Memory of the trace of one transaction, and size of the answer to a request, in bytes.
    #[arg(long = "rpc.max-trace-size", value_name = "BYTES", default_value_t = RpcConfig::default().max_trace_bytes, help_heading = LIMITS)]
    max_trace_size: usize,
    /// Most blocks that a log query may search; blocks without matching logs do not count.
    #[arg(long = "rpc.max-log-blocks", value_name = "COUNT", default_value_t = RpcConfig::default().max_log_blocks, help_heading = LIMITS)]
    max_log_blocks: u64,
    /// Most logs that a query may answer.
    #[arg(long = "rpc.max-logs", value_name = "COUNT", default_value_t = RpcConfig::default().max_logs, help_heading = LIMITS)]
    max_logs: usize,
    /// Heavy requests that run at once; 0: one per core.
    #[arg(long = "rpc.workers", value_name = "COUNT", default_value_t = RpcConfig::default().workers, help_heading = LIMITS)]
    workers: usize,
    /// Traces, simulations and log queries that run at once, beside the other heavy requests; 0: one
    /// for every two cores, and two at least.
    #[arg(long = "rpc.trace-workers", value_name = "COUNT", default_value_t = RpcConfig::default().trace_workers, help_heading = LIMITS)]
    trace_workers: usize,
    /// Heavy requests of each kind that may wait until one of those that run ends.
    #[arg(long = "rpc.max-queued", value_name = "COUNT", default_value_t = RpcConfig::default().max_queued, help_heading = LIMITS)]
    max_queued: usize,
    /// Longest wait that eth_sendRawTransactionSync may ask for.
    #[arg(long = "rpc.txsync.maxtimeout", value_name = "TIME", default_value = "1m", value_parser = units::duration, help_heading = LIMITS)]
    sync_timeout_max: Duration,
    /// Its wait where the request names none.
    #[arg(long = "rpc.txsync.defaulttimeout", value_name = "TIME", default_value = "20s", value_parser = units::duration, help_heading = LIMITS)]
    sync_timeout_default: Duration,
}

/// Settings of the authenticated port.
#[derive(Debug, Args)]
pub(crate) struct AuthArgs {
    /// Address of the authenticated port.
    #[arg(long = "authrpc.addr", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), requires = "authenticated", help_heading = "Authenticated JSON-RPC")]
    auth_addr: IpAddr,
    /// Port for HTTP and WebSocket with JWT authentication, usually 8551; 0 takes a free one
    /// [default: none; with --engine 8551].
    #[arg(long = "authrpc.port", help_heading = "Authenticated JSON-RPC")]
    auth_port: Option<u16>,
    /// Host names that the authenticated port serves, separated by commas; * allows all.
    #[arg(
        long = "authrpc.vhosts",
        value_delimiter = ',',
        default_value = "localhost",
        requires = "authenticated",
        help_heading = "Authenticated JSON-RPC"
    )]
    auth_vhosts: Vec<String>,
    /// File with the secret that tokens are signed with, 32 bytes in hex; made with mode 0600
    /// where absent [default: DATADIR/jwt.hex].
    #[arg(
        long = "authrpc.jwtsecret",
        value_name = "FILE",
        requires = "authenticated",
        help_heading = "Authenticated JSON-RPC"
    )]
    auth_secret: Option<PathBuf>,
}

impl AuthArgs {
    /// The settings; `None` where there is no such port.
    pub(crate) fn config(self, datadir: &Path, engine: bool) -> Option<AuthConfig> {
        let port = self.auth_port.or(engine.then_some(ENGINE_PORT))?;
        Some(AuthConfig {
            address: SocketAddr::new(self.auth_addr, port),
            virtual_hosts: self.auth_vhosts,
            secret_file: self.auth_secret.unwrap_or_else(|| datadir.join("jwt.hex")),
        })
    }
}

impl RpcArgs {
    /// The server's settings for the node of `datadir`.
    pub(crate) fn config(self, datadir: &Path, auth: Option<AuthConfig>, dev: bool) -> RpcConfig {
        let defaults = RpcConfig::default();
        // Hardhat's helpers serve only nodes that call themselves so.
        let name = if dev { "HardhatNetwork/" } else { "" };
        RpcConfig {
            http_address: SocketAddr::new(self.http_addr, self.http_port),
            ws_address: self.ws_port.map(|port| SocketAddr::new(self.ws_addr, port)),
            auth,
            ipc_path: self.ipc_path(datadir),
            unsafe_methods_everywhere: self.unsafe_everywhere,
            client_version: format!("{name}{}", defaults.client_version),
            cors_origins: self.cors,
            ws_origins: self.ws_origins,
            virtual_hosts: self.vhosts,
            max_request_bytes: self.max_request_size,
            max_response_bytes: self.max_response_size,
            max_batch: self.max_batch,
            rate_limit: self.rate_limit,
            max_connections: self.max_connections,
            max_subscriptions_per_connection: self.max_subscriptions,
            subscription_buffer: self.subscription_buffer,
            subscription_patience: self.subscription_patience,
            max_filters: self.max_filters,
            max_filters_per_connection: self.max_connection_filters,
            filter_timeout: self.filter_timeout,
            call_gas_cap: self.gas_cap,
            call_timeout: self.evm_timeout,
            trace_timeout: self.trace_timeout,
            max_trace_bytes: self.max_trace_size,
            max_log_blocks: self.max_log_blocks,
            max_logs: self.max_logs,
            workers: self.workers,
            trace_workers: self.trace_workers,
            max_queued: self.max_queued,
            sync_timeout_max: self.sync_timeout_max,
            sync_timeout_default: self.sync_timeout_default,
            automine_wait: defaults.automine_wait,
        }
    }

    /// Where the socket is. One that was not asked for stops no node whose folder has a long name.
    fn ipc_path(&self, datadir: &Path) -> Option<PathBuf> {
        if self.ipc_disable {
            return None;
        }
        if let Some(given) = &self.ipc_path {
            return Some(given.clone());
        }
        let path = datadir.join("plasma.ipc");
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            tracing::warn!(
                target: "plasma::node",
                path = %path.display(),
                "no IPC socket: its path would be too long; choose a shorter one with --ipcpath"
            );
            return None;
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[arg(long)]
        dev: bool,
        #[command(flatten)]
        rpc: RpcArgs,
    }

    fn config(options: &[&str], datadir: &str) -> RpcConfig {
        let line = Line::try_parse_from([&["node"], options].concat()).unwrap();
        line.rpc.config(Path::new(datadir), None, line.dev)
    }

    #[test]
    fn without_flags_the_settings_are_the_servers_own() {
        let defaults =
            RpcConfig { ipc_path: Some("data/plasma.ipc".into()), ..RpcConfig::default() };
        assert_eq!(format!("{:?}", config(&[], "data")), format!("{defaults:?}"));
    }

    #[test]
    fn the_socket_is_where_it_was_asked_for() {
        assert_eq!(config(&["--ipcdisable"], "data").ipc_path, None);
        let long = "d".repeat(100);
        assert_eq!(config(&[], &long).ipc_path, None);
        assert_eq!(config(&["--ipcpath", "p"], &long).ipc_path.unwrap(), Path::new("p"));
        assert!(Line::try_parse_from(["node", "--ipcpath", "p", "--ipcdisable"]).is_err());
    }

    #[test]
    fn unsafe_methods_are_a_development_nodes() {
        let flag = "--dev.serve-unsafe-methods-on-all-addresses";
        assert!(config(&["--dev", flag], "data").unsafe_methods_everywhere);
        assert!(Line::try_parse_from(["node", flag]).is_err());
    }
}
