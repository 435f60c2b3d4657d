//! Generated batches, from fully independent to one single chain.

use std::ops::Range;

use alloy_primitives::keccak256;
use eyre::{Result, bail};

use super::{
    Workload,
    builder::{Builder, Kind, address, recipient, sender},
    uniswap::Uniswap,
    upkeep,
};

/// Transactions of full-sized workloads; each is about 1 Ggas.
const RAW: usize = 47_620;
const ERC20: usize = 29_000;
const POOL: usize = 15_000;
const HYBRID: usize = 33_000;
const UNISWAP: usize = 6_413;
const HYBRID_UNISWAP: usize = 20_000;

/// Hot accounts and pools of a hybrid, and their share of its transactions in percent.
const HOT: usize = 8;
const HOT_PERCENT: u64 = 30;

/// A generated workload.
pub(crate) struct Generator {
    pub(crate) name: &'static str,
    kind: GeneratorKind,
}

/// What generates it; the number scales its size.
enum GeneratorKind {
    Own(fn(Builder, f64) -> Builder),
    /// Needs Uniswap's contracts.
    Uniswap(fn(Builder, &Uniswap, f64) -> Builder),
}

use GeneratorKind::{Own, Uniswap as WithUniswap};

/// All generated workloads.
pub(crate) const ALL: [Generator; 13] = [
    Generator { name: "independent-raw", kind: Own(independent_raw) },
    Generator { name: "independent-erc20", kind: Own(independent_erc20) },
    Generator { name: "independent-pool", kind: Own(independent_pool) },
    Generator { name: "independent-uniswap", kind: WithUniswap(independent_uniswap) },
    Generator { name: "hot-raw", kind: Own(hot_raw) },
    Generator { name: "hot-erc20", kind: Own(hot_erc20) },
    Generator { name: "hot-pool", kind: Own(hot_pool) },
    Generator { name: "hot-uniswap", kind: WithUniswap(hot_uniswap) },
    Generator { name: "chain-raw", kind: Own(chain_raw) },
    Generator { name: "chain-erc20", kind: Own(chain_erc20) },
    Generator { name: "hybrid", kind: Own(hybrid) },
    Generator { name: "hybrid-uniswap", kind: WithUniswap(hybrid_uniswap) },
    Generator { name: "upkeep", kind: Own(upkeep::performs) },
];

impl Generator {
    /// Whether Uniswap's contracts are needed.
    pub(crate) fn needs_uniswap(&self) -> bool {
        matches!(self.kind, WithUniswap(_))
    }

    /// Generates the workload.
    pub(crate) fn generate(&self, scale: f64, uniswap: Option<&Uniswap>) -> Result<Workload> {
        let builder = match (&self.kind, uniswap) {
            (Own(generate), _) => generate(Builder::new(), scale),
            (WithUniswap(generate), Some(uniswap)) => generate(Builder::new(), uniswap, scale),
            (WithUniswap(_), None) => bail!("{} needs Uniswap's contracts", self.name),
        };
        Ok(builder.finish(self.name))
    }
}

pub(super) fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(2)
}

/// Transfers between distinct accounts.
fn independent_raw(mut builder: Builder, scale: f64) -> Builder {
    for index in 0..scaled(RAW, scale) {
        builder.fund(sender(index));
        builder.fund(recipient(index));
        builder.transfer(sender(index), recipient(index));
    }
    builder
}

/// Transfers of one token between distinct holders.
fn independent_erc20(mut builder: Builder, scale: f64) -> Builder {
    let token = builder.token();
    for index in 0..scaled(ERC20, scale) {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
        builder.hold(token, recipient(index));
        builder.token_transfer(token, sender(index), recipient(index));
    }
    builder
}

/// Swaps, each in a pool of its own.
fn independent_pool(mut builder: Builder, scale: f64) -> Builder {
    for index in 0..scaled(POOL, scale) {
        builder.fund(sender(index));
        let pool = builder.pool(index);
        builder.swap(pool, sender(index));
    }
    builder
}

/// Swaps, each in a Uniswap v3 pool and between tokens of its own.
fn independent_uniswap(mut builder: Builder, uniswap: &Uniswap, scale: f64) -> Builder {
    uniswap.router(&mut builder);
    for index in 0..scaled(UNISWAP, scale) {
        builder.fund(sender(index));
        let market = uniswap.market(&mut builder, index);
        uniswap.swap(&mut builder, &market, sender(index));
    }
    builder
}

/// Transfers of distinct accounts, all to one.
fn hot_raw(mut builder: Builder, scale: f64) -> Builder {
    builder.fund(recipient(0));
    for index in 0..scaled(RAW, scale) {
        builder.fund(sender(index));
        builder.transfer(sender(index), recipient(0));
    }
    builder
}

/// Transfers of one token, all to one receiver.
fn hot_erc20(mut builder: Builder, scale: f64) -> Builder {
    let token = builder.token();
    builder.hold(token, recipient(0));
    for index in 0..scaled(ERC20, scale) {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
        builder.token_transfer(token, sender(index), recipient(0));
    }
    builder
}

/// Swaps of distinct traders, all in one pool.
fn hot_pool(mut builder: Builder, scale: f64) -> Builder {
    let pool = builder.pool(0);
    for index in 0..scaled(POOL, scale) {
        builder.fund(sender(index));
        builder.swap(pool, sender(index));
    }
    builder
}

/// Swaps of distinct traders, all in one Uniswap v3 pool.
fn hot_uniswap(mut builder: Builder, uniswap: &Uniswap, scale: f64) -> Builder {
    uniswap.router(&mut builder);
    let market = uniswap.market(&mut builder, 0);
    for index in 0..scaled(UNISWAP, scale) {
        builder.fund(sender(index));
        uniswap.swap(&mut builder, &market, sender(index));
    }
    builder
}

/// Transfers in one chain: A to B, B to C, and so on.
fn chain_raw(mut builder: Builder, scale: f64) -> Builder {
    let count = scaled(RAW, scale);
    for index in 0..=count {
        builder.fund(sender(index));
    }
    for index in 0..count {
        builder.transfer(sender(index), sender(index + 1));
    }
    builder
}

/// Transfers of one token in one chain.
fn chain_erc20(mut builder: Builder, scale: f64) -> Builder {
    let token = builder.token();
    let count = scaled(ERC20, scale);
    for index in 0..=count {
        builder.fund(sender(index));
        builder.hold(token, sender(index));
    }
    for index in 0..count {
        builder.token_transfer(token, sender(index), sender(index + 1));
    }
    builder
}

/// What a transaction of a hybrid does.
enum Act {
    Transfer,
    TokenTransfer,
    Swap,
}

/// A transaction of a hybrid: what it does, whether to a hot account, and the number of its peer.
struct Throw {
    act: Act,
    hot: bool,
    peer: usize,
}

/// 60% transfers, 20% transfers of one token, 20% swaps; 30% of each go to a few hot accounts or
/// pools.
fn throw(index: usize) -> Throw {
    let hash = keccak256(index.to_be_bytes());
    let dice = u64::from(hash[0]) | u64::from(hash[1]) << 8;
    let act = match dice % 100 {
        0..60 => Act::Transfer,
        60..80 => Act::TokenTransfer,
        _ => Act::Swap,
    };
    let hot = dice / 100 % 100 < HOT_PERCENT;
    // Beyond the hot ones every transaction has its own.
    Throw { act, hot, peer: if hot { index % HOT } else { HOT + index } }
}

/// The transfers of a hybrid; swaps are done by `swap`.
fn mixed(
    mut builder: Builder,
    indexes: Range<usize>,
    mut swap: impl FnMut(&mut Builder, usize, Throw),
) -> Builder {
    let token = builder.token();
    for index in 0..HOT {
        builder.fund(recipient(index));
        builder.hold(token, recipient(index));
    }
    for index in indexes {
        builder.fund(sender(index));
        let throw = throw(index);
        match throw.act {
            Act::Transfer => {
                if !throw.hot {
                    builder.fund(recipient(throw.peer));
                }
                builder.transfer(sender(index), recipient(throw.peer));
            }
            Act::TokenTransfer => {
                builder.hold(token, sender(index));
                builder.hold(token, recipient(throw.peer));
                builder.token_transfer(token, sender(index), recipient(throw.peer));
            }
            Act::Swap => swap(&mut builder, index, throw),
        }
    }
    builder
}

/// A hybrid whose swaps are those of the small pool.
fn hybrid(builder: Builder, scale: f64) -> Builder {
    pool_hybrid(builder, 0..scaled(HYBRID, scale))
}

/// A block of a long run: a part of a hybrid, with accounts and pools that no other block has beside
/// the hot ones.
pub(super) fn small_block(number: usize, transactions: usize) -> Workload {
    let first = number * transactions;
    pool_hybrid(Builder::new(), first..first + transactions).finish("small-block")
}

fn pool_hybrid(mut builder: Builder, indexes: Range<usize>) -> Builder {
    for index in 0..HOT {
        builder.pool(index);
    }
    mixed(builder, indexes, |builder, index, throw| {
        let pool =
            if throw.hot { address(Kind::Pool, throw.peer) } else { builder.pool(throw.peer) };
        builder.swap(pool, sender(index));
    })
}

/// A hybrid whose swaps are Uniswap's.
fn hybrid_uniswap(mut builder: Builder, uniswap: &Uniswap, scale: f64) -> Builder {
    uniswap.router(&mut builder);
    let hot: Vec<_> = (0..HOT).map(|index| uniswap.market(&mut builder, index)).collect();
    mixed(builder, 0..scaled(HYBRID_UNISWAP, scale), |builder, index, throw| {
        let market = if throw.hot { hot[throw.peer] } else { uniswap.market(builder, throw.peer) };
        uniswap.swap(builder, &market, sender(index));
    })
}
