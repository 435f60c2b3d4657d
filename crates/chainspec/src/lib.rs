//! Plasma chainspec.
