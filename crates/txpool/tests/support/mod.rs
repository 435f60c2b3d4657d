//! Accounts that sign, a state that tests write, a chain with every fork from its first block.

#![allow(dead_code, unreachable_pub)]

use alloy_consensus::{
    EthereumTypedTransaction, SignableTransaction, TxEip1559, TxEip4844, TxLegacy,
    crypto::secp256k1::{recover_signer, sign_message},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256, map::HashSet};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Account, StateReader, StorageError, Transaction};
use plasma_txpool::{PoolConfig, PoolHead, PoolTransaction, TxPool};
use serde_json::json;
use std::{collections::HashMap, sync::Arc};

pub const CHAIN_ID: u64 = 1337;
pub const GWEI: u128 = 1_000_000_000;
pub const ETHER: u128 = 1_000_000_000_000_000_000;

/// A secret key and its address.
#[derive(Clone, Copy, Debug)]
pub struct Wallet {
    pub secret: B256,
    pub address: Address,
}

impl Wallet {
    pub fn new(number: u64) -> Self {
        let secret = keccak256(format!("wallet {number}"));
        // The address comes from recovering a signature: there is no second key library here.
        let message = B256::repeat_byte(1);
        let signature = sign_message(secret, message).unwrap();
        let address = recover_signer(&signature, message).unwrap();
        Self { secret, address }
    }

    pub fn sign(&self, transaction: impl Into<EthereumTypedTransaction<TxEip4844>>) -> Transaction {
        let transaction = transaction.into();
        let signature = sign_message(self.secret, transaction.signature_hash()).unwrap();
        (transaction, signature).into()
    }

    pub fn pooled(
        &self,
        transaction: impl Into<EthereumTypedTransaction<TxEip4844>>,
    ) -> PoolTransaction {
        PoolTransaction::new(self.sign(transaction), self.address, None)
    }
}

/// A plain transfer that every rule likes.
pub fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// The same as a legacy transaction.
pub fn legacy(nonce: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 21_000,
        gas_price: 20 * GWEI,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        input: Bytes::new(),
    }
}

/// A state in memory.
#[derive(Clone, Debug, Default)]
pub struct TestState {
    pub accounts: HashMap<Address, Account>,
    pub codes: HashMap<B256, Bytes>,
    pub broken: bool,
}

impl TestState {
    pub fn with(wallets: &[Wallet], balance: u128) -> Self {
        let mut state = Self::default();
        for wallet in wallets {
            state.set(wallet.address, 0, U256::from(balance));
        }
        state
    }

    pub fn set(&mut self, address: Address, nonce: u64, balance: U256) {
        let entry = self.accounts.entry(address).or_insert(Account {
            nonce: 0,
            balance: U256::ZERO,
            bytecode_hash: None,
        });
        entry.nonce = nonce;
        entry.balance = balance;
    }

    pub fn set_code(&mut self, address: Address, code: Bytes) {
        let hash = keccak256(&code);
        self.codes.insert(hash, code);
        self.accounts.get_mut(&address).unwrap().bytecode_hash = Some(hash);
    }
}

impl StateReader for TestState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        if self.broken {
            return Err(StorageError::Pruned { number: 1, oldest: 2 });
        }
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, _: Address, _: U256) -> Result<U256, StorageError> {
        Ok(U256::ZERO)
    }

    fn has_storage(&self, _: Address, _: &HashSet<U256>) -> Result<bool, StorageError> {
        Ok(false)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(self.codes.get(&hash).cloned())
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StorageError> {
        Ok(None)
    }
}

/// Forks by name, in the order of a genesis file.
const FORKS: [(&str, &str); 16] = [
    ("Homestead", "homesteadBlock"),
    ("EIP150", "eip150Block"),
    ("EIP158", "eip158Block"),
    ("Byzantium", "byzantiumBlock"),
    ("Constantinople", "constantinopleBlock"),
    ("ConstantinopleFix", "petersburgBlock"),
    ("Istanbul", "istanbulBlock"),
    ("Berlin", "berlinBlock"),
    ("London", "londonBlock"),
    ("Paris", "mergeNetsplitBlock"),
    ("Shanghai", "shanghaiTime"),
    ("Cancun", "cancunTime"),
    ("Prague", "pragueTime"),
    ("Osaka", "osakaTime"),
    ("BPO1", "bpo1Time"),
    ("BPO2", "bpo2Time"),
];

/// A chain that has all forks up to `last` from its first block on.
pub fn spec(chain_id: u64, last: &str) -> Arc<ChainSpec> {
    let mut config = json!({ "chainId": chain_id });
    if last != "Frontier" {
        assert!(FORKS.iter().any(|(name, _)| *name == last), "{last}");
        for (name, field) in FORKS {
            config[field] = json!(0);
            match name {
                "EIP158" => config["eip155Block"] = json!(0),
                "Paris" => config["terminalTotalDifficulty"] = json!(0),
                _ => {}
            }
            if name == last {
                break;
            }
        }
    }
    let file = json!({ "config": config, "gasLimit": 30000000, "difficulty": 0, "alloc": {} });
    Arc::new(ChainSpec::from_json(&file.to_string()).unwrap())
}

pub fn head() -> PoolHead {
    PoolHead {
        number: 1,
        timestamp: 1,
        base_fee: 10 * GWEI as u64,
        blob_base_fee: 1,
        gas_limit: 30_000_000,
    }
}

pub fn pool() -> TxPool {
    pool_with(PoolConfig::default())
}

pub fn pool_with(config: PoolConfig) -> TxPool {
    TxPool::new(config, spec(CHAIN_ID, "BPO2"))
}
