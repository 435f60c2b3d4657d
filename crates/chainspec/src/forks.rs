//! Which fork is active when: the fork fields of `config`.

use crate::ChainSpecError;
use alloy_genesis::{ChainConfig, Genesis};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::U256;

/// A fork's place in the file.
pub(crate) struct ForkField {
    /// Name within `config`.
    pub(crate) name: &'static str,
    /// Where it stands in [`ChainConfig`].
    pub(crate) get: fn(&ChainConfig) -> Option<u64>,
    /// The same, to be written.
    pub(crate) set: fn(&mut ChainConfig, Option<u64>),
    /// Later forks may be set although this one is not.
    optional: bool,
}

macro_rules! fork_field {
    ($name:literal, $field:ident) => {
        fork_field!($name, $field, false)
    };
    ($name:literal, $field:ident, $optional:literal) => {
        ForkField {
            name: $name,
            get: |config| config.$field,
            set: |config, at| config.$field = at,
            optional: $optional,
        }
    };
}

/// Forks activated by block number, in order. geth's names, and its view of which may be left out.
pub(crate) const BLOCK_FORKS: [ForkField; 15] = [
    fork_field!("homesteadBlock", homestead_block),
    fork_field!("daoForkBlock", dao_fork_block, true),
    fork_field!("eip150Block", eip150_block),
    fork_field!("eip155Block", eip155_block),
    fork_field!("eip158Block", eip158_block),
    fork_field!("byzantiumBlock", byzantium_block),
    fork_field!("constantinopleBlock", constantinople_block),
    fork_field!("petersburgBlock", petersburg_block, true),
    fork_field!("istanbulBlock", istanbul_block),
    fork_field!("muirGlacierBlock", muir_glacier_block, true),
    fork_field!("berlinBlock", berlin_block),
    fork_field!("londonBlock", london_block),
    fork_field!("arrowGlacierBlock", arrow_glacier_block, true),
    fork_field!("grayGlacierBlock", gray_glacier_block, true),
    fork_field!("mergeNetsplitBlock", merge_netsplit_block, true),
];

/// Named forks activated by time (seconds), in order.
pub(crate) const TIME_FORKS: [ForkField; 6] = [
    fork_field!("shanghaiTime", shanghai_time),
    fork_field!("cancunTime", cancun_time),
    fork_field!("pragueTime", prague_time),
    fork_field!("osakaTime", osaka_time),
    fork_field!("amsterdamTime", amsterdam_time),
    fork_field!("bogotaTime", bogota_time),
];

/// Forks that change blob parameters only (EIP-7892). They need Osaka and keep their order among
/// each other; the named forks that follow Osaka may lie before, between or after them.
pub(crate) const BLOB_FORKS: [ForkField; 6] = [
    fork_field!("osakaTime", osaka_time),
    fork_field!("bpo1Time", bpo1_time, true),
    fork_field!("bpo2Time", bpo2_time, true),
    fork_field!("bpo3Time", bpo3_time, true),
    fork_field!("bpo4Time", bpo4_time, true),
    fork_field!("bpo5Time", bpo5_time, true),
];

/// Forks that are read but whose rules are not final.
pub(crate) const EXPERIMENTAL: [EthereumHardfork; 2] =
    [EthereumHardfork::Amsterdam, EthereumHardfork::Bogota];

/// First block after the merge on public networks, whose files do not tell it.
const KNOWN_MERGE_BLOCKS: [(u64, u64); 2] = [(1, 15_537_394), (11_155_111, 1_450_409)];

/// Activation of every fork of the chain.
pub(crate) fn fork_conditions(
    genesis: &Genesis,
) -> Result<Vec<(EthereumHardfork, ForkCondition)>, ChainSpecError> {
    let config = &genesis.config;
    check_order(config, &BLOCK_FORKS, "block")?;
    check_order(config, &TIME_FORKS, "time")?;
    check_order(config, &BLOB_FORKS, "time")?;
    if config.eip155_block != config.eip158_block {
        return Err(ChainSpecError::field(
            "config.eip155Block",
            format!("the block of config.eip158Block ({})", shown(config.eip158_block)),
            shown(config.eip155_block),
        ));
    }
    let first_time_fork = TIME_FORKS.iter().find(|fork| (fork.get)(config).is_some());
    if let Some(fork) = first_time_fork
        && config.london_block.is_none()
    {
        return Err(ChainSpecError::value(
            "config.londonBlock",
            format!("a block number, because config.{} is set", fork.name),
            None,
        ));
    }

    use EthereumHardfork as Fork;
    let block = |at: Option<u64>| at.map_or(ForkCondition::Never, ForkCondition::Block);
    let time = |at: Option<u64>| at.map_or(ForkCondition::Never, ForkCondition::Timestamp);
    let dao = config.dao_fork_block.filter(|_| config.dao_fork_support);
    Ok(vec![
        (Fork::Frontier, ForkCondition::ZERO_BLOCK),
        (Fork::Homestead, block(config.homestead_block)),
        (Fork::Dao, block(dao)),
        (Fork::Tangerine, block(config.eip150_block)),
        (Fork::SpuriousDragon, block(config.eip158_block)),
        (Fork::Byzantium, block(config.byzantium_block)),
        (Fork::Constantinople, block(config.constantinople_block)),
        // A chain that does not name Petersburg never had Constantinople without it.
        (Fork::Petersburg, block(config.petersburg_block.or(config.constantinople_block))),
        (Fork::Istanbul, block(config.istanbul_block)),
        (Fork::MuirGlacier, block(config.muir_glacier_block)),
        (Fork::Berlin, block(config.berlin_block)),
        (Fork::London, block(config.london_block)),
        (Fork::ArrowGlacier, block(config.arrow_glacier_block)),
        (Fork::GrayGlacier, block(config.gray_glacier_block)),
        (Fork::Paris, merge(genesis, first_time_fork)?),
        (Fork::Shanghai, time(config.shanghai_time)),
        (Fork::Cancun, time(config.cancun_time)),
        (Fork::Prague, time(config.prague_time)),
        (Fork::Osaka, time(config.osaka_time)),
        (Fork::Bpo1, time(config.bpo1_time)),
        (Fork::Bpo2, time(config.bpo2_time)),
        (Fork::Bpo3, time(config.bpo3_time)),
        (Fork::Bpo4, time(config.bpo4_time)),
        (Fork::Bpo5, time(config.bpo5_time)),
        (Fork::Amsterdam, time(config.amsterdam_time)),
        (Fork::Bogota, time(config.bogota_time)),
    ])
}

/// The merge (EIP-3675). Its first block is known where the chain starts merged, names
/// `mergeNetsplitBlock`, or is a public network; else it lies beyond every block number.
fn merge(
    genesis: &Genesis,
    first_time_fork: Option<&ForkField>,
) -> Result<ForkCondition, ChainSpecError> {
    let config = &genesis.config;
    let passed = config.terminal_total_difficulty_passed.then_some(U256::ZERO);
    let Some(total_difficulty) = config.terminal_total_difficulty.or(passed) else {
        return match first_time_fork {
            None => Ok(ForkCondition::Never),
            Some(fork) => Err(ChainSpecError::value(
                "config.terminalTotalDifficulty",
                format!(
                    "a total difficulty, because config.{} is set (0 for a chain that starts merged)",
                    fork.name
                ),
                None,
            )),
        };
    };
    let known = KNOWN_MERGE_BLOCKS.iter().find(|(chain, _)| *chain == config.chain_id);
    let activation_block_number = if total_difficulty.is_zero() {
        0
    } else if let Some((_, block)) = known {
        *block
    } else if let Some(block) = config.merge_netsplit_block {
        block
    } else if total_difficulty <= genesis.difficulty {
        1
    } else {
        u64::MAX
    };
    Ok(ForkCondition::TTD {
        activation_block_number,
        fork_block: config.merge_netsplit_block,
        total_difficulty,
    })
}

fn check_order(
    config: &ChainConfig,
    forks: &[ForkField],
    unit: &str,
) -> Result<(), ChainSpecError> {
    let mut before: Option<(&ForkField, Option<u64>)> = None;
    for fork in forks {
        let at = (fork.get)(config);
        if let (Some((earlier, earlier_at)), Some(found)) = (before, at) {
            let Some(earliest) = earlier_at else {
                return Err(ChainSpecError::value(
                    format!("config.{}", earlier.name),
                    format!("a {unit}, because the later config.{} is set", fork.name),
                    None,
                ));
            };
            if found < earliest {
                return Err(ChainSpecError::field(
                    format!("config.{}", fork.name),
                    format!("a {unit} not before config.{} ({earliest})", earlier.name),
                    found.to_string(),
                ));
            }
        }
        if !fork.optional || at.is_some() {
            before = Some((fork, at));
        }
    }
    Ok(())
}

fn shown(at: Option<u64>) -> String {
    at.map_or_else(|| "nothing".to_owned(), |at| at.to_string())
}
