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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockCommitter, BlockContext, BlockState, block_env};
    use alloy_primitives::{B256, Bytes, U256, map::HashSet};
    use plasma_storage::{Account, StateReader, StorageError};
    use std::{collections::BTreeMap, sync::Arc};

    /// A state without anything.
    struct Nothing;

    impl StateReader for Nothing {
        fn account(&self, _: Address) -> Result<Option<Account>, StorageError> {
            Ok(None)
        }

        fn storage(&self, _: Address, _: U256) -> Result<U256, StorageError> {
            Ok(U256::ZERO)
        }

        fn has_storage(&self, _: Address, _: &HashSet<U256>) -> Result<bool, StorageError> {
            Ok(false)
        }

        fn code(&self, _: B256) -> Result<Option<Bytes>, StorageError> {
            Ok(None)
        }

        fn block_hash(&self, _: u64) -> Result<Option<B256>, StorageError> {
            Ok(None)
        }
    }

    fn spec(forks: &str) -> Arc<ChainSpec> {
        let genesis = format!(
            r#"{{"config": {{"chainId": 5, {forks}}}, "difficulty": "0x1", "gasLimit": "0x1000000",
                "alloc": {{}}}}"#
        );
        Arc::new(ChainSpec::from_json(&genesis).expect("a genesis file"))
    }

    #[test]
    fn they_are_what_executing_the_block_pays() {
        let names = ["byzantiumBlock", "constantinopleBlock"];
        let early = ["homesteadBlock", "eip150Block", "eip155Block", "eip158Block"];
        for (later, base) in [(0, 5u128), (1, 3), (2, 2)] {
            let forks: Vec<_> = early.iter().chain(&names[..later]).collect();
            let forks: Vec<_> = forks.iter().map(|name| format!("\"{name}\": 0")).collect();
            let spec = spec(&forks.join(","));
            let [miner, first, second] = [1, 2, 3].map(Address::with_last_byte);
            let header = |number, beneficiary| Header {
                number,
                beneficiary,
                difficulty: U256::from(1),
                gas_limit: 1 << 24,
                ..Header::default()
            };
            let block = header(9, miner);
            let ommers = [header(8, first), header(4, second)];
            let rewards = block_rewards(&spec, &block, &ommers).expect("work was done");
            let wei = base * 1_000_000_000_000_000_000;
            assert_eq!(rewards.block, wei + 2 * wei / 32);
            assert_eq!(rewards.ommers, [(first, wei * 7 / 8), (second, wei * 3 / 8)]);
            let context = BlockContext { ommers: &ommers, ..BlockContext::default() };
            let state = BlockState::new(Arc::new(Nothing));
            let mut committer =
                BlockCommitter::new(spec.clone(), block_env(&spec, &block), context, state);
            committer.begin().expect("a block that begins");
            let changes = committer.finish().expect("a block that ends").changes;
            let paid: BTreeMap<Address, U256> = changes
                .accounts
                .iter()
                .filter_map(|(address, change)| Some((*address, change.account?.balance)))
                .collect();
            let told = std::iter::once((miner, rewards.block)).chain(rewards.ommers);
            assert_eq!(paid, told.map(|(address, wei)| (address, U256::from(wei))).collect());
            assert_eq!(block_rewards(&spec, &header(0, miner), &[]), None);
        }
    }

    #[test]
    fn there_are_none_since_the_merge() {
        let spec = spec("\"terminalTotalDifficulty\": 0");
        let block = Header { number: 1, ..Header::default() };
        assert_eq!(block_rewards(&spec, &block, &[]), None);
    }
}
