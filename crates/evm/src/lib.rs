//! Plasma evm.
