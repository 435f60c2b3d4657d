//! Otterscan's methods against a real chain.

mod search;
mod shapes;
