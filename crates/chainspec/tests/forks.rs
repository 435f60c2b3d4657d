//! Forks, blob parameters and base fees by block and time.

use alloy_consensus::Header;
use plasma_chainspec::{ChainSpec, EthereumHardfork as Fork, EthereumHardforks, ForkCondition};
use proptest::prelude::*;
use serde_json::{Value, json};

fn spec(file: &Value) -> ChainSpec {
    ChainSpec::from_json(&file.to_string()).unwrap()
}

/// One fork after the other: a block each up to the merge, then ten seconds each.
fn ladder() -> Value {
    json!({
        "config": {
            "chainId": 5, "homesteadBlock": 1, "eip150Block": 2, "eip155Block": 3,
            "eip158Block": 3, "byzantiumBlock": 4, "constantinopleBlock": 5, "petersburgBlock": 6,
            "istanbulBlock": 7, "muirGlacierBlock": 8, "berlinBlock": 9, "londonBlock": 10,
            "arrowGlacierBlock": 11, "grayGlacierBlock": 12, "mergeNetsplitBlock": 13,
            "terminalTotalDifficulty": 1000, "shanghaiTime": 10, "cancunTime": 20,
            "pragueTime": 30, "osakaTime": 40, "bpo1Time": 50, "bpo2Time": 60, "bpo3Time": 70,
            "bpo4Time": 80, "bpo5Time": 90, "amsterdamTime": 100,
            "blobSchedule": {
                "bpo3": { "target": 20, "max": 30, "baseFeeUpdateFraction": 20000000 },
                "bpo4": { "target": 30, "max": 40, "baseFeeUpdateFraction": 30000000 },
                "bpo5": { "target": 40, "max": 50, "baseFeeUpdateFraction": 40000000 }
            }
        },
        "gasLimit": 30000000, "difficulty": "0x1", "alloc": {}
    })
}

#[test]
fn forks_follow_one_another() {
    let spec = spec(&ladder());
    let table = [
        (0, 0, Fork::Frontier),
        (1, 0, Fork::Homestead),
        (2, 0, Fork::Tangerine),
        (3, 0, Fork::SpuriousDragon),
        (4, 0, Fork::Byzantium),
        (5, 0, Fork::Constantinople),
        (6, 0, Fork::Petersburg),
        (7, 0, Fork::Istanbul),
        (8, 0, Fork::MuirGlacier),
        (9, 0, Fork::Berlin),
        (10, 0, Fork::London),
        (11, 0, Fork::ArrowGlacier),
        (12, 0, Fork::GrayGlacier),
        (13, 9, Fork::Paris),
        (14, 10, Fork::Shanghai),
        (14, 19, Fork::Shanghai),
        (15, 20, Fork::Cancun),
        (16, 30, Fork::Prague),
        (17, 40, Fork::Osaka),
        (18, 50, Fork::Bpo1),
        (18, 60, Fork::Bpo2),
        (18, 70, Fork::Bpo3),
        (18, 80, Fork::Bpo4),
        (18, 90, Fork::Bpo5),
        (18, 100, Fork::Amsterdam),
        (u64::MAX, u64::MAX, Fork::Amsterdam),
    ];
    for (number, time, fork) in table {
        assert_eq!(spec.fork_at(number, time), fork, "block {number}, time {time}");
    }
    assert_eq!(spec.experimental_forks(), vec![(Fork::Amsterdam, ForkCondition::Timestamp(100))]);
    assert_eq!(spec.ethereum_fork_activation(Fork::Dao), ForkCondition::Never);
    assert_eq!(spec.ethereum_fork_activation(Fork::Bogota), ForkCondition::Never);
}

#[test]
fn blob_parameters_follow_the_schedule() {
    let spec = spec(&ladder());
    assert_eq!(spec.blob_params_at(19), None);
    // (time, target, max, blobs per transaction)
    for (time, target, max, per_transaction) in [
        (20, 3, 6, 6),
        (30, 6, 9, 9),
        (40, 6, 9, 6),
        (49, 6, 9, 6),
        (50, 10, 15, 6),
        (60, 14, 21, 6),
        (70, 20, 30, 6),
        (80, 30, 40, 6),
        (90, 40, 50, 6),
        (100, 40, 50, 6),
    ] {
        let params = spec.blob_params_at(time).unwrap();
        assert_eq!(
            (params.target_blob_count, params.max_blob_count, params.max_blobs_per_tx),
            (target, max, per_transaction),
            "time {time}"
        );
        assert_eq!(params.blob_base_cost, if time >= 40 { 8192 } else { 0 }, "time {time}");
    }
}

#[test]
fn of_forks_at_one_time_the_latest_counts() {
    let mut file = ladder();
    for name in ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime", "bpo1Time", "bpo2Time"] {
        file["config"][name] = json!(0);
    }
    let spec = spec(&file);
    assert_eq!(spec.blob_params_at(0).unwrap().max_blob_count, 21);
    assert_eq!(spec.fork_at(20, 0), Fork::Bpo2);
}

#[test]
fn osaka_without_an_entry_keeps_the_blobs_of_prague() {
    let mut file = ladder();
    file["config"]["blobSchedule"]["prague"] =
        json!({ "target": 7, "max": 12, "baseFeeUpdateFraction": 6000000 });
    let params = spec(&file).blob_params_at(40).unwrap();
    assert_eq!((params.target_blob_count, params.max_blob_count), (7, 12));
    assert_eq!((params.max_blobs_per_tx, params.blob_base_cost), (6, 8192));
}

#[test]
fn the_merge_block_comes_from_what_the_file_tells() {
    let merge_block = |edit: &dyn Fn(&mut Value)| {
        let mut file = ladder();
        edit(&mut file);
        match spec(&file).ethereum_fork_activation(Fork::Paris) {
            ForkCondition::TTD { activation_block_number, .. } => Some(activation_block_number),
            ForkCondition::Never => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(merge_block(&|_| ()), Some(13));
    assert_eq!(merge_block(&|file| file["config"]["terminalTotalDifficulty"] = json!(0)), Some(0));
    assert_eq!(
        merge_block(&|file| {
            file["config"]["mergeNetsplitBlock"] = Value::Null;
            file["difficulty"] = json!(1000);
        }),
        Some(1)
    );
    assert_eq!(
        merge_block(&|file| file["config"]["mergeNetsplitBlock"] = Value::Null),
        Some(u64::MAX)
    );
    assert_eq!(
        merge_block(&|file| {
            file["config"]["terminalTotalDifficulty"] = Value::Null;
            file["config"]["terminalTotalDifficultyPassed"] = json!(true);
        }),
        Some(0)
    );
}

#[test]
fn an_unnamed_petersburg_comes_with_constantinople() {
    let mut file = ladder();
    file["config"]["petersburgBlock"] = Value::Null;
    assert_eq!(spec(&file).ethereum_fork_activation(Fork::Petersburg), ForkCondition::Block(5));
}

#[test]
fn the_dao_fork_needs_its_support_flag() {
    let mut file = ladder();
    file["config"]["daoForkBlock"] = json!(2);
    assert_eq!(spec(&file).ethereum_fork_activation(Fork::Dao), ForkCondition::Never);
    file["config"]["daoForkSupport"] = json!(true);
    assert_eq!(spec(&file).ethereum_fork_activation(Fork::Dao), ForkCondition::Block(2));
}

#[test]
fn base_fees_begin_at_london() {
    let spec = spec(&ladder());
    let parent = |number, base_fee_per_gas| Header {
        number,
        base_fee_per_gas,
        gas_limit: 30_000_000,
        ..Header::default()
    };
    assert_eq!(spec.next_base_fee(&parent(8, None), 0), None);
    assert_eq!(spec.next_base_fee(&parent(9, None), 0), Some(1_000_000_000));
    // An empty block lowers the fee by an eighth, a full one raises it by an eighth.
    assert_eq!(spec.next_base_fee(&parent(10, Some(800)), 0), Some(700));
    let full = Header { gas_used: 30_000_000, ..parent(10, Some(800)) };
    assert_eq!(spec.next_base_fee(&full, 0), Some(900));
    let half = Header { gas_used: 15_000_000, ..parent(10, Some(800)) };
    assert_eq!(spec.next_base_fee(&half, 0), Some(800));
}

proptest! {
    /// EIP-1559's formula in big integers.
    #[test]
    fn base_fees_follow_eip_1559(
        gas_limit in 5_000u64..=1_000_000_000_000,
        used in 0.0f64..=1.0,
        base_fee in 0u64..=1_000_000_000_000_000,
    ) {
        let spec = spec(&ladder());
        let gas_used = (gas_limit as f64 * used) as u64;
        let parent = Header {
            number: 20, base_fee_per_gas: Some(base_fee), gas_limit, gas_used, ..Header::default()
        };
        let target = i128::from(gas_limit / 2);
        let delta = i128::from(gas_used) - target;
        let fee = i128::from(base_fee);
        let expected = match delta {
            0 => fee,
            up if up > 0 => fee + (fee * up / target / 8).max(1),
            down => (fee - fee * -down / target / 8).max(0),
        };
        prop_assert_eq!(spec.next_base_fee(&parent, 0).map(i128::from), Some(expected));
    }

    /// No block has a later fork than its successor.
    #[test]
    fn forks_never_go_back(number in 0u64..20, time in 0u64..120, blocks in 0u64..5, seconds in 0u64..50) {
        let spec = spec(&ladder());
        prop_assert!(spec.fork_at(number, time) <= spec.fork_at(number + blocks, time + seconds));
    }

    /// Any header makes an answer, whatever it claims.
    #[test]
    fn odd_headers_never_panic(gas_limit in 0u64..4, gas_used in any::<u64>(), fee in any::<u64>()) {
        let parent = Header {
            number: u64::MAX, base_fee_per_gas: Some(fee), gas_limit, gas_used, ..Header::default()
        };
        spec(&ladder()).next_base_fee(&parent, 0);
    }
}
