//! Keys that mappings are likely to have: what a block's transactions name.

use crate::cli::rpc_client::RpcClient;
use alloy_primitives::{Address, B256, Bytes};
use eyre::Result;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

/// Whole numbers from zero that are tried.
const NUMBERS: u64 = 256;

/// Most words that are tried beside them.
const MAX_WORDS: usize = 4_096;

/// Words that may be keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    addresses: BTreeSet<B256>,
    words: BTreeSet<B256>,
}

#[derive(Debug, Deserialize)]
struct Block {
    transactions: Vec<Transaction>,
}

#[derive(Debug, Deserialize)]
struct Transaction {
    from: Address,
    to: Option<Address>,
    input: Bytes,
}

#[derive(Debug, Deserialize)]
struct Receipt {
    logs: Vec<Log>,
}

#[derive(Debug, Deserialize)]
struct Log {
    address: Address,
    topics: Vec<B256>,
}

impl Keys {
    /// Adds the senders, recipients and arguments of a block, and what its logs name.
    pub(super) fn add_block(&mut self, rpc: &RpcClient, number: u64) -> Result<()> {
        let tag = format!("{number:#x}");
        let block: Option<Block> = rpc.call("eth_getBlockByNumber", json!([tag, true]))?;
        for transaction in block.map(|block| block.transactions).unwrap_or_default() {
            self.addresses.insert(transaction.from.into_word());
            self.addresses.extend(transaction.to.map(|to| to.into_word()));
            let arguments = transaction.input.get(4..).unwrap_or_default();
            self.add_words(arguments.chunks_exact(32).map(B256::from_slice));
        }
        let receipts: Option<Vec<Receipt>> = rpc.call("eth_getBlockReceipts", json!([tag]))?;
        for log in receipts.into_iter().flatten().flat_map(|receipt| receipt.logs) {
            self.addresses.insert(log.address.into_word());
            self.add_words(log.topics.into_iter());
        }
        Ok(())
    }

    fn add_words(&mut self, words: impl Iterator<Item = B256>) {
        for word in words {
            if self.words.len() < MAX_WORDS {
                self.words.insert(word);
            }
        }
    }

    /// All of them, the likeliest first.
    pub(super) fn all(&self) -> Vec<B256> {
        let numbers = (0..NUMBERS).map(|number| B256::left_padding_from(&number.to_be_bytes()));
        let addresses = self.addresses.iter().copied().take(MAX_WORDS);
        let known: Vec<B256> = addresses.chain(numbers).collect();
        let seen: BTreeSet<B256> = known.iter().copied().collect();
        let words = self.words.difference(&seen).copied();
        known.iter().copied().chain(words).collect()
    }
}
