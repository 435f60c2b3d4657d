//! Blocks of late, in memory, with an index of their transactions.
//!
//! Invariant: every indexed hash belongs to a block that is held.

use crate::block::ExecutedBlock;
use alloy_primitives::{B256, map::B256Map};
use std::{collections::BTreeMap, sync::Arc};

/// Executed blocks kept in memory with an index of their transactions.
pub(crate) const RECENT_BLOCKS: usize = 2_048;

/// Transactions of recent blocks kept in memory; the oldest blocks leave first.
const RECENT_TRANSACTIONS: usize = 400_000;

#[derive(Default)]
pub(crate) struct Recent {
    pub(crate) by_number: BTreeMap<u64, Arc<ExecutedBlock>>,
    pub(crate) by_hash: B256Map<u64>,
    transactions: B256Map<(u64, usize)>,
}

impl Recent {
    pub(crate) fn insert(&mut self, block: Arc<ExecutedBlock>) {
        let number = block.number();
        for (index, transaction) in block.transactions.iter().enumerate() {
            self.transactions.insert(*transaction.tx_hash(), (number, index));
        }
        self.by_hash.insert(block.hash, number);
        self.by_number.insert(number, block);
        while self.by_number.len() > RECENT_BLOCKS
            || (self.transactions.len() > RECENT_TRANSACTIONS && self.by_number.len() > 1)
        {
            let Some((_, oldest)) = self.by_number.pop_first() else { break };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, block: &ExecutedBlock) {
        self.by_hash.remove(&block.hash);
        for transaction in &block.transactions {
            self.transactions.remove(transaction.tx_hash());
        }
    }

    pub(crate) fn truncate(&mut self, last: u64) {
        for (_, block) in self.by_number.split_off(&(last + 1)) {
            self.forget(&block);
        }
    }

    pub(crate) fn transaction(&self, hash: B256) -> Option<(Arc<ExecutedBlock>, usize)> {
        let (number, index) = *self.transactions.get(&hash)?;
        Some((self.by_number.get(&number)?.clone(), index))
    }
}
