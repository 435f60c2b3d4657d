//! Plasma txpool.
