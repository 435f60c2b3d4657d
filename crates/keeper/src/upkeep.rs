//! One upkeep as the keeper knows it.

use crate::{
    decision::{Outcome, id_hex},
    trigger::{DueAt, Moment, Trigger},
};
use alloy_primitives::{Address, Bytes, U256};
use serde::{Deserialize, Serialize};

/// `maxValidBlocknumber` of an upkeep that is not cancelled.
pub const NOT_CANCELLED: u64 = u32::MAX as u64;

/// What the registry stores of an upkeep, and what became of it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpkeepInfo {
    /// The id; byte 15 is the trigger type.
    #[serde(with = "id_hex")]
    pub id: U256,
    /// The contract that is served.
    pub target: Address,
    /// The contract that calls the target and holds the balance.
    pub forwarder: Address,
    /// Who may change, pause and cancel it.
    pub admin: Address,
    /// The registry's number of the trigger.
    pub trigger_type: u8,
    /// The trigger, read.
    pub trigger: Trigger,
    /// The trigger's configuration as registered.
    pub trigger_config: Bytes,
    /// Bytes given to the check (or, for an interval or a calendar, to the perform).
    pub check_data: Bytes,
    /// Configuration for the node, not used by the registry.
    pub offchain_config: Bytes,
    /// Gas that the target gets.
    pub perform_gas: u32,
    /// Balance in wei.
    pub balance: U256,
    /// Spent so far, in wei.
    pub amount_spent: U256,
    /// Paused by its admin.
    pub paused: bool,
    /// Neither cancelled nor unknown.
    pub active: bool,
    /// The block at which a cancelled upkeep ends; 4294967295 where it is not cancelled.
    pub max_valid_block: u64,
    /// Block of the last perform; 0: never.
    pub last_performed_block: u64,
    /// Time of the last perform's block in seconds; 0: never.
    pub last_performed_timestamp: u64,
    /// Block of the registration.
    pub registered_block: u64,
    /// Time of the registration's block in seconds.
    pub registered_timestamp: u64,
    /// What became of it in the last block that the keeper looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_outcome: Option<Outcome>,
}

impl UpkeepInfo {
    pub(crate) fn due_at(&self) -> Option<DueAt> {
        let registered = Moment { block: self.registered_block, second: self.registered_timestamp };
        let performed = (self.last_performed_timestamp > 0).then_some(Moment {
            block: self.last_performed_block,
            second: self.last_performed_timestamp,
        });
        self.trigger.due_at(registered, performed)
    }

    /// Order of registration: by block, then by id.
    pub(crate) fn registration_order(&self) -> (u64, U256) {
        (self.registered_block, self.id)
    }
}
