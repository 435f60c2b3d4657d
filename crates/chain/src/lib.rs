//! Plasma chain.
