//! Plasma node.
