//! A chain of the development genesis, and what is sent to it.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use alloy_consensus::{Transaction as _, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use plasma_chain::{Chain, ChainConfig, ExecutedBlock};
use plasma_chainspec::ChainSpec;
use plasma_keeper::{KeeperConfig, LaneKeys};
use plasma_storage::{AddressBlock, Database, DatabaseOptions, StorageError, Transaction};
use plasma_txpool::{PoolConfig, PoolTransaction, TxPool};
use std::{path::Path, sync::Arc, time::Duration};

const DEV_GENESIS: &str = include_str!("../../../../genesis/dev.json");

/// Senders of these tests: the last lanes, which no keeper of these tests uses.
pub fn sender(index: usize) -> (LaneKeys, usize) {
    (LaneKeys::dev(), 8 + index)
}

pub fn lane_address(index: usize) -> Address {
    let (keys, lane) = sender(index);
    keys.lanes()[lane]
}

pub fn transfer(index: usize, nonce: u64, to: Address, value: u64) -> Recovered<Transaction> {
    signed(index, payment(nonce, to, value))
}

/// A [`transfer`] with gas for a new account where state costs more (EIP-8037).
pub fn transfer_to_new(
    index: usize,
    nonce: u64,
    to: Address,
    value: u64,
) -> Recovered<Transaction> {
    signed(index, TxEip1559 { gas_limit: 500_000, ..payment(nonce, to, value) })
}

/// A call without input of the contract at `to`.
pub fn call(index: usize, nonce: u64, to: Address) -> Recovered<Transaction> {
    signed(index, TxEip1559 { gas_limit: 100_000, ..payment(nonce, to, 0) })
}

/// A transaction with `input`: a call of the contract at `to`, or a creation.
pub fn invoke(index: usize, nonce: u64, to: TxKind, input: Bytes) -> Recovered<Transaction> {
    let call = payment(nonce, Address::ZERO, 0);
    signed(index, TxEip1559 { gas_limit: 300_000, to, input, ..call })
}

/// A [`transfer`] with a tip in wei per gas.
pub fn transfer_with_tip(
    index: usize,
    nonce: u64,
    to: Address,
    value: u64,
    tip: u128,
) -> Recovered<Transaction> {
    signed(index, TxEip1559 { max_priority_fee_per_gas: tip, ..payment(nonce, to, value) })
}

fn payment(nonce: u64, to: Address, value: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    }
}

fn signed(index: usize, transaction: TxEip1559) -> Recovered<Transaction> {
    let (keys, lane) = sender(index);
    keys.sign(lane, transaction)
}

pub fn open(dir: &Path, automine: bool, keeper: bool) -> Chain {
    open_with_way_back(dir, automine, keeper, 1_000)
}

/// [`open`] with a bound on the depth of reorganisations.
pub fn open_with_way_back(dir: &Path, automine: bool, keeper: bool, reorg_blocks: u64) -> Chain {
    open_genesis(dir, DEV_GENESIS, automine, keeper, reorg_blocks)
}

/// Exists on [`open_amsterdam`]'s chain with nothing in it, as only a genesis can have it.
pub const NOTHING: Address = Address::repeat_byte(0x88);

/// A chain on which Amsterdam is active from the start, without a keeper.
pub fn open_amsterdam(dir: &Path) -> Chain {
    let mut genesis: serde_json::Value = serde_json::from_str(DEV_GENESIS).unwrap();
    genesis["config"]["amsterdamTime"] = 0.into();
    genesis["alloc"][NOTHING.to_string()] = serde_json::json!({ "balance": "0x0" });
    open_genesis(dir, &genesis.to_string(), true, false, 1_000)
}

/// Opens the database of `dir`. A chain that was dropped without being stopped may be working on the root
/// of its open block for a moment yet, and holds the directory meanwhile.
fn reopened(dir: &Path, options: DatabaseOptions) -> Database {
    for _ in 0..500 {
        match Database::open(dir, options.clone()) {
            Err(StorageError::Locked { .. }) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened.unwrap(),
        }
    }
    panic!("a chain that was dropped keeps {} locked", dir.display());
}

fn open_genesis(
    dir: &Path,
    genesis: &str,
    automine: bool,
    keeper: bool,
    reorg_blocks: u64,
) -> Chain {
    let spec = Arc::new(ChainSpec::from_json(genesis).unwrap());
    let options = DatabaseOptions { reorg_blocks, ..DatabaseOptions::default() };
    let db = reopened(dir, options);
    let pool = Arc::new(TxPool::new(PoolConfig::default(), spec.clone()));
    let config = ChainConfig {
        automine,
        dev: true,
        block_time: Duration::from_millis(200),
        tick: Duration::from_millis(20),
        ..ChainConfig::default()
    };
    let keeper = keeper.then(|| {
        let lanes = LaneKeys::from_secret(&LaneKeys::dev_secret().0, 4).unwrap();
        KeeperConfig::new(spec.plasma().registry.unwrap(), lanes)
    });
    Chain::open(config, spec, db, pool, keeper).unwrap()
}

pub fn submit(chain: &Chain, transaction: Recovered<Transaction>) -> B256 {
    chain
        .submit({
            let (transaction, sender) = transaction.into_parts();
            PoolTransaction::new(transaction, sender, None)
        })
        .unwrap()
}

pub fn balance(chain: &Chain, address: Address) -> U256 {
    let state = chain.state_at(chain.head().number()).unwrap();
    state.account(address).unwrap().map_or(U256::ZERO, |account| account.balance)
}

/// The transactions in which `address` appears, oldest first, as the index of `chain` has them: block, its
/// hash, and indexes.
pub fn appearances(chain: &Chain, address: Address) -> Vec<AddressBlock> {
    let found = chain.database().address_transactions_after(address, None, usize::MAX).unwrap();
    let mut back = chain.database().address_transactions_before(address, None, usize::MAX).unwrap();
    back.blocks.reverse();
    assert_eq!(found, back);
    found.blocks
}

/// What a scan of the blocks of `chain` finds of `address` as sender or receiver.
pub fn scanned(chain: &Chain, address: Address) -> Vec<AddressBlock> {
    let blocks = (1..=chain.head().number()).map(|number| chain.block(number).unwrap().unwrap());
    let found = |block: Arc<ExecutedBlock>| {
        let party =
            |it: &Recovered<Transaction>| it.signer() == address || it.to() == Some(address);
        let all = (0..).zip(&block.transactions);
        let transactions: Vec<u64> = all.filter(|(_, it)| party(it)).map(|(at, _)| at).collect();
        let (number, hash) = (block.number(), block.hash);
        (!transactions.is_empty()).then_some(AddressBlock { number, hash, transactions })
    };
    blocks.filter_map(found).collect()
}
