//! Forgets old history, a little with every commit.

use crate::{
    DatabaseOptions, StorageError,
    change_set::{Prior, delete_change_set, read_change_set},
    engine::WriteTx,
    table::{AccountHistory, ChangeSets, StorageHistory, UnwindSets},
};

/// Values forgotten per commit beyond those of as many blocks as the commit adds. Each may touch a
/// page of its own, so this is what pruning adds to a commit: up to 16 MiB.
const EXTRA_VALUES: usize = 4_096;

/// Forgets what `options` do not keep when `persisted` is the persisted block and `added` blocks
/// were added to it. What is overdue for longer (the bound was lowered) goes step by step.
pub(crate) fn prune(
    tx: &WriteTx,
    options: &DatabaseOptions,
    persisted: u64,
    added: usize,
) -> Result<(), StorageError> {
    let first_kept = |blocks: u64| (persisted + 1).saturating_sub(blocks.max(1));
    let history = options.history_blocks.map_or(0, first_kept);
    // The way back leads through the history.
    let unwind = first_kept(options.reorg_blocks).max(history);
    let mut values = 0;
    for step in 0.. {
        let Some(((number, _), _)) = tx.seek::<UnwindSets>(&[])? else { break };
        if number >= unwind || (step >= added && values >= EXTRA_VALUES) {
            break;
        }
        values += delete_change_set::<UnwindSets>(tx, number)?;
    }
    values = 0;
    for step in 0.. {
        let Some(((number, _), _)) = tx.seek::<ChangeSets>(&[])? else { break };
        if number >= history || (step >= added && values >= EXTRA_VALUES) {
            break;
        }
        for prior in read_change_set::<_, ChangeSets>(tx, number)?.unwrap_or_default() {
            values += 1;
            match prior {
                Prior::Account(address, _) => {
                    tx.delete::<AccountHistory>(&(address, number))?;
                }
                Prior::Slot(address, slot, _) => {
                    tx.delete::<StorageHistory>(&(address, slot, number))?;
                }
                _ => {}
            }
        }
        values += delete_change_set::<ChangeSets>(tx, number)?;
    }
    Ok(())
}
