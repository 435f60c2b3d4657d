//! Files of RLP-encoded blocks, one after the other, as geth writes them.

use alloy_consensus::Block;
use alloy_rlp::{Decodable, Header};
use eyre::{Context as _, Result, ensure};
use plasma_storage::Transaction;
use std::{fs::File, io::Read, path::Path};

/// Most bytes of one block.
const MAX_BLOCK_BYTES: usize = 64 << 20;

/// Reads one block after the other, holding one at a time in memory.
#[derive(Debug)]
pub(crate) struct ChainFile {
    reader: std::io::BufReader<File>,
    offset: u64,
    length: u64,
    name: String,
}

impl ChainFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let length = file.metadata().with_context(|| format!("cannot look at {name}"))?.len();
        let reader = std::io::BufReader::with_capacity(1 << 20, file);
        Ok(Self { reader, offset: 0, length, name })
    }

    /// The next block, or `None` at the end of the file.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block<Transaction>>> {
        let Some(first) = self.first_byte()? else { return Ok(None) };
        let at = || format!("{} at byte {}", self.name, self.offset);
        ensure!(first >= 0xc0, "{}: no block starts here (RLP list expected)", at());
        let length_bytes = usize::from(first.saturating_sub(0xf7));
        let mut encoded = vec![first];
        encoded.resize(1 + length_bytes, 0);
        self.reader
            .read_exact(&mut encoded[1..])
            .with_context(|| format!("{}: the file ends inside a block", at()))?;
        let length = if length_bytes == 0 {
            usize::from(first - 0xc0)
        } else {
            encoded[1..].iter().fold(0_usize, |sum, &byte| {
                sum.saturating_mul(256).saturating_add(usize::from(byte))
            })
        };
        ensure!(length <= MAX_BLOCK_BYTES, "{}: a block of {length} bytes is too large", at());
        let start = encoded.len();
        encoded.resize(start + length, 0);
        self.reader
            .read_exact(&mut encoded[start..])
            .with_context(|| format!("{}: the file ends inside a block", at()))?;
        debug_assert!(Header::decode(&mut encoded.as_slice()).is_ok());
        let block = Block::<Transaction>::decode(&mut encoded.as_slice())
            .with_context(|| format!("{}: not a block", at()))?;
        self.offset += encoded.len() as u64;
        Ok(Some(block))
    }

    /// Bytes read so far.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the whole file; 0 where it does not tell (a pipe).
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    fn first_byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0];
        let read = self.reader.read(&mut byte).with_context(|| format!("reading {}", self.name))?;
        Ok((read == 1).then_some(byte[0]))
    }
}
