//! Which version of a method speaks of which fork.

use crate::{
    api::Api,
    error::{self, RpcResult},
};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};

/// The newest fork that changed the Engine API, at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fork {
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Amsterdam,
}

impl Fork {
    /// The fork of a block with this time, in seconds.
    pub(super) fn at(api: &Api, timestamp: u64) -> Self {
        let spec = api.chain.spec();
        let forks = [
            (EthereumHardfork::Amsterdam, Self::Amsterdam),
            (EthereumHardfork::Osaka, Self::Osaka),
            (EthereumHardfork::Prague, Self::Prague),
            (EthereumHardfork::Cancun, Self::Cancun),
            (EthereumHardfork::Shanghai, Self::Shanghai),
        ];
        let active = forks
            .into_iter()
            .find(|(fork, _)| spec.is_ethereum_fork_active_at_timestamp(*fork, timestamp));
        active.map_or(Self::Paris, |(_, fork)| fork)
    }

    /// -38005 unless a `method` may speak of this fork, which it may from `first` to `last`.
    pub(super) fn within(self, method: &str, first: Self, last: Self) -> RpcResult<()> {
        if (first..=last).contains(&self) {
            return Ok(());
        }
        Err(error::engine::unsupported_fork(format!(
            "{method} speaks of blocks from {first:?} to {last:?}, and this one is of {self:?}"
        )))
    }
}
