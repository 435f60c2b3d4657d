//! Code that one thread runs often, in a copy of its own.
//!
//! Invariant: what is given is the code that was asked for. Passing a code on counts a reference to it;
//! threads that run the same code would all write to that one word again and again.

use alloy_primitives::map::B256Map;
use plasma_vm::own_empty_code;
use revm::{
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};

/// Runs of a code by one thread that are worth a copy of it.
const OFTEN: u32 = 8;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct OwnCodes {
    /// How often each was asked for; the copy, once there is one.
    codes: B256Map<(u32, Option<Bytecode>)>,
    empty: Bytecode,
}

impl Default for OwnCodes {
    fn default() -> Self {
        Self { codes: B256Map::default(), empty: own_empty_code() }
    }
}

impl OwnCodes {
    /// Gives an account without code the thread's own empty one.
    pub(crate) fn give_empty(&self, info: &mut AccountInfo) {
        if info.code_hash == KECCAK_EMPTY {
            info.code = Some(self.empty.clone());
        }
    }

    /// Gives `info`, which is about to be run, the thread's own code where there is one. True where
    /// there is, so that it need not be asked for again.
    pub(crate) fn give(&mut self, info: &mut AccountInfo) -> bool {
        let Some(code) = &mut info.code else { return false };
        let (runs, own) = self.codes.entry(info.code_hash).or_insert((0, None));
        *runs = runs.saturating_add(1);
        if *runs < OFTEN {
            return false;
        }
        // From bytes of its own as well: those are counted, too.
        *code = own
            .get_or_insert_with(|| Bytecode::new_raw(code.original_bytes().to_vec().into()))
            .clone();
        true
    }
}
