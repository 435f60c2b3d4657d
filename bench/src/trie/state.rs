//! The state that roots are measured on, and blocks that change it.

use std::sync::Arc;

use alloy_primitives::{Address, U256, keccak256};
use plasma_storage::{Account, AccountChange, StateChanges};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// How large everything is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) accounts: u64,
    pub(crate) slots: u64,
    /// Accounts that a block changes.
    pub(crate) changed: usize,
}

/// Makes a state and random blocks; the same ones each time.
pub(crate) struct Blocks {
    sizes: Sizes,
    random: StdRng,
}

fn address(number: u64) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

/// The account that has storage.
fn contract() -> Address {
    address(0)
}

impl Blocks {
    pub(crate) fn new(sizes: Sizes) -> Self {
        Self { sizes, random: StdRng::seed_from_u64(1) }
    }

    fn account(&mut self) -> AccountChange {
        let account = Account {
            nonce: self.random.random_range(0..1000),
            balance: U256::from(self.random.random::<u64>()),
            bytecode_hash: None,
        };
        AccountChange { account: Some(account), ..Default::default() }
    }

    pub(crate) fn genesis(&mut self) -> StateChanges {
        let mut changes = StateChanges::default();
        for number in 0..self.sizes.accounts {
            changes.accounts.insert(address(number), self.account());
        }
        let contract = changes.accounts.entry(contract()).or_default();
        let slots = (0..self.sizes.slots).map(|slot| (U256::from(slot), U256::from(slot + 1)));
        contract.storage = slots.collect();
        changes
    }

    /// A block that changes random accounts, and creates a few.
    pub(crate) fn accounts(&mut self) -> StateChanges {
        let mut changes = StateChanges::default();
        while changes.accounts.len() < self.sizes.changed {
            let number = self.random.random_range(1..self.sizes.accounts * 101 / 100);
            changes.accounts.insert(address(number), self.account());
        }
        changes
    }

    /// A block that changes a tenth as many slots of the contract: of ten, one is emptied and one was
    /// empty before.
    pub(crate) fn slots(&mut self) -> StateChanges {
        let mut change = self.account();
        while change.storage.len() < self.sizes.changed / 10 {
            let slot = U256::from(self.random.random_range(0..self.sizes.slots * 11 / 10));
            let emptied = self.random.random_bool(0.1);
            let value = if emptied { 0 } else { self.random.random::<u64>() };
            change.storage.insert(slot, U256::from(value));
        }
        let accounts = [(contract(), change)].into_iter().collect();
        StateChanges { accounts, ..Default::default() }
    }
}

/// `changes` as so many ticks of about equal size.
pub(crate) fn ticks(changes: &StateChanges, count: usize) -> Vec<Arc<StateChanges>> {
    let mut ticks = vec![StateChanges::default(); count];
    for (index, (address, change)) in changes.accounts.iter().enumerate() {
        if change.storage.is_empty() {
            ticks[index % count].accounts.insert(*address, change.clone());
        }
        for (index, (slot, value)) in change.storage.iter().enumerate() {
            let part = ticks[index % count].accounts.entry(*address).or_default();
            part.account = change.account;
            part.storage.insert(*slot, *value);
        }
    }
    ticks.into_iter().map(Arc::new).collect()
}
