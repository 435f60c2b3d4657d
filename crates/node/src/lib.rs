//! Wires the crates into a running node: configuration, start-up, shutdown, metrics and health.
//!
//! Start-up order: logs, database, pool, keeper keys, chain (which executes what the journal has
//! and the state lacks), JSON-RPC, metrics and health. Shutdown is the reverse: nobody is let in
//! any more, then production ends, then everything pending is written.
//!
//! Invariant: this crate decides nothing about blocks; it only connects.

#![forbid(unsafe_code)]

mod banner;
mod config;
mod datadir;
mod error;
mod http;
mod logging;
mod metrics;
mod node;

pub use banner::print_banner;
pub use config::{KeeperSettings, LogFormat, NodeConfig};
pub use datadir::{DEV_GENESIS, DataDir};
pub use error::NodeError;
pub use logging::init_logging;
pub use node::{Node, open_chain};
