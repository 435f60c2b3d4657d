//! The struct logger against that of `revm-inspectors`, on random code.

use super::{
    tests::{OUTER, REVERTING, STORING, database, env, options, read, transaction},
    *,
};
use crate::{EvmEnv, SpecId};
use alloy_evm::Evm;
use alloy_primitives::{Address, B256, Bytes, U256, bytes, hex};
use plasma_vm::PlasmaEvm;
use proptest::prelude::*;
use revm::state::{AccountInfo, Bytecode};
use revm_inspectors::tracing::DebugInspector;
use serde_json::json;

/// A piece of code that is likely to work.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let call = |opcode: u8, values: usize, to: Address| {
        let mut code = vec![0x60, 32, 0x5f, 0x60, 32, 0x5f];
        code.extend(std::iter::repeat_n(0x5f, values));
        code.push(0x73);
        code.extend(to.as_slice());
        code.extend([0x5a, opcode]);
        code
    };
    let to =
        prop_oneof![Just(STORING), Just(REVERTING), Just(OUTER), Just(Address::with_last_byte(4))];
    prop_oneof![
        6 => any::<u8>().prop_map(|value| vec![0x60, value]),
        2 => proptest::collection::vec(any::<u8>(), 32).prop_map(|value| [vec![0x7f], value].concat()),
        2 => (0..3u8).prop_map(|slot| vec![0x60, slot, 0x54]),
        2 => (0..3u8, 0..3u8).prop_map(|(slot, value)| vec![0x60, value, 0x60, slot, 0x55]),
        2 => (any::<u8>(), 0..96u8).prop_map(|(value, at)| vec![0x60, value, 0x60, at, 0x52]),
        3 => prop_oneof![Just(0x01u8), Just(0x03), Just(0x0a), Just(0x16), Just(0x80), Just(0x90), Just(0x50), Just(0x5a), Just(0x3d)]
            .prop_map(|opcode| vec![opcode]),
        1 => to.clone().prop_map(move |to| call(0xf1, 1, to)),
        1 => to.clone().prop_map(move |to| call(0xf4, 0, to)),
        1 => to.prop_map(move |to| call(0xfa, 0, to)),
        // Six bytes of memory as the code of a new contract.
        1 => Just(vec![0x60, 6, 0x5f, 0x5f, 0xf0]),
        // Where a creation fails before its frame is entered, the library tells later frames at the wrong place.
        1 => any::<u8>().prop_map(|opcode| vec![if matches!(opcode, 0xf0 | 0xf5) { 0x5b } else { opcode }]),
    ]
}

/// What the library's logger makes of the same execution.
fn by_library(env: &EvmEnv, code: &Bytecode, asked: GethDebugTracingOptions) -> DefaultFrame {
    let mut db = database_with(code);
    let mut inspector = DebugInspector::new(asked).expect("an inspector");
    let outcome = PlasmaEvm::new(&mut db, env.clone())
        .with_inspector(&mut inspector)
        .transact_raw(transaction(OUTER))
        .expect("a valid transaction");
    let trace = inspector.get_result(None, &transaction(OUTER), &env.block_env, &outcome, &mut db);
    match trace.expect("a trace") {
        GethTrace::Default(frame) => frame,
        other => panic!("not a struct log: {other:?}"),
    }
}

fn database_with(code: &Bytecode) -> super::tests::TestDb {
    let mut db = database();
    let (nonce, code_hash, code) = (1, code.hash_slow(), Some(code.clone()));
    db.insert_account_info(OUTER, AccountInfo { nonce, code_hash, code, ..Default::default() });
    db
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn steps_are_those_of_the_library(
        pieces in proptest::collection::vec(piece(), 1..40),
        disable_stack in any::<bool>(),
        enable_memory in any::<bool>(),
        disable_storage in any::<bool>(),
        enable_return_data in any::<bool>(),
        limit in prop_oneof![Just(0u64), 1..30u64],
        amsterdam in any::<bool>(),
    ) {
        let code = Bytecode::new_legacy(Bytes::from(pieces.concat()));
        let asked = options(json!({
            "disableStack": disable_stack, "enableMemory": enable_memory, "disableStorage": disable_storage,
            "enableReturnData": enable_return_data, "limit": limit,
        }));
        let mut env = env();
        if amsterdam {
            env.cfg_env.set_spec_and_mainnet_gas_params(SpecId::AMSTERDAM);
        }
        let mut expected = by_library(&env, &code, asked.clone());
        let mut db = database_with(&code);
        let traced = trace_transaction(&mut db, &env, transaction(OUTER), asked, TransactionInfo::default());
        let GethTrace::Default(mut steps) = read(traced.expect("a valid transaction")).trace else {
            panic!("not a struct log")
        };
        prop_assert_eq!(steps.struct_logs.len(), expected.struct_logs.len());
        // Values that were written and taken back stay among the library's.
        let mut taken_back = false;
        for (step, expected) in steps.struct_logs.iter_mut().zip(&mut expected.struct_logs) {
            // It words failures by the names of its own constants.
            let failed = step.error.take().is_some();
            prop_assert_eq!(failed, expected.error.take().is_some());
            taken_back |= failed || step.op == "REVERT";
            if expected.op == "Unknown" {
                prop_assert!(step.op.ends_with(" not defined"));
                step.op = "Unknown".into();
            }
            // It misses what was read or written without a change of the journal; geth does not.
            if let (Some(slots), Some(expected)) = (&step.storage, &mut expected.storage) {
                prop_assert!(
                    taken_back || expected.iter().all(|(slot, value)| slots.get(slot) == Some(value)),
                    "{:?} instead of {:?}", slots, expected
                );
                expected.clone_from(slots);
            }
            prop_assert_eq!(&*step, &*expected);
        }
        prop_assert_eq!(steps, expected);
    }
}

/// A read of a warm slot and a write of what stands there already are told, too.
#[test]
fn every_slot_that_is_touched_is_told() {
    // SLOAD 1, SLOAD 1, SSTORE 2 := 0, SLOAD 2
    let code = bytes!("600154600154505f60025560025400");
    let mut db = database_with(&Bytecode::new_legacy(code));
    db.insert_account_storage(OUTER, U256::from(1), U256::from(9)).expect("an in-memory database");
    let info = TransactionInfo::default();
    let traced = trace_transaction(&mut db, &env(), transaction(OUTER), options(json!({})), info);
    let GethTrace::Default(frame) = read(traced.expect("a trace")).trace else {
        panic!("not a struct log")
    };
    let word = B256::with_last_byte;
    let told: Vec<_> = frame.struct_logs.iter().filter_map(|step| step.storage.clone()).collect();
    let one = [(word(1), word(9))].into();
    let both: std::collections::BTreeMap<_, _> = [(word(1), word(9)), (word(2), word(0))].into();
    assert_eq!(told, [one, told[0].clone(), both.clone(), both]);
}

#[test]
fn a_step_that_fails_says_why_in_geths_words() {
    let cases = [
        ("600256", "invalid jump destination"),
        ("50", "stack underflow"),
        ("fe", "invalid opcode"),
        ("63ffffffff51", "out of gas"),
        ("60205f5f3e", "return data out of bounds"),
    ];
    for (code, words) in cases {
        let code = Bytecode::new_legacy(hex::decode(code).expect("hex").into());
        let info = TransactionInfo::default();
        let traced = trace_transaction(
            &mut database_with(&code),
            &env(),
            transaction(OUTER),
            options(json!({})),
            info,
        );
        let GethTrace::Default(frame) = read(traced.expect("a trace")).trace else {
            panic!("not a struct log")
        };
        assert!(frame.failed);
        let last = frame.struct_logs.last().expect("a step");
        assert_eq!(last.error.as_deref(), Some(words), "{last:?}");
    }
}
