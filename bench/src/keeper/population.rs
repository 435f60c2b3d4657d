//! A state with many registered upkeeps, written as the registry lays its storage out.
//!
//! Registering each by a transaction would take minutes; that the layout is met shows in what the registry's own views
//! answer when the keeper loads.

use alloy_primitives::{
    Address, B256, Bytes, U256, address, hex, keccak256,
    map::{AddressMap, B256Map, HashMap, HashSet},
};
use alloy_sol_types::SolValue as _;
use eyre::{Result, eyre};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Account, AccountChange, StateChanges, StateReader, StorageError};

const GENESIS: &str = include_str!("../../../genesis/dev.json");
const LAYOUT: &str = include_str!("../../../contracts/artifacts/Registry.json");
const WATCHER: &str = include_str!("../../contracts/artifacts/Watcher.runtime.hex");

pub(super) const REGISTRY: Address = address!("0x506C61736D610000000000000000000000000001");
/// The contract that all upkeeps have as their target.
pub(super) const TARGET: Address = address!("0x00000000000000000000000000000000007a26e7");
/// Gas that each upkeep asks for.
const PERFORM_GAS: u64 = 100_000;
const ETHER: u128 = 1_000_000_000_000_000_000;

/// A state in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryState {
    accounts: AddressMap<Account>,
    slots: HashMap<(Address, U256), U256>,
    codes: B256Map<Bytes>,
}

impl MemoryState {
    fn put_code(&mut self, address: Address, code: Bytes) {
        let hash = keccak256(&code);
        self.codes.insert(hash, code);
        self.accounts.entry(address).or_default().bytecode_hash = Some(hash);
    }

    /// Sets slots of one contract; what the keeper is told of it.
    pub(super) fn write(&mut self, contract: Address, slots: &[(U256, U256)]) -> StateChanges {
        let mut change =
            AccountChange { account: self.accounts.get(&contract).copied(), ..Default::default() };
        for (slot, value) in slots {
            self.slots.insert((contract, *slot), *value);
            change.storage.insert(*slot, *value);
        }
        let mut changes = StateChanges::default();
        changes.accounts.insert(contract, change);
        changes
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        Ok(self.slots.keys().any(|(owner, slot)| *owner == address && !hidden.contains(slot)))
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(self.codes.get(&code_hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        Ok(Some(keccak256(number.to_be_bytes())))
    }
}

/// Where the registry keeps things, from the compiler's storage layout.
#[derive(Clone, Copy, Debug)]
struct Layout {
    upkeeps: u64,
    active_ids: u64,
    active_places: u64,
}

impl Layout {
    fn read() -> Result<Self> {
        let artifact: serde_json::Value = serde_json::from_str(LAYOUT)?;
        let storage = artifact["storageLayout"]["storage"].as_array();
        let slot = |label: &str| {
            let variable = storage.and_then(|all| all.iter().find(|one| one["label"] == label));
            variable
                .and_then(|one| one["slot"].as_u64())
                .ok_or_else(|| eyre!("the registry's storage layout has no \"{label}\""))
        };
        Ok(Self {
            upkeeps: slot("upkeeps")?,
            active_ids: slot("activeIds")?,
            active_places: slot("activePlaces")?,
        })
    }
}

fn in_mapping(key: U256, slot: u64) -> U256 {
    keccak256((key, U256::from(slot)).abi_encode()).into()
}

/// The slot of the number that upkeep `index` watches.
pub(super) fn level_slot(index: u64) -> U256 {
    in_mapping(U256::from(index), 0)
}

/// Id of upkeep `index`: conditional, so bytes 4 to 15 are zero.
pub(super) fn upkeep_id(index: u64) -> U256 {
    let digest = U256::from_be_bytes(keccak256(index.to_be_bytes()).0);
    let room: U256 = ((U256::from(1) << 96) - U256::from(1)) << 128;
    digest & !room
}

/// The specification of the development chain.
pub(super) fn spec() -> Result<ChainSpec> {
    Ok(ChainSpec::from_json(GENESIS)?)
}

/// The development genesis with `count` conditional upkeeps, each of which watches a number of its own; none is due.
pub(super) fn with_upkeeps(spec: &ChainSpec, count: u64) -> Result<MemoryState> {
    let mut state = MemoryState::default();
    for allocation in spec.genesis_alloc() {
        let account = state.accounts.entry(allocation.address).or_default();
        account.nonce = allocation.nonce;
        account.balance = allocation.balance;
        if let Some(code) = allocation.code {
            state.put_code(allocation.address, code.clone());
        }
        for (slot, value) in allocation.storage {
            state.slots.insert((allocation.address, slot), value);
        }
    }
    let code: Bytes = hex::decode(WATCHER.trim())?.into();
    state.put_code(TARGET, code);
    let layout = Layout::read()?;
    state.slots.reserve(8 * count as usize);
    state.slots.insert((REGISTRY, U256::from(layout.active_ids)), U256::from(count));
    let first_id =
        U256::from_be_bytes(keccak256(U256::from(layout.active_ids).to_be_bytes::<32>()).0);
    for index in 0..count {
        let id = upkeep_id(index);
        let forwarder = Address::from_word(keccak256(id.to_be_bytes::<32>()));
        let upkeep = in_mapping(id, layout.upkeeps);
        let mut set = |slot: U256, value: U256| state.slots.insert((REGISTRY, slot), value);
        let active = U256::from(u32::MAX) << 192;
        let terms = U256::from_be_bytes(forwarder.into_word().0)
            | (U256::from(PERFORM_GAS) << 160)
            | active;
        set(upkeep, terms);
        set(upkeep + U256::from(1), U256::from(ETHER));
        set(upkeep + U256::from(2), U256::from(1));
        set(upkeep + U256::from(4), U256::from_be_bytes(TARGET.into_word().0));
        // Check data of 32 bytes: twice the length and one, and the bytes elsewhere.
        let check_data = upkeep + U256::from(5);
        set(check_data, U256::from(65));
        set(keccak256(check_data.to_be_bytes::<32>()).into(), U256::from(index));
        set(first_id + U256::from(index), id);
        set(in_mapping(id, layout.active_places), U256::from(index + 1));
        state.slots.insert((TARGET, level_slot(index)), U256::from(1));
    }
    Ok(state)
}
