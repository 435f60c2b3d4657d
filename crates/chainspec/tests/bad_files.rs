//! A bad genesis file is refused with the field's name, what was found and what was expected.

use plasma_chainspec::{ChainSpec, DEFAULT_KEEPER_GAS_SHARE_PERCENT, Genesis, PlasmaParams};
use proptest::prelude::*;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "config": {
            "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "bpo1Time": 0,
            "blobSchedule": {
                "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 }
            },
            "plasma": {
                "registry": "0x00000000000000000000000000000000000000aa",
                "keeperGasSharePercent": 40, "premiumPpb": 200000000
            }
        },
        "gasLimit": "0xee6b280", "difficulty": "0x0",
        "alloc": {
            "0x00000000000000000000000000000000000000aa": {
                "balance": "0x1", "storage": { "0x01": "0x02" }
            }
        }
    })
}

/// The good file with the value at `pointer` replaced (`None`: removed).
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut file = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    file
}

fn message(file: &Value) -> String {
    ChainSpec::from_json(&file.to_string()).unwrap_err().to_string()
}

#[test]
fn the_good_file_is_good() {
    let spec = ChainSpec::from_json(&good().to_string()).unwrap();
    assert_eq!(spec.chain_id(), 1337);
    assert_eq!(spec.plasma().keeper_gas_share_percent, 40);
    assert_eq!(spec.plasma().premium_ppb, 200_000_000);
    assert_eq!(spec.plasma().registry.unwrap().0[19], 0xaa);
}

#[test]
fn plasma_parameters_have_defaults() {
    let spec = ChainSpec::from_json(&with("/config/plasma", None).to_string()).unwrap();
    assert_eq!(
        *spec.plasma(),
        PlasmaParams {
            registry: None,
            keeper_gas_share_percent: DEFAULT_KEEPER_GAS_SHARE_PERCENT,
            premium_ppb: 0
        }
    );
}

#[test]
fn messages() {
    const NUMBER: &str = "a whole number from 0 to 2^64-1 (a number, or a hex or decimal string)";
    let cases: Vec<(&str, Option<Value>, String)> = vec![
        (
            "/config/plasma/registry",
            Some(json!("0x12")),
            "config.plasma.registry: expected a 20-byte hex address, found \"0x12\"".into(),
        ),
        (
            "/config/plasma/keeperGasSharePercent",
            Some(json!(101)),
            "config.plasma.keeperGasSharePercent: expected a percentage from 0 to 100, found 101".into(),
        ),
        (
            "/config/plasma/premiumPpb",
            Some(json!(4294967296u64)),
            "config.plasma.premiumPpb: expected parts per 10^9 from 0 to 2^32-1, found 4294967296".into(),
        ),
        (
            "/config/plasma/registy",
            Some(json!("0x12")),
            "config.plasma.registy: expected one of the fields registry, keeperGasSharePercent, premiumPpb, found \"0x12\"".into(),
        ),
        ("/config/plasma", Some(json!(1)), "config.plasma: expected an object, found 1".into()),
        ("/config", None, "config: expected an object (required), found nothing".into()),
        ("/config", Some(json!([])), "config: expected an object, found an array".into()),
        ("/config/chainId", None, "config.chainId: expected a chain id (required), found nothing".into()),
        ("/config/chainId", Some(json!(-1)), format!("config.chainId: expected {NUMBER}, found -1")),
        (
            "/config/chainId",
            Some(json!(0)),
            "config.chainId: expected a chain id from 1 to 9223372036854775771 (EIP-2294), found 0".into(),
        ),
        (
            "/config/londonBlock",
            Some(json!("soon")),
            format!("config.londonBlock: expected {NUMBER}, found \"soon\""),
        ),
        (
            "/config/berlinBlock",
            Some(json!("1_0")),
            format!("config.berlinBlock: expected {NUMBER}, found \"1_0\""),
        ),
        (
            "/config/berlinBlock",
            Some(json!(5)),
            "config.londonBlock: expected a block not before config.berlinBlock (5), found 0".into(),
        ),
        (
            "/config/istanbulBlock",
            None,
            "config.istanbulBlock: expected a block, because the later config.berlinBlock is set, found nothing".into(),
        ),
        (
            "/config/pragueTime",
            None,
            "config.pragueTime: expected a time, because the later config.osakaTime is set, found nothing".into(),
        ),
        (
            "/config/osakaTime",
            Some(json!(9)),
            "config.bpo1Time: expected a time not before config.osakaTime (9), found 0".into(),
        ),
        (
            "/config/osakaTime",
            None,
            "config.osakaTime: expected a time, because the later config.bpo1Time is set, found nothing".into(),
        ),
        (
            "/config/terminalTotalDifficulty",
            None,
            "config.terminalTotalDifficulty: expected a total difficulty, because config.shanghaiTime is set (0 for a chain that starts merged), found nothing".into(),
        ),
        (
            "/config/bpo3Time",
            Some(json!(5)),
            "config.blobSchedule.bpo3: expected target, max and baseFeeUpdateFraction, because config.bpo3Time is set, found nothing".into(),
        ),
        (
            "/config/blobSchedule/cancun/target",
            Some(json!(7)),
            "config.blobSchedule.cancun.target: expected at most max (6), found 7".into(),
        ),
        (
            "/config/blobSchedule/cancun/max",
            Some(json!(0)),
            "config.blobSchedule.cancun.max: expected from 1 to 4096 blobs, found 0".into(),
        ),
        (
            "/config/blobSchedule/cancun/baseFeeUpdateFraction",
            Some(json!(0)),
            "config.blobSchedule.cancun.baseFeeUpdateFraction: expected at least 1, found 0".into(),
        ),
        (
            "/config/blobSchedule/cancun/baseFeeUpdateFraction",
            None,
            "config.blobSchedule.cancun.baseFeeUpdateFraction: expected a whole number (required), found nothing".into(),
        ),
        (
            "/gasLimit",
            None,
            "gasLimit: expected the gas limit of the first block (required), found nothing".into(),
        ),
        ("/gasLimit", Some(json!(4999)), "gasLimit: expected at least 5000, found 4999".into()),
        (
            "/gasLimit",
            Some(json!("0x10000000000000000")),
            format!("gasLimit: expected {NUMBER}, found \"0x10000000000000000\""),
        ),
        (
            "/difficulty",
            None,
            "difficulty: expected a difficulty (0 for a chain that starts merged) (required), found nothing".into(),
        ),
        ("/number", Some(json!(1)), "number: expected 0 in a genesis block, found 1".into()),
        ("/mixHash", Some(json!("0x00")), "mixHash: expected 32 bytes in hex, found \"0x00\"".into()),
        ("/extraData", Some(json!("0x0")), "extraData: expected bytes in hex, found \"0x0\"".into()),
        ("/coinbase", Some(json!(5)), "coinbase: expected a 20-byte hex address, found 5".into()),
        ("/alloc", None, "alloc: expected an object of accounts by address (required), found nothing".into()),
        (
            "/alloc/0x12",
            Some(json!({})),
            "alloc: expected 20-byte hex addresses as keys, found \"0x12\"".into(),
        ),
        (
            "/alloc/0x00000000000000000000000000000000000000aa/balance",
            None,
            "alloc.0x00000000000000000000000000000000000000aa.balance: expected a balance in wei (required), found nothing".into(),
        ),
        (
            "/alloc/0x00000000000000000000000000000000000000aa/balance",
            Some(json!(1.5)),
            "alloc.0x00000000000000000000000000000000000000aa.balance: expected a whole number of at most 256 bits (a hex or decimal string; a bare number up to 2^64-1), found 1.5".into(),
        ),
        (
            "/alloc/00000000000000000000000000000000000000aA",
            Some(json!({ "balance": "0x0" })),
            "alloc.0x00000000000000000000000000000000000000aa: expected each address once, found it a second time".into(),
        ),
        (
            "/alloc/0x00000000000000000000000000000000000000aa/storage/0xzz",
            Some(json!("0x0")),
            "alloc.0x00000000000000000000000000000000000000aa.storage.0xzz: expected a slot of at most 32 bytes in hex as key, found \"0xzz\"".into(),
        ),
        (
            "/alloc/0x00000000000000000000000000000000000000aa/storage/0x01",
            Some(json!(7)),
            "alloc.0x00000000000000000000000000000000000000aa.storage.0x01: expected a value of at most 32 bytes in hex, found 7".into(),
        ),
    ];
    for (pointer, value, expected) in cases {
        assert_eq!(message(&with(pointer, value)), expected, "{pointer}");
    }
}

#[test]
fn text_that_is_no_json_says_where() {
    let error = ChainSpec::from_json("{\n  \"config\": ,").unwrap_err().to_string();
    assert_eq!(error, "genesis is not valid JSON: expected value at line 2 column 13");
    let error = ChainSpec::from_json("[]").unwrap_err().to_string();
    assert_eq!(error, "genesis: expected an object, found an array");
    let deep = "[".repeat(100_000);
    assert!(ChainSpec::from_json(&deep).is_err());
}

#[test]
fn long_values_are_shortened() {
    let text = message(&with("/config/plasma/registry", Some(json!("x".repeat(5000)))));
    assert!(text.ends_with("... (5002 characters)"), "{text}");
    assert!(text.len() < 250);
}

#[test]
fn other_clients_fields_are_tolerated_and_told() {
    let mut file = with("/config/shangaiTime", Some(json!(1)));
    file["comment"] = json!("x");
    file["config"]["clique"] = json!({ "period": 5 });
    let spec = ChainSpec::from_json(&file.to_string()).unwrap();
    assert_eq!(spec.ignored_fields(), ["config.shangaiTime"]);
}

#[test]
fn a_genesis_in_memory_is_checked_too() {
    let mut genesis = Genesis::default();
    genesis.config.london_block = Some(3);
    let error = ChainSpec::from_genesis(genesis).unwrap_err().to_string();
    assert_eq!(
        error,
        "config.berlinBlock: expected a block, because the later config.londonBlock is set, found nothing"
    );
}

proptest! {
    /// Whatever stands at whichever place, the answer is a spec or a sentence, never a panic.
    #[test]
    fn rubbish_never_panics(place in 0usize..40, kind in 0usize..9, number in any::<u64>(), text in ".{0,70}") {
        let value = match kind {
            0 => Value::Null,
            1 => json!(number),
            2 => json!(text),
            3 => json!([number]),
            4 => json!({ text: number }),
            5 => json!(format!("0x{number:x}")),
            6 => json!(-1.25e30),
            7 => json!(true),
            _ => json!(number % 50),
        };
        let mut places = Vec::new();
        pointers(&good(), String::new(), &mut places);
        let place = &places[place % places.len()];
        let _ = ChainSpec::from_json(&with(place, Some(value)).to_string());
    }
}

fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        into.push(at.clone());
        pointers(value, at, into);
    }
}
