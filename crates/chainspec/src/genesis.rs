//! The genesis block: its state, its header.

use crate::{EthereumHardforks, Genesis};
use alloy_consensus::{
    Header,
    constants::{EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_eip7928::constants::EMPTY_BLOCK_ACCESS_LIST_HASH;
use alloy_eips::{eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::root::state_root_ref_unhashed;

/// One account of the genesis state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisAllocation<'a> {
    /// Where it stands.
    pub address: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Its balance in wei.
    pub balance: U256,
    /// Its code; `None` where it has none.
    pub code: Option<&'a Bytes>,
    /// Its non-zero storage: slot and value, by rising slot.
    pub storage: Vec<(U256, U256)>,
}

/// The accounts of the file, by rising address.
pub(crate) fn allocations(genesis: &Genesis) -> impl Iterator<Item = GenesisAllocation<'_>> {
    genesis.alloc.iter().map(|(address, account)| GenesisAllocation {
        address: *address,
        nonce: account.nonce.unwrap_or(0),
        balance: account.balance,
        code: account.non_empty_code(),
        storage: account
            .storage_slots()
            .filter(|(_, value)| !value.is_zero())
            .map(|(slot, value)| (slot.into(), value))
            .collect(),
    })
}

/// State root of the accounts, computed from scratch.
pub(crate) fn state_root(genesis: &Genesis) -> B256 {
    state_root_ref_unhashed(&genesis.alloc)
}

/// Header of block 0 over `state_root`, with the fields of the forks that are active in it.
pub(crate) fn header(
    genesis: &Genesis,
    forks: &impl EthereumHardforks,
    state_root: B256,
) -> Header {
    let time = genesis.timestamp;
    let london = forks.is_london_active_at_block(0);
    // Forks by time count only on top of London, as in geth: a chain may name times for later.
    let shanghai = london && forks.is_shanghai_active_at_timestamp(time);
    let cancun = london && forks.is_cancun_active_at_timestamp(time);
    let prague = london && forks.is_prague_active_at_timestamp(time);
    let amsterdam = london && forks.is_amsterdam_active_at_timestamp(time);
    let base_fee = genesis.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        beneficiary: genesis.coinbase,
        state_root,
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: time,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.to_be_bytes().into(),
        base_fee_per_gas: london.then(|| base_fee.unwrap_or(INITIAL_BASE_FEE)),
        withdrawals_root: shanghai.then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or(0)),
        excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or(0)),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        requests_hash: prague.then_some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: amsterdam.then_some(EMPTY_BLOCK_ACCESS_LIST_HASH),
        slot_number: amsterdam.then(|| genesis.slot_number.unwrap_or(0)),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        ..Header::default()
    }
}
