//! The keeper against the real registry, executed in memory on the development genesis.
#![allow(missing_docs, unreachable_pub)]

mod bundles;
mod chain;
mod equivalence;
mod faults;
mod lanes;
mod lifecycle;
mod logs;
mod simulation;
mod triggers;
