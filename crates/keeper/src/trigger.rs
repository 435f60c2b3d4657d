//! What makes an upkeep due.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolType, sol_data};
use serde::{Deserialize, Serialize};

use crate::{logs::LogFilter, schedule::Schedule};

/// A trigger, from the registry's type number and configuration bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Trigger {
    /// Type 0: due when `checkUpkeep` says so.
    Conditional,
    /// Types 1 and 5: due once for each log that matches.
    Log {
        /// Which logs.
        filter: Box<LogFilter>,
        /// Type 5: within the block of the log, whose hash is not known yet. Type 1: from the next block on.
        same_block: bool,
    },
    /// Type 2: due every so many blocks after the last perform (or the registration).
    EveryBlocks {
        /// Blocks from one perform to the next.
        blocks: u64,
    },
    /// Type 2: due once in each period of so many milliseconds. Periods are counted from the Unix
    /// epoch, so that they do not drift and do not depend on when the node was started; the
    /// registry knows the last perform to the second, so one second never sees two performs.
    EveryMilliseconds {
        /// Length of the period.
        milliseconds: u64,
    },
    /// Type 3: due once when a point of a cron expression's calendar (UTC) has come since the last perform, or
    /// since the registration. Points that went by unserved are made up for by one perform, not by one each.
    Cron {
        /// The expression.
        expression: Schedule,
    },
    /// Type 4: due when a resolver says so, which also says what the target is called with: a view call of
    /// another contract that answers `(bool, bytes)`.
    Resolver {
        /// The contract that is asked.
        resolver: Address,
        /// What it is called with: selector and arguments.
        call: Bytes,
    },
    /// A type or configuration that nobody knows.
    Unknown,
}

type IntervalConfig = (sol_data::Uint<64>, sol_data::Uint<64>);
type CronConfig = (sol_data::String,);
type ResolverConfig = (sol_data::Address, sol_data::Bytes);

impl Trigger {
    /// Reads the registry's type number and configuration.
    pub fn from_registry(trigger_type: u8, config: &[u8]) -> Self {
        match trigger_type {
            0 => Self::Conditional,
            1 | 5 => LogFilter::from_config(config).map_or(Self::Unknown, |filter| Self::Log {
                filter: Box::new(filter),
                same_block: trigger_type == 5,
            }),
            2 => match IntervalConfig::abi_decode_params(config) {
                Ok((blocks, 0)) if blocks > 0 => Self::EveryBlocks { blocks },
                Ok((0, milliseconds)) if milliseconds > 0 => {
                    Self::EveryMilliseconds { milliseconds }
                }
                _ => Self::Unknown,
            },
            3 => CronConfig::abi_decode_params(config)
                .ok()
                .and_then(|(expression,)| expression.parse().ok())
                .map_or(Self::Unknown, |expression| Self::Cron { expression }),
            4 => ResolverConfig::abi_decode_params(config)
                .map_or(Self::Unknown, |(resolver, call)| Self::Resolver { resolver, call }),
            _ => Self::Unknown,
        }
    }

    /// The type that byte 15 of an upkeep's id holds; ids whose bytes 4 to 14 are not all zero
    /// count as conditional.
    pub fn type_of_id(id: U256) -> u8 {
        let bytes: [u8; 32] = id.to_be_bytes();
        if bytes[4..15].iter().any(|byte| *byte != 0) { 0 } else { bytes[15] }
    }

    /// True for triggers that this keeper serves.
    pub fn is_served(&self) -> bool {
        *self != Self::Unknown
    }
}

/// When an upkeep with an interval or cron trigger is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DueAt {
    Block(u64),
    Millisecond(u64),
}

/// A block, by its number and its timestamp in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) block: u64,
    pub(crate) second: u64,
}

impl Trigger {
    /// When this trigger holds next, for upkeeps that wait for a block or a time.
    ///
    /// An upkeep that was never performed is due at once where the period is one of time.
    pub(crate) fn due_at(&self, registered: Moment, performed: Option<Moment>) -> Option<DueAt> {
        match self {
            Self::EveryBlocks { blocks } => {
                let last = performed.map_or(0, |at| at.block).max(registered.block);
                Some(DueAt::Block(last.saturating_add(*blocks)))
            }
            Self::EveryMilliseconds { milliseconds } => {
                let Some(Moment { second, .. }) = performed else {
                    return Some(DueAt::Millisecond(0));
                };
                // the perform may have come as late as the end of its second
                let latest = second.saturating_mul(1_000).saturating_add(999);
                let period = latest / milliseconds;
                Some(DueAt::Millisecond(period.saturating_add(1).saturating_mul(*milliseconds)))
            }
            Self::Cron { expression } => {
                let last = performed.unwrap_or(registered).second;
                Some(DueAt::Millisecond(expression.next_after(last)?.saturating_mul(1_000)))
            }
            Self::Conditional | Self::Log { .. } | Self::Resolver { .. } | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::SolValue;
    use proptest::prelude::*;

    #[test]
    fn configurations_are_read() {
        let config = |blocks: u64, ms: u64| (blocks, ms).abi_encode_params();
        assert_eq!(Trigger::from_registry(0, &[]), Trigger::Conditional);
        assert_eq!(Trigger::from_registry(2, &config(7, 0)), Trigger::EveryBlocks { blocks: 7 });
        assert_eq!(
            Trigger::from_registry(2, &config(0, 1500)),
            Trigger::EveryMilliseconds { milliseconds: 1500 }
        );
        assert_eq!(Trigger::from_registry(2, &config(0, 0)), Trigger::Unknown);
        assert_eq!(Trigger::from_registry(2, &config(1, 1)), Trigger::Unknown);
        assert_eq!(Trigger::from_registry(2, &[1, 2]), Trigger::Unknown);
        assert_eq!(Trigger::from_registry(9, &[]), Trigger::Unknown);
    }

    #[test]
    fn the_id_tells_the_type() {
        let mut bytes = [0u8; 32];
        bytes[0] = 0xaa;
        bytes[15] = 2;
        bytes[31] = 0xbb;
        assert_eq!(Trigger::type_of_id(U256::from_be_bytes(bytes)), 2);
        bytes[9] = 1;
        assert_eq!(Trigger::type_of_id(U256::from_be_bytes(bytes)), 0);
    }

    fn at(block: u64, second: u64) -> Moment {
        Moment { block, second }
    }

    #[test]
    fn calendars_and_resolvers_are_read() {
        let cron = |text: &str| Trigger::from_registry(3, &(text.to_owned(),).abi_encode_params());
        let expression: Schedule = "*/10 * * * * *".parse().unwrap();
        assert_eq!(cron("*/10 * * * * *"), Trigger::Cron { expression });
        assert_eq!(cron("every now and then"), Trigger::Unknown);
        assert_eq!(Trigger::from_registry(3, &[0xff; 96]), Trigger::Unknown);
        let (resolver, call) = (Address::repeat_byte(7), Bytes::from_static(&[1, 2, 3, 4]));
        let config = (resolver, call.clone()).abi_encode_params();
        assert_eq!(Trigger::from_registry(4, &config), Trigger::Resolver { resolver, call });
        assert_eq!(Trigger::from_registry(4, &config[..64]), Trigger::Unknown);
    }

    #[test]
    fn calendars_count_from_the_last_perform_or_the_registration() {
        let every = Trigger::from_registry(3, &("*/10 * * * * *".to_owned(),).abi_encode_params());
        let (due, registered) =
            (|second: u64| Some(DueAt::Millisecond(second * 1_000)), at(5, 101));
        assert_eq!(every.due_at(registered, None), due(110));
        assert_eq!(every.due_at(registered, Some(at(9, 110))), due(120));
        // Late: what was missed is not made up for twice.
        assert_eq!(every.due_at(registered, Some(at(9, 157))), due(160));
    }

    #[test]
    fn periods_of_whole_seconds_fire_every_period() {
        let every = Trigger::EveryMilliseconds { milliseconds: 2_000 };
        assert_eq!(every.due_at(at(5, 0), None), Some(DueAt::Millisecond(0)));
        assert_eq!(every.due_at(at(5, 0), Some(at(9, 10))), Some(DueAt::Millisecond(12_000)));
        assert_eq!(every.due_at(at(5, 0), Some(at(9, 11))), Some(DueAt::Millisecond(12_000)));
        let odd = Trigger::EveryMilliseconds { milliseconds: 1_500 };
        // fired at 3.0 s, then at 4.5 s, which the registry keeps as second 4
        assert_eq!(odd.due_at(at(0, 0), Some(at(1, 3))), Some(DueAt::Millisecond(4_500)));
        assert_eq!(odd.due_at(at(0, 0), Some(at(1, 4))), Some(DueAt::Millisecond(6_000)));
    }

    #[test]
    fn block_intervals_count_from_the_last_perform_or_the_registration() {
        let every = Trigger::EveryBlocks { blocks: 3 };
        assert_eq!(every.due_at(at(10, 50), None), Some(DueAt::Block(13)));
        assert_eq!(every.due_at(at(10, 50), Some(at(14, 99))), Some(DueAt::Block(17)));
        let never = Trigger::EveryBlocks { blocks: u64::MAX };
        assert_eq!(never.due_at(at(10, 50), Some(at(14, 99))), Some(DueAt::Block(u64::MAX)));
    }

    proptest! {
        #[test]
        fn the_next_period_is_later_than_the_perform(second in 1u64..1 << 40, ms in 1u64..1 << 40) {
            let every = Trigger::EveryMilliseconds { milliseconds: ms };
            let next = every.due_at(at(0, 0), Some(at(1, second)));
            let Some(DueAt::Millisecond(next)) = next else { panic!() };
            prop_assert!(next > second * 1_000 + 999 && next <= second * 1_000 + 999 + ms);
        }
    }
}
