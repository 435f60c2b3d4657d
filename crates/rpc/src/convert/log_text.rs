//! Logs as JSON text.
//!
//! Wide log queries are most of what indexers ask for, and writing thousands of logs member by member through a serializer cost
//! more than finding them. The text is what the serializer would write.

use alloy_primitives::{B256, Log, hex};
use plasma_chain::ExecutedBlock;
use std::fmt::Write;

/// Bytes of a log with two topics and a word of data, about.
const TYPICAL: usize = 640;

/// A JSON array of logs under construction.
#[derive(Debug)]
pub(crate) struct LogText {
    text: String,
    logs: usize,
}

impl LogText {
    pub(crate) fn new() -> Self {
        Self { text: String::from("["), logs: 0 }
    }

    /// How many logs it has.
    pub(crate) fn len(&self) -> usize {
        self.logs
    }

    /// Appends a log of transaction `index` of `block`, the one at `position` among the block's logs.
    pub(crate) fn push(&mut self, block: &ExecutedBlock, index: usize, log: &Log, position: u64) {
        let text = &mut self.text;
        text.reserve(TYPICAL + 2 * log.data.data.len());
        text.push_str(if self.logs == 0 { "{\"address\":\"" } else { ",{\"address\":\"" });
        push_hex(text, log.address.as_slice());
        text.push_str("\",\"topics\":[");
        for (place, topic) in log.topics().iter().enumerate() {
            text.push_str(if place == 0 { "\"" } else { ",\"" });
            push_hex(text, topic.as_slice());
            text.push('"');
        }
        text.push_str("],\"data\":\"");
        push_hex(text, &log.data.data);
        if block.hash.is_zero() {
            // The block is still open.
            text.push_str("\",\"blockHash\":null");
        } else {
            text.push_str("\",\"blockHash\":\"");
            push_hex(text, block.hash.as_slice());
            text.push('"');
        }
        push_number(text, ",\"blockNumber\":\"", block.number());
        push_number(text, "\",\"blockTimestamp\":\"", block.header.timestamp);
        text.push_str("\",\"transactionHash\":\"");
        let hash = block.transactions.get(index).map_or(B256::ZERO, |found| *found.tx_hash());
        push_hex(text, hash.as_slice());
        push_number(text, "\",\"transactionIndex\":\"", index as u64);
        push_number(text, "\",\"logIndex\":\"", position);
        text.push_str("\",\"removed\":false}");
        self.logs += 1;
    }

    /// The array.
    pub(crate) fn finish(mut self) -> String {
        self.text.push(']');
        self.text
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    text.push_str("0x");
    // Large data goes through the allocator; addresses, hashes and topics do not.
    if let Ok(word) = <&[u8; 32]>::try_from(bytes) {
        text.push_str(hex::Buffer::<32, false>::new().format(word));
    } else if let Ok(address) = <&[u8; 20]>::try_from(bytes) {
        text.push_str(hex::Buffer::<20, false>::new().format(address));
    } else {
        text.push_str(&hex::encode(bytes));
    }
}

fn push_number(text: &mut String, before: &str, number: u64) {
    text.push_str(before);
    // Writing into a String cannot fail.
    let _ = write!(text, "{number:#x}");
}
