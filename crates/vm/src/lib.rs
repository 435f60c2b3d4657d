//! revm as every execution of this node runs it: with EIP-7610, and block access lists (EIP-7928).
//!
//! A contract is not created at an address that has a nonce or code; revm sees to that. EIP-7610
//! adds: nor at one that has storage, in all forks. revm does not look at storage there, and cannot:
//! its database answers for one slot at a time. This crate adds the question and the rule:
//!
//! - [`StorageProbe`], [`StorageProbeRef`]: databases that know whether an account has storage;
//! - [`Machine`]: revm's EVM with the rule, for those who bring their own handler;
//! - [`PlasmaEvm`]: the same behind alloy-evm's interface;
//! - [`own_empty_code`]: an empty code that threads do not count together;
//! - [`AccessListBuilder`]: the block access list that executed states add up to.
//!
//! The question is asked only where a contract is created at an account that exists without nonce
//! and code, so that other creations cost nothing more. No account without nonce and code can get
//! storage since EIP-158, which starts contracts at nonce 1; but some have it from before, a
//! genesis can name others, and a developer can write to any.

mod access_list;
mod alloy;
mod collision;
mod empty_code;
mod machine;
mod probe;

pub use access_list::AccessListBuilder;
pub use alloy::PlasmaEvm;
pub use empty_code::own_empty_code;
pub use machine::{Machine, MainnetMachine};
pub use probe::{StorageProbe, StorageProbeRef};
