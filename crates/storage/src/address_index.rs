//! Which transactions an address appears in, which transaction used a nonce, and which one created a
//! contract.
//!
//! A record of [`AddressIndex`] stands for an address and a block and lists the indexes of its
//! transactions there. Adding a block therefore rewrites nothing, taking it back deletes keys, and
//! both directions are walks of a cursor. The indexes outlive the state of their blocks: pruning
//! leaves them alone.

use crate::{
    ContractOrigin, StorageError, TransactionEntry,
    change_set::{ChangeSetWriter, Prior},
    codec::Damage,
    engine::WriteTx,
    layer::Layer,
    table::{AddressIndex, BlockHashes, Creations, SenderNonces, Table, TableKey, UnwindSets},
    view::View,
};
use alloy_primitives::{Address, B256, Bytes};
use std::{collections::BTreeMap, ops::ControlFlow};

/// The transactions of one block in which an address appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// The block's number.
    pub number: u64,
    /// The block's hash: readers may meet another chain when they fetch the block.
    pub hash: B256,
    /// Indexes of the transactions, in order.
    pub transactions: Vec<u64>,
}

/// What a search for the transactions of an address found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPage {
    /// Whole blocks in the direction of the search.
    pub blocks: Vec<AddressBlock>,
    /// There are more in that direction.
    pub more: bool,
}

/// Indexes of the transactions in which each address appears, in order.
pub(crate) fn by_address(transactions: &[TransactionEntry]) -> BTreeMap<Address, Vec<u64>> {
    let mut found: BTreeMap<Address, Vec<u64>> = BTreeMap::new();
    for (index, transaction) in (0..).zip(transactions) {
        for address in &transaction.appearances.addresses {
            let indexes = found.entry(*address).or_default();
            if indexes.last() != Some(&index) {
                indexes.push(index);
            }
        }
    }
    found
}

/// Adds the transactions of the block after the persisted one, and the way back.
pub(crate) fn write(
    tx: &WriteTx,
    block: &Layer,
    unwind: &mut ChangeSetWriter<'_, UnwindSets>,
) -> Result<(), StorageError> {
    let number = block.number;
    for (address, indexes) in block.appearances() {
        tx.put::<AddressIndex>(&(*address, number), &encode(indexes))?;
        unwind.push(&Prior::Appearance(*address))?;
    }
    // Where a key comes twice the last one holds, and the way back leads to before the block.
    let mut nonces = BTreeMap::new();
    let mut creations = BTreeMap::new();
    for (index, transaction) in (0..).zip(&block.transactions) {
        nonces.insert((transaction.sender, transaction.nonce), (number, index));
        for creation in &transaction.appearances.creations {
            let creator = creation.creator;
            creations.insert(creation.contract, ContractOrigin { block: number, index, creator });
        }
    }
    for (key, location) in nonces {
        let before = tx.get::<SenderNonces>(&key)?;
        tx.put::<SenderNonces>(&key, &location)?;
        unwind.push(&Prior::Nonce(key.0, key.1, before))?;
    }
    for (contract, origin) in creations {
        let before = tx.get::<Creations>(&contract)?;
        tx.put::<Creations>(&contract, &origin)?;
        unwind.push(&Prior::Creation(contract, before))?;
    }
    Ok(())
}

/// Takes back what [`write`] did in block `number` and noted as `prior`; other notes are not its own.
pub(crate) fn restore(tx: &WriteTx, number: u64, prior: &Prior) -> Result<(), StorageError> {
    match prior {
        Prior::Appearance(address) => drop(tx.delete::<AddressIndex>(&(*address, number))?),
        Prior::Nonce(sender, nonce, before) => match before {
            Some(location) => tx.put::<SenderNonces>(&(*sender, *nonce), location)?,
            None => drop(tx.delete::<SenderNonces>(&(*sender, *nonce))?),
        },
        Prior::Creation(contract, before) => match before {
            Some(origin) => tx.put::<Creations>(contract, origin)?,
            None => drop(tx.delete::<Creations>(contract)?),
        },
        _ => {}
    }
    Ok(())
}

/// See [`Database::address_transactions_before`](crate::Database::address_transactions_before).
pub(crate) fn search_before(
    view: &View,
    address: Address,
    before: Option<u64>,
    least: usize,
) -> Result<AddressPage, StorageError> {
    let mut page = Page::new(least);
    let wanted = |number: u64| before.is_none_or(|before| number < before);
    for layer in view.layers.iter().rev().filter(|layer| wanted(layer.number)) {
        if page.add_layer(layer, address).is_break() {
            return Ok(page.found);
        }
    }
    // Nothing has the highest number that there is.
    let end = (address, before.unwrap_or(u64::MAX)).encode();
    let mut failed = None;
    view.base.reader().scan_back::<AddressIndex>(
        address.as_slice(),
        &end,
        |(_, number), list| {
            page.add_record(view, number, &list).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        },
    )?;
    failed.map_or(Ok(page.found), Err)
}

/// See [`Database::address_transactions_after`](crate::Database::address_transactions_after).
pub(crate) fn search_after(
    view: &View,
    address: Address,
    after: Option<u64>,
    least: usize,
) -> Result<AddressPage, StorageError> {
    let mut page = Page::new(least);
    let Some(first) = after.map_or(Some(0), |after| after.checked_add(1)) else {
        return Ok(page.found);
    };
    let from = (address, first).encode();
    let mut failed = None;
    let mut ended = false;
    view.base.reader().scan_from::<AddressIndex>(
        address.as_slice(),
        &from,
        |(_, number), list| {
            let step = page.add_record(view, number, &list).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            });
            ended = step.is_break();
            step
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !ended {
        for layer in view.layers.iter().filter(|layer| layer.number >= first) {
            if page.add_layer(layer, address).is_break() {
                break;
            }
        }
    }
    Ok(page.found)
}

/// See [`Database::nonce_location`](crate::Database::nonce_location).
pub(crate) fn nonce_location(
    view: &View,
    sender: Address,
    nonce: u64,
) -> Result<Option<(u64, u64)>, StorageError> {
    for layer in view.layers.iter().rev() {
        let used = |entry: &TransactionEntry| entry.sender == sender && entry.nonce == nonce;
        if let Some(index) = layer.transactions.iter().rposition(used) {
            return Ok(Some((layer.number, index as u64)));
        }
    }
    view.base.reader().get::<SenderNonces>(&(sender, nonce))
}

/// See [`Database::contract_origin`](crate::Database::contract_origin).
pub(crate) fn contract_origin(
    view: &View,
    address: Address,
) -> Result<Option<ContractOrigin>, StorageError> {
    for layer in view.layers.iter().rev() {
        for (index, entry) in layer.transactions.iter().enumerate().rev() {
            let creations = &entry.appearances.creations;
            if let Some(found) = creations.iter().find(|creation| creation.contract == address) {
                let (block, index, creator) = (layer.number, index as u64, found.creator);
                return Ok(Some(ContractOrigin { block, index, creator }));
            }
        }
    }
    view.base.reader().get::<Creations>(&address)
}

/// A page that is filled up to the first whole block with which it has enough.
struct Page {
    found: AddressPage,
    count: usize,
    least: usize,
}

impl Page {
    const fn new(least: usize) -> Self {
        Self { found: AddressPage { blocks: Vec::new(), more: false }, count: 0, least }
    }

    fn add_layer(&mut self, layer: &Layer, address: Address) -> ControlFlow<()> {
        match layer.appearances().get(&address) {
            None => ControlFlow::Continue(()),
            Some(_) if self.is_full() => ControlFlow::Break(()),
            Some(indexes) => {
                self.push(layer.number, layer.hash, indexes.clone());
                ControlFlow::Continue(())
            }
        }
    }

    fn add_record(
        &mut self,
        view: &View,
        number: u64,
        list: &[u8],
    ) -> Result<ControlFlow<()>, StorageError> {
        if self.is_full() {
            return Ok(ControlFlow::Break(()));
        }
        let hash = view.base.reader().get::<BlockHashes>(&number)?;
        let hash = hash.ok_or_else(|| Damage("it names an unknown block").of(NAME))?;
        self.push(number, hash, decode(list).map_err(|damage| damage.of(NAME))?);
        Ok(ControlFlow::Continue(()))
    }

    fn push(&mut self, number: u64, hash: B256, transactions: Vec<u64>) {
        self.count += transactions.len();
        self.found.blocks.push(AddressBlock { number, hash, transactions });
    }

    /// Asked where there is one more block.
    const fn is_full(&mut self) -> bool {
        self.found.more = self.count >= self.least;
        self.found.more
    }
}

const NAME: &str = AddressIndex::SPEC.name;

/// Distances between indexes, each in groups of 7 bits, the lowest first; all but the last group of a
/// number have the highest bit set.
fn encode(indexes: &[u64]) -> Bytes {
    let mut out = Vec::with_capacity(indexes.len());
    let mut last = 0;
    for index in indexes {
        let mut rest = index - last;
        last = *index;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out.into()
}

fn decode(bytes: &[u8]) -> Result<Vec<u64>, Damage> {
    let mut indexes = Vec::with_capacity(bytes.len());
    let (mut last, mut distance, mut shift) = (0u64, 0u64, 0);
    for byte in bytes {
        if shift > 56 {
            return Err(Damage("a distance is too long"));
        }
        distance |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add(distance).ok_or(Damage("an index is too high"))?;
            indexes.push(last);
            (distance, shift) = (0, 0);
        }
    }
    if shift != 0 { Err(Damage("a distance is cut short")) } else { Ok(indexes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_survive_the_way_through_bytes(
            indexes in proptest::collection::btree_set(0u64..1 << 32, 0..50),
        ) {
            let indexes: Vec<u64> = indexes.into_iter().collect();
            prop_assert_eq!(decode(&encode(&indexes)), Ok(indexes));
        }

        #[test]
        fn damaged_lists_are_refused_or_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = decode(&bytes);
        }
    }
}
