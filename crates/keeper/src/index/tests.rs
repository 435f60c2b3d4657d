//! The index beside a plain model of it.

use super::*;
use alloy_primitives::map::HashMap;
use plasma_storage::AccountChange;
use proptest::prelude::*;

const READERS: Slot = 24;
const ACCOUNTS: u8 = 4;
const SLOTS: u64 = 6;

/// What may happen to an index.
#[derive(Clone, Debug)]
enum Step {
    Enter(Slot, Reads),
    Leave(Slot),
    Apply(StateChanges),
}

fn account(balance: u64) -> Option<Account> {
    (balance > 0).then(|| Account { balance: U256::from(balance), ..Account::default() })
}

fn any_step() -> impl Strategy<Value = Step> {
    let address = || (0..ACCOUNTS).prop_map(Address::with_last_byte);
    let slot = || (0..SLOTS).prop_map(U256::from);
    let value = || (0u64..3).prop_map(U256::from);
    let accounts = prop::collection::hash_map(address(), (0u64..3).prop_map(account), 0..3);
    let slots = prop::collection::hash_map((address(), slot()), value(), 0..6);
    let reads = (accounts, slots).prop_map(|(accounts, slots)| Reads {
        accounts: accounts.into_iter().collect(),
        slots: slots.into_iter().collect(),
        ..Reads::default()
    });
    let storage = prop::collection::hash_map(slot(), value(), 0..6);
    let change = ((0u64..3).prop_map(account), prop::bool::weighted(0.2), storage).prop_map(
        |(account, storage_wiped, storage)| AccountChange {
            account,
            storage_wiped,
            storage: storage.into_iter().collect(),
        },
    );
    let changes = prop::collection::hash_map(address(), change, 0..3);
    prop_oneof![
        6 => (0..READERS, reads).prop_map(|(reader, reads)| Step::Enter(reader, reads)),
        1 => (0..READERS).prop_map(Step::Leave),
        3 => changes.prop_map(|accounts| Step::Apply(StateChanges {
            accounts: accounts.into_iter().collect(),
            ..StateChanges::default()
        })),
    ]
}

/// The same, the plain way: what each reader has read, with its newest value.
#[derive(Default)]
struct Model {
    reads: HashMap<Slot, Reads>,
}

impl Model {
    /// Sets what each reader knows; returns those for whom that is something new.
    fn set(
        &mut self,
        accounts: impl Fn(Address) -> Option<Option<Account>>,
        slots: impl Fn(Address, U256) -> Option<U256>,
    ) -> BTreeSet<Slot> {
        let mut woken = BTreeSet::new();
        for (reader, reads) in &mut self.reads {
            for (address, known) in &mut reads.accounts {
                let new = accounts(*address).unwrap_or(*known);
                if std::mem::replace(known, new) != new {
                    woken.insert(*reader);
                }
            }
            for ((address, slot), known) in &mut reads.slots {
                let new = slots(*address, *slot).unwrap_or(*known);
                if std::mem::replace(known, new) != new {
                    woken.insert(*reader);
                }
            }
        }
        woken
    }

    fn step(&mut self, step: &Step) -> BTreeSet<Slot> {
        match step {
            Step::Enter(reader, reads) => {
                self.reads.insert(*reader, reads.clone());
                self.set(
                    |address| reads.accounts.get(&address).copied(),
                    |address, slot| reads.slots.get(&(address, slot)).copied(),
                )
            }
            Step::Leave(reader) => {
                self.reads.remove(reader);
                BTreeSet::new()
            }
            Step::Apply(changes) => self.set(
                |address| Some(changes.accounts.get(&address)?.account),
                |address, slot| {
                    let change = changes.accounts.get(&address)?;
                    let wiped = change.storage_wiped.then_some(U256::ZERO);
                    change.storage.get(&slot).copied().or(wiped)
                },
            ),
        }
    }

    /// Accounts, those included of which only slots are read, and slots.
    fn len(&self) -> (usize, usize) {
        let (mut accounts, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for reads in self.reads.values() {
            accounts.extend(reads.accounts.keys().copied());
            accounts.extend(reads.slots.keys().map(|(address, _)| *address));
            slots.extend(reads.slots.keys().copied());
        }
        (accounts.len(), slots.len())
    }
}

proptest! {
    #[test]
    fn whoever_read_what_changed_is_woken_and_nobody_else(
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let (mut index, mut model) = (ReadIndex::default(), Model::default());
        for step in &steps {
            let mut woken = BTreeSet::new();
            match step {
                Step::Enter(reader, reads) => index.enter(*reader, reads, &mut woken),
                Step::Leave(reader) => index.leave(*reader),
                Step::Apply(changes) => index.apply(changes, &mut woken),
            }
            prop_assert_eq!(woken, model.step(step), "{:?}", step);
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.by_address.len(), index.accounts.len());
            let found: usize = index.accounts.iter().map(|(_, watch)| watch.slots.len()).sum();
            prop_assert_eq!(found, index.slots.len());
        }
    }
}
