//! What a simulation read.
//!
//! A simulation is a function of the values that it read, so it need not run again while none of
//! them changed. [`RecordingState`] notes accounts and slots with their values,
//! [`WatchedBlock`] notes whether anything of the block's environment was asked for.

use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{HashMap, HashSet},
};
use parking_lot::Mutex;
use plasma_evm::{
    BlockEnv,
    revm::context_interface::{Block, block::BlobExcessGasAndPrice},
};
use plasma_storage::{Account, StateReader, StorageError};
use std::cell::Cell;

/// Values that a simulation read from the state, whether it looked at the block, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) accounts: HashMap<Address, Option<Account>>,
    pub(crate) slots: HashMap<(Address, U256), U256>,
    /// Number, time, base fee, block hash or another field of the block was read.
    pub(crate) block: bool,
    /// Gas that it took.
    pub(crate) gas: u64,
}

impl Reads {
    pub(crate) fn merge(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.slots.extend(other.slots);
        self.block |= other.block;
        self.gas = self.gas.saturating_add(other.gas);
    }
}

/// A state that notes what is read from it.
pub(crate) struct RecordingState<'a> {
    state: &'a dyn StateReader,
    // one simulation runs on one thread: the lock is never contended, it only makes this `Sync`
    reads: Mutex<Reads>,
}

impl<'a> RecordingState<'a> {
    pub(crate) fn new(state: &'a dyn StateReader) -> Self {
        Self { state, reads: Mutex::default() }
    }

    pub(crate) fn into_reads(self) -> Reads {
        self.reads.into_inner()
    }
}

impl StateReader for RecordingState<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        let account = self.state.account(address)?;
        self.reads.lock().accounts.insert(address, account);
        Ok(account)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        let value = self.state.storage(address, slot)?;
        self.reads.lock().slots.insert((address, slot), value);
        Ok(value)
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        // Which slots the answer rests on is not told, so the simulation counts as one that must
        // run again in the next block.
        self.reads.lock().block = true;
        self.state.has_storage(address, hidden)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        // code follows from the account's code hash, which is noted
        self.state.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        self.reads.lock().block = true;
        self.state.block_hash(number)
    }
}

/// A block environment that notes whether it was asked for anything.
pub(crate) struct WatchedBlock<'a> {
    block: &'a BlockEnv,
    read: Cell<bool>,
}

impl<'a> WatchedBlock<'a> {
    pub(crate) fn new(block: &'a BlockEnv) -> Self {
        Self { block, read: Cell::new(false) }
    }

    pub(crate) fn was_read(&self) -> bool {
        self.read.get()
    }

    /// Forgets reads so far (those of the EVM's own preparations).
    pub(crate) fn forget(&self) {
        self.read.set(false);
    }

    fn note(&self) -> &BlockEnv {
        self.read.set(true);
        self.block
    }
}

impl Block for WatchedBlock<'_> {
    fn number(&self) -> U256 {
        self.note().number
    }

    fn beneficiary(&self) -> Address {
        self.note().beneficiary
    }

    fn timestamp(&self) -> U256 {
        self.note().timestamp
    }

    fn gas_limit(&self) -> u64 {
        self.note().gas_limit
    }

    fn basefee(&self) -> u64 {
        self.note().basefee
    }

    fn difficulty(&self) -> U256 {
        self.note().difficulty
    }

    fn prevrandao(&self) -> Option<B256> {
        self.note().prevrandao
    }

    fn blob_excess_gas_and_price(&self) -> Option<BlobExcessGasAndPrice> {
        self.note().blob_excess_gas_and_price
    }

    fn slot_num(&self) -> u64 {
        self.note().slot_num()
    }
}
