//! The database: both environments behind one handle.

use crate::{
    AddressPage, BlockRecord, Checkpoints, ContractOrigin, DatabaseOptions, DatabaseStats,
    LogBlocks, Receipt, StateChanges, StateSnapshot, StorageError, TickRecord, TransactionEntry,
    TrieUpdates, address_index,
    engine::{Durability, Environment, sync_directory},
    flat_state,
    journal::Journal,
    layer::Layer,
    lock::DirectoryLock,
    log_index,
    opening::{check_pair, check_schema},
    persister::Tip,
    table::{
        BlockNumbers, JOURNAL_TABLES, JournalMeta, META_GENESIS, STATE_TABLES, StateMeta,
        TransactionLocations,
    },
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use parking_lot::Mutex;
use std::{ops::RangeInclusive, path::Path, sync::Arc, thread::JoinHandle};

/// Version of the tables and encodings that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 3;

/// The node's database; clones are handles to the same one.
///
/// The journal is the truth: what was appended to it is durable. State follows in the background
/// and may be behind after a restart ([`Self::state_block`] against [`Self::journal_head`]); the
/// caller then executes the missing blocks again and pushes their state.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    tip: Arc<Tip>,
    persister: Mutex<Option<JoinHandle<()>>>,
}

impl Database {
    /// Opens or creates the database in `dir`.
    ///
    /// # Errors
    /// [`StorageError::Locked`] where another process uses the directory,
    /// [`StorageError::NewerSchema`] where a newer program wrote it, [`StorageError::Unreadable`]
    /// where its files are something else or do not belong together.
    pub fn open(dir: &Path, options: DatabaseOptions) -> Result<Self, StorageError> {
        let lock = Arc::new(DirectoryLock::take(dir)?);
        let open = |name, tables, durability| {
            let path = dir.join(name);
            Environment::open(name, &path, tables, durability, options.map_bytes, lock.clone())
        };
        let journal_environment = open("journal", JOURNAL_TABLES, Durability::Durable)?;
        // State can be had again from the journal, but not the pages that a commit reuses: where the
        // end of the commit before is not on disk yet, a power failure leaves no readable state.
        let state_environment = open("state", STATE_TABLES, Durability::Durable)?;
        sync_directory(dir)?;
        check_schema::<JournalMeta>(&journal_environment)?;
        check_schema::<StateMeta>(&state_environment)?;
        let journal = Journal::new(journal_environment)?;
        check_pair(&journal, &state_environment)?;
        let tip = Arc::new(Tip::new(state_environment, journal.environment().clone(), options)?);
        let runner = Arc::clone(&tip);
        let persister = std::thread::Builder::new()
            .name("state-writer".into())
            .spawn(move || runner.run())
            .map_err(|error| StorageError::Engine {
                path: dir.to_path_buf(),
                action: "start its background writer",
                reason: error.to_string().into(),
            })?;
        let inner = Inner { journal, tip, persister: Mutex::new(Some(persister)) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The hash of the genesis block; `None`: the database is fresh.
    pub fn genesis_hash(&self) -> Result<Option<B256>, StorageError> {
        self.inner.journal.genesis_hash()
    }

    /// Writes the genesis block and its state; durable when it returns. Once per database.
    pub fn init_genesis(
        &self,
        header: &Header,
        hash: B256,
        changes: &StateChanges,
        trie: &TrieUpdates,
    ) -> Result<(), StorageError> {
        if let Some(found) = self.genesis_hash()? {
            return Err(StorageError::AlreadyInitialised { found });
        }
        if header.number != 0 {
            let given = header.number;
            return Err(StorageError::OutOfOrder { what: "genesis block", expected: 0, given });
        }
        // The journal comes last: until it has a genesis block, the database counts as fresh.
        self.inner.tip.rewrite(|tx| {
            flat_state::clear(tx)?;
            flat_state::write_genesis(tx, hash, changes, trie)?;
            tx.put::<StateMeta>(&META_GENESIS, &Bytes::copy_from_slice(hash.as_slice()))
        })?;
        self.inner.journal.init(header, hash)
    }

    /// Refuses the database of another chain.
    ///
    /// # Errors
    /// [`StorageError::ForeignChain`] with both hashes; [`StorageError::Empty`] when fresh.
    pub fn check_genesis(&self, expected: B256) -> Result<(), StorageError> {
        match self.genesis_hash()? {
            None => Err(StorageError::Empty),
            Some(found) if found != expected => Err(StorageError::ForeignChain { expected, found }),
            Some(_) => Ok(()),
        }
    }

    /// Appends a tick of block `journal_head() + 1`; durable when it returns. Ticks are numbered
    /// from 0 without gaps.
    pub fn append_tick(&self, record: &TickRecord) -> Result<(), StorageError> {
        self.inner.journal.append_tick(record)
    }

    /// Appends block `journal_head() + 1` and removes its ticks; durable when it returns.
    pub fn append_block(&self, record: &BlockRecord) -> Result<(), StorageError> {
        self.append_blocks(std::slice::from_ref(record))
    }

    /// Appends several blocks from `journal_head() + 1` on in one commit, and removes all ticks;
    /// durable when it returns.
    pub fn append_blocks(&self, records: &[BlockRecord]) -> Result<(), StorageError> {
        self.inner.journal.append_blocks(records)
    }

    /// Takes note of what a consensus layer calls safe and final: blocks that are in the journal. It
    /// becomes durable with the next block that is appended, or by [`Self::flush`].
    pub fn remember_checkpoints(&self, checkpoints: Checkpoints) {
        self.inner.journal.remember(checkpoints);
    }

    /// What [`Self::remember_checkpoints`] was told last, without blocks that were taken back since.
    pub fn checkpoints(&self) -> Result<Checkpoints, StorageError> {
        self.inner.journal.checkpoints()
    }

    /// The ticks of block `journal_head() + 1`, in order.
    pub fn open_ticks(&self) -> Result<Vec<TickRecord>, StorageError> {
        self.inner.journal.open_ticks()
    }

    /// The highest sealed block.
    pub fn journal_head(&self) -> Result<u64, StorageError> {
        self.inner.journal.head().ok_or(StorageError::Empty)
    }

    /// A sealed block with all that belongs to it.
    pub fn block_record(&self, number: u64) -> Result<Option<BlockRecord>, StorageError> {
        self.inner.journal.block(number)
    }

    /// The header of a sealed block.
    pub fn header(&self, number: u64) -> Result<Option<Header>, StorageError> {
        Ok(self.inner.journal.header(number)?.map(|(_, header)| header))
    }

    /// The receipts of a sealed block.
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<Receipt>>, StorageError> {
        self.inner.journal.receipts(number)
    }

    /// The hash of a sealed block.
    pub fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        Ok(self.inner.journal.header(number)?.map(|(hash, _)| hash))
    }

    /// The keeper's record of a sealed block; empty where it left none.
    pub fn keeper_record(&self, number: u64) -> Result<Option<Bytes>, StorageError> {
        self.inner.journal.keeper_record(number)
    }

    /// The number of the canonical block with this hash, once its state was pushed.
    pub fn block_number(&self, hash: B256) -> Result<Option<u64>, StorageError> {
        let view = self.inner.tip.view();
        if let Some(layer) = view.layers.iter().find(|layer| layer.hash == hash) {
            return Ok(Some(layer.number));
        }
        view.base.reader().get::<BlockNumbers>(&hash)
    }

    /// Block number and index within it of a transaction, once the block's state was pushed.
    pub fn transaction_location(&self, hash: B256) -> Result<Option<(u64, u64)>, StorageError> {
        let view = self.inner.tip.view();
        for layer in view.layers.iter().rev() {
            if let Some(index) = layer.transaction(hash) {
                return Ok(Some((layer.number, index)));
            }
        }
        view.base.reader().get::<TransactionLocations>(&hash)
    }

    /// The block whose state is persisted; 0 in a fresh database.
    pub fn state_block(&self) -> u64 {
        self.inner.tip.view().base.block.unwrap_or_default()
    }

    /// Makes the state after block `number` the latest: visible at once, persisted later. Waits
    /// while more than [`DatabaseOptions::max_unpersisted_blocks`] blocks are not persisted.
    ///
    /// `changes` hold the values after the block; an account that is gone loses all its storage.
    /// The logs in `receipts` become searchable, and so do `transactions`, by hash, by sender and nonce,
    /// and by the addresses that appear in them.
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] unless `number` follows the latest state,
    /// [`StorageError::PersistFailed`] once the background writer has failed.
    pub fn push_block_state(
        &self,
        number: u64,
        hash: B256,
        transactions: Vec<TransactionEntry>,
        changes: Arc<StateChanges>,
        trie: Arc<TrieUpdates>,
        receipts: &[Receipt],
    ) -> Result<(), StorageError> {
        self.inner.tip.push(Layer::new(number, hash, transactions, changes, trie, receipts))
    }

    /// The blocks of `range` that may hold logs of one of `addresses` (none given: of any) which
    /// have, at each position of `topics`, one of the topics there (none given: any). Whatever
    /// matches is in one of these blocks; what a block holds is for the caller to see.
    ///
    /// Finds at most `limit` blocks, and ends early where too much of the index must be read. Blocks
    /// are known once their state was pushed.
    pub fn log_blocks(
        &self,
        range: RangeInclusive<u64>,
        addresses: &[Address],
        topics: &[Vec<B256>],
        limit: usize,
    ) -> Result<LogBlocks, StorageError> {
        log_index::search(&self.inner.tip.view(), range, addresses, topics, limit)
    }

    /// Transactions in which `address` appears, in blocks below `before` (`None`: in all), newest block
    /// first: as many whole blocks as it takes for `least` transactions. Blocks are known once their
    /// state was pushed. [`Appearances`](crate::Appearances) tells what an appearance is.
    pub fn address_transactions_before(
        &self,
        address: Address,
        before: Option<u64>,
        least: usize,
    ) -> Result<AddressPage, StorageError> {
        address_index::search_before(&self.inner.tip.view(), address, before, least)
    }

    /// As [`Self::address_transactions_before`], in blocks above `after` (`None`: in all), oldest block
    /// first.
    pub fn address_transactions_after(
        &self,
        address: Address,
        after: Option<u64>,
        least: usize,
    ) -> Result<AddressPage, StorageError> {
        address_index::search_after(&self.inner.tip.view(), address, after, least)
    }

    /// Block number and index within it of the last transaction with which `sender` used `nonce`.
    pub fn nonce_location(
        &self,
        sender: Address,
        nonce: u64,
    ) -> Result<Option<(u64, u64)>, StorageError> {
        address_index::nonce_location(&self.inner.tip.view(), sender, nonce)
    }

    /// Where the contract at `address` was created, the last time that one was; `None`: by no
    /// transaction (the genesis block or a developer may have put it there).
    pub fn contract_origin(
        &self,
        address: Address,
    ) -> Result<Option<ContractOrigin>, StorageError> {
        address_index::contract_origin(&self.inner.tip.view(), address)
    }

    /// The oldest block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        self.inner.tip.view().base.oldest
    }

    /// State of this many blocks before the latest is kept; `None`: of all.
    pub fn history_blocks(&self) -> Option<u64> {
        self.inner.tip.options().history_blocks
    }

    /// The latest state.
    pub fn latest(&self) -> Result<StateSnapshot, StorageError> {
        let view = self.inner.tip.view();
        let tip = view.tip().ok_or(StorageError::Empty)?;
        StateSnapshot::new(view, tip)
    }

    /// The state after block `number`.
    ///
    /// # Errors
    /// [`StorageError::Pruned`] where it is too old, [`StorageError::Unknown`] where it is not
    /// there yet.
    pub fn snapshot(&self, number: u64) -> Result<StateSnapshot, StorageError> {
        StateSnapshot::new(self.inner.tip.view(), number)
    }

    /// Unwinds state, indexes, trie nodes, history and journal to block `number`.
    ///
    /// A crash in between leaves either the old chain, whose blocks are then executed again, or
    /// the new one.
    ///
    /// # Errors
    /// [`StorageError::BeyondReorgs`] where the way back is not kept that far.
    pub fn revert_to(&self, number: u64) -> Result<(), StorageError> {
        self.inner.tip.revert_to(number)?;
        match self.inner.journal.head() {
            Some(head) if head >= number => self.inner.journal.revert_to(number),
            _ => Ok(()),
        }
    }

    /// Persists everything that waits; durable when it returns.
    pub fn flush(&self) -> Result<(), StorageError> {
        self.inner.journal.flush()?;
        self.inner.tip.flush()
    }

    /// Why state cannot be written any more; `None` while all is well.
    pub fn failure(&self) -> Option<StorageError> {
        self.inner.tip.failure()
    }

    /// Persists everything that waits and ends the background writer. Reading goes on; writing
    /// state answers [`StorageError::Closed`] from now on. Happens by itself, errors unseen, when
    /// the last handle is dropped.
    pub fn shutdown(&self) -> Result<(), StorageError> {
        self.inner.shutdown()
    }

    /// How large everything is.
    pub fn stats(&self) -> Result<DatabaseStats, StorageError> {
        let view = self.inner.tip.view();
        Ok(DatabaseStats {
            environments: vec![
                self.inner.journal.environment().stats()?,
                self.inner.tip.environment().stats()?,
            ],
            journal_head: self.inner.journal.head().unwrap_or_default(),
            state_block: view.base.block.unwrap_or_default(),
            oldest_state: view.base.oldest,
            unpersisted_blocks: view.layers.len(),
        })
    }
}

impl Inner {
    fn shutdown(&self) -> Result<(), StorageError> {
        self.tip.stop();
        if let Some(thread) = self.persister.lock().take()
            && thread.join().is_err()
        {
            return Err(StorageError::Other("the background writer ended with a panic".into()));
        }
        if let Some(error) = self.tip.failure() {
            return Err(StorageError::PersistFailed(Arc::new(error)));
        }
        self.tip.environment().sync()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.shutdown() {
            tracing::error!(target: "plasma::storage", %error, "the database was not closed cleanly");
        }
    }
}
