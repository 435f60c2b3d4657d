//! Random contracts.

use proptest::{collection::vec, prelude::*};

use super::assembler::Step;

fn leaf() -> impl Strategy<Value = Step> {
    let slot = 0u8..4;
    prop_oneof![
        6 => (slot.clone(), 1u8..4).prop_map(|(slot, amount)| Step::Add { slot, amount }),
        1 => slot.clone().prop_map(|slot| Step::StoreInput { slot }),
        1 => slot.clone().prop_map(|slot| Step::Clear { slot }),
        2 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreBalance { slot, of }),
        1 => slot.clone().prop_map(|slot| Step::StoreOwnBalance { slot }),
        1 => slot.clone().prop_map(|slot| Step::StoreCoinbaseBalance { slot }),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreCodeHash { slot, of }),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreCodeSize { slot, of }),
        1 => (slot.clone(), 0u8..4).prop_map(|(slot, back)| Step::StoreBlockHash { slot, back }),
        5 => (any::<u8>(), 0u8..3, any::<u16>())
            .prop_map(|(to, value, gas)| Step::Call { to, value, gas }),
        1 => any::<u8>().prop_map(|to| Step::StaticCall { to }),
        2 => any::<u8>().prop_map(|to| Step::DelegateCall { to }),
        1 => (0u8..3).prop_map(|value| Step::PayCoinbase { value }),
        2 => (any::<u8>(), 0u8..3).prop_map(|(code, value)| Step::Create { code, value }),
        3 => (any::<u8>(), any::<u8>(), 0u8..3)
            .prop_map(|(code, salt, value)| Step::Create2 { code, salt, value }),
        3 => any::<u8>().prop_map(|to| Step::SelfDestruct { to }),
        2 => (any::<u8>(), slot.clone()).prop_map(|(key, slot)| Step::Transient { key, slot }),
        2 => slot.clone().prop_map(|slot| Step::Log { slot }),
        1 => Just(Step::SelfDestructToCoinbase),
        1 => slot.clone().prop_map(|slot| Step::StoreBlobHash { slot }),
        1 => slot.clone().prop_map(|slot| Step::StoreGasPrice { slot }),
        1 => Just(Step::Revert),
        1 => Just(Step::Invalid),
        1 => Just(Step::Loop),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => leaf(),
        1 => (0u8..4, leaf())
            .prop_map(|(slot, step)| Step::IfOdd { slot, step: Box::new(step) }),
        1 => (0u8..4, 1u8..4, leaf())
            .prop_map(|(slot, than, step)| Step::IfLess { slot, than, step: Box::new(step) }),
    ]
}

/// Steps without creations, so that init codes stay short.
pub(super) fn short_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..4, 1u8..4).prop_map(|(slot, amount)| Step::Add { slot, amount }),
        4 => any::<u8>().prop_map(|to| Step::SelfDestruct { to }),
        2 => (any::<u8>(), 0u8..3, any::<u16>())
            .prop_map(|(to, value, gas)| Step::Call { to, value, gas }),
        1 => (0u8..4, any::<u8>()).prop_map(|(slot, to)| Step::IfOdd {
            slot,
            step: Box::new(Step::SelfDestruct { to }),
        }),
        1 => Just(Step::Revert),
    ]
}

/// Counts on its first call and dies on its second, so that there is a storage to forget.
pub(super) fn mortal() -> impl Strategy<Value = Vec<Step>> {
    any::<u8>().prop_map(|to| {
        vec![
            Step::IfOdd { slot: 0, step: Box::new(Step::SelfDestruct { to }) },
            Step::Add { slot: 0, amount: 1 },
            Step::Add { slot: 1, amount: 1 },
        ]
    })
}

/// What a contract does; some begin by creating a child at an address known beforehand.
pub(super) fn contract_steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        2 => vec(step(), 0..5),
        1 => (0u8..2, 0u8..2, vec(step(), 0..3)).prop_map(|(code, salt, mut steps)| {
            steps.insert(0, Step::Create2 { code, salt, value: 0 });
            steps
        }),
        1 => mortal(),
    ]
}
