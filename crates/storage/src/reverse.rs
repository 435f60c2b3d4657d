//! The way from one state back to an earlier one.

use crate::{
    StateChanges, StateReader, StateSnapshot, StorageError,
    change_set::{Prior, read_change_set},
    layer::Layer,
    table::ChangeSets,
    view::View,
};
use alloy_primitives::U256;
use std::sync::Arc;

/// Tells `each` the changes that, applied one after another to the state after block `from` of
/// `view`, give the state after block `number`: whole blocks of changes, `part` accounts and slots
/// or a few more at a time.
///
/// All is read from `view`, so that the way back starts where `from` stands there, wherever the chain
/// goes meanwhile.
pub(crate) fn reverse_changes<E: From<StorageError>>(
    view: &Arc<View>,
    from: u64,
    number: u64,
    part: usize,
    mut each: impl FnMut(StateChanges) -> Result<(), E>,
) -> Result<(), E> {
    let persisted = view.base.block.ok_or(StorageError::Empty)?;
    let mut reverse = StateChanges::default();
    let mut slots = 0;
    for block in (number + 1..=from).rev() {
        let before = StateSnapshot::new(Arc::clone(view), block - 1)?;
        let layer = block.checked_sub(persisted + 1).map(|place| &view.layers[place as usize]);
        slots += match layer {
            Some(layer) => take_back_layer(layer, &before, &mut reverse)?,
            None => take_back_persisted(view, number, block, &mut reverse)?,
        };
        let is_last = block == number + 1 || block == persisted + 1;
        if reverse.accounts.len() + slots < part && !is_last {
            continue;
        }
        for (address, change) in &mut reverse.accounts {
            change.account = before.account(*address)?;
            change.storage_wiped = change.account.is_none();
            if layer.is_some() {
                for (slot, value) in &mut change.storage {
                    *value = before.storage(*address, *slot)?;
                }
            }
        }
        each(std::mem::take(&mut reverse))?;
        slots = 0;
    }
    Ok(())
}

/// Adds the places that a persisted block changed to `reverse`, with the values of slots before it, and
/// answers how many slots are new there.
fn take_back_persisted(
    view: &View,
    number: u64,
    block: u64,
    reverse: &mut StateChanges,
) -> Result<usize, StorageError> {
    let priors = read_change_set::<_, ChangeSets>(view.base.reader(), block)?
        .ok_or(StorageError::Pruned { number, oldest: view.base.oldest })?;
    let mut slots = 0;
    for prior in priors {
        match prior {
            Prior::Account(address, _) => {
                reverse.accounts.entry(address).or_default();
            }
            Prior::Slot(address, slot, before) => {
                let change = reverse.accounts.entry(address).or_default();
                slots += usize::from(change.storage.insert(slot, before).is_none());
            }
            _ => {}
        }
    }
    Ok(slots)
}

/// As [`take_back_persisted`], of a block that is not persisted. Slots are only named: what they held
/// before the last of several blocks that are taken back is read once, at the end.
fn take_back_layer(
    layer: &Layer,
    before: &StateSnapshot,
    reverse: &mut StateChanges,
) -> Result<usize, StorageError> {
    let mut slots = 0;
    for (address, change) in &layer.changes.accounts {
        let storage = &mut reverse.accounts.entry(*address).or_default().storage;
        let already = storage.len();
        storage.extend(change.storage.keys().map(|slot| (*slot, U256::ZERO)));
        if change.wipes_storage() {
            storage.extend(before.slots(*address)?);
        }
        slots += storage.len() - already;
    }
    Ok(slots)
}
