//! A bounded cache of values of the persisted block that were read lately.
//!
//! Invariant: a shard answers only readers of the generation (persisted block) that it stands at,
//! and takes values only from them. A commit removes what it changed and moves every shard to the
//! new generation before any reader of the new generation exists, so nothing stale is served.

use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hash};

/// Shards, so that threads seldom meet. A power of two.
const SHARDS: usize = 64;

/// Values by key for one generation.
pub(crate) struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: DefaultHashBuilder,
    /// Entries after which a shard's younger half becomes its older half; 0: nothing is kept.
    half_entries: usize,
}

/// Two halves: what is not read while the younger one fills up is dropped with the older one.
struct Shard<K, V> {
    generation: u64,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty cache of at most about `entries` values.
    pub(crate) fn new(entries: usize) -> Self {
        let shard = || {
            Mutex::new(Shard { generation: 0, young: HashMap::default(), old: HashMap::default() })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: DefaultHashBuilder::default(),
            half_entries: entries / SHARDS / 2,
        }
    }

    /// The value of `key` for a reader of `generation`, if it is here.
    pub(crate) fn get(&self, generation: u64, key: &K) -> Option<V> {
        if self.half_entries == 0 {
            return None;
        }
        let mut shard = self.shard(key).lock();
        if shard.generation != generation {
            return None;
        }
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let value = shard.old.remove(key)?;
        shard.insert(*key, value.clone(), self.half_entries);
        Some(value)
    }

    /// Keeps what a reader of `generation` read.
    pub(crate) fn insert(&self, generation: u64, key: K, value: V) {
        if self.half_entries == 0 {
            return;
        }
        let mut shard = self.shard(&key).lock();
        if shard.generation == generation {
            shard.insert(key, value, self.half_entries);
        }
    }

    /// Moves to `generation`, in which the values of `changed` differ.
    pub(crate) fn advance(&self, generation: u64, changed: impl Iterator<Item = K>) {
        // The move comes first: from here on readers of the generation before add nothing more.
        for shard in &self.shards {
            shard.lock().generation = generation;
        }
        for key in changed {
            let mut shard = self.shard(&key).lock();
            shard.young.remove(&key);
            shard.old.remove(&key);
        }
    }

    /// Moves to `generation` without any value.
    pub(crate) fn reset(&self, generation: u64) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            *shard = Shard { generation, young: HashMap::default(), old: HashMap::default() };
        }
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        // The map takes the low bits; the shard is chosen by others.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("half_entries", &self.half_entries).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn insert(&mut self, key: K, value: V, half_entries: usize) {
        if self.young.len() >= half_entries {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::HashMap as Model;

    proptest! {
        /// Readers of several generations at once, each with its own truth.
        #[test]
        fn never_answers_what_is_not_so(
            entries in 0usize..2000,
            steps in vec((0u8..4, any::<u16>(), 0u64..3), 1..400),
        ) {
            let cache = Cache::new(entries);
            let mut truths: Vec<Model<u16, u16>> = vec![Model::new()];
            for (step, (kind, key, back)) in steps.into_iter().enumerate() {
                let key = key % 300;
                let newest = truths.len() as u64 - 1;
                let generation = newest.saturating_sub(back);
                let truth = truths[generation as usize].get(&key).copied().unwrap_or_default();
                match kind {
                    0 | 1 => {
                        if let Some(value) = cache.get(generation, &key) {
                            prop_assert_eq!(value, truth);
                        }
                        cache.insert(generation, key, truth);
                        let kept = cache.get(generation, &key);
                        prop_assert_eq!(kept.is_some(), generation == newest && entries >= 128);
                    }
                    2 => {
                        let mut next = truths[newest as usize].clone();
                        let changed: Vec<u16> = (0..3).map(|i| (key + i * 7) % 300).collect();
                        next.extend(changed.iter().map(|key| (*key, step as u16)));
                        truths.push(next);
                        cache.advance(newest + 1, changed.into_iter());
                    }
                    _ => {
                        truths.push(Model::new());
                        cache.reset(newest + 1);
                    }
                }
            }
        }

        #[test]
        fn stays_bounded(keys in vec(any::<u32>(), 1..4000)) {
            let cache = Cache::new(1024);
            for key in keys {
                cache.insert(0, key, ());
            }
            let held: usize = cache
                .shards
                .iter()
                .map(|shard| {
                    let shard = shard.lock();
                    shard.young.len() + shard.old.len()
                })
                .sum();
            prop_assert!(held <= 1024, "{held}");
        }
    }
}
