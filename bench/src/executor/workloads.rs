//! Generated batches, from fully independent to one single chain.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use super::Workload;

/// Transactions of full-sized workloads; each is about 1 Ggas.
const RAW: usize = 47_620;
const ERC20: usize = 29_000;
const POOL: usize = 15_000;
const HYBRID: usize = 33_000;

const BASE_FEE: u64 = 1_000_000_000;
const TIP: u128 = 1;
/// Wei of each account.
const ACCOUNT_WEI: u128 = 1_000_000_000_000_000_000;
/// Tokens of each account.
const ACCOUNT_TOKENS: u64 = 1_000_000_000;
/// Reserve of each side of a pool.
const RESERVE: u128 = 1 << 100;
/// Hot accounts and pools of the hybrid, and their share of its transactions in percent.
const HOT: usize = 8;
const HOT_PERCENT: u64 = 30;

const TOKEN: &str = include_str!("../../contracts/artifacts/Token.runtime.hex");
const POOL_CODE: &str = include_str!("../../contracts/artifacts/Pool.runtime.hex");

sol! {
    function transfer(address to, uint256 value) external returns (bool);
    function swap(uint128 paid, bool forward) external returns (uint256 received);
}

/// All generated workloads; the argument scales their size.
pub(crate) const ALL: [fn(f64) -> Workload; 9] = [
    independent_raw,
    independent_erc20,
    independent_pool,
    hot_raw,
    hot_erc20,
    hot_pool,
    chain_raw,
    chain_erc20,
    hybrid,
];

/// Kinds of generated accounts, so that their addresses never meet.
#[derive(Clone, Copy)]
enum Kind {
    Sender = 1,
    Recipient = 2,
    Token = 3,
    Pool = 4,
    Beneficiary = 5,
}

/// Addresses look random, as real ones do.
fn address(kind: Kind, index: usize) -> Address {
    let seed = U256::from(kind as u64) << 64 | U256::from(index);
    Address::from_slice(&keccak256(B256::from(seed))[12..])
}

fn sender(index: usize) -> Address {
    address(Kind::Sender, index)
}

fn recipient(index: usize) -> Address {
    address(Kind::Recipient, index)
}

fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(2)
}

/// A workload under construction.
struct Builder {
    state: InMemoryDB,
    transactions: Vec<TxEnv>,
    token_code: Bytecode,
    pool_code: Bytecode,
}

impl Builder {
    fn new() -> Self {
        let code = |text: &str| {
            let bytes = hex::decode(text.trim()).expect("the compiled artifacts are hexadecimal");
            Bytecode::new_raw(Bytes::from(bytes))
        };
        Self {
            state: InMemoryDB::default(),
            transactions: Vec::new(),
            token_code: code(TOKEN),
            pool_code: code(POOL_CODE),
        }
    }

    fn fund(&mut self, address: Address) {
        let info = AccountInfo { balance: U256::from(ACCOUNT_WEI), ..AccountInfo::default() };
        self.state.insert_account_info(address, info);
    }

    fn contract(&mut self, address: Address, code: &Bytecode) {
        let info = AccountInfo {
            nonce: 1,
            code_hash: code.hash_slow(),
            code: Some(code.clone()),
            ..AccountInfo::default()
        };
        self.state.insert_account_info(address, info);
    }

    fn token(&mut self) -> Address {
        let token = address(Kind::Token, 0);
        let code = self.token_code.clone();
        self.contract(token, &code);
        token
    }

    /// Gives tokens to an account: slot 0 of the contract is the mapping.
    fn hold(&mut self, token: Address, holder: Address) {
        let slot = keccak256((holder, U256::ZERO).abi_encode());
        self.store(token, slot.into(), U256::from(ACCOUNT_TOKENS));
    }

    fn pool(&mut self, index: usize) -> Address {
        let pool = address(Kind::Pool, index);
        let code = self.pool_code.clone();
        self.contract(pool, &code);
        self.store(pool, U256::ZERO, U256::from(RESERVE) << 128 | U256::from(RESERVE));
        pool
    }

    fn store(&mut self, address: Address, slot: U256, value: U256) {
        let Ok(()) = self.state.insert_account_storage(address, slot, value);
    }

    fn send(&mut self, from: Address, to: Address, value: u64, data: Bytes, gas_limit: u64) {
        self.transactions.push(TxEnv {
            tx_type: 2,
            caller: from,
            gas_limit,
            gas_price: 2 * u128::from(BASE_FEE),
            gas_priority_fee: Some(TIP),
            kind: TxKind::Call(to),
            value: U256::from(value),
            data,
            nonce: 0,
            chain_id: Some(1),
            ..TxEnv::default()
        });
    }

    fn transfer(&mut self, from: Address, to: Address) {
        self.send(from, to, 1, Bytes::new(), 21_000);
    }

    fn token_transfer(&mut self, token: Address, from: Address, to: Address) {
        let call = transferCall { to, value: U256::from(1) };
        self.send(from, token, 0, call.abi_encode().into(), 100_000);
    }

    fn swap(&mut self, pool: Address, from: Address) {
        let call = swapCall { paid: 1_000_000, forward: true };
        self.send(from, pool, 0, call.abi_encode().into(), 300_000);
    }

    fn finish(self, name: &str) -> Workload {
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
        Workload {
            name: name.to_owned(),
            state: self.state,
            env: EvmEnv::new(cfg, block),
            transactions: self.transactions,
            all_succeed: true,
        }
    }
}

/// Transfers between distinct accounts.
fn independent_raw(scale: f64) -> Workload {
    let mut builder = Builder::new();
    for index in 0..scaled(RAW, scale) {
        builder.fund(sender(index));
        builder.fund(recipient(index));
        builder.transfer(sender(index), recipient(index));
    }
    builder.finish("independent-raw")
}

/// Transfers of one token between distinct holders.
fn independent_erc20(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let token = builder.token();
    for index in 0..scaled(ERC20, scale) {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
        builder.hold(token, recipient(index));
        builder.token_transfer(token, sender(index), recipient(index));
    }
    builder.finish("independent-erc20")
}

/// Swaps, each in a pool of its own.
fn independent_pool(scale: f64) -> Workload {
    let mut builder = Builder::new();
    for index in 0..scaled(POOL, scale) {
        builder.fund(sender(index));
        let pool = builder.pool(index);
        builder.swap(pool, sender(index));
    }
    builder.finish("independent-pool")
}

/// Transfers of distinct accounts, all to one.
fn hot_raw(scale: f64) -> Workload {
    let mut builder = Builder::new();
    builder.fund(recipient(0));
    for index in 0..scaled(RAW, scale) {
        builder.fund(sender(index));
        builder.transfer(sender(index), recipient(0));
    }
    builder.finish("hot-raw")
}

/// Transfers of one token, all to one receiver.
fn hot_erc20(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let token = builder.token();
    builder.hold(token, recipient(0));
    for index in 0..scaled(ERC20, scale) {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
        builder.token_transfer(token, sender(index), recipient(0));
    }
    builder.finish("hot-erc20")
}

/// Swaps of distinct traders, all in one pool.
fn hot_pool(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let pool = builder.pool(0);
    for index in 0..scaled(POOL, scale) {
        builder.fund(sender(index));
        builder.swap(pool, sender(index));
    }
    builder.finish("hot-pool")
}

/// Transfers in one chain: A to B, B to C, and so on.
fn chain_raw(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let count = scaled(RAW, scale);
    for index in 0..=count {
        builder.fund(sender(index));
    }
    for index in 0..count {
        builder.transfer(sender(index), sender(index + 1));
    }
    builder.finish("chain-raw")
}

/// Transfers of one token in one chain.
fn chain_erc20(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let token = builder.token();
    let count = scaled(ERC20, scale);
    for index in 0..=count {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
    }
    for index in 0..count {
        builder.token_transfer(token, sender(index), sender(index + 1));
    }
    builder.finish("chain-erc20")
}

/// 60% transfers, 20% transfers of one token, 20% swaps; 30% of each go to a few hot accounts or
/// pools.
fn hybrid(scale: f64) -> Workload {
    let mut builder = Builder::new();
    let token = builder.token();
    for index in 0..HOT {
        builder.fund(recipient(index));
        builder.hold(token, recipient(index));
        builder.pool(index);
    }
    for index in 0..scaled(HYBRID, scale) {
        let dice = u64::from(keccak256(index.to_be_bytes())[0])
            | u64::from(keccak256(index.to_be_bytes())[1]) << 8;
        let (kind, hot) = (dice % 100, dice / 100 % 100 < HOT_PERCENT);
        // Beyond the hot ones every transaction has its own.
        let other = if hot { index % HOT } else { HOT + index };
        builder.fund(sender(index));
        match kind {
            0..60 => {
                if !hot {
                    builder.fund(recipient(other));
                }
                builder.transfer(sender(index), recipient(other));
            }
            60..80 => {
                builder.hold(token, sender(index));
                builder.hold(token, recipient(other));
                builder.token_transfer(token, sender(index), recipient(other));
            }
            _ => {
                let pool = if hot { address(Kind::Pool, other) } else { builder.pool(other) };
                builder.swap(pool, sender(index));
            }
        }
    }
    builder.finish("hybrid")
}
