//! The way from the latest state back to an earlier one.

use crate::{
    AccountChange, StateChanges, StateReader, StateSnapshot, StorageError,
    change_set::{Prior, read_change_set},
    table::ChangeSets,
    view::View,
};
use alloy_primitives::map::Entry;
use std::sync::Arc;

/// Accounts and slots that the way back may change: about 200 MiB of memory.
const MAX_CHANGES: usize = 1_000_000;

/// The changes that, applied to the persisted state of `view`, give the state after block `number`.
pub(crate) fn reverse_changes(view: &Arc<View>, number: u64) -> Result<StateChanges, StorageError> {
    reverse_within(view, number, MAX_CHANGES)
}

fn reverse_within(
    view: &Arc<View>,
    number: u64,
    limit: usize,
) -> Result<StateChanges, StorageError> {
    let latest = view.base.block.ok_or(StorageError::Empty)?;
    let target = StateSnapshot::new(Arc::clone(view), number)?;
    let mut reverse = StateChanges::default();
    let mut slots = 0;
    for block in number + 1..=latest {
        let priors = read_change_set::<_, ChangeSets>(view.base.reader(), block)?
            .ok_or(StorageError::Pruned { number, oldest: view.base.oldest })?;
        for prior in priors {
            match prior {
                Prior::Account(address, _) => {
                    reverse.accounts.entry(address).or_default();
                }
                // The first block after the target that changed a slot tells what stood there.
                Prior::Slot(address, slot, before) => {
                    let change: &mut AccountChange = reverse.accounts.entry(address).or_default();
                    if let Entry::Vacant(entry) = change.storage.entry(slot) {
                        entry.insert(before);
                        slots += 1;
                    }
                }
                _ => {}
            }
        }
        if reverse.accounts.len() + slots > limit {
            return Err(StorageError::TooManyChanges { number, limit });
        }
    }
    for (address, change) in &mut reverse.accounts {
        change.account = target.account(*address)?;
        change.storage_wiped = change.account.is_none();
    }
    Ok(reverse)
}
