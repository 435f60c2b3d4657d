//! Root work that is done while a block is still open.

use crate::{NodeSource, StateTrie, TrieError};
use alloy_primitives::{Address, B256, map::B256Set};
use parking_lot::Mutex;
use plasma_storage::{AccountChange, StateChanges, TrieUpdates};
use std::{
    borrow::Cow,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// The trie of a block that is still open.
///
/// [`add`](Self::add) hands over what the block has changed so far; a thread of the rayon pool
/// hashes keys, loads nodes, applies the changes and hashes the nodes, while the caller goes on.
/// [`finish`](Self::finish) then has left to do what changed after. The root depends on nothing but
/// the trie that it began with and the changes given to `finish`: whatever was added beforehand and
/// does not agree with them is done anew.
///
/// Dropping it ends the work after the step in progress.
#[derive(Debug)]
pub struct OpenTrie {
    base: B256,
    shared: Arc<Shared>,
}

struct Shared {
    /// Holds the nodes of the root that the block began with.
    source: Arc<dyn NodeSource + Send + Sync>,
    keep_bytes: usize,
    queue: Mutex<Queue>,
    /// `None` after a failure, and once it is finished.
    work: Mutex<Option<Work>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Arc<StateChanges>>,
    /// A thread works on the queue or is about to.
    scheduled: bool,
}

/// The trie with the changes that were applied to it.
#[derive(Debug)]
struct Work {
    trie: StateTrie,
    applied: Applied,
    updates: TrieUpdates,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl OpenTrie {
    /// Begins with `trie`, whose stored nodes `source` holds for as long as the block is open.
    /// Nodes that a clone of `trie` shares have to be copied when they change.
    ///
    /// The work begins with [`StateTrie::evict`] to `keep_bytes`.
    pub fn new(
        trie: StateTrie,
        source: Arc<dyn NodeSource + Send + Sync>,
        keep_bytes: usize,
    ) -> Self {
        let base = trie.root();
        let work = Work { trie, applied: Applied::default(), updates: TrieUpdates::default() };
        let work = Mutex::new(Some(work));
        let shared = Shared { source, keep_bytes, queue: Mutex::default(), work };
        Self { base, shared: Arc::new(shared) }
    }

    /// Hands over changes that follow those handed over before, and returns at once.
    pub fn add(&self, changes: Arc<StateChanges>) {
        if changes.accounts.is_empty() {
            return;
        }
        let mut queue = self.shared.queue.lock();
        queue.waiting.push(changes);
        if !mem::replace(&mut queue.scheduled, true) {
            let shared = Arc::clone(&self.shared);
            rayon::spawn(move || shared.run());
        }
    }

    /// Waits until everything that was handed over is worked in. For measurements and tests: the
    /// work gets done without anybody waiting.
    pub fn wait(&self) {
        while self.shared.queue.lock().scheduled {
            std::thread::yield_now();
        }
    }

    /// The trie after the block, which changed `changes` in all, and the stored nodes that differ
    /// from those of the root that it began with.
    ///
    /// Must not be called on a thread of the rayon pool, which might be the one to be waited for.
    ///
    /// # Errors
    /// Where a node cannot be loaded.
    pub fn finish(self, changes: &StateChanges) -> Result<(StateTrie, TrieUpdates), TrieError> {
        // What still waits is part of `changes`.
        self.shared.queue.lock().waiting.clear();
        let work = self.shared.work.lock().take();
        let source = &*self.shared.source;
        if let Some(Work { mut trie, applied, mut updates }) = work
            && let Some(rest) = applied.rest(changes)
            && let Ok(last) = trie.update_accounts(source, &rest)
        {
            merge(&mut updates, last);
            return Ok((trie, updates));
        }
        let mut trie = StateTrie::new(self.base);
        let updates = trie.update(source, changes)?;
        Ok((trie, updates))
    }
}

impl Drop for OpenTrie {
    fn drop(&mut self) {
        self.shared.queue.lock().waiting.clear();
    }
}

impl Shared {
    /// Works until nothing waits. Only one thread at a time does this: one that waits for its own
    /// parallel work may begin something else meanwhile, and must not come to this lock again.
    fn run(&self) {
        loop {
            let waiting = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.scheduled = false;
                    return;
                }
                mem::take(&mut queue.waiting)
            };
            let mut work = self.work.lock();
            for changes in waiting {
                // A panic must not end the process; without the work `finish` begins anew.
                let step = AssertUnwindSafe(|| work.take()?.step(self, &changes));
                *work = catch_unwind(step).unwrap_or(None);
            }
        }
    }
}

impl Work {
    /// Applies `changes`; `None` where that fails.
    fn step(mut self, shared: &Shared, changes: &StateChanges) -> Option<Self> {
        // Later on nodes are in memory that the source does not have.
        if self.applied.0.is_empty() {
            self.trie.evict(shared.keep_bytes);
        }
        // `finish` meets the same error again and passes it on.
        let updates = self.trie.update(&*shared.source, changes).ok()?;
        self.applied.add(changes);
        merge(&mut self.updates, updates);
        Some(self)
    }
}

/// Adds `later` updates to `updates`.
fn merge(updates: &mut TrieUpdates, later: TrieUpdates) {
    if !later.wiped.is_empty() {
        let wiped: B256Set = later.wiped.iter().copied().collect();
        updates.nodes.retain(|key, _| key.owner.is_none_or(|owner| !wiped.contains(&owner)));
        updates.wiped.retain(|owner| !wiped.contains(owner));
        updates.wiped.extend(later.wiped);
    }
    if updates.nodes.is_empty() {
        updates.nodes = later.nodes;
    } else {
        updates.nodes.extend(later.nodes);
    }
}

/// What was applied to a trie so far, as values after it. A deleted account's storage is wiped.
#[derive(Debug, Default)]
struct Applied(StateChanges);

impl Applied {
    fn add(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            let applied = self.0.accounts.entry(*address).or_default();
            applied.account = change.account;
            if change.account.is_none() || change.storage_wiped {
                applied.storage_wiped = true;
                applied.storage.clear();
            }
            if change.account.is_some() {
                applied.storage.extend(&change.storage);
            }
        }
    }

    /// What is left to be applied so that it comes to `changes`; `None` where it went elsewhere.
    fn rest<'c>(
        &self,
        changes: &'c StateChanges,
    ) -> Option<Vec<(Address, Cow<'c, AccountChange>)>> {
        if !self.0.accounts.keys().all(|address| changes.accounts.contains_key(address)) {
            return None;
        }
        let mut rest = Vec::new();
        for (address, change) in &changes.accounts {
            let change = match self.0.accounts.get(address) {
                None => Some(Cow::Borrowed(change)),
                Some(applied) => account_rest(applied, change)?,
            };
            rest.extend(change.map(|change| (*address, change)));
        }
        Some(rest)
    }
}

/// What is left of `change` after `applied`: the outer `None` where there is no way, the inner where
/// there is nothing to do.
fn account_rest<'c>(
    applied: &AccountChange,
    change: &'c AccountChange,
) -> Option<Option<Cow<'c, AccountChange>>> {
    if change.account.is_none() {
        return Some(applied.account.is_some().then_some(Cow::Borrowed(change)));
    }
    let is_superset = applied.storage.keys().all(|slot| change.storage.contains_key(slot));
    match (applied.storage_wiped, change.storage_wiped) {
        (true, false) => return None,
        (false, true) => return Some(Some(Cow::Borrowed(change))),
        (false, false) if !is_superset => return None,
        (true, true) if !is_superset => return Some(Some(Cow::Borrowed(change))),
        _ => {}
    }
    let differs = |(slot, value): &(&_, &_)| applied.storage.get(*slot) != Some(*value);
    let storage: alloy_primitives::map::HashMap<_, _> =
        change.storage.iter().filter(differs).map(|(slot, value)| (*slot, *value)).collect();
    if storage.is_empty() && applied.account == change.account {
        return Some(None);
    }
    let account = change.account;
    Some(Some(Cow::Owned(AccountChange { account, storage_wiped: false, storage })))
}
