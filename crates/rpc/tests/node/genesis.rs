//! The tests' genesis: the development accounts and five small contracts.

use alloy_primitives::{Address, B256, hex};
use alloy_sol_types::{Revert, SolError};
use plasma_rpc::DevAccounts;
use serde_json::{Value, json};

/// Chain id of the tests' chain.
pub const CHAIN_ID: u64 = 1337;

/// Answers its slot 0, which holds 42.
pub const ANSWERER: Address = Address::repeat_byte(0xc0);
/// Stores the first word of its input in slot 0 and logs it under [`LOG_TOPIC`].
pub const STORER: Address = Address::repeat_byte(0xc1);
/// Reverts with `Error("no")`.
pub const REVERTER: Address = Address::repeat_byte(0xc2);
/// Consists of an invalid opcode.
pub const INVALID: Address = Address::repeat_byte(0xc3);
/// Loops for ever.
pub const LOOPER: Address = Address::repeat_byte(0xc4);
/// The topic of [`STORER`]'s log.
pub const LOG_TOPIC: B256 = B256::with_last_byte(7);

pub fn genesis(accounts: &DevAccounts) -> Value {
    let mut alloc = serde_json::Map::new();
    for address in accounts.addresses() {
        alloc.insert(address.to_string(), json!({"balance": "0x21e19e0c9bab2400000"}));
    }
    for (address, code) in [
        // PUSH0 SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
        (ANSWERER, hex!("5f545f5260205ff3").to_vec()),
        // PUSH0 CALLDATALOAD DUP1 PUSH0 SSTORE PUSH0 MSTORE PUSH1 7 PUSH1 32 PUSH0 LOG1 STOP
        (STORER, hex!("5f35805f555f52600760205fa100").to_vec()),
        (REVERTER, reverter()),
        (INVALID, hex!("fe").to_vec()),
        // JUMPDEST PUSH0 JUMP
        (LOOPER, hex!("5b5f56").to_vec()),
    ] {
        let mut account = json!({"balance": "0x0", "code": hex::encode_prefixed(code)});
        if address == ANSWERER {
            account["storage"] = json!({B256::ZERO.to_string(): B256::with_last_byte(42)});
        }
        alloc.insert(address.to_string(), account);
    }
    let blobs = json!({"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716});
    json!({
        "config": {
            "chainId": CHAIN_ID,
            "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
            "blobSchedule": {"cancun": blobs, "prague": blobs, "osaka": blobs},
            "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa"
        },
        "nonce": "0x0", "timestamp": "0x1", "extraData": "0x", "gasLimit": "0x5f5e100",
        "difficulty": "0x0", "baseFeePerGas": "0x3b9aca00",
        "mixHash": B256::ZERO, "coinbase": Address::ZERO,
        "alloc": alloc
    })
}

/// The code of [`REVERTER`]: copies the revert data that follows the code, and reverts with it.
fn reverter() -> Vec<u8> {
    let data = Revert::from("no").abi_encode();
    let length = u8::try_from(data.len()).unwrap();
    let mut code = vec![0x60, length, 0x60, 10, 0x5f, 0x39, 0x60, length, 0x5f, 0xfd];
    code.extend(data);
    code
}
