//! Plasma rpc.
