//! Code that one thread runs often, in a copy of its own.
//!
//! Invariant: what is given is the code that was asked for. Passing a code on counts a reference to it;
//! threads that run the same code would all write to that one word again and again.

use alloy_primitives::{U256, map::B256Map};
use plasma_vm::own_empty_code;
use revm::{
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};

/// Runs of a code by one thread that are worth a copy of it.
const OFTEN: u32 = 8;

/// An account that does not exist. Without even the empty code, of which revm has one in the process.
pub(crate) const NOBODY: AccountInfo = AccountInfo {
    balance: U256::ZERO,
    nonce: 0,
    code_hash: KECCAK_EMPTY,
    account_id: None,
    code: None,
};

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
        *code = own.get_or_insert_with(|| copy_of(code)).clone();
        true
    }
}

/// The same code, from bytes of its own: those are counted, too.
fn copy_of(code: &Bytecode) -> Bytecode {
    let bytes = code.original_bytes().to_vec().into();
    // Before London a contract's code could begin as a delegation does (EIP-3541), and was none.
    if code.is_legacy() { Bytecode::new_legacy(bytes) } else { Bytecode::new_raw(bytes) }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes, hex};

    use super::*;

    #[test]
    fn a_copy_is_the_same_code() {
        let delegated = Bytecode::new_eip7702(Address::repeat_byte(7));
        let like_delegated = Bytes::from(hex!("ef0100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        let legacy = [Bytes::new(), hex!("ef01").into(), hex!("6001600255").into(), like_delegated];
        for code in legacy.into_iter().map(Bytecode::new_legacy).chain([delegated]) {
            let mut own = OwnCodes::default();
            let hash = code.hash_slow();
            let mut given = 0;
            for _ in 0..2 * OFTEN {
                let info = AccountInfo {
                    code_hash: hash,
                    code: Some(code.clone()),
                    ..AccountInfo::default()
                };
                let mut own_info = info.clone();
                given += u32::from(own.give(&mut own_info));
                assert_eq!(own_info, info);
                assert_eq!(own_info.code.unwrap().is_legacy(), code.is_legacy());
            }
            assert_eq!(given, OFTEN + 1);
        }
    }
}
