//! Random blocks over few accounts and slots, so that they meet again and again.

use super::{Pause, address};
use alloy_primitives::{B256, U256};
use plasma_storage::{Account, AccountChange, StateChanges};
use proptest::{collection::vec, prelude::*};

pub fn pause() -> impl Strategy<Value = Pause> {
    prop_oneof![
        3 => Just(Pause::Nothing),
        3 => (0usize..24).prop_map(Pause::Evict),
        1 => Just(Pause::Reopen),
        1 => (1usize..5).prop_map(Pause::Revert),
    ]
}

fn account_change() -> impl Strategy<Value = AccountChange> {
    let account = prop_oneof![
        1 => Just(None),
        4 => (0u64..3, 0u64..3, any::<bool>()).prop_map(|(nonce, balance, has_code)| {
            let bytecode_hash = has_code.then(|| B256::with_last_byte(nonce as u8));
            Some(Account { nonce, balance: U256::from(balance), bytecode_hash })
        }),
    ];
    let value = prop_oneof![3 => Just(0u64), 3 => 1u64..3, 1 => any::<u64>()];
    let storage = prop_oneof![
        2 => vec((0u64..24, value.clone()), 0..4),
        1 => vec((0u64..24, value), 0..48),
        1 => Just((0u64..24).map(|slot| (slot, 0)).collect::<Vec<_>>()),
    ];
    (account, prop::bool::weighted(0.15), storage).prop_map(|(account, storage_wiped, storage)| {
        let storage =
            storage.into_iter().map(|(slot, value)| (U256::from(slot), U256::from(value)));
        AccountChange { account, storage_wiped, storage: storage.collect() }
    })
}

pub fn block() -> impl Strategy<Value = StateChanges> {
    let accounts = prop_oneof![
        4 => vec((0u64..40, account_change()), 0..8),
        1 => vec((0u64..40, account_change()), 20..80),
    ];
    accounts.prop_map(|accounts| StateChanges {
        accounts: accounts.into_iter().map(|(number, change)| (address(number), change)).collect(),
        ..Default::default()
    })
}
