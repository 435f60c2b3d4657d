//! The ledger of decisions: what became of every active upkeep in every block.
//!
//! Invariant: the outcomes of a block sum up to its active upkeeps. Upkeeps that were not needed
//! are counted, all others stand one by one. An upkeep with a log trigger has one outcome for each log that it was
//! looked at for, other than "not needed".

use crate::LogPosition;
use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

/// What became of one upkeep in one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Number of the block.
    pub block: u64,
    /// The upkeep's id.
    #[serde(with = "id_hex")]
    pub upkeep: U256,
    /// For an upkeep with a log trigger, the log that made it due.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<LogPosition>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of an upkeep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Fired, and the target's function succeeded.
    Performed {
        /// The perform transaction.
        tx: B256,
        /// Gas that the target's call used, as the registry measured it.
        gas_used: u64,
        /// What the upkeep paid, in wei.
        payment: U256,
    },
    /// Fired and charged, but the target's function failed.
    PerformedReverted {
        /// The perform transaction.
        tx: B256,
        /// Gas that the target's call used, as the registry measured it.
        gas_used: u64,
        /// What the upkeep paid, in wei.
        payment: U256,
        /// Why it failed, as far as it is known.
        reason: String,
    },
    /// The condition does not hold, or the interval is not over, or no point of the calendar has come.
    NotNeeded,
    /// The check reverted, or answered something that is not `(bool, bytes)`.
    CheckReverted {
        /// The decoded reason.
        reason: String,
    },
    /// The check used up its gas.
    CheckOutOfGas,
    /// The condition holds, but the perform would fail; it was not sent.
    SimulationReverted {
        /// The decoded reason.
        reason: String,
    },
    /// The balance does not cover the perform's greatest possible cost.
    Underfunded {
        /// The missing amount, in wei.
        by: U256,
    },
    /// Its admin paused it.
    Paused,
    /// It was cancelled in this block.
    Cancelled,
    /// A log that the upkeep was to be performed for is given up.
    Dropped {
        /// Why.
        reason: DropReason,
    },
    /// It is due, or may be, and waits.
    Deferred {
        /// Why it waits.
        reason: DeferReason,
        /// The block since which it is due.
        since: u64,
    },
}

/// Why a log was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DropReason {
    /// It waited for [`crate::LOG_PATIENCE_BLOCKS`] blocks: the upkeep could not pay, was paused, or its perform would
    /// have failed.
    TooOld,
    /// [`crate::MAX_WAITING_LOGS`] logs waited already. Told of the first such log of a block, it holds for all later ones of that block,
    /// too.
    TooMany,
}

/// Why a due upkeep was not fired in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeferReason {
    /// The keeper's share of the block's gas is used up, or what is left is too little for it.
    GasShare,
    /// The block itself has too little gas left.
    BlockGas,
    /// Its gas limit exceeds what a transaction, or the keeper's whole share, may ever have.
    TooLarge,
    /// No lane is authorised in the registry.
    NoActiveLane,
    /// No authorised lane holds enough to pay for the gas up front.
    LaneFunds,
    /// The executor found the perform transaction invalid.
    InvalidTransaction,
    /// The perform transaction itself reverted; nothing was charged.
    TransactionReverted,
    /// The registry refused the perform without charging (its report event says why).
    Refused,
    /// The whole registry is paused.
    RegistryPaused,
    /// This node does not serve its trigger: its configuration cannot be read.
    UnsupportedTrigger,
    /// It was registered, or changed, after the block's last keeper round.
    NotCheckedYet,
    /// It became due in the last of the block's rounds of performs.
    RoundLimit,
    /// Performs for other logs come first, and the upkeep might not be able to pay for all of them together.
    PerformsBefore,
    /// It has not been checked: the gas that checks may take in a block is used up, for upkeeps whose checks waste it or for all.
    CheckGas,
}

impl DeferReason {
    pub(crate) const ALL: [Self; 14] = [
        Self::GasShare,
        Self::BlockGas,
        Self::TooLarge,
        Self::NoActiveLane,
        Self::LaneFunds,
        Self::InvalidTransaction,
        Self::TransactionReverted,
        Self::Refused,
        Self::RegistryPaused,
        Self::UnsupportedTrigger,
        Self::NotCheckedYet,
        Self::RoundLimit,
        Self::PerformsBefore,
        Self::CheckGas,
    ];

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u64 == code)
    }
}

impl Outcome {
    /// All names of outcomes.
    pub const NAMES: [&str; 11] = [
        "performed",
        "performedReverted",
        "notNeeded",
        "checkReverted",
        "checkOutOfGas",
        "simulationReverted",
        "underfunded",
        "paused",
        "cancelled",
        "dropped",
        "deferred",
    ];

    /// Name of the outcome, as metrics and RPC write it: one of [`Self::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Performed { .. } => "performed",
            Self::PerformedReverted { .. } => "performedReverted",
            Self::NotNeeded => "notNeeded",
            Self::CheckReverted { .. } => "checkReverted",
            Self::CheckOutOfGas => "checkOutOfGas",
            Self::SimulationReverted { .. } => "simulationReverted",
            Self::Underfunded { .. } => "underfunded",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Dropped { .. } => "dropped",
            Self::Deferred { .. } => "deferred",
        }
    }

    /// True where nothing more will become of the log that an upkeep was due for.
    pub(crate) fn ends_log(&self) -> bool {
        match self {
            Self::SimulationReverted { .. }
            | Self::Underfunded { .. }
            | Self::Paused
            | Self::Deferred { .. } => false,
            Self::Performed { .. }
            | Self::PerformedReverted { .. }
            | Self::NotNeeded
            | Self::CheckReverted { .. }
            | Self::CheckOutOfGas
            | Self::Cancelled
            | Self::Dropped { .. } => true,
        }
    }

    /// True where a due perform waits for nothing but the next tick or block.
    pub(crate) fn waits_for_next_block(&self) -> bool {
        use DeferReason::{BlockGas, GasShare, PerformsBefore, RoundLimit};
        matches!(
            self,
            Self::Deferred { reason: BlockGas | GasShare | PerformsBefore | RoundLimit, .. }
        )
    }

    /// True where the upkeep was fired, whatever its target did.
    pub fn is_performed(&self) -> bool {
        matches!(self, Self::Performed { .. } | Self::PerformedReverted { .. })
    }
}

/// Upkeep ids as JSON: `0x` and all 64 hex digits, as explorers show them.
pub(crate) mod id_hex {
    use alloy_primitives::{B256, U256};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(id: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        B256::from(*id).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<U256, D::Error> {
        Ok(B256::deserialize(de)?.into())
    }
}
