//! The first block of a database.

use crate::ChainError;
use alloy_primitives::{KECCAK256_EMPTY, keccak256};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Account, AccountChange, Database, StateChanges};
use plasma_trie::{EmptyNodes, StateTrie};

/// The state of the genesis block as changes against nothing.
pub(crate) fn genesis_changes(spec: &ChainSpec) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, account) in &spec.genesis().alloc {
        let code = account.code.clone().filter(|code| !code.is_empty());
        let code_hash = code.as_ref().map(keccak256);
        if let (Some(hash), Some(code)) = (code_hash, code) {
            changes.codes.insert(hash, code);
        }
        let storage = account
            .storage
            .iter()
            .flatten()
            .map(|(slot, value)| ((*slot).into(), (*value).into()))
            .filter(|(_, value): &(_, alloy_primitives::U256)| !value.is_zero())
            .collect();
        changes.accounts.insert(
            *address,
            AccountChange {
                account: Some(Account {
                    nonce: account.nonce.unwrap_or(0), // geth: an absent nonce is zero
                    balance: account.balance,
                    bytecode_hash: code_hash.filter(|hash| *hash != KECCAK256_EMPTY),
                }),
                storage_wiped: false,
                storage,
            },
        );
    }
    changes
}

/// Writes genesis into a fresh database, or checks that the database belongs to this chain.
pub(crate) fn ensure_genesis(spec: &ChainSpec, db: &Database) -> Result<(), ChainError> {
    if db.genesis_hash()?.is_some() {
        return Ok(db.check_genesis(spec.genesis_hash())?);
    }
    let changes = genesis_changes(spec);
    let mut trie = StateTrie::new(alloy_trie::EMPTY_ROOT_HASH);
    let updates = trie.update(&EmptyNodes, &changes)?;
    let header = spec.genesis_header();
    if trie.root() != header.state_root {
        return Err(ChainError::invalid(0, "state root", trie.root(), header.state_root));
    }
    Ok(db.init_genesis(header, spec.genesis_hash(), &changes, &updates)?)
}
