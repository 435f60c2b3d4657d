//! The suites' names of networks.

use crate::cli::state_test::{BlobSchedule, Quantity};
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_primitives::U256;
use std::collections::BTreeMap;

/// Forks in order.
const FORKS: [&str; 16] = [
    "Frontier",
    "Homestead",
    "EIP150",
    "EIP158",
    "Byzantium",
    "ConstantinopleFix",
    "Istanbul",
    "MuirGlacier",
    "Berlin",
    "London",
    "ArrowGlacier",
    "GrayGlacier",
    "Paris",
    "Shanghai",
    "Cancun",
    "Prague",
];

/// Time of the second fork of the networks whose names end in `AtTime15k`, in seconds.
const TRANSITION_TIME: u64 = 15_000;

/// The rules of a network; `None` where it has a fork that revm does not implement
/// (Constantinople without Petersburg) or that is unknown.
pub(super) fn config(
    network: &str,
    blob_schedule: &BTreeMap<String, BlobSchedule>,
) -> Option<ChainConfig> {
    let mut config = ChainConfig::default();
    if let Some(names) = network.strip_suffix("AtTime15k") {
        let (before, after) = names.split_once("To")?;
        activate_up_to(&mut config, before)?;
        activate(&mut config, after, TRANSITION_TIME)?;
    } else if let Some((names, at)) = network.rsplit_once("AtDiff") {
        let (before, _paris) = names.split_once("To")?;
        activate_up_to(&mut config, before)?;
        config.terminal_total_difficulty = Some(U256::from_str_radix(at, 16).ok()?);
    } else if let Some((names, at)) = network.rsplit_once("At") {
        let (before, after) = names.split_once("To")?;
        activate_up_to(&mut config, before)?;
        activate(&mut config, after, at.parse().ok()?)?;
    } else {
        activate_up_to(&mut config, network)?;
    }
    let schedule = blob_schedule.iter().map(|(fork, parameters)| {
        let number = Quantity::as_u64;
        let parameters = BlobParams {
            target_blob_count: number(parameters.target),
            max_blob_count: number(parameters.max),
            update_fraction: parameters.base_fee_update_fraction.as_u128(),
            ..match fork.as_str() {
                "Cancun" => BlobParams::cancun(),
                "Prague" => BlobParams::prague(),
                _ => BlobParams::osaka(),
            }
        };
        (fork.to_lowercase(), parameters)
    });
    config.blob_schedule = schedule.collect();
    Some(config)
}

fn activate_up_to(config: &mut ChainConfig, last: &str) -> Option<()> {
    if last == "Osaka" {
        activate_up_to(config, "Prague")?;
        return activate(config, "Osaka", 0);
    }
    let place = FORKS.iter().position(|fork| *fork == last)?;
    // The glaciers only delay the difficulty bomb: their place does not matter to tests that do not
    // name them, but a network that is called after a later fork has them.
    FORKS[..=place].iter().try_for_each(|fork| activate(config, fork, 0))
}

/// Activates `fork` at a block or, from Shanghai on, a time in seconds.
fn activate(config: &mut ChainConfig, fork: &str, at: u64) -> Option<()> {
    let at = Some(at);
    match fork {
        "Frontier" => {}
        "Homestead" => config.homestead_block = at,
        "Dao" => {
            config.dao_fork_block = at;
            config.dao_fork_support = true;
        }
        "EIP150" => config.eip150_block = at,
        "EIP158" => {
            config.eip155_block = at;
            config.eip158_block = at;
        }
        "Byzantium" => config.byzantium_block = at,
        "ConstantinopleFix" => {
            config.constantinople_block = at;
            config.petersburg_block = at;
        }
        "Istanbul" => config.istanbul_block = at,
        "MuirGlacier" => config.muir_glacier_block = at,
        "Berlin" => config.berlin_block = at,
        "London" => config.london_block = at,
        "ArrowGlacier" => config.arrow_glacier_block = at,
        "GrayGlacier" => config.gray_glacier_block = at,
        "Paris" => config.terminal_total_difficulty = Some(U256::ZERO),
        "Shanghai" => config.shanghai_time = at,
        "Cancun" => config.cancun_time = at,
        "Prague" => config.prague_time = at,
        "Osaka" => config.osaka_time = at,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_sets_both_forks_and_none_after() {
        let config = config("ShanghaiToCancunAtTime15k", &BTreeMap::new()).unwrap();
        assert_eq!(config.shanghai_time, Some(0));
        assert_eq!(config.cancun_time, Some(15_000));
        assert_eq!(config.prague_time, None);
    }

    #[test]
    fn constantinople_without_its_fix_is_not_implemented() {
        assert!(config("Constantinople", &BTreeMap::new()).is_none());
    }
}
