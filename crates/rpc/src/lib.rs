//! JSON-RPC: nothing but translation between the wire and the chain.
//!
//! One module per namespace registers its methods on a [`jsonrpsee::RpcModule`] whose context is
//! [`api::Api`]. [`serve`] puts all of them behind one HTTP and WebSocket server and a unix socket, and
//! those of Ethereum behind a second server that asks for tokens.
//!
//! - [`params`]: positional parameters, and what is wrong with them;
//! - [`error`]: the one place that makes JSON-RPC errors;
//! - [`convert`]: blocks, transactions, receipts and logs as JSON;
//! - [`exec`]: calls that change nothing;
//! - [`workers`]: where work runs.
//!
//! Invariants:
//! - Answers and error codes are geth's wherever both know a method; what is not served answers
//!   -32601, never a silent `null`.
//! - Nothing that executes code or recovers keys runs on an async thread, but calls that were cheap
//!   last time.
//! - Every limit is a member of [`RpcConfig`], and the error that it causes names the flag.
//! - This crate changes no state: it hands transactions and developers' commands to the chain.

#![forbid(unsafe_code)]

pub mod api;
mod auth;
mod call;
mod config;
pub mod convert;
mod debug;
mod dev;
mod discover;
mod engine;
pub mod error;
mod eth;
pub mod exec;
mod gate;
mod http_calls;
mod http_layer;
mod ids;
mod ipc;
mod keeper;
mod live;
mod middleware;
mod modules;
mod net;
mod origin;
mod ots;
pub mod params;
mod plasma;
mod ports;
mod rate;
mod refused;
mod server;
mod sign;
mod subscription;
mod testing;
mod txpool;
pub mod workers;

pub use config::{AuthConfig, RpcConfig};
pub use engine::EngineCaller;
pub use server::{RpcError, RpcHandle, serve};
pub use sign::{AccountsError, DEV_ACCOUNTS, DEV_MNEMONIC, DevAccount, DevAccounts};
