//! Whether flat state, stored tries and the header tell the same.
//!
//! Accounts and slots lie by address and number, the tries by hash. So they are read in passes, each
//! taking those whose hashes lie in one part of all, sorted: memory stays bounded.

use super::walk::Walk;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use eyre::{Result, WrapErr as _, bail, ensure, eyre};
use plasma_storage::{Account, Inspection, StorageError};
use std::ops::ControlFlow;

/// What was found sound.
#[derive(Debug, Default)]
pub(super) struct Verified {
    pub(super) accounts: u64,
    pub(super) slots: u64,
    pub(super) codes: u64,
    pub(super) nodes: u64,
    pub(super) state_root: B256,
}

/// Checks everything; the error names the first difference. At most `batch` accounts, and slots of
/// one account, are in memory at once.
pub(super) fn verify(inspection: &Inspection, batch: usize) -> Result<Verified> {
    let number = inspection.state_block();
    let (hash, header) =
        inspection.header(number)?.ok_or_else(|| eyre!("block {number} has no header"))?;
    let found = header.hash_slow();
    ensure!(found == hash, "block {number}: its header hashes to {found}, but is stored as {hash}");
    let mut verified = Verified { state_root: header.state_root, ..Verified::default() };
    codes(inspection, &mut verified)?;
    let mut walk = Walk::new(inspection, None, header.state_root);
    let mut builder = HashBuilder::default();
    let scan = |each: Take<'_, (Address, Account)>| {
        inspection.accounts(|address, account| {
            each(keccak256(address), (address, account));
            ControlFlow::Continue(())
        })
    };
    in_hash_order(batch, scan, &mut |hash, (address, account)| {
        let stored = next_leaf(&mut walk, hash)
            .wrap_err_with(|| format!("account {address} (hash {hash})"))?;
        let leaf = check_account(inspection, address, account, &stored, batch, &mut verified)
            .wrap_err_with(|| format!("account {address}"))?;
        builder.add_leaf(Nibbles::unpack(hash), &leaf);
        verified.accounts += 1;
        Ok(())
    })?;
    if let Some((hash, _)) = walk.next()? {
        bail!("the account trie has an account with hash {hash}, which flat state lacks");
    }
    verified.nodes += walk.nodes;
    let root = builder.root();
    ensure!(
        root == header.state_root,
        "the state root of the flat state is {root}, but block {number} says {}",
        header.state_root
    );
    Ok(verified)
}

/// Every code hashes to what it is stored under.
fn codes(inspection: &Inspection, verified: &mut Verified) -> Result<()> {
    let mut wrong = None;
    inspection.codes(|hash, code| {
        let found = keccak256(&code);
        if found != hash {
            wrong = Some((hash, found));
            return ControlFlow::Break(());
        }
        verified.codes += 1;
        ControlFlow::Continue(())
    })?;
    match wrong {
        Some((hash, found)) => bail!("the code stored as {hash} hashes to {found}"),
        None => Ok(()),
    }
}

/// The trie's next leaf, which must have the key `hash`.
fn next_leaf(walk: &mut Walk<'_>, hash: B256) -> Result<Vec<u8>> {
    match walk.next()? {
        None => bail!("it is in flat state, but not in the trie"),
        Some((found, _)) if found > hash => bail!("it is in flat state, but not in the trie"),
        Some((found, _)) if found < hash => {
            bail!("before it, the trie has a key {found}, which flat state lacks")
        }
        Some((_, value)) => Ok(value),
    }
}

/// Checks one account against the value of its leaf; answers the value that it must have.
fn check_account(
    inspection: &Inspection,
    address: Address,
    account: Account,
    stored: &[u8],
    batch: usize,
    verified: &mut Verified,
) -> Result<Vec<u8>> {
    let trie = TrieAccount::decode(&mut &*stored).wrap_err("its leaf is no account")?;
    let code_hash = account.bytecode_hash.unwrap_or(KECCAK256_EMPTY);
    ensure!(
        trie.nonce == account.nonce,
        "its nonce is {} in flat state, but {} in the trie",
        account.nonce,
        trie.nonce
    );
    ensure!(
        trie.balance == account.balance,
        "its balance is {} wei in flat state, but {} in the trie",
        account.balance,
        trie.balance
    );
    ensure!(
        trie.code_hash == code_hash,
        "its code hash is {code_hash} in flat state, but {} in the trie",
        trie.code_hash
    );
    ensure!(
        code_hash == KECCAK256_EMPTY || inspection.code(code_hash)?.is_some(),
        "its code {code_hash} is not stored"
    );
    let mut walk = Walk::new(inspection, Some(keccak256(address)), trie.storage_root);
    let mut builder = HashBuilder::default();
    let scan = |each: Take<'_, (U256, U256)>| {
        inspection.slots(address, |slot, value| {
            each(keccak256(B256::from(slot)), (slot, value));
            ControlFlow::Continue(())
        })
    };
    in_hash_order(batch, scan, &mut |hash, (slot, value)| {
        let name = || format!("slot {slot:#x} (hash {hash})");
        let stored = next_leaf(&mut walk, hash).wrap_err_with(name)?;
        let expected = alloy_rlp::encode(value);
        if stored != expected {
            let found = U256::decode(&mut stored.as_slice()).wrap_err_with(name)?;
            bail!("{}: it is {value:#x} in flat state, but {found:#x} in the trie", name());
        }
        builder.add_leaf(Nibbles::unpack(hash), &expected);
        verified.slots += 1;
        Ok(())
    })?;
    if let Some((hash, _)) = walk.next()? {
        bail!("its trie has a slot with hash {hash}, which flat state lacks");
    }
    verified.nodes += walk.nodes;
    let root = builder.root();
    ensure!(
        root == trie.storage_root,
        "its storage root is {root} by its slots, but {} in the trie",
        trie.storage_root
    );
    Ok(alloy_rlp::encode(TrieAccount::new(account.nonce, account.balance, root, code_hash)))
}

/// Receives items under their hashes.
type Take<'a, T> = &'a mut dyn FnMut(B256, T);

/// What `scan` tells, in the order of the hashes, with at most about `batch` items in memory.
fn in_hash_order<T>(
    batch: usize,
    scan: impl Fn(Take<'_, T>) -> Result<(), StorageError>,
    each: &mut dyn FnMut(B256, T) -> Result<()>,
) -> Result<()> {
    let mut count = 0;
    let mut items = Vec::new();
    scan(&mut |hash, item| {
        count += 1;
        if count <= batch {
            items.push((hash, item));
        }
    })?;
    // Hashes spread evenly, so the parts are about equal.
    let passes = count.div_ceil(batch.max(1)).max(1) as u64;
    for pass in 0..passes {
        if passes > 1 {
            items = Vec::new();
            scan(&mut |hash, item| {
                if part(hash, passes) == pass {
                    items.push((hash, item));
                }
            })?;
        }
        items.sort_unstable_by_key(|(hash, _)| *hash);
        for (hash, item) in items.drain(..) {
            each(hash, item)?;
        }
    }
    Ok(())
}

/// Which of `parts` equal parts of all hashes this one lies in.
fn part(hash: B256, parts: u64) -> u64 {
    let front = u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
    ((u128::from(front) * u128::from(parts)) >> 64) as u64
}
