//! Gas that a transaction costs before its first instruction.

use alloy_consensus::Transaction as _;
use plasma_chainspec::EthereumHardfork;
use plasma_storage::Transaction;

/// Base cost of every transaction.
const TRANSACTION: u64 = 21_000;
/// Further cost of a creation, since Homestead (EIP-2).
const CREATION: u64 = 32_000;
/// A zero byte of data.
const ZERO_BYTE: u64 = 4;
/// Another byte of data, since Istanbul (EIP-2028).
const NON_ZERO_BYTE: u64 = 16;
/// The same before.
const NON_ZERO_BYTE_FRONTIER: u64 = 68;
/// An address of an access list (EIP-2930).
const ACCESS_LIST_ADDRESS: u64 = 2_400;
/// A slot of an access list (EIP-2930).
const ACCESS_LIST_SLOT: u64 = 1_900;
/// A word of init code, since Shanghai (EIP-3860).
const INIT_CODE_WORD: u64 = 2;
/// An authorisation (EIP-7702: `PER_EMPTY_ACCOUNT_COST`).
const AUTHORIZATION: u64 = 25_000;
/// A token of data under the floor price, since Prague (EIP-7623).
const FLOOR_TOKEN: u64 = 10;
/// Tokens of a non-zero byte (EIP-7623).
const NON_ZERO_TOKENS: u64 = 4;

/// Gas that `transaction` costs under the rules of `fork` before it runs (Yellow Paper, `g0`).
pub fn intrinsic_gas(transaction: &Transaction, fork: EthereumHardfork) -> u64 {
    let (zeros, others) = count_bytes(transaction.input());
    let per_byte =
        if fork >= EthereumHardfork::Istanbul { NON_ZERO_BYTE } else { NON_ZERO_BYTE_FRONTIER };
    let mut gas = TRANSACTION + zeros * ZERO_BYTE + others * per_byte;
    if transaction.is_create() {
        if fork >= EthereumHardfork::Homestead {
            gas += CREATION;
        }
        if fork >= EthereumHardfork::Shanghai {
            gas += (zeros + others).div_ceil(32) * INIT_CODE_WORD;
        }
    }
    for item in transaction.access_list().into_iter().flat_map(|list| list.iter()) {
        gas += ACCESS_LIST_ADDRESS + item.storage_keys.len() as u64 * ACCESS_LIST_SLOT;
    }
    gas + transaction.authorization_count().unwrap_or(0) * AUTHORIZATION
}

/// Gas that a transaction with this data must at least pay for, since Prague (EIP-7623).
pub fn floor_data_gas(input: &[u8]) -> u64 {
    let (zeros, others) = count_bytes(input);
    TRANSACTION + (zeros + others * NON_ZERO_TOKENS) * FLOOR_TOKEN
}

fn count_bytes(input: &[u8]) -> (u64, u64) {
    let zeros = input.iter().filter(|byte| **byte == 0).count();
    (zeros as u64, (input.len() - zeros) as u64)
}
