//! What generated batches are made of: addresses, accounts, contracts and calls.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256, map::AddressMap};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use super::Workload;

const BASE_FEE: u64 = 1_000_000_000;
const TIP: u128 = 1;
/// Wei of each account.
const ACCOUNT_WEI: u128 = 1_000_000_000_000_000_000;
/// Tokens of each account.
const ACCOUNT_TOKENS: u64 = 1_000_000_000;
/// Reserve of each side of a pool.
const RESERVE: u128 = 1 << 100;

const TOKEN: &str = include_str!("../../contracts/artifacts/Token.runtime.hex");
const POOL_CODE: &str = include_str!("../../contracts/artifacts/Pool.runtime.hex");

sol! {
    function transfer(address to, uint256 value) external returns (bool);
    function swap(uint128 paid, bool forward) external returns (uint256 received);
}

/// Kinds of generated accounts, so that their addresses never meet.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Sender = 1,
    Recipient = 2,
    Token = 3,
    Pool = 4,
    Beneficiary = 5,
    Router = 6,
    UniswapPool = 7,
    UniswapToken = 8,
    Upkeep = 9,
    Lane = 10,
    Oracle = 11,
}

/// Addresses look random, as real ones do.
pub(super) fn address(kind: Kind, index: usize) -> Address {
    let seed = U256::from(kind as u64) << 64 | U256::from(index);
    Address::from_slice(&keccak256(B256::from(seed))[12..])
}

pub(super) fn sender(index: usize) -> Address {
    address(Kind::Sender, index)
}

pub(super) fn recipient(index: usize) -> Address {
    address(Kind::Recipient, index)
}

/// A compiled artifact.
pub(super) fn code(text: &str) -> Bytecode {
    let bytes = hex::decode(text.trim()).expect("the compiled artifacts are hexadecimal");
    Bytecode::new_raw(Bytes::from(bytes))
}

/// The environment in which generated batches are executed.
pub(super) fn environment() -> EvmEnv {
    let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
    cfg.chain_id = 1;
    let block = BlockEnv {
        number: U256::from(1),
        beneficiary: address(Kind::Beneficiary, 0),
        timestamp: U256::from(1_800_000_000),
        gas_limit: u64::MAX,
        basefee: BASE_FEE,
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    };
    EvmEnv::new(cfg, block)
}

/// A workload under construction.
pub(super) struct Builder {
    state: InMemoryDB,
    transactions: Vec<TxEnv>,
    nonces: AddressMap<u64>,
    token_code: Bytecode,
    pool_code: Bytecode,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            state: InMemoryDB::default(),
            transactions: Vec::new(),
            nonces: AddressMap::default(),
            token_code: code(TOKEN),
            pool_code: code(POOL_CODE),
        }
    }

    pub(super) fn fund(&mut self, address: Address) {
        // Without code, as a node's state tells it: the empty code is shared by all threads.
        let info =
            AccountInfo { balance: U256::from(ACCOUNT_WEI), code: None, ..AccountInfo::default() };
        self.state.insert_account_info(address, info);
    }

    pub(super) fn contract(&mut self, address: Address, code: &Bytecode) {
        let info = AccountInfo {
            nonce: 1,
            code_hash: code.hash_slow(),
            code: Some(code.clone()),
            ..AccountInfo::default()
        };
        self.state.insert_account_info(address, info);
    }

    pub(super) fn token(&mut self) -> Address {
        let token = address(Kind::Token, 0);
        let code = self.token_code.clone();
        self.contract(token, &code);
        token
    }

    /// Gives tokens to an account: slot 0 of the contract is the mapping.
    pub(super) fn hold(&mut self, token: Address, holder: Address) {
        let slot = keccak256((holder, U256::ZERO).abi_encode());
        self.store(token, slot.into(), U256::from(ACCOUNT_TOKENS));
    }

    pub(super) fn pool(&mut self, index: usize) -> Address {
        let pool = address(Kind::Pool, index);
        let code = self.pool_code.clone();
        self.contract(pool, &code);
        self.store(pool, U256::ZERO, U256::from(RESERVE) << 128 | U256::from(RESERVE));
        pool
    }

    pub(super) fn store(&mut self, address: Address, slot: U256, value: U256) {
        let Ok(()) = self.state.insert_account_storage(address, slot, value);
    }

    /// A transaction of `from`, with its next nonce.
    pub(super) fn send(
        &mut self,
        from: Address,
        to: Address,
        value: u64,
        data: Bytes,
        gas_limit: u64,
    ) {
        let next = self.nonces.entry(from).or_default();
        let nonce = *next;
        *next += 1;
        self.transactions.push(TxEnv {
            tx_type: 2,
            caller: from,
            gas_limit,
            gas_price: 2 * u128::from(BASE_FEE),
            gas_priority_fee: Some(TIP),
            kind: TxKind::Call(to),
            value: U256::from(value),
            data,
            nonce,
            chain_id: Some(1),
            ..TxEnv::default()
        });
    }

    pub(super) fn transfer(&mut self, from: Address, to: Address) {
        self.send(from, to, 1, Bytes::new(), 21_000);
    }

    pub(super) fn token_transfer(&mut self, token: Address, from: Address, to: Address) {
        let call = transferCall { to, value: U256::from(1) };
        self.send(from, token, 0, call.abi_encode().into(), 100_000);
    }

    pub(super) fn swap(&mut self, pool: Address, from: Address) {
        let call = swapCall { paid: 1_000_000, forward: true };
        self.send(from, pool, 0, call.abi_encode().into(), 300_000);
    }

    pub(super) fn finish(self, name: &str) -> Workload {
        Workload {
            name: name.to_owned(),
            env: environment(),
            state: self.state,
            transactions: self.transactions,
            all_succeed: true,
        }
    }
}
