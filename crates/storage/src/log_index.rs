//! Which blocks have logs of an address or with a topic.
//!
//! A record of [`LogIndex`] stands for one key and one window of 256 blocks and lists the blocks of
//! the window that have such logs, each by the last byte of its number, in order. A window is small
//! enough that adding a block rewrites few bytes, and large enough that a contract with logs in
//! every block has few records.

use crate::{
    Receipt, StorageError,
    codec::Damage,
    engine::{Transaction, TransactionKind, WriteTx},
    layer::Layer,
    table::{LogIndex, LogKey, Table, TableKey},
    view::View,
};
use alloy_primitives::{Address, B256, Bytes};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

/// Blocks of a window, as a power of two.
const WINDOW_BITS: u32 = 8;

/// Records of the index that one search reads at most: many busy addresses over a long range end
/// here, after about a second.
const MAX_READS: usize = 500_000;

/// What a search of the log index found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBlocks {
    /// Blocks that may hold matching logs, in order: every block that does is among them.
    pub blocks: Vec<u64>,
    /// The search ended before this block, because the limit of blocks or of the work was reached;
    /// `None`: the whole range was searched.
    pub stopped_at: Option<u64>,
}

/// What the logs of `receipts` can be searched by, in order.
pub(crate) fn keys_of(receipts: &[Receipt]) -> Vec<LogKey> {
    let mut keys = BTreeSet::new();
    for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
        keys.insert(LogKey::Any);
        keys.insert(LogKey::Address(log.address));
        let topics = (0..).zip(log.topics());
        keys.extend(topics.map(|(position, topic)| LogKey::Topic(position, *topic)));
    }
    keys.into_iter().collect()
}

/// Adds the logs of blocks that follow everything that the index has.
pub(crate) fn write(tx: &WriteTx, layers: &[Arc<Layer>]) -> Result<(), StorageError> {
    let mut records: BTreeMap<(LogKey, u64), Vec<u8>> = BTreeMap::new();
    for layer in layers {
        let (window, place) = split(layer.number);
        for key in &layer.log_keys {
            records.entry((*key, window)).or_default().push(place);
        }
    }
    for (key, places) in records {
        let mut all = tx.get::<LogIndex>(&key)?.map_or_else(Vec::new, Vec::from);
        all.extend(places);
        tx.put::<LogIndex>(&key, &all.into())?;
    }
    Ok(())
}

/// Removes block `number` from the list of `key`.
pub(crate) fn remove(tx: &WriteTx, key: LogKey, number: u64) -> Result<(), StorageError> {
    let (window, place) = split(number);
    let key = (key, window);
    let Some(places) = tx.get::<LogIndex>(&key)? else {
        return Err(Damage("a block's logs are not in the index").of(LogIndex::SPEC.name));
    };
    let rest: Vec<u8> = places.into_iter().filter(|other| *other != place).collect();
    if rest.is_empty() {
        return tx.delete::<LogIndex>(&key).map(drop);
    }
    tx.put::<LogIndex>(&key, &rest.into())
}

/// The blocks of `range` that may hold logs of one of `addresses` (none: of any) which have, at each
/// position of `topics`, one of the topics there (none: any). At most `limit` blocks.
pub(crate) fn search(
    view: &View,
    range: RangeInclusive<u64>,
    addresses: &[Address],
    topics: &[Vec<B256>],
    limit: usize,
) -> Result<LogBlocks, StorageError> {
    let wishes = wishes(addresses, topics);
    let mut found = LogBlocks::default();
    // A log has four topics at most.
    if topics.iter().skip(4).any(|topics| !topics.is_empty()) || range.is_empty() {
        return Ok(found);
    }
    let persisted = view.base.block.ok_or(StorageError::Empty)?;
    let below = *range.start()..=persisted.min(*range.end());
    if !below.is_empty() {
        let mut lists: Vec<_> = wishes.iter().map(|wish| Union::new(wish)).collect();
        search_index(view.base.reader(), &mut lists, below, limit, &mut found)?;
    }
    for layer in view.layers.iter().filter(|layer| range.contains(&layer.number)) {
        let has =
            |wish: &Vec<LogKey>| wish.iter().any(|key| layer.log_keys.binary_search(key).is_ok());
        if found.stopped_at.is_none() && wishes.iter().all(has) {
            found.push(layer.number, limit);
        }
    }
    Ok(found)
}

impl LogBlocks {
    fn push(&mut self, number: u64, limit: usize) {
        if self.blocks.len() < limit {
            self.blocks.push(number);
        } else {
            self.stopped_at.get_or_insert(number);
        }
    }
}

/// All of these must be met, each by any of its keys.
fn wishes(addresses: &[Address], topics: &[Vec<B256>]) -> Vec<Vec<LogKey>> {
    let mut wishes = Vec::new();
    if !addresses.is_empty() {
        wishes.push(addresses.iter().copied().map(LogKey::Address).collect());
    }
    for (position, topics) in (0..).zip(topics).filter(|(_, topics)| !topics.is_empty()) {
        wishes.push(topics.iter().map(|topic| LogKey::Topic(position, *topic)).collect());
    }
    if wishes.is_empty() {
        wishes.push(vec![LogKey::Any]);
    }
    wishes
}

/// Goes through all wishes at once, window by window: who is behind jumps to where the others are,
/// so that the rarest wish sets the pace.
fn search_index<K: TransactionKind>(
    tx: &Transaction<K>,
    wishes: &mut [Union],
    range: RangeInclusive<u64>,
    limit: usize,
    found: &mut LogBlocks,
) -> Result<(), StorageError> {
    let last = split(*range.end()).0;
    let mut window = split(*range.start()).0;
    let mut reads = 0;
    while window <= last && found.stopped_at.is_none() {
        if reads >= MAX_READS {
            found.stopped_at = Some((window << WINDOW_BITS).max(*range.start()));
            break;
        }
        let mut next = window;
        for wish in wishes.iter_mut() {
            match wish.advance(tx, next, &mut reads)? {
                Some(at) => next = at,
                None => return Ok(()),
            }
        }
        if next > window {
            window = next;
            continue;
        }
        let mut common = Places::ALL;
        for wish in wishes.iter() {
            common.retain(&wish.places(window));
        }
        for place in common.iter() {
            let number = (window << WINDOW_BITS) + u64::from(place);
            if range.contains(&number) {
                found.push(number, limit);
            }
        }
        window += 1;
    }
    Ok(())
}

/// Several keys, any of which will do.
struct Union {
    lists: Vec<List>,
}

/// The records of one key, from a window on.
struct List {
    key: LogKey,
    /// The record at or after the window that was sought last; `None`: there is none.
    at: Option<(u64, Bytes)>,
    begun: bool,
}

impl Union {
    fn new(keys: &[LogKey]) -> Self {
        let list = |key: &LogKey| List { key: *key, at: None, begun: false };
        Self { lists: keys.iter().map(list).collect() }
    }

    /// Moves to `window`; the first window from there on that has any record.
    fn advance<K: TransactionKind>(
        &mut self,
        tx: &Transaction<K>,
        window: u64,
        reads: &mut usize,
    ) -> Result<Option<u64>, StorageError> {
        let mut first = None;
        for list in &mut self.lists {
            if let Some(at) = list.advance(tx, window, reads)? {
                first = Some(first.map_or(at, |first: u64| first.min(at)));
            }
        }
        Ok(first)
    }

    /// The blocks of `window`, to which this was moved.
    fn places(&self, window: u64) -> Places {
        let mut places = Places::NONE;
        let here = |list: &'_ List| match &list.at {
            Some((at, bytes)) if *at == window => Some(bytes.clone()),
            _ => None,
        };
        for place in self.lists.iter().filter_map(here).flatten() {
            places.add(place);
        }
        places
    }
}

impl List {
    fn advance<K: TransactionKind>(
        &mut self,
        tx: &Transaction<K>,
        window: u64,
        reads: &mut usize,
    ) -> Result<Option<u64>, StorageError> {
        let behind = match &self.at {
            Some((at, _)) => *at < window,
            None => !self.begun,
        };
        if behind {
            *reads += 1;
            self.begun = true;
            self.at = match tx.seek::<LogIndex>(&(self.key, window).encode())? {
                Some(((key, at), places)) if key == self.key => Some((at, places)),
                _ => None,
            };
        }
        Ok(self.at.as_ref().map(|(at, _)| *at))
    }
}

/// A set of blocks of one window.
#[derive(Clone, Copy)]
struct Places([u64; 4]);

impl Places {
    const ALL: Self = Self([u64::MAX; 4]);
    const NONE: Self = Self([0; 4]);

    const fn add(&mut self, place: u8) {
        self.0[place as usize / 64] |= 1 << (place % 64);
    }

    fn retain(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine &= other;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u8> {
        let places = self.0;
        (0..=u8::MAX).filter(move |place| places[usize::from(*place) / 64] >> (place % 64) & 1 == 1)
    }
}

/// The window of a block, and its place there.
const fn split(number: u64) -> (u64, u8) {
    (number >> WINDOW_BITS, number as u8)
}
