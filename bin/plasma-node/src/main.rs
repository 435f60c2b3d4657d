//! Plasma node.
fn main() {}
