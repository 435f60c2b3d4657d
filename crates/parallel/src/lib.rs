//! Plasma parallel.
