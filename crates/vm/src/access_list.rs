//! The block access list (EIP-7928) that executed states add up to.

use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_primitives::Address;
use revm::state::{Account, EvmState, bal::Bal};

/// A block access list in the making.
///
/// revm's own, but for accounts that a transaction loaded and did not touch in the end. revm's journal
/// does not take back a transfer that overflows the payee's balance in all its parts: such an account
/// may be left with a balance that it never had. What nobody touched has not changed.
#[derive(Clone, Debug, Default)]
pub struct AccessListBuilder {
    list: Bal,
}

impl AccessListBuilder {
    /// Adds what the step at `index` did to an account: all that it loaded is to be added, changed or
    /// not. Steps come in order.
    pub fn add(&mut self, index: BlockAccessIndex, address: Address, account: &Account) {
        if account.is_touched() {
            self.list.update_account(index, address, account);
        } else {
            let listed = self.list.accounts.entry(address).or_default();
            listed.storage.update_reads(account.storage.keys().copied());
        }
    }

    /// Adds the state that the step at `index` left behind.
    pub fn add_state(&mut self, index: BlockAccessIndex, state: &EvmState) {
        for (address, account) in state {
            self.add(index, *address, account);
        }
    }

    /// The list in its canonical order.
    pub fn finish(self) -> BlockAccessList {
        self.list.into_alloy_bal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use revm::state::{AccountInfo, EvmStorageSlot, TransactionId};

    #[test]
    fn untouched_accounts_are_read_only() {
        let (touched, loaded) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let info = AccountInfo { balance: U256::from(5), ..AccountInfo::default() };
        let mut account = Account::from(info);
        account.info.balance = U256::from(6);
        let slot = EvmStorageSlot::new_changed(U256::from(1), U256::from(2), TransactionId::ZERO);
        account.storage.insert(U256::from(9), slot);
        let mut list = AccessListBuilder::default();
        let index = BlockAccessIndex::from_tx_index(0);
        list.add(index, loaded, &account);
        account.mark_touch();
        list.add(index, touched, &account);
        let list = list.finish();
        assert_eq!([list[0].address, list[1].address], [touched, loaded]);
        assert_eq!(list[0].balance_changes.len(), 1);
        assert_eq!(list[0].storage_changes.len(), 1);
        assert!(list[1].balance_changes.is_empty() && list[1].storage_changes.is_empty());
        assert_eq!(list[1].storage_reads, [U256::from(9)]);
    }
}
