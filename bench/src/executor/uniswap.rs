//! Uniswap v3's own pools, as many as are wanted.
//!
//! Its licence is not this project's, so that its bytecode is no part of this project: it is read from
//! the package `@uniswap/v3-core` where that is installed. One pool is created, initialized and given
//! liquidity by executing Uniswap's factory and pool. The others are copies of it at other addresses:
//! a pool's storage names neither itself nor its tokens, but its code does, so that each copy's code
//! has its own addresses put in and no two pools share their code, as on any network.

use std::path::{Path, PathBuf};

use alloy_primitives::{
    Address, B256, Bytes, U256,
    aliases::{I24, U24, U160},
    hex, keccak256,
};
use alloy_sol_types::{SolCall, SolValue as _, sol};
use eyre::{Context as _, Result, bail, eyre};
use revm::{
    Context, ExecuteCommitEvm as _, MainBuilder as _, MainContext as _,
    bytecode::{Bytecode, opcode},
    context::{
        TxEnv,
        result::{ExecutionResult, Output},
    },
    database::InMemoryDB,
    primitives::TxKind,
    state::AccountInfo,
};
use serde_json::Value;

use super::builder::{Builder, Kind, address, code, environment, sender};

const TOKEN: &str = include_str!("../../contracts/artifacts/AllowanceToken.runtime.hex");
const ROUTER: &str = include_str!("../../contracts/artifacts/Router.runtime.hex");

/// Hundredths of a basis point; ticks are 60 apart at this fee.
const FEE: u32 = 3_000;
/// The widest range of ticks that are 60 apart.
const LAST_TICK: i32 = 887_220;
/// A price of 1 as a square root with 96 bits after the point.
const EVEN_PRICE: u128 = 1 << 96;
const LIQUIDITY: u128 = 1_000_000_000_000_000_000_000;
/// What a swap pays: so little that thousands of them do not leave the range between two ticks.
const PAID: u128 = 1_000_000_000_000_000;
/// Tokens of each account and pool.
const HELD: u128 = 1_000_000_000_000_000_000_000_000;
/// The block of the set-up is this much older than that of the swaps.
const AGE_SECONDS: u64 = 3_600;

sol! {
    function createPool(address tokenA, address tokenB, uint24 fee) external returns (address pool);
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address pool, address token0, address token1, int24 tickLower, int24 tickUpper, uint128 liquidity) external;
    function exactInput(address pool, address token0, address token1, bool zeroForOne, uint256 amountIn, uint256 amountOutMinimum) external returns (uint256 amountOut);
}

/// Where the package lies unless told otherwise.
pub(super) fn default_package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@uniswap/v3-core")
}

/// A pool and its tokens, in the pool's order.
#[derive(Clone, Copy)]
pub(super) struct Market {
    pool: Address,
    token0: Address,
    token1: Address,
}

impl Market {
    fn new(pool: Address, index: usize) -> Self {
        let tokens = [2 * index, 2 * index + 1].map(|token| address(Kind::UniswapToken, token));
        let [token0, token1] = if tokens[0] < tokens[1] { tokens } else { [tokens[1], tokens[0]] };
        Self { pool, token0, token1 }
    }
}

/// A pool to copy, and the code of what surrounds it.
pub(crate) struct Uniswap {
    original: Market,
    code: Vec<u8>,
    storage: Vec<(U256, U256)>,
    token: Bytecode,
    router: Bytecode,
}

impl Uniswap {
    /// Creates a pool with the factory of the package in `folder`; `None` where there is none.
    ///
    /// # Errors
    ///
    /// If the package is not what it should be, or the set-up fails.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json");
        if !path.exists() {
            return Ok(None);
        }
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let artifact: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is malformed", path.display()))?;
        let factory = artifact["bytecode"]
            .as_str()
            .ok_or_else(|| eyre!("{} has no bytecode", path.display()))?;
        let factory =
            hex::decode(factory).with_context(|| format!("{} is malformed", path.display()))?;
        Self::create(factory.into()).map(Some)
    }

    fn create(factory: Bytes) -> Result<Self> {
        let (token, router) = (code(TOKEN), code(ROUTER));
        let mut chain = Chain::new();
        let mut market = Market::new(Address::ZERO, usize::MAX / 2);
        chain.contract(router_address(), &router);
        for token_address in [market.token0, market.token1] {
            chain.contract(token_address, &token);
            for (slot, value) in wealth(sender(0)) {
                let Ok(()) = chain.state.insert_account_storage(token_address, slot, value);
            }
        }
        let Output::Create(_, Some(factory)) = chain.transact(TxKind::Create, factory)? else {
            bail!("the factory was not created");
        };
        let create =
            createPoolCall { tokenA: market.token0, tokenB: market.token1, fee: U24::from(FEE) };
        market.pool = createPoolCall::abi_decode_returns(&chain.call(factory, &create)?)?;
        chain.call(market.pool, &initializeCall { sqrtPriceX96: U160::from(EVEN_PRICE) })?;
        let last = I24::try_from(LAST_TICK)?;
        chain.call(
            router_address(),
            &mintCall {
                pool: market.pool,
                token0: market.token0,
                token1: market.token1,
                tickLower: -last,
                tickUpper: last,
                liquidity: LIQUIDITY,
            },
        )?;

        let account = chain
            .state
            .cache
            .accounts
            .get(&market.pool)
            .ok_or_else(|| eyre!("the factory created no pool at {}", market.pool))?;
        // What was looked at is there, too, and zero.
        let written = account.storage.iter().filter(|(_, value)| !value.is_zero());
        let storage = written.map(|(slot, value)| (*slot, *value)).collect();
        let code = chain
            .state
            .cache
            .contracts
            .get(&account.info.code_hash)
            .ok_or_else(|| eyre!("the pool has no code"))?
            .original_bytes()
            .to_vec();
        Ok(Self { original: market, code, storage, token, router })
    }

    /// Puts the router into the state, which all swaps go through.
    pub(super) fn router(&self, builder: &mut Builder) {
        builder.contract(router_address(), &self.router);
    }

    /// Puts a pool and its two tokens into the state.
    pub(super) fn market(&self, builder: &mut Builder, index: usize) -> Market {
        let market = Market::new(address(Kind::UniswapPool, index), index);
        builder.contract(market.pool, &Bytecode::new_raw(self.patched(&market).into()));
        for (slot, value) in &self.storage {
            builder.store(market.pool, *slot, *value);
        }
        for token in [market.token0, market.token1] {
            builder.contract(token, &self.token);
            builder.store(token, balance_slot(market.pool), U256::from(HELD));
        }
        market
    }

    /// A swap of the first token for the second, of which the sender has none yet.
    pub(super) fn swap(&self, builder: &mut Builder, market: &Market, from: Address) {
        for (slot, value) in wealth(from) {
            builder.store(market.token0, slot, value);
        }
        let call = exactInputCall {
            pool: market.pool,
            token0: market.token0,
            token1: market.token1,
            zeroForOne: true,
            amountIn: U256::from(PAID),
            amountOutMinimum: U256::from(PAID * 9 / 10),
        };
        builder.send(from, router_address(), 0, call.abi_encode().into(), 300_000);
    }

    /// The pool's code with its immutables, which the compiler puts behind PUSH32, replaced.
    fn patched(&self, market: &Market) -> Vec<u8> {
        let mut code = self.code.clone();
        let replacements = [
            (self.original.pool, market.pool),
            (self.original.token0, market.token0),
            (self.original.token1, market.token1),
        ]
        .map(|(old, new)| (old.into_word(), new.into_word()));
        let mut place = 0;
        while let Some(&instruction) = code.get(place) {
            place += 1;
            let pushed = usize::from(instruction.saturating_sub(opcode::PUSH0));
            if instruction > opcode::PUSH32 || pushed == 0 {
                continue;
            }
            if let Some(word) = code.get_mut(place..place + 32).filter(|_| pushed == 32)
                && let Some((_, new)) = replacements.iter().find(|(old, _)| old[..] == *word)
            {
                word.copy_from_slice(&new[..]);
            }
            place += pushed;
        }
        code
    }
}

fn router_address() -> Address {
    address(Kind::Router, 0)
}

/// Slot of an account's tokens: slot 0 of the contract is the mapping.
fn balance_slot(holder: Address) -> U256 {
    keccak256((holder, U256::ZERO).abi_encode()).into()
}

/// What lets the router take an account's tokens: its balance, and its allowance in the mapping of
/// mappings that is slot 1.
fn wealth(holder: Address) -> [(U256, U256); 2] {
    let inner: B256 = keccak256((holder, U256::from(1)).abi_encode());
    let allowance = keccak256((router_address(), inner).abi_encode());
    [(balance_slot(holder), U256::from(HELD)), (allowance.into(), U256::from(HELD))]
}

/// The state in which the first pool is created; all transactions are those of one sender.
struct Chain {
    state: InMemoryDB,
    nonce: u64,
}

impl Chain {
    fn new() -> Self {
        let mut state = InMemoryDB::default();
        let info = AccountInfo { balance: U256::MAX >> 1, ..AccountInfo::default() };
        state.insert_account_info(sender(0), info);
        Self { state, nonce: 0 }
    }

    fn contract(&mut self, address: Address, code: &Bytecode) {
        self.state.insert_account_info(
            address,
            AccountInfo { nonce: 1, code: Some(code.clone()), ..AccountInfo::default() },
        );
    }

    fn call(&mut self, to: Address, call: &impl SolCall) -> Result<Bytes> {
        self.transact(TxKind::Call(to), call.abi_encode().into()).map(Output::into_data)
    }

    /// Executes a transaction, which must succeed.
    fn transact(&mut self, kind: TxKind, data: Bytes) -> Result<Output> {
        let mut env = environment();
        env.block_env.timestamp -= U256::from(AGE_SECONDS);
        let transaction = TxEnv {
            caller: sender(0),
            kind,
            data,
            nonce: self.nonce,
            gas_limit: 16_000_000,
            gas_price: 2 * u128::from(env.block_env.basefee),
            chain_id: Some(1),
            ..TxEnv::default()
        };
        self.nonce += 1;
        let mut evm = Context::mainnet()
            .with_block(env.block_env)
            .with_cfg(env.cfg_env)
            .with_db(&mut self.state)
            .build_mainnet();
        match evm.transact_commit(transaction)? {
            ExecutionResult::Success { output, .. } => Ok(output),
            failed => bail!("setting up a Uniswap pool failed at {kind:?}: {failed:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_told_from_what_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Uniswap::load(folder.path()).unwrap().is_none());
        let factory = folder.path().join("artifacts/contracts/UniswapV3Factory.sol");
        std::fs::create_dir_all(&factory).unwrap();
        let artifact = factory.join("UniswapV3Factory.json");
        for broken in ["{", "{}", r#"{"bytecode":"0xzz"}"#, r#"{"bytecode":"0xfe"}"#] {
            std::fs::write(&artifact, broken).unwrap();
            assert!(Uniswap::load(folder.path()).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_copied_pool_names_its_own_addresses_alone() {
        let market = Market::new(address(Kind::UniswapPool, 7), 7);
        assert!(market.token0 < market.token1);
        let original = Market::new(address(Kind::UniswapPool, 0), 0);
        let push = |word: B256| [&[opcode::PUSH32][..], &word[..]].concat();
        let words = |market: &Market| {
            [market.pool, market.token1, market.token0, market.pool]
                .map(|address| push(address.into_word()))
                .concat()
        };
        // A word that is no operand of PUSH32 stays: it is another instruction's operand.
        let other = [&[opcode::PUSH1, opcode::PUSH32][..], &original.pool.into_word()[..]].concat();
        let uniswap = Uniswap {
            code: [words(&original), other.clone()].concat(),
            original,
            storage: Vec::new(),
            token: code(TOKEN),
            router: code(ROUTER),
        };
        assert_eq!(uniswap.patched(&market), [words(&market), other].concat());
    }
}
