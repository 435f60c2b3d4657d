//! The journal: sealed blocks and the ticks of the open one, in block order.
//!
//! Every write is one durable commit, so what was appended survives a power failure.

use crate::{
    BlockRecord, Checkpoints, Receipt, StorageError, TickRecord,
    engine::{Environment, LocalReadTx, WriteTx},
    record_codec as records,
    table::{
        AccessLists, Bodies, Headers, JournalMeta, KeeperRecords, META_CHECKPOINTS, META_GENESIS,
        Receipts, Table, Ticks,
    },
};
use alloy_consensus::Header;
use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, Bytes};
use parking_lot::Mutex;
use std::{sync::Arc, time::Instant};

/// The journal environment.
#[derive(Debug)]
pub(crate) struct Journal {
    environment: Arc<Environment>,
    /// Number of the last sealed block; `None` before the genesis block. Held while writing.
    head: Mutex<Option<u64>>,
    /// Goes to disk with the next block: a commit of its own would cost as much as one.
    checkpoints: Mutex<Option<Checkpoints>>,
}

impl Journal {
    /// Reads the head of an open environment.
    pub(crate) fn new(environment: Arc<Environment>) -> Result<Self, StorageError> {
        let head = environment.read_local()?.last::<Headers>()?.map(|(number, _)| number);
        Ok(Self { environment, head: Mutex::new(head), checkpoints: Mutex::default() })
    }

    /// The environment, for its statistics.
    pub(crate) const fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// The genesis hash, once the journal has one.
    pub(crate) fn genesis_hash(&self) -> Result<Option<B256>, StorageError> {
        let bytes = self.environment.read_local()?.get::<JournalMeta>(&META_GENESIS)?;
        bytes.map(|bytes| records::decode_hash(&bytes, JournalMeta::SPEC.name)).transpose()
    }

    /// Writes the genesis block.
    pub(crate) fn init(&self, header: &Header, hash: B256) -> Result<(), StorageError> {
        let mut head = self.head.lock();
        let tx = self.environment.write()?;
        let record = BlockRecord {
            header: header.clone(),
            hash,
            total_difficulty: header.difficulty,
            ..Default::default()
        };
        put_block(&tx, &record)?;
        tx.put::<JournalMeta>(&META_GENESIS, &Bytes::copy_from_slice(hash.as_slice()))?;
        tx.commit()?;
        *head = Some(header.number);
        Ok(())
    }

    /// Number of the last sealed block, once there is a genesis block.
    pub(crate) fn head(&self) -> Option<u64> {
        *self.head.lock()
    }

    /// Appends one tick of the block after the head; durable when it returns.
    pub(crate) fn append_tick(&self, record: &TickRecord) -> Result<(), StorageError> {
        let bytes = records::encode_tick(record);
        let head = self.head.lock();
        let next = head.ok_or(StorageError::Empty)? + 1;
        if record.block_number != next {
            return Err(StorageError::OutOfOrder {
                what: "a tick of block",
                expected: next,
                given: record.block_number,
            });
        }
        let started = Instant::now();
        let tx = self.environment.write()?;
        let expected = match tx.last::<Ticks>()? {
            Some(((block, tick), _)) if block == next => u64::from(tick) + 1,
            _ => 0,
        };
        if u64::from(record.tick) != expected {
            let given = u64::from(record.tick);
            return Err(StorageError::OutOfOrder { what: "tick", expected, given });
        }
        tx.put::<Ticks>(&(record.block_number, record.tick), &bytes.into())?;
        tx.commit()?;
        measure("tick", started);
        Ok(())
    }

    /// Appends the blocks after the head in one commit and removes all ticks; durable when it
    /// returns.
    pub(crate) fn append_blocks(&self, records: &[BlockRecord]) -> Result<(), StorageError> {
        let mut head = self.head.lock();
        let mut next = head.ok_or(StorageError::Empty)?;
        for record in records {
            next += 1;
            if record.header.number != next {
                let given = record.header.number;
                return Err(StorageError::OutOfOrder { what: "block", expected: next, given });
            }
        }
        let started = Instant::now();
        let tx = self.environment.write()?;
        for record in records {
            put_block(&tx, record)?;
        }
        remove_ticks(&tx)?;
        let mut checkpoints = self.checkpoints.lock();
        put_checkpoints(&tx, *checkpoints)?;
        tx.commit()?;
        *checkpoints = None;
        measure("block", started);
        *head = Some(next);
        Ok(())
    }

    /// Takes note of checkpoints, which become durable with the next block, or by
    /// [`Self::flush`].
    pub(crate) fn remember(&self, checkpoints: Checkpoints) {
        *self.checkpoints.lock() = Some(checkpoints);
    }

    /// Writes the checkpoints that wait for a block.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        let _head = self.head.lock();
        let mut checkpoints = self.checkpoints.lock();
        if checkpoints.is_none() {
            return Ok(());
        }
        let tx = self.environment.write()?;
        put_checkpoints(&tx, *checkpoints)?;
        tx.commit()?;
        *checkpoints = None;
        Ok(())
    }

    /// The checkpoints that were remembered last; those whose blocks are not in the journal any more
    /// are left out.
    pub(crate) fn checkpoints(&self) -> Result<Checkpoints, StorageError> {
        let waiting = *self.checkpoints.lock();
        let tx = self.environment.read_local()?;
        let stored = tx.get::<JournalMeta>(&META_CHECKPOINTS)?;
        let checkpoints = match (waiting, stored) {
            (Some(waiting), _) => waiting,
            (None, Some(bytes)) => records::decode_checkpoints(&bytes)?,
            (None, None) => Checkpoints::default(),
        };
        let known = |block: Option<BlockNumHash>| {
            let Some(block) = block else { return Ok(None) };
            let found = read_header(&tx, block.number)?;
            Ok::<_, StorageError>(found.filter(|(hash, _)| *hash == block.hash).map(|_| block))
        };
        Ok(Checkpoints { safe: known(checkpoints.safe)?, finalized: known(checkpoints.finalized)? })
    }

    /// Removes all blocks after `number`, and all ticks.
    pub(crate) fn revert_to(&self, number: u64) -> Result<(), StorageError> {
        let mut head = self.head.lock();
        let last = head.ok_or(StorageError::Empty)?;
        let tx = self.environment.write()?;
        for block in number + 1..=last {
            tx.delete::<Headers>(&block)?;
            tx.delete::<Bodies>(&block)?;
            tx.delete::<Receipts>(&block)?;
            tx.delete::<KeeperRecords>(&block)?;
            tx.delete::<AccessLists>(&block)?;
        }
        remove_ticks(&tx)?;
        tx.commit()?;
        *head = Some(last.min(number));
        Ok(())
    }

    /// The ticks of the open block, in order.
    pub(crate) fn open_ticks(&self) -> Result<Vec<TickRecord>, StorageError> {
        let ticks = self.environment.read_local()?.with_prefix::<Ticks>(&[])?;
        ticks.iter().map(|(_, bytes)| records::decode_tick(bytes)).collect()
    }

    /// A sealed block with all that belongs to it.
    pub(crate) fn block(&self, number: u64) -> Result<Option<BlockRecord>, StorageError> {
        let tx = self.environment.read_local()?;
        let Some((hash, header)) = read_header(&tx, number)? else { return Ok(None) };
        let body = tx.get::<Bodies>(&number)?.ok_or_else(|| missing(Bodies::SPEC.name))?;
        let receipts = tx.get::<Receipts>(&number)?.ok_or_else(|| missing(Receipts::SPEC.name))?;
        let keeper = tx.get::<KeeperRecords>(&number)?.unwrap_or_default();
        let mut record = records::decode_body(&body)?;
        record.header = header;
        record.hash = hash;
        record.receipts = records::decode_receipts(&receipts)?;
        record.keeper = keeper;
        record.access_list = tx.get::<AccessLists>(&number)?;
        Ok(Some(record))
    }

    /// Hash and header of a sealed block.
    pub(crate) fn header(&self, number: u64) -> Result<Option<(B256, Header)>, StorageError> {
        read_header(&self.environment.read_local()?, number)
    }

    /// Receipts of a sealed block.
    pub(crate) fn receipts(&self, number: u64) -> Result<Option<Vec<Receipt>>, StorageError> {
        let bytes = self.environment.read_local()?.get::<Receipts>(&number)?;
        bytes.map(|bytes| records::decode_receipts(&bytes)).transpose()
    }

    /// The keeper's record of a sealed block.
    pub(crate) fn keeper_record(&self, number: u64) -> Result<Option<Bytes>, StorageError> {
        let tx = self.environment.read_local()?;
        match tx.get::<KeeperRecords>(&number)? {
            Some(bytes) => Ok(Some(bytes)),
            // Empty records are not stored.
            None => Ok(tx.get::<Headers>(&number)?.map(|_| Bytes::new())),
        }
    }
}

/// The time of one commit, in buckets and as quantiles of the last minute.
fn measure(record: &'static str, started: Instant) {
    let seconds = started.elapsed();
    metrics::histogram!("plasma_journal_commit_seconds", "record" => record).record(seconds);
    metrics::histogram!("plasma_journal_commit_seconds_summary", "record" => record)
        .record(seconds);
}

fn put_block(tx: &WriteTx, record: &BlockRecord) -> Result<(), StorageError> {
    let number = record.header.number;
    tx.put::<Headers>(&number, &records::encode_header(record).into())?;
    tx.put::<Bodies>(&number, &records::encode_body(record).into())?;
    tx.put::<Receipts>(&number, &records::encode_receipts(&record.receipts).into())?;
    if !record.keeper.is_empty() {
        tx.put::<KeeperRecords>(&number, &record.keeper)?;
    }
    if let Some(list) = &record.access_list {
        tx.put::<AccessLists>(&number, list)?;
    }
    Ok(())
}

fn put_checkpoints(tx: &WriteTx, checkpoints: Option<Checkpoints>) -> Result<(), StorageError> {
    let Some(checkpoints) = checkpoints else { return Ok(()) };
    let bytes = records::encode_checkpoints(&checkpoints);
    tx.put::<JournalMeta>(&META_CHECKPOINTS, &bytes.into())
}

fn remove_ticks(tx: &WriteTx) -> Result<(), StorageError> {
    // Only the open block has ticks, and whatever closes it removes them all.
    tx.clear::<Ticks>()
}

fn read_header(tx: &LocalReadTx, number: u64) -> Result<Option<(B256, Header)>, StorageError> {
    tx.get::<Headers>(&number)?.map(|bytes| records::decode_header(&bytes)).transpose()
}

fn missing(table: &'static str) -> StorageError {
    StorageError::Corrupt { table, reason: "a block has a header but no record here".into() }
}
