//! The tables of versions, by location, and where else versions are found.
//!
//! Invariant: a shard has all locations that its part of the keys gives it.

use std::sync::atomic::AtomicBool;

use alloy_primitives::{
    Address, U256,
    map::{AddressMap, DefaultHashBuilder, FbBuildHasher},
};
use indexmap::IndexMap;
use parking_lot::RwLock;

use crate::{
    page::Page,
    stamps::Stamps,
    versions::{AccountEntry, Versions},
    written::Written,
};

/// Shards per map. More than any plausible number of workers, so that two seldom meet.
const SHARDS: usize = 64;

/// Entries for which space is kept from one batch to the next: about 50 MiB.
const KEPT_ENTRIES: usize = 1 << 18;

type PageKey = (Address, U256);
/// Entries of a shard in the order in which they came, apart from the table that finds them: a new one is
/// written behind the one before, not to a place of its own that no cache has.
type Shard<K, V, H> = RwLock<IndexMap<K, V, H>>;
type PageShard = Shard<PageKey, Page, DefaultHashBuilder>;
type AccountShard = Shard<Address, AccountEntry, FbBuildHasher<20>>;

/// The versions of all locations that somebody wrote.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(super) written: Written,
    pub(super) accounts: Box<[AccountShard]>,
    pub(super) pages: Box<[PageShard]>,
    pub(super) wipes: RwLock<AddressMap<Versions<()>>>,
    pub(super) any_wipe: AtomicBool,
    pub(super) stamps: Stamps,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            written: Written::default(),
            accounts: (0..SHARDS).map(|_| RwLock::default()).collect(),
            pages: (0..SHARDS).map(|_| RwLock::default()).collect(),
            wipes: RwLock::default(),
            any_wipe: AtomicBool::new(false),
            stamps: Stamps::default(),
        }
    }
}

impl Tables {
    /// Makes place for a batch of so many transactions.
    pub(crate) fn prepare(&mut self, transactions: usize) {
        self.stamps.prepare(transactions);
    }

    /// Forgets all versions and keeps the space for them, unless there is too much of it.
    pub(crate) fn clear(mut self) -> Option<Self> {
        (self.forget() <= KEPT_ENTRIES).then_some(self)
    }

    /// Forgets all versions. Gives how many entries there is space for.
    pub(super) fn forget(&mut self) -> usize {
        let mut capacity = 0;
        for shard in &mut self.accounts {
            let shard = shard.get_mut();
            capacity += shard.capacity();
            shard.clear();
        }
        for shard in &mut self.pages {
            let shard = shard.get_mut();
            capacity += shard.capacity();
            shard.clear();
        }
        self.wipes.get_mut().clear();
        *self.any_wipe.get_mut() = false;
        self.stamps.clear();
        self.written.set_outcomes(None);
        capacity
    }

    pub(super) fn account_shard(&self, address: Address) -> &AccountShard {
        // Any spread will do: keys are compared in full inside the shard.
        &self.accounts[usize::from(address[19] ^ address[10]) % SHARDS]
    }

    pub(super) fn page_shard(&self, key: &PageKey) -> &PageShard {
        let (address, page) = key;
        let spread = address[19] ^ page.byte(0) ^ page.byte(1).rotate_left(3);
        &self.pages[usize::from(spread) % SHARDS]
    }
}
