//! Difficulty of proof-of-work blocks.
//!
//! Sources: yellow paper section 4.4.4 (Frontier); EIP-2 (Homestead); EIP-100 (Byzantium); the
//! delays of the difficulty bomb: EIP-649, 1234, 2384, 3554, 4345, 5133.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::U256;
use plasma_chainspec::ChainSpec;

/// No block has less.
const MIN_DIFFICULTY: u64 = 131_072;

/// One step up or down is the parent's difficulty divided by this.
const BOUND_DIVISOR: u64 = 2_048;

/// Blocks in one period of the difficulty bomb.
const BOMB_PERIOD: u64 = 100_000;

/// Most steps down (EIP-2).
const MAX_STEPS_DOWN: u64 = 99;

/// By how many blocks forks delay the difficulty bomb; later ones replace earlier ones.
const BOMB_DELAYS: [(EthereumHardfork, u64); 6] = [
    (EthereumHardfork::GrayGlacier, 11_400_000),
    (EthereumHardfork::ArrowGlacier, 10_700_000),
    (EthereumHardfork::London, 9_700_000),
    (EthereumHardfork::MuirGlacier, 9_000_000),
    (EthereumHardfork::Constantinople, 5_000_000),
    (EthereumHardfork::Byzantium, 3_000_000),
];

/// Difficulty of the child of `parent` at `timestamp` (seconds, above the parent's).
pub(super) fn next_difficulty(spec: &ChainSpec, parent: &Header, timestamp: u64) -> U256 {
    let number = parent.number.saturating_add(1);
    let elapsed = timestamp.saturating_sub(parent.timestamp);
    let minimum = U256::from(MIN_DIFFICULTY);
    let step = parent.difficulty / U256::from(BOUND_DIVISOR);
    let (steps_up, steps_down) = if spec.is_byzantium_active_at_block(number) {
        let uncles = parent.ommers_hash != EMPTY_OMMER_ROOT_HASH;
        steps(if uncles { 2 } else { 1 }, elapsed / 9)
    } else if spec.is_homestead_active_at_block(number) {
        steps(1, elapsed / 10)
    } else if elapsed < 13 {
        (1, 0)
    } else {
        (0, 1)
    };
    let moved = (parent.difficulty.saturating_add(step * U256::from(steps_up)))
        .saturating_sub(step * U256::from(steps_down));
    moved.max(minimum).saturating_add(bomb(spec, number))
}

/// `most - slow`, but not below -99, as steps up and steps down.
fn steps(most: u64, slow: u64) -> (u64, u64) {
    (most.saturating_sub(slow), slow.saturating_sub(most).min(MAX_STEPS_DOWN))
}

/// What the difficulty bomb adds to block `number`.
fn bomb(spec: &ChainSpec, number: u64) -> U256 {
    let delay = BOMB_DELAYS
        .iter()
        .find(|(fork, _)| spec.ethereum_fork_activation(*fork).active_at_block(number))
        .map_or(0, |(_, delay)| *delay);
    match (number.saturating_sub(delay) / BOMB_PERIOD).checked_sub(2) {
        None => U256::ZERO,
        Some(exponent) => U256::from(2).saturating_pow(U256::from(exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_genesis::{ChainConfig, Genesis};
    use alloy_primitives::B256;
    use serde_json::Value;

    /// The chain whose newest fork has the name that the suite gives it.
    fn spec(network: &str) -> ChainSpec {
        let mut config = ChainConfig::default();
        let fields = [
            (&mut config.homestead_block, "Homestead"),
            (&mut config.eip150_block, "EIP150"),
            (&mut config.eip158_block, "EIP158"),
            (&mut config.byzantium_block, "Byzantium"),
            (&mut config.constantinople_block, "Constantinople"),
            (&mut config.istanbul_block, "Istanbul"),
            (&mut config.muir_glacier_block, "Berlin"),
            (&mut config.berlin_block, "Berlin"),
            (&mut config.london_block, "London"),
            (&mut config.arrow_glacier_block, "ArrowGlacier"),
            (&mut config.gray_glacier_block, "GrayGlacier"),
        ];
        let mut found = network == "Frontier";
        for (field, name) in fields {
            *field = Some(0);
            if name == network {
                found = true;
                break;
            }
        }
        assert!(found, "{network} is unknown");
        config.eip155_block = config.eip158_block;
        ChainSpec::from_genesis(Genesis { config, ..Genesis::default() }).unwrap()
    }

    fn number(value: &Value) -> U256 {
        let text = value.as_str().unwrap();
        text.strip_prefix("0x").map_or_else(
            || U256::from_str_radix(text, 10).unwrap(),
            |hex| U256::from_str_radix(hex, 16).unwrap(),
        )
    }

    #[test]
    fn difficulties_are_those_of_the_fixtures() {
        let Ok(fixtures) = std::env::var("PLASMA_FIXTURES") else {
            println!("skipped: PLASMA_FIXTURES is not set");
            return;
        };
        let folder = std::path::Path::new(&fixtures).join("ethereum-tests/DifficultyTests");
        let mut checked = 0;
        for kind in std::fs::read_dir(folder).unwrap() {
            for file in std::fs::read_dir(kind.unwrap().path()).unwrap() {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                let suite: Value = serde_json::from_str(&text).unwrap();
                for networks in suite.as_object().unwrap().values() {
                    for (network, cases) in networks.as_object().unwrap() {
                        if network == "_info" {
                            continue;
                        }
                        let spec = spec(network);
                        for (name, case) in cases.as_object().unwrap() {
                            let uncles = !number(&case["parentUncles"]).is_zero();
                            let parent = Header {
                                number: number(&case["currentBlockNumber"]).to::<u64>() - 1,
                                difficulty: number(&case["parentDifficulty"]),
                                timestamp: number(&case["parentTimestamp"]).to(),
                                ommers_hash: match uncles {
                                    true => B256::repeat_byte(1),
                                    false => EMPTY_OMMER_ROOT_HASH,
                                },
                                ..Header::default()
                            };
                            let timestamp = number(&case["currentTimestamp"]).to();
                            let expected = number(&case["currentDifficulty"]);
                            let found = next_difficulty(&spec, &parent, timestamp);
                            assert_eq!(found, expected, "{network} {name}");
                            checked += 1;
                        }
                    }
                }
            }
        }
        assert!(checked > 1_000, "only {checked} cases were found");
    }
}
