//! What a proof-of-work block creates (yellow paper, section 11.3).

use crate::rules::BlockRules;
use alloy_consensus::Header;
use alloy_evm::block::calc;
use alloy_primitives::Address;
use plasma_chainspec::ChainSpec;

/// The rewards of one block in wei.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockRewards {
    /// The beneficiary's, its share for uncles included.
    pub block: u128,
    /// Beneficiary and reward of each uncle, in their order.
    pub ommers: Vec<(Address, u128)>,
}

/// What the block with `header` and `ommers` creates; `None` for the genesis block and since the merge.
pub fn block_rewards(spec: &ChainSpec, header: &Header, ommers: &[Header]) -> Option<BlockRewards> {
    if header.number == 0 {
        return None;
    }
    let base = calc::base_block_reward(BlockRules::of(spec, header), header.number)?;
    let reward =
        |ommer: &Header| (ommer.beneficiary, calc::ommer_reward(base, header.number, ommer.number));
    Some(BlockRewards {
        block: calc::block_reward(base, ommers.len()),
        ommers: ommers.iter().map(reward).collect(),
    })
}
