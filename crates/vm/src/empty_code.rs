//! An empty code that is counted apart.
//!
//! revm has one empty code in the process. Passing it on counts a reference, so that all threads
//! that load accounts without code would write to one word again and again. A thread that has a copy of
//! its own does not wait for the others.

use alloy_primitives::Bytes;
use revm::bytecode::{Bytecode, JumpTable, opcode};

/// An empty code that shares nothing with others.
#[allow(unsafe_code, reason = "there is no other way to make a second empty code")]
pub fn own_empty_code() -> Bytecode {
    // SAFETY: the interpreter reads up to and with a STOP within the bytes, which is all there is.
    // It is what revm's own empty code is made of.
    unsafe {
        Bytecode::new_analyzed(Bytes::copy_from_slice(&[opcode::STOP]), 0, JumpTable::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_and_apart() {
        let own = own_empty_code();
        assert!(own.is_empty());
        assert_eq!(own, Bytecode::default());
        assert_eq!(own.hash_slow(), Bytecode::default().hash_slow());
        assert_eq!(own.bytecode(), Bytecode::default().bytecode());
        assert!(!own.is_default(), "it is the shared one");
    }
}
