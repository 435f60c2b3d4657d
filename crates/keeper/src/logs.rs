//! Logs that make upkeeps due: which ones match, where they stand, and who waits for them.

use crate::{
    abi::{Automation, LogTrigger},
    index::Slot,
};
use alloy_primitives::{
    Address, B256, Bytes, Log, U256, keccak256,
    map::{AddressMap, B256Map, HashMap},
};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::{SolType, SolValue, sol_data};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which logs make an upkeep due: the interface's `LogTriggerConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFilter {
    /// The contract that emits them.
    pub address: Address,
    /// The topics, in order; `None`: anything, or nothing, in that place. The first one is always given.
    pub topics: [Option<B256>; 4],
}

type Topic = sol_data::FixedBytes<32>;
type FilterConfig = (sol_data::Address, sol_data::Uint<8>, Topic, Topic, Topic, Topic);

impl LogFilter {
    /// Reads `abi.encode(address contractAddress, uint8 filterSelector, bytes32 topic0, topic1, topic2, topic3)`; bits 0
    /// to 2 of the selector tell whether topics 1 to 3 are compared.
    pub(crate) fn from_config(config: &[u8]) -> Option<Self> {
        let (address, selector, first, second, third, fourth) =
            FilterConfig::abi_decode_params(config).ok()?;
        let compared = |bit: u8, topic: B256| (selector & (1 << bit) != 0).then_some(topic);
        let topics = [Some(first), compared(0, second), compared(1, third), compared(2, fourth)];
        (selector < 8).then_some(Self { address, topics })
    }

    /// Whether `log` is one of those meant.
    pub fn matches(&self, log: &Log) -> bool {
        let wanted = self.topics.iter().enumerate();
        log.address == self.address
            && wanted.into_iter().all(|(place, topic)| {
                topic.is_none_or(|topic| log.topics().get(place) == Some(&topic))
            })
    }
}

/// A log of the open block, or of one that was just sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmittedLog {
    /// The log.
    pub log: Log,
    /// The transaction that emitted it.
    pub tx_hash: B256,
    /// Its place in the block, from zero.
    pub index: u32,
}

/// A sealed block, as far as log triggers need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time in seconds.
    pub timestamp: u64,
    /// Its logs, in order. May be empty where [`crate::Keeper::listens`] is false.
    pub logs: Vec<EmittedLog>,
}

/// Where a log stands that made an upkeep due.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    RlpEncodable,
    RlpDecodable,
)]
#[serde(rename_all = "camelCase")]
pub struct LogPosition {
    /// Number of its block.
    pub block_number: u64,
    /// Its place in that block, from zero.
    pub log_index: u64,
}

/// A log that an upkeep is performed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TriggerLog {
    pub(crate) emitted: EmittedLog,
    pub(crate) block: u64,
    /// Zero where the upkeep wants logs within their block, whose hash is not known then.
    pub(crate) block_hash: B256,
    pub(crate) timestamp: u64,
}

/// The block in which a log stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBlock {
    pub(crate) number: u64,
    /// Zero while the block is open.
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
}

impl From<&SealedBlock> for LogBlock {
    fn from(block: &SealedBlock) -> Self {
        Self { number: block.number, hash: block.hash, timestamp: block.timestamp }
    }
}

impl TriggerLog {
    /// A log of `block`. Where it is wanted within its block it is known without the block's hash, also while it waits in later ones.
    pub(crate) fn new(emitted: &EmittedLog, block: LogBlock, same_block: bool) -> Self {
        Self {
            emitted: emitted.clone(),
            block: block.number,
            block_hash: if same_block { B256::ZERO } else { block.hash },
            timestamp: block.timestamp,
        }
    }

    /// Whether this only holds the place of a log that is not known yet: no log that makes an upkeep due has no topics.
    pub(crate) fn is_placeholder(&self) -> bool {
        self.emitted.log.topics().is_empty()
    }

    pub(crate) fn position(&self) -> LogPosition {
        LogPosition { block_number: self.block, log_index: self.emitted.index.into() }
    }

    /// What the registry notes a perform of `upkeep` for this log under.
    pub(crate) fn key(&self, upkeep: U256) -> B256 {
        dedup_key(upkeep, self.block_hash, self.emitted.tx_hash, self.emitted.index)
    }

    /// The trigger as the registry gets it; `check_block` is the number and hash of the check block.
    pub(crate) fn trigger(&self, check_block: (u32, B256)) -> Bytes {
        let trigger = LogTrigger {
            logBlockHash: self.block_hash,
            txHash: self.emitted.tx_hash,
            logIndex: self.emitted.index,
            blockNum: check_block.0,
            blockHash: check_block.1,
        };
        trigger.abi_encode().into()
    }

    /// The call that asks a target whether it wants to be performed for this log.
    pub(crate) fn check_call(&self, check_data: &Bytes) -> Automation::checkLogCall {
        let EmittedLog { log, tx_hash, index } = &self.emitted;
        Automation::checkLogCall {
            log: Automation::Log {
                index: U256::from(*index),
                timestamp: U256::from(self.timestamp),
                txHash: *tx_hash,
                blockNumber: U256::from(self.block),
                blockHash: self.block_hash,
                source: log.address,
                topics: log.topics().to_vec(),
                data: log.data.data.clone(),
            },
            checkData: check_data.clone(),
        }
    }
}

/// The key of an upkeep and a log in the registry: `keccak256` of id, block hash, transaction hash (32 bytes each) and
/// the log's place (4 bytes).
pub(crate) fn dedup_key(upkeep: U256, block_hash: B256, tx_hash: B256, index: u32) -> B256 {
    keccak256((upkeep, block_hash, tx_hash, index).abi_encode_packed())
}

/// Upkeeps by the logs that they wait for.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// By source and first topic, then by the second topic where it is compared.
    places: AddressMap<B256Map<HashMap<Option<B256>, BTreeSet<Slot>>>>,
    filters: HashMap<Slot, Listener>,
    in_same_block: usize,
}

#[derive(Clone, Debug)]
struct Listener {
    filter: LogFilter,
    same_block: bool,
}

impl Listeners {
    /// Lets `slot` wait for what `filter` matches, in place of what it waited for.
    pub(crate) fn enter(&mut self, slot: Slot, filter: &LogFilter, same_block: bool) {
        self.leave(slot);
        let first = filter.topics[0].unwrap_or_default();
        let place = self.places.entry(filter.address).or_default().entry(first).or_default();
        place.entry(filter.topics[1]).or_default().insert(slot);
        self.filters.insert(slot, Listener { filter: filter.clone(), same_block });
        self.in_same_block += usize::from(same_block);
    }

    /// Forgets what `slot` waits for.
    pub(crate) fn leave(&mut self, slot: Slot) {
        let Some(Listener { filter, same_block }) = self.filters.remove(&slot) else { return };
        self.in_same_block -= usize::from(same_block);
        let first = filter.topics[0].unwrap_or_default();
        let Some(source) = self.places.get_mut(&filter.address) else { return };
        let Some(place) = source.get_mut(&first) else { return };
        if let Some(slots) = place.get_mut(&filter.topics[1]) {
            slots.remove(&slot);
            if slots.is_empty() {
                place.remove(&filter.topics[1]);
            }
        }
        if place.is_empty() {
            source.remove(&first);
        }
        if source.is_empty() {
            self.places.remove(&filter.address);
        }
    }

    /// Those that wait for `log`, in order; those who want it within its block, or the others.
    pub(crate) fn of(&self, log: &Log, same_block: bool) -> Vec<Slot> {
        let place =
            self.places.get(&log.address).and_then(|source| source.get(log.topics().first()?));
        let Some(place) = place else { return Vec::new() };
        let second = log.topics().get(1).copied();
        let keys = [None, second];
        let keys = &keys[..1 + usize::from(second.is_some())];
        let mut found: Vec<_> = keys
            .iter()
            .filter_map(|key| place.get(key))
            .flatten()
            .copied()
            .filter(|slot| {
                self.filters.get(slot).is_some_and(|listener| {
                    listener.same_block == same_block && listener.filter.matches(log)
                })
            })
            .collect();
        found.sort_unstable();
        found
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether somebody wants logs within their block.
    pub(crate) fn any_in_same_block(&self) -> bool {
        self.in_same_block > 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::LogData;
    use proptest::prelude::*;

    fn topic(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn config(source: u8, selector: u8, topics: [u8; 4]) -> Vec<u8> {
        let [a, b, c, d] = topics.map(topic);
        (Address::repeat_byte(source), U256::from(selector), a, b, c, d).abi_encode_params()
    }

    fn log(source: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().copied().map(topic).collect();
        let data = LogData::new_unchecked(topics, Bytes::new());
        Log { address: Address::repeat_byte(source), data }
    }

    #[test]
    fn configurations_are_read() {
        let filter = LogFilter::from_config(&config(7, 0b101, [1, 2, 3, 4])).unwrap();
        assert_eq!(filter.address, Address::repeat_byte(7));
        assert_eq!(filter.topics, [Some(topic(1)), Some(topic(2)), None, Some(topic(4))]);
        assert_eq!(LogFilter::from_config(&config(7, 8, [1; 4])), None);
        assert_eq!(LogFilter::from_config(&config(7, 0, [1; 4])[..191]), None);
        assert_eq!(LogFilter::from_config(&[]), None);
    }

    /// The key, worked out by hand from the interface's definition.
    #[test]
    fn keys_are_the_interfaces() {
        let mut bytes = Vec::new();
        bytes.extend([0x11; 32]);
        bytes.extend([0x22; 32]);
        bytes.extend([0x33; 32]);
        bytes.extend([0, 0, 1, 2]);
        let key = dedup_key(U256::from_be_bytes([0x11; 32]), topic(0x22), topic(0x33), 0x0102);
        assert_eq!(key, keccak256(bytes));
    }

    proptest! {
        /// The index finds whom comparing every filter finds.
        #[test]
        fn listeners_are_found(
            filters in prop::collection::vec((0u8..2, 0u8..8, prop::array::uniform4(1u8..3), any::<bool>()), 0..12),
            gone in prop::collection::vec(0u32..12, 0..4),
            source in 0u8..2,
            topics in prop::collection::vec(1u8..3, 0..5),
            same_block: bool,
        ) {
            let mut listeners = Listeners::default();
            let filters: Vec<_> = filters
                .into_iter()
                .map(|(source, selector, topics, same)| {
                    (LogFilter::from_config(&config(source, selector, topics)).unwrap(), same)
                })
                .collect();
            for (slot, (filter, same)) in (0..).zip(&filters) {
                listeners.enter(slot, &filters[0].0, !same);
                listeners.enter(slot, filter, *same);
            }
            for slot in &gone {
                listeners.leave(*slot);
            }
            let log = log(source, &topics);
            let expected: Vec<Slot> = (0..)
                .zip(&filters)
                .filter(|(slot, (filter, same))| {
                    !gone.contains(slot) && *same == same_block && filter.matches(&log)
                })
                .map(|(slot, _)| slot)
                .collect();
            prop_assert_eq!(listeners.of(&log, same_block), expected);
            for slot in 0..12 {
                listeners.leave(slot);
            }
            prop_assert!(listeners.is_empty() && listeners.places.is_empty());
            prop_assert!(!listeners.any_in_same_block());
        }
    }
}
