//! Plasma keeper.
