//! The `state` environment: takes blocks back.

use crate::{
    StorageError, address_index,
    change_set::{Prior, delete_change_set, read_change_set},
    codec::Damage,
    engine::WriteTx,
    flat_state::{persisted_block, put_node, set_persisted_block},
    log_index,
    table::{
        AccountHistory, Accounts, BlockHashes, BlockNumbers, ChangeSets, Codes, NodePlace, Storage,
        StorageHistory, Table, TransactionLocations, UnwindSets,
    },
};
use alloy_primitives::{Address, U256};

/// Takes back all persisted blocks after `number`.
pub(crate) fn unwind_to(tx: &WriteTx, number: u64) -> Result<(), StorageError> {
    let persisted = persisted_block(tx)?.ok_or(StorageError::Empty)?;
    for block in (number + 1..=persisted).rev() {
        unwind_block(tx, block)?;
    }
    Ok(())
}

/// Takes back the persisted block `number`: afterwards `number - 1` is the persisted one.
fn unwind_block(tx: &WriteTx, number: u64) -> Result<(), StorageError> {
    let absent = || StorageError::BeyondReorgs { number: number.saturating_sub(1), oldest: number };
    for prior in read_change_set::<_, ChangeSets>(tx, number)?.ok_or_else(absent)? {
        match prior {
            Prior::Account(address, before) => {
                match &before {
                    Some(account) => tx.put::<Accounts>(&address, account)?,
                    None => drop(tx.delete::<Accounts>(&address)?),
                }
                tx.delete::<AccountHistory>(&(address, number))?;
            }
            Prior::Slot(address, slot, before) => restore_slot(tx, number, address, slot, before)?,
            _ => return Err(Damage("neither account nor slot").of(ChangeSets::SPEC.name)),
        }
    }
    for prior in read_change_set::<_, UnwindSets>(tx, number)?.ok_or_else(absent)? {
        match prior {
            Prior::AccountNode(path, node) => {
                put_node(tx, &NodePlace::Account(path), node.as_ref())?;
            }
            Prior::StorageNode(key, node) => {
                put_node(tx, &NodePlace::Storage(key), node.as_ref())?;
            }
            Prior::Transaction(hash) => {
                let location = tx.get::<TransactionLocations>(&hash)?;
                if location.is_some_and(|(block, _)| block == number) {
                    tx.delete::<TransactionLocations>(&hash)?;
                }
            }
            Prior::Code(hash) => drop(tx.delete::<Codes>(&hash)?),
            Prior::Log(key) => log_index::remove(tx, key, number)?,
            prior @ (Prior::Appearance(_) | Prior::Nonce(..) | Prior::Creation(..)) => {
                address_index::restore(tx, number, &prior)?;
            }
            Prior::Account(..) | Prior::Slot(..) => {
                return Err(Damage("an account or slot").of(UnwindSets::SPEC.name));
            }
        }
    }
    delete_change_set::<ChangeSets>(tx, number)?;
    delete_change_set::<UnwindSets>(tx, number)?;
    if let Some(hash) = tx.get::<BlockHashes>(&number)? {
        tx.delete::<BlockNumbers>(&hash)?;
    }
    tx.delete::<BlockHashes>(&number)?;
    set_persisted_block(tx, number - 1)
}

fn restore_slot(
    tx: &WriteTx,
    number: u64,
    address: Address,
    slot: U256,
    before: U256,
) -> Result<(), StorageError> {
    if before.is_zero() {
        tx.delete::<Storage>(&(address, slot))?;
    } else {
        tx.put::<Storage>(&(address, slot), &before)?;
    }
    tx.delete::<StorageHistory>(&(address, slot, number))?;
    Ok(())
}
