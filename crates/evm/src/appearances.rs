//! By which addresses a transaction can be found, told from what it did to the state.

use alloy_primitives::{Address, TxKind, map::AddressMap};
use plasma_storage::{Appearances, ContractCreation};
use revm::state::{Account, EvmState};

/// The addresses that appear in a transaction by what it touched, and by whom it was sent to; the
/// sender, and the address of a creation that failed, are for [`complete`] to add.
pub(crate) fn of_outcome(to: TxKind, state: &EvmState, beneficiary: Address) -> Appearances {
    let mut appearances = Appearances::default();
    if let TxKind::Call(to) = to {
        appearances.addresses.push(to);
    }
    let mut created = AddressMap::default();
    for (address, account) in state {
        // Every transaction touches the beneficiary when it pays the fee.
        if account.is_touched() && *address != beneficiary {
            appearances.addresses.push(*address);
        }
        if is_new_contract(account) {
            created.insert(*address, None);
        }
    }
    if !created.is_empty() {
        find_creators(state, &mut created);
        let creation = |(contract, creator)| ContractCreation { contract, creator };
        appearances.creations = created.into_iter().map(creation).collect();
        appearances.creations.sort_unstable_by_key(|creation| creation.contract);
    }
    appearances
}

/// Adds what is known of a transaction without its outcome.
pub fn complete(appearances: &mut Appearances, sender: Address, nonce: u64, to: TxKind) {
    let addresses = &mut appearances.addresses;
    addresses.push(sender);
    if to.is_create() {
        addresses.push(sender.create(nonce));
    }
    addresses.sort_unstable();
    addresses.dedup();
}

fn is_new_contract(account: &Account) -> bool {
    let has_code = !account.info.is_empty_code_hash();
    account.is_created() && has_code && account.is_touched() && !account.is_selfdestructed()
}

/// Whoever creates a contract counts up its nonce, and where it does so by `CREATE` or by the
/// transaction itself, address and nonce give the new contract's address. A creation by `CREATE2` is
/// told where one account alone has counted up without such an address coming out.
fn find_creators(state: &EvmState, created: &mut AddressMap<Option<Address>>) {
    let mut others = Vec::new();
    let mut destroyed = false;
    for (address, account) in state {
        destroyed |= account.is_selfdestructed();
        // A new contract begins with one (EIP-161); before that, with none.
        let first = if account.is_created() { 0 } else { account.original_info().nonce };
        let mut unexplained = 0;
        for nonce in first..account.info.nonce {
            match created.get_mut(&address.create(nonce)) {
                Some(creator) => *creator = Some(*address),
                None => unexplained += 1,
            }
        }
        // The count that a new contract begins with is no creation of its own, and where there is no
        // code to create anything, a transaction was sent.
        let has_code = account.is_created() || !account.info.is_empty_code_hash();
        if has_code && unexplained > u64::from(account.is_created()) {
            others.push(*address);
        }
    }
    // What was destroyed may have counted, too, and its count is gone.
    if let ([creator], false) = (others.as_slice(), destroyed) {
        for found in created.values_mut().filter(|found| found.is_none()) {
            *found = Some(*creator);
        }
    }
}
