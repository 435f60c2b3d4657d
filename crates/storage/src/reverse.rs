//! The way from the latest state back to an earlier one.

use crate::{
    AccountChange, StateChanges, StateReader, StateSnapshot, StorageError,
    change_set::{Prior, read_change_set},
    table::ChangeSets,
    view::View,
};
use std::sync::Arc;

/// Tells `each` the changes that, applied one after another to the persisted state of `view`, give
/// the state after block `number`: whole blocks of changes, `part` accounts and slots or a few
/// more at a time.
pub(crate) fn reverse_changes<E: From<StorageError>>(
    view: &Arc<View>,
    number: u64,
    part: usize,
    mut each: impl FnMut(StateChanges) -> Result<(), E>,
) -> Result<(), E> {
    let latest = view.base.block.ok_or(StorageError::Empty)?;
    let mut reverse = StateChanges::default();
    let mut slots = 0;
    for block in (number + 1..=latest).rev() {
        let priors = read_change_set::<_, ChangeSets>(view.base.reader(), block)?
            .ok_or(StorageError::Pruned { number, oldest: view.base.oldest })?;
        for prior in priors {
            match prior {
                Prior::Account(address, _) => {
                    reverse.accounts.entry(address).or_default();
                }
                Prior::Slot(address, slot, before) => {
                    let change: &mut AccountChange = reverse.accounts.entry(address).or_default();
                    slots += usize::from(change.storage.insert(slot, before).is_none());
                }
                _ => {}
            }
        }
        if reverse.accounts.len() + slots >= part || block == number + 1 {
            let target = StateSnapshot::new(Arc::clone(view), block - 1)?;
            for (address, change) in &mut reverse.accounts {
                change.account = target.account(*address)?;
                change.storage_wiped = change.account.is_none();
            }
            each(std::mem::take(&mut reverse))?;
            slots = 0;
        }
    }
    Ok(())
}
