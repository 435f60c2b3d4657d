//! The tracers against each other on one transaction that calls, logs, stores and reverts.

use super::*;
use crate::{BlockEnv, EvmEnv, SpecId, TxEnv};
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256, address, bytes, hex, keccak256,
};
use proptest::prelude::*;
use revm::{
    context::CfgEnv,
    database::{CacheDB, EmptyDB},
    primitives::TxKind,
    state::{AccountInfo, Bytecode},
};
use serde_json::{Value, json};
use std::time::Duration;

const SENDER: Address = address!("00000000000000000000000000000000000000aa");
pub(super) const OUTER: Address = address!("00000000000000000000000000000000000000b0");
pub(super) const STORING: Address = address!("00000000000000000000000000000000000000c0");
pub(super) const REVERTING: Address = address!("00000000000000000000000000000000000000d0");
const LOOPING: Address = address!("00000000000000000000000000000000000000e0");

/// `PUSH4 selector` stored left-aligned at memory 0, then a call of `target` with these 4 bytes.
fn call_with_selector(selector: [u8; 4], target: Address) -> Vec<u8> {
    let mut code = vec![0x63];
    code.extend(selector);
    code.extend(hex!("60e01b5f52")); // PUSH1 224 SHL PUSH0 MSTORE
    code.extend(hex!("5f5f60045f5f73")); // no output, 4 bytes of input, no value
    code.extend(target.as_slice());
    code.extend(hex!("5af150")); // GAS CALL POP
    code
}

pub(super) type TestDb = CacheDB<EmptyDB>;

pub(super) fn database() -> TestDb {
    let mut db = TestDb::default();
    db.insert_account_info(
        SENDER,
        AccountInfo { balance: U256::from(10).pow(U256::from(18)), nonce: 3, ..Default::default() },
    );
    let mut outer = call_with_selector([0xaa; 4], STORING);
    outer.extend(call_with_selector([0xbb; 4], REVERTING));
    outer.extend(hex!("60205ff3")); // return memory 0..32
    let contracts: [(Address, Vec<u8>); 4] = [
        (OUTER, outer),
        // slot 1 := 7, LOG1 of no data with topic 0x42
        (STORING, hex!("6007600155604260005fa100").to_vec()),
        // revert with the byte 0x99
        (REVERTING, hex!("60995f5360015ffd").to_vec()),
        // JUMPDEST PUSH0 JUMP
        (LOOPING, hex!("5b5f56").to_vec()),
    ];
    for (contract, code) in contracts {
        let code = Bytecode::new_raw(code.into());
        db.insert_account_info(
            contract,
            AccountInfo {
                nonce: 1,
                code_hash: code.hash_slow(),
                code: Some(code),
                ..Default::default()
            },
        );
    }
    db.insert_account_storage(STORING, U256::from(1), U256::from(5))
        .expect("an in-memory database");
    db
}

pub(super) fn env() -> EvmEnv {
    let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
    cfg.chain_id = 1337;
    let block = BlockEnv {
        number: U256::from(9),
        timestamp: U256::from(1_000),
        gas_limit: 30_000_000,
        basefee: 7,
        prevrandao: Some(B256::ZERO),
        ..Default::default()
    };
    EvmEnv::new(cfg, block)
}

pub(super) fn transaction(to: Address) -> TxEnv {
    TxEnv {
        caller: SENDER,
        nonce: 3,
        kind: TxKind::Call(to),
        gas_limit: 300_000,
        gas_price: 10,
        chain_id: Some(1337),
        data: bytes!("01020304ff"),
        ..Default::default()
    }
}

pub(super) fn options(value: Value) -> GethDebugTracingOptions {
    serde_json::from_value(value).expect("options as JSON")
}

fn trace(value: Value) -> Traced<GethTrace> {
    let traced = trace_transaction(
        &mut database(),
        &env(),
        transaction(OUTER),
        options(value),
        TransactionInfo::default(),
    );
    read(traced.expect("a trace"))
}

/// A trace as clients read it.
pub(super) fn read(traced: Traced<GethAnswer>) -> Traced<GethTrace> {
    let Traced { trace, outcome } = traced;
    let trace = match trace {
        GethAnswer::Other(trace) => *trace,
        GethAnswer::Steps(steps) => {
            let text = serde_json::to_string(&steps).expect("JSON");
            GethTrace::Default(serde_json::from_str(&text).expect("a frame"))
        }
    };
    Traced { trace, outcome }
}

fn json_of(value: Value) -> Value {
    serde_json::to_value(trace(value).trace).expect("traces serialise")
}

#[test]
fn the_call_tracer_shows_frames_gas_and_errors() {
    let traced = trace(json!({"tracer": "callTracer"}));
    let gas_used = traced.outcome.result.tx_gas_used();
    let GethTrace::CallTracer(root) = traced.trace else { panic!("not a call frame") };
    assert_eq!((root.from, root.to, root.typ.as_str()), (SENDER, Some(OUTER), "CALL"));
    assert_eq!(root.gas_used, U256::from(gas_used));
    assert_eq!(root.gas, U256::from(300_000));
    assert_eq!(root.input, bytes!("01020304ff"));
    assert_eq!(root.error, None);
    assert_eq!(root.calls.len(), 2);
    assert_eq!(root.calls[0].to, Some(STORING));
    assert_eq!(root.calls[0].input, bytes!("aaaaaaaa"));
    assert!(root.calls[0].logs.is_empty());
    assert_eq!(root.calls[1].to, Some(REVERTING));
    assert_eq!(root.calls[1].error.as_deref(), Some("execution reverted"));
    assert_eq!(root.calls[1].output, Some(bytes!("99")));
}

#[test]
fn the_call_tracer_knows_its_options() {
    let with_log = json_of(json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}}));
    let log = &with_log["calls"][0]["logs"][0];
    assert_eq!(log["address"], json!(STORING));
    assert_eq!(log["topics"], json!([B256::with_last_byte(0x42)]));
    let only_top = json_of(json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": true}}));
    assert_eq!(only_top.get("calls"), None);
    assert_eq!(only_top["to"], json!(OUTER));
}

#[test]
fn the_struct_logger_agrees_with_the_result() {
    for name in [json!({}), json!({"tracer": ""})] {
        let traced = trace(name);
        let gas_used = traced.outcome.result.tx_gas_used();
        let GethTrace::Default(frame) = traced.trace else { panic!("not a struct log") };
        assert!(!frame.failed);
        assert_eq!(frame.gas, gas_used);
        assert_eq!(frame.struct_logs[0].op, "PUSH4");
        assert_eq!(frame.struct_logs[0].depth, 1);
        assert_eq!(frame.struct_logs[0].gas, 300_000 - 21_000 - 5 * 16);
        let store = frame.struct_logs.iter().find(|log| log.op == "SSTORE").expect("one SSTORE");
        assert_eq!(store.depth, 2);
        let written = store.storage.as_ref().expect("storage is recorded");
        assert_eq!(written[&B256::with_last_byte(1)], B256::with_last_byte(7));
        assert_eq!(frame.struct_logs.iter().filter(|log| log.op == "CALL").count(), 2);
        assert!(frame.struct_logs.iter().all(|log| log.memory.is_none()));
    }
}

#[test]
fn the_struct_logger_knows_its_options() {
    let GethTrace::Default(frame) = trace(json!({
        "limit": 4, "disableStack": true, "disableStorage": true, "enableMemory": true,
    }))
    .trace
    else {
        panic!("not a struct log")
    };
    assert_eq!(frame.struct_logs.len(), 4);
    assert!(frame.struct_logs.iter().all(|log| log.stack.is_none() && log.storage.is_none()));
    assert!(frame.struct_logs.iter().all(|log| log.memory.is_some()));
}

#[test]
fn the_prestate_is_enough_to_execute_again() {
    let traced = trace(json!({"tracer": "prestateTracer"}));
    let GethTrace::PreStateTracer(PreStateFrame::Default(mode)) = &traced.trace else {
        panic!("not a prestate")
    };
    assert_eq!(mode.0[&SENDER].nonce, Some(3));
    assert_eq!(mode.0[&STORING].storage[&B256::with_last_byte(1)], B256::with_last_byte(5));
    let mut rebuilt = TestDb::default();
    for (address, account) in &mode.0 {
        let code = Bytecode::new_raw(account.code.clone().unwrap_or_default());
        let info = AccountInfo {
            balance: account.balance.unwrap_or_default(),
            nonce: account.nonce.unwrap_or_default(),
            code_hash: if code.is_empty() { KECCAK256_EMPTY } else { code.hash_slow() },
            code: Some(code),
            ..Default::default()
        };
        rebuilt.insert_account_info(*address, info);
        for (slot, value) in &account.storage {
            rebuilt
                .insert_account_storage(*address, (*slot).into(), (*value).into())
                .expect("an in-memory database");
        }
    }
    let again = trace_transaction(
        &mut rebuilt,
        &env(),
        transaction(OUTER),
        options(json!({"tracer": "callTracer"})),
        TransactionInfo::default(),
    )
    .expect("the prestate suffices");
    assert_eq!(read(again).trace, trace(json!({"tracer": "callTracer"})).trace);
}

#[test]
fn the_prestate_difference_shows_what_changed() {
    let diff = json_of(json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}));
    let storing = format!("{STORING:?}");
    let slot = format!("{:?}", B256::with_last_byte(1));
    assert_eq!(diff["pre"][&storing]["storage"][&slot], json!(B256::with_last_byte(5)));
    assert_eq!(diff["post"][&storing]["storage"][&slot], json!(B256::with_last_byte(7)));
    assert_eq!(diff["post"][format!("{SENDER:?}")]["nonce"], json!(4));
    assert_eq!(diff["post"].get(format!("{REVERTING:?}")), None);
}

#[test]
fn the_prestate_tracer_leaves_out_what_it_is_told_to() {
    let prestate = |config: Value| {
        let all = json_of(json!({"tracer": "prestateTracer", "tracerConfig": config}));
        all[format!("{STORING:?}")].clone()
    };
    let full = prestate(json!({}));
    assert!(full["code"].is_string() && full["storage"].is_object(), "{full}");
    let bare = prestate(json!({"disableCode": true}));
    assert_eq!((bare.get("code"), &bare["storage"]), (None, &full["storage"]));
    let bare = prestate(json!({"disableStorage": true}));
    assert_eq!((bare.get("storage"), &bare["code"]), (None, &full["code"]));
}

#[test]
fn the_erc7562_tracer_shows_opcodes_and_slots() {
    let root = json_of(json!({"tracer": "erc7562Tracer"}));
    assert_eq!((&root["from"], &root["to"]), (&json!(SENDER), &json!(OUTER)));
    let inner = &root["calls"][0];
    assert_eq!(inner["to"], json!(STORING));
    let slot = B256::with_last_byte(1).to_string();
    assert!(inner["accessedSlots"]["writes"].get(&slot).is_some(), "{inner}");
    let opcodes = inner["usedOpcodes"].as_object().expect("opcodes by their numbers");
    assert!(opcodes.contains_key("0x55"), "SSTORE: {opcodes:?}");
    assert_eq!(root["calls"][1]["error"], json!("execution reverted"));
}

#[test]
fn the_state_gas_tracer_agrees_with_the_result() {
    let traced = trace(json!({"tracer": "stateGasTracer"}));
    let gas_used = traced.outcome.result.tx_gas_used();
    let answer = serde_json::to_value(traced.trace).expect("traces serialise");
    let told: U256 = serde_json::from_value(answer["gasUsed"].clone()).expect("a quantity");
    assert_eq!(told, U256::from(gas_used), "{answer}");
}

#[test]
fn what_was_handed_to_one_address_is_kept() {
    let limits = TraceLimits::default();
    for (target, expected) in [
        (STORING, vec![bytes!("aaaaaaaa")]),
        (OUTER, vec![bytes!("01020304ff")]),
        (REVERTING, vec![bytes!("bbbbbbbb")]),
        (SENDER, Vec::new()),
    ] {
        let traced = calls_to(&mut database(), &env(), transaction(OUTER), target, limits);
        let (calls, result) = traced.expect("a trace").trace;
        assert_eq!(calls.inputs(), expected, "{target}");
        assert_eq!(calls.omitted(), 0);
        assert!(result.is_success());
    }
}

#[test]
fn the_small_tracers_answer_their_shapes() {
    assert_eq!(
        json_of(json!({"tracer": "4byteTracer"})),
        json!({"0x01020304-1": 1, "0xaaaaaaaa-0": 1, "0xbbbbbbbb-0": 1})
    );
    assert_eq!(json_of(json!({"tracer": "noopTracer"})), json!({}));
    let flat = json_of(json!({"tracer": "flatCallTracer"}));
    let addresses: Vec<&Value> =
        flat.as_array().expect("a list").iter().map(|frame| &frame["traceAddress"]).collect();
    assert_eq!(addresses, [&json!([]), &json!([0]), &json!([1])]);
}

#[test]
fn the_mux_tracer_answers_what_its_tracers_answer_alone() {
    let mux = json_of(json!({"tracer": "muxTracer", "tracerConfig": {
        "callTracer": null, "4byteTracer": {}, "prestateTracer": {"diffMode": true}, "noopTracer": null,
    }}));
    assert_eq!(mux["callTracer"], json_of(json!({"tracer": "callTracer"})));
    assert_eq!(mux["4byteTracer"], json_of(json!({"tracer": "4byteTracer"})));
    assert_eq!(
        mux["prestateTracer"],
        json_of(json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}))
    );
    assert_eq!(mux["noopTracer"], json!({}));
}

#[test]
fn parity_frames_equal_the_call_tracers() {
    let info = TransactionInfo {
        hash: Some(keccak256("transaction")),
        index: Some(2),
        block_hash: Some(keccak256("block")),
        block_number: Some(9),
        ..Default::default()
    };
    let traced =
        localized_traces(&mut database(), &env(), transaction(OUTER), info, TraceLimits::default())
            .expect("traces");
    let frames = serde_json::to_value(&traced.trace).expect("traces serialise");
    let call = json_of(json!({"tracer": "callTracer"}));
    assert_eq!(frames.as_array().expect("a list").len(), 3);
    assert_eq!(frames[0]["transactionPosition"], json!(2));
    assert_eq!(frames[0]["subtraces"], json!(2));
    for index in 0..2 {
        let (frame, call) = (&frames[index + 1], &call["calls"][index]);
        assert_eq!(frame["action"]["to"], call["to"]);
        assert_eq!(frame["action"]["input"], call["input"]);
        assert_eq!(frame["transactionHash"], json!(info.hash));
    }
    assert_eq!(frames[1]["result"]["gasUsed"], call["calls"][0]["gasUsed"]);
    assert_eq!(frames[2]["error"], json!("Reverted"));
}

#[test]
fn parity_results_answer_what_was_asked() {
    let types = [TraceType::Trace, TraceType::StateDiff].into_iter().collect();
    let traced =
        trace_results(&mut database(), &env(), transaction(OUTER), &types, TraceLimits::default())
            .expect("results");
    assert_eq!(traced.trace.trace.len(), 3);
    assert_eq!(traced.trace.vm_trace, None);
    let diff = serde_json::to_value(traced.trace.state_diff.expect("asked for")).expect("JSON");
    assert_eq!(diff[format!("{SENDER:?}")]["nonce"], json!({"*": {"from": "0x3", "to": "0x4"}}));
}

/// A tracer in geth's form counts what others tell.
#[cfg(feature = "js-tracer")]
#[test]
fn javascript_tracers_run() {
    let script = "{calls: [], step: function(log) { if (log.op.toString() == 'SSTORE') this.stores++; }, \
                  stores: 0, enter: function(frame) { this.calls.push(frame.getType()); }, \
                  exit: function() {}, fault: function() {}, \
                  result: function() { return {calls: this.calls, stores: this.stores}; }}";
    let answer = json_of(json!({"tracer": script}));
    assert_eq!(answer, json!({"calls": ["CALL", "CALL"], "stores": 1}));
}

/// An endless loop inside of the script itself ends, too.
#[cfg(feature = "js-tracer")]
#[test]
fn javascript_that_does_not_end_is_stopped() {
    let script = "{fault: function() {}, result: function() { while (true) {} }}";
    let limits = TraceLimits::default();
    let mut tracer = GethTracer::new(options(json!({"tracer": script})), limits, limits.timeout)
        .expect("a tracer");
    let error = tracer
        .trace(&mut database(), &env(), transaction(OUTER), TransactionInfo::default())
        .expect_err("the engine's own limit");
    assert!(matches!(error, TracingError::Script(_)), "{error}");
    let malformed = options(json!({"tracer": "{result: 3"}));
    let error = GethTracer::new(malformed, limits, limits.timeout).expect_err("no object");
    assert!(matches!(error, TracingError::Script(_)), "{error}");
}

#[test]
fn tracers_that_are_not_there_are_refused_by_name() {
    let refused = |value: Value| {
        let limits = TraceLimits::default();
        GethTracer::new(options(value), limits, limits.timeout).expect_err("refused")
    };
    let script = "{data: [], fault: function(log) {}, result: function() { return this.data }}";
    if !cfg!(feature = "js-tracer") {
        let refusal = refused(json!({"tracer": script}));
        assert!(refusal.to_string().contains("js-tracer"), "{refusal}");
        assert!(matches!(refusal, TracingError::JavaScript));
    }
    assert!(matches!(
        refused(json!({"tracer": "stylusTracer"})),
        TracingError::UnknownTracer(name) if name == "stylusTracer"
    ));
    assert!(matches!(
        refused(json!({"tracer": "callTracer", "tracerConfig": {"withLog": 3}})),
        TracingError::Config { tracer, .. } if tracer == "callTracer"
    ));
    assert!(matches!(
        refused(json!({"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}})),
        TracingError::Config { .. }
    ));
    assert!(matches!(refused(json!({"timeout": "soon"})), TracingError::Timeout(_)));
}

#[test]
fn an_endless_loop_is_stopped_by_time() {
    let mut tx = transaction(LOOPING);
    tx.gas_limit = 16_000_000;
    let error = trace_transaction(
        &mut database(),
        &env(),
        tx,
        options(json!({"tracer": "callTracer", "timeout": "0"})),
        TransactionInfo::default(),
    )
    .expect_err("no time at all");
    assert!(matches!(error, TracingError::TimedOut { .. }), "{error}");
}

#[test]
fn a_trace_that_is_too_large_is_stopped() {
    let mut tx = transaction(LOOPING);
    tx.gas_limit = 16_000_000;
    let limits = TraceLimits {
        max_bytes: 100_000,
        timeout: Duration::from_secs(3600),
        ..TraceLimits::default()
    };
    let run = |value: Value| {
        GethTracer::new(options(value), limits, limits.timeout)
            .and_then(|mut tracer| {
                tracer.trace(&mut database(), &env(), tx.clone(), TransactionInfo::default())
            })
            .map(|traced| traced.outcome.result.is_halt())
    };
    let error = run(json!({})).expect_err("16 M steps need more");
    assert!(matches!(error, TracingError::TooLarge { limit: 100_000 }), "{error}");
    assert!(run(json!({"limit": 100})).expect("only 100 steps are recorded"));
}

#[test]
fn copied_memory_and_interruptions_count() {
    // PUSH3 10000 MLOAD POP: 64 KiB of memory, then a few steps with a copy of it each.
    let code = [&[0x62, 1, 0, 0, 0x51, 0x50][..], &[0x5b; 20]].concat();
    let run = |value: Value, interrupted: fn() -> bool| {
        let limits = TraceLimits { max_bytes: 1 << 20, interrupted, ..TraceLimits::default() };
        let mut db = database();
        let account = revm::state::AccountInfo::from_bytecode(revm::state::Bytecode::new_raw(
            code.clone().into(),
        ));
        db.insert_account_info(LOOPING, account);
        GethTracer::new(options(value), limits, limits.timeout)
            .and_then(|mut tracer| {
                tracer.trace(&mut db, &env(), transaction(LOOPING), TransactionInfo::default())
            })
            .map(|traced| traced.outcome.result.is_success())
    };
    assert!(run(json!({}), || false).expect("no memory is copied"));
    let error = run(json!({"enableMemory": true}), || false).expect_err("1.4 MiB are copied");
    assert!(matches!(error, TracingError::TooLarge { .. }), "{error}");
    let error = run(json!({}), || true).expect_err("nobody waits");
    assert!(matches!(error, TracingError::Interrupted), "{error}");
}

#[test]
fn an_invalid_transaction_is_not_traced() {
    let tx = TxEnv { nonce: 1, ..transaction(OUTER) };
    let error = trace_transaction(
        &mut database(),
        &env(),
        tx,
        options(json!({})),
        TransactionInfo::default(),
    )
    .expect_err("nonce too low");
    assert!(matches!(error, TracingError::Invalid(_)), "{error}");
}

#[test]
fn one_tracer_serves_many_transactions() {
    let limits = TraceLimits::default();
    let mut db = database();
    let mut tracer =
        GethTracer::new(options(json!({"tracer": "callTracer"})), limits, limits.timeout)
            .expect("a tracer");
    let mut run = || {
        let info = TransactionInfo::default();
        read(tracer.trace(&mut db, &env(), transaction(OUTER), info).expect("a trace")).trace
    };
    assert_eq!(run(), run());
}

#[test]
fn go_durations_are_read() {
    for (text, expected) in [
        ("5s", Duration::from_secs(5)),
        ("300ms", Duration::from_millis(300)),
        ("1m30s", Duration::from_secs(90)),
        ("1.5h", Duration::from_secs(5400)),
        ("2µs", Duration::from_micros(2)),
        ("0", Duration::ZERO),
    ] {
        assert_eq!(parse_go_duration(text).expect("a duration"), expected, "{text}");
    }
    for text in ["", "5", "s", "-1s", "5 s", "1..5s", "5y"] {
        assert!(parse_go_duration(text).is_err(), "{text}");
    }
}

proptest! {
    /// Any bytes as code: no tracer panics, and all see the same execution.
    #[test]
    fn tracers_agree_on_random_code(code in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut db = database();
        let code = Bytecode::new_legacy(Bytes::from(code));
        db.insert_account_info(
            OUTER,
            AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..Default::default() },
        );
        let mut outcomes = Vec::new();
        for tracer in ["", "callTracer", "prestateTracer", "4byteTracer", "flatCallTracer", "noopTracer"] {
            let traced = read(trace_transaction(
                &mut db,
                &env(),
                transaction(OUTER),
                options(json!({"tracer": tracer})),
                TransactionInfo::default(),
            ).expect("a valid transaction"));
            if let GethTrace::CallTracer(root) = &traced.trace {
                prop_assert_eq!(root.gas_used, U256::from(traced.outcome.result.tx_gas_used()));
                prop_assert_eq!(root.error.is_none(), traced.outcome.result.is_success());
            }
            if let GethTrace::Default(frame) = &traced.trace {
                prop_assert_eq!(frame.gas, traced.outcome.result.tx_gas_used());
                prop_assert_eq!(frame.failed, !traced.outcome.result.is_success());
            }
            outcomes.push(traced.outcome);
        }
        prop_assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
