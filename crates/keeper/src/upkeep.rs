//! One upkeep as the keeper knows it.

use crate::{
    KeeperError,
    abi::Registry,
    decision::{Outcome, id_hex},
    trigger::{DueAt, Moment, Trigger},
};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

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
    pub last_outcome: Option<Box<Outcome>>,
    /// The block in which it is checked again, earlier where something that it read changes: of one that backs off, as it fails
    /// again and again at much cost. Never zero, so that it takes little room in each of very many upkeeps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_check_block: Option<NonZeroU64>,
}

impl UpkeepInfo {
    /// Reads what the registry's `getUpkeepStatus(id)` answered.
    ///
    /// # Errors
    /// [`KeeperError::UpkeepStatus`] where that is no status.
    pub fn from_status(id: U256, answer: &[u8]) -> Result<Self, KeeperError> {
        let status = Registry::getUpkeepStatusCall::abi_decode_returns(answer)
            .map_err(|error| KeeperError::UpkeepStatus { id, reason: error.to_string() })?;
        let registered_timestamp = if has_registered_timestamp(answer) {
            status.registeredTimestamp.to::<u64>()
        } else {
            0
        };
        Ok(Self {
            id,
            target: status.target,
            forwarder: status.forwarder,
            admin: status.admin,
            trigger_type: status.triggerType,
            trigger: Trigger::from_registry(status.triggerType, &status.triggerConfig),
            trigger_config: status.triggerConfig,
            check_data: status.checkData,
            offchain_config: status.offchainConfig,
            perform_gas: status.performGas,
            balance: U256::from(status.balance),
            amount_spent: U256::from(status.amountSpent),
            paused: status.paused,
            active: status.maxValidBlocknumber == NOT_CANCELLED,
            max_valid_block: status.maxValidBlocknumber,
            last_performed_block: u64::from(status.lastPerformedBlock),
            last_performed_timestamp: status.lastPerformedTimestamp.to::<u64>(),
            registered_block: u64::from(status.registeredBlock),
            registered_timestamp,
            last_outcome: None,
            next_check_block: None,
        })
    }

    /// Whether the time of an upkeep that waits for a block or a time has come in block `block` at `time_ms`,
    /// milliseconds since the Unix epoch; false for all others.
    pub fn time_has_come(&self, block: u64, time_ms: u64) -> bool {
        match self.due_at() {
            Some(DueAt::Block(due)) => block >= due,
            Some(DueAt::Millisecond(due)) => time_ms >= due,
            None => false,
        }
    }

    pub(crate) fn due_at(&self) -> Option<DueAt> {
        let registered = Moment { block: self.registered_block, second: self.registered_timestamp };
        let performed = (self.last_performed_timestamp > 0).then_some(Moment {
            block: self.last_performed_block,
            second: self.last_performed_timestamp,
        });
        self.trigger.due_at(registered, performed)
    }

    /// Order of registration: by block, then by id.
    pub fn registration_order(&self) -> (u64, U256) {
        (self.registered_block, self.id)
    }
}

/// Whether a status ends with the time of registration. Registries of older genesis files do not tell it (and take no
/// upkeep that needs it): there the first byte string comes after a head of 15 words, not 16.
fn has_registered_timestamp(status: &[u8]) -> bool {
    const CHECK_DATA_PLACE: std::ops::Range<usize> = 12 * 32..13 * 32;
    status.get(CHECK_DATA_PLACE).map(U256::from_be_slice) == Some(U256::from(16 * 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;
    use alloy_sol_types::sol;

    sol! {
        interface Older {
            function getUpkeepStatus(uint256 id) external view returns (
                address target,
                address forwarder,
                address admin,
                uint8 triggerType,
                uint32 performGas,
                uint96 balance,
                uint96 amountSpent,
                bool paused,
                uint64 maxValidBlocknumber,
                uint32 lastPerformedBlock,
                uint40 lastPerformedTimestamp,
                uint32 registeredBlock,
                bytes checkData,
                bytes triggerConfig,
                bytes offchainConfig
            );
        }
    }

    /// What the registries of older genesis files answer is read as before.
    #[test]
    fn the_time_of_registration_may_lack() {
        let older = Older::getUpkeepStatusReturn {
            target: Address::repeat_byte(1),
            forwarder: Address::repeat_byte(2),
            admin: Address::repeat_byte(3),
            triggerType: 2,
            performGas: 300_000,
            balance: alloy_primitives::Uint::from(7),
            amountSpent: alloy_primitives::Uint::from(8),
            paused: false,
            maxValidBlocknumber: NOT_CANCELLED,
            lastPerformedBlock: 9,
            lastPerformedTimestamp: alloy_primitives::Uint::from(10),
            registeredBlock: 11,
            checkData: Bytes::from(vec![0xcc; 40]),
            triggerConfig: Bytes::new(),
            offchainConfig: Bytes::from(vec![3]),
        };
        let data = Older::getUpkeepStatusCall::abi_encode_returns(&older);
        let status = UpkeepInfo::from_status(U256::from(1), &data).unwrap();
        assert_eq!((status.check_data, status.registered_block), (older.checkData, 11));
        assert_eq!(status.registered_timestamp, 0);
        assert_eq!(
            (status.trigger_config, status.offchain_config),
            (Bytes::new(), older.offchainConfig)
        );
        assert!(!has_registered_timestamp(&[]));
    }
}
