//! The record of a block's decisions, as it is journaled with the block.

use crate::{
    KeeperError, LogPosition,
    decision::{Decision, DeferReason, DropReason, Outcome},
};
use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

/// Version of the record's encoding, its first byte.
const RECORD_VERSION: u8 = 1;

/// The decisions of one block, as they are journaled with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDecisions {
    /// Number of the block.
    pub block: u64,
    /// Upkeeps that were active in it (those cancelled in it included).
    pub active: u64,
    /// How many of them were not needed.
    pub not_needed: u64,
    /// All the others, in order of registration, and then of the logs that made them due.
    pub decisions: Vec<Decision>,
}

impl BlockDecisions {
    /// Upkeeps without an outcome; always zero in a right record.
    pub fn missed(&self) -> u64 {
        let told = self.decisions.chunk_by(|one, next| one.upkeep == next.upkeep).count();
        self.active.saturating_sub(self.not_needed + told as u64)
    }

    /// The record: a version byte, then RLP.
    pub fn encode(&self) -> Bytes {
        let record = Record {
            block: self.block,
            active: self.active,
            not_needed: self.not_needed,
            entries: self
                .decisions
                .chunk_by(Decision::is_told_alike)
                .map(Entry::from_alike)
                .collect(),
        };
        let mut out = vec![RECORD_VERSION];
        record.encode(&mut out);
        out.into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`KeeperError::Record`] for an unknown version or bytes that are no record.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeeperError> {
        let bad = |what: &str| KeeperError::Record(what.into());
        let (version, mut rest) = bytes.split_first().ok_or_else(|| bad("it is empty"))?;
        if *version != RECORD_VERSION {
            return Err(KeeperError::Record(format!(
                "its version is {version}, this program knows version {RECORD_VERSION}"
            )));
        }
        let record = Record::decode(&mut rest)
            .map_err(|error| KeeperError::Record(format!("its RLP is wrong: {error}")))?;
        if !rest.is_empty() {
            return Err(bad("bytes follow its end"));
        }
        let mut decisions = Vec::with_capacity(record.entries.len());
        for entry in record.entries {
            entry.into_decisions(record.block, &mut decisions)?;
        }
        Ok(Self {
            block: record.block,
            active: record.active,
            not_needed: record.not_needed,
            decisions,
        })
    }
}

/// The decisions in a journaled record, without the upkeeps that were not needed (those are only
/// counted: [`BlockDecisions::decode`]). An empty record holds none: the block had no keeper.
///
/// # Errors
/// [`KeeperError::Record`] for an unknown version or bytes that are no record.
pub fn decode_decisions(bytes: &[u8]) -> Result<Vec<Decision>, KeeperError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(BlockDecisions::decode(bytes)?.decisions)
}

#[derive(RlpEncodable, RlpDecodable)]
struct Record {
    block: u64,
    active: u64,
    not_needed: u64,
    entries: Vec<Entry>,
}

/// One decision, flat: unused fields are zero or empty and cost a byte each.
#[derive(Default, RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
struct Entry {
    kind: u8,
    upkeep: U256,
    tx: Bytes,
    number: u64,
    amount: U256,
    text: String,
    /// The logs for which all of this holds.
    logs: Option<Vec<LogPosition>>,
}

impl Entry {
    /// One entry for decisions that differ in the log alone.
    fn from_alike(decisions: &[Decision]) -> Self {
        let decision = &decisions[0];
        let logs = decision.log.map(|_| decisions.iter().filter_map(|one| one.log).collect());
        let entry = match &decision.outcome {
            Outcome::Performed { tx, gas_used, payment } => Self {
                tx: Bytes::copy_from_slice(tx.as_slice()),
                number: *gas_used,
                amount: *payment,
                ..Self::kind(0)
            },
            Outcome::PerformedReverted { tx, gas_used, payment, reason } => Self {
                tx: Bytes::copy_from_slice(tx.as_slice()),
                number: *gas_used,
                amount: *payment,
                text: reason.clone(),
                ..Self::kind(1)
            },
            Outcome::NotNeeded => Self::kind(2),
            Outcome::CheckReverted { reason } => Self { text: reason.clone(), ..Self::kind(3) },
            Outcome::CheckOutOfGas => Self::kind(4),
            Outcome::SimulationReverted { reason } => {
                Self { text: reason.clone(), ..Self::kind(5) }
            }
            Outcome::Underfunded { by } => Self { amount: *by, ..Self::kind(6) },
            Outcome::Paused => Self::kind(7),
            Outcome::Cancelled => Self::kind(8),
            Outcome::Deferred { reason, since } => {
                Self { number: *since, amount: U256::from(*reason as u64), ..Self::kind(9) }
            }
            Outcome::Dropped { reason: DropReason::TooOld } => Self { number: 0, ..Self::kind(10) },
            Outcome::Dropped { reason: DropReason::TooMany } => {
                Self { number: 1, ..Self::kind(10) }
            }
        };
        Self { upkeep: decision.upkeep, logs, ..entry }
    }

    fn kind(kind: u8) -> Self {
        Self { kind, ..Self::default() }
    }

    fn into_decisions(self, block: u64, decisions: &mut Vec<Decision>) -> Result<(), KeeperError> {
        let upkeep = self.upkeep;
        let outcome = match self.kind {
            0 => Outcome::Performed {
                tx: self.transaction_hash()?,
                gas_used: self.number,
                payment: self.amount,
            },
            1 => Outcome::PerformedReverted {
                tx: self.transaction_hash()?,
                gas_used: self.number,
                payment: self.amount,
                reason: self.text,
            },
            2 => Outcome::NotNeeded,
            3 => Outcome::CheckReverted { reason: self.text },
            4 => Outcome::CheckOutOfGas,
            5 => Outcome::SimulationReverted { reason: self.text },
            6 => Outcome::Underfunded { by: self.amount },
            7 => Outcome::Paused,
            8 => Outcome::Cancelled,
            9 => Outcome::Deferred {
                reason: u64::try_from(self.amount)
                    .ok()
                    .and_then(DeferReason::from_code)
                    .ok_or_else(|| KeeperError::Record("it gives an unknown reason".into()))?,
                since: self.number,
            },
            10 => Outcome::Dropped {
                reason: match self.number {
                    0 => DropReason::TooOld,
                    1 => DropReason::TooMany,
                    _ => return Err(KeeperError::Record("it gives an unknown reason".into())),
                },
            },
            kind => {
                return Err(KeeperError::Record(format!("it holds the unknown outcome {kind}")));
            }
        };
        match self.logs {
            None => decisions.push(Decision { block, upkeep, log: None, outcome }),
            Some(logs) => decisions.extend(logs.into_iter().map(|log| Decision {
                block,
                upkeep,
                log: Some(log),
                outcome: outcome.clone(),
            })),
        }
        Ok(())
    }

    fn transaction_hash(&self) -> Result<B256, KeeperError> {
        B256::try_from(self.tx.as_ref())
            .map_err(|_| KeeperError::Record("a transaction hash has not 32 bytes".into()))
    }
}

impl Decision {
    /// Whether an entry of the record may tell both: a log upkeep's, which differ in the log alone.
    fn is_told_alike(&self, other: &Self) -> bool {
        self.log.is_some()
            && other.log.is_some()
            && self.upkeep == other.upkeep
            && self.outcome == other.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        let hash = any::<[u8; 32]>().prop_map(B256::from);
        let amount = any::<[u8; 32]>().prop_map(U256::from_be_bytes);
        prop_oneof![
            (hash.clone(), any::<u64>(), amount.clone())
                .prop_map(|(tx, gas_used, payment)| Outcome::Performed { tx, gas_used, payment }),
            (hash, any::<u64>(), amount.clone(), ".*").prop_map(
                |(tx, gas_used, payment, reason)| {
                    Outcome::PerformedReverted { tx, gas_used, payment, reason }
                }
            ),
            Just(Outcome::NotNeeded),
            ".*".prop_map(|reason| Outcome::CheckReverted { reason }),
            Just(Outcome::CheckOutOfGas),
            ".*".prop_map(|reason| Outcome::SimulationReverted { reason }),
            amount.prop_map(|by| Outcome::Underfunded { by }),
            Just(Outcome::Paused),
            Just(Outcome::Cancelled),
            prop_oneof![Just(DropReason::TooOld), Just(DropReason::TooMany)]
                .prop_map(|reason| Outcome::Dropped { reason }),
            (0..DeferReason::ALL.len(), any::<u64>()).prop_map(|(reason, since)| {
                Outcome::Deferred { reason: DeferReason::ALL[reason], since }
            }),
        ]
    }

    fn any_log() -> impl Strategy<Value = LogPosition> {
        (any::<u64>(), any::<u64>())
            .prop_map(|(block_number, log_index)| LogPosition { block_number, log_index })
    }

    /// Logs with the same outcome share an entry: a waiting log costs a few bytes of each block.
    #[test]
    fn waiting_logs_are_small() {
        let outcome =
            Outcome::SimulationReverted { reason: "it cannot be done before Tuesday".into() };
        let decisions = (0..1_000)
            .map(|log_index| Decision {
                block: 900_001,
                upkeep: U256::MAX,
                log: Some(LogPosition { block_number: 900_000, log_index }),
                outcome: outcome.clone(),
            })
            .collect();
        let record = BlockDecisions { block: 900_001, active: 1, not_needed: 0, decisions };
        assert_eq!(record.missed(), 0);
        let bytes = record.encode();
        assert!(bytes.len() < 9_000, "{} bytes", bytes.len());
        assert_eq!(BlockDecisions::decode(&bytes).unwrap(), record);
    }

    proptest! {
        #[test]
        fn records_and_json_survive_a_round_trip(
            block: u64,
            not_needed in 0u64..1_000_000,
            outcomes in prop::collection::vec((1u64..6, prop::option::of(any_log()), any_outcome()), 0..20),
        ) {
            let decisions: Vec<_> = outcomes
                .into_iter()
                .map(|(id, log, outcome)| Decision { block, upkeep: U256::from(id), log, outcome })
                .collect();
            let record = BlockDecisions {
                block,
                active: not_needed + decisions.len() as u64,
                not_needed,
                decisions,
            };
            let bytes = record.encode();
            prop_assert_eq!(&BlockDecisions::decode(&bytes).unwrap(), &record);
            prop_assert_eq!(&decode_decisions(&bytes).unwrap(), &record.decisions);
            for decision in &record.decisions {
                prop_assert!(Outcome::NAMES.contains(&decision.outcome.name()));
            }
            let json = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<BlockDecisions>(&json).unwrap(), record);
        }

        #[test]
        fn rubbish_records_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_decisions(&bytes);
        }
    }

    #[test]
    fn unknown_versions_are_refused() {
        let error = decode_decisions(&[9, 0xc0]).unwrap_err().to_string();
        assert!(error.contains("version is 9"), "{error}");
        assert!(decode_decisions(&[]).unwrap().is_empty());
    }
}
