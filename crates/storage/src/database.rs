//! The database: both environments behind one handle.

use crate::{
    AccountChange, BlockRecord, DatabaseOptions, DatabaseStats, Receipt, StateChanges, StateReader,
    StateSnapshot, StorageError, TickRecord, TrieUpdates,
    change_set::{Prior, read_change_set},
    codec::Damage,
    engine::{Durability, Environment, Transaction, TransactionKind},
    flat_state,
    journal::Journal,
    layer::Layer,
    lock::DirectoryLock,
    persister::{Tip, check_kept, unwind_to},
    record_codec::decode_hash,
    table::{
        BlockNumbers, ChangeSets, JOURNAL_TABLES, JournalMeta, META_GENESIS, META_SCHEMA, Name,
        STATE_TABLES, StateMeta, Table, TransactionLocations,
    },
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, map::Entry};
use parking_lot::Mutex;
use std::{path::Path, sync::Arc, thread::JoinHandle};

/// Version of the tables and encodings that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

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
        // State can be had again from the journal, so losing its last commit costs only time.
        let state_environment = open("state", STATE_TABLES, Durability::MayLoseLastCommit)?;
        check_schema::<JournalMeta>(&journal_environment)?;
        check_schema::<StateMeta>(&state_environment)?;
        let journal = Journal::new(journal_environment)?;
        check_pair(&journal, &state_environment)?;
        let tip = Arc::new(Tip::new(state_environment, options)?);
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
        self.inner.journal.append_block(record)
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
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] unless `number` follows the latest state,
    /// [`StorageError::PersistFailed`] once the background writer has failed.
    pub fn push_block_state(
        &self,
        number: u64,
        hash: B256,
        tx_hashes: Vec<B256>,
        changes: Arc<StateChanges>,
        trie: Arc<TrieUpdates>,
    ) -> Result<(), StorageError> {
        self.inner.tip.push(Layer::new(number, hash, tx_hashes, changes, trie))
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
    pub fn revert_to(&self, number: u64) -> Result<(), StorageError> {
        self.inner.tip.revert_to(number)?;
        match self.inner.journal.head() {
            Some(head) if head >= number => self.inner.journal.revert_to(number),
            _ => Ok(()),
        }
    }

    /// The changes that, applied to the latest state, give the state after block `number`. Every
    /// slot that differs is told, so no storage needs to be wiped to apply them; new code needs no
    /// way back. Persists what waits first.
    pub fn reverse_changes(&self, number: u64) -> Result<StateChanges, StorageError> {
        check_kept(&self.inner.tip.view(), number)?;
        self.inner.tip.flush()?;
        let view = self.inner.tip.view();
        let latest = view.base.block.ok_or(StorageError::Empty)?;
        let target = StateSnapshot::new(Arc::clone(&view), number)?;
        let mut reverse = StateChanges::default();
        for block in number + 1..=latest {
            let priors = read_change_set::<_, ChangeSets>(view.base.reader(), block)?
                .ok_or(StorageError::Pruned { number, oldest: view.base.oldest })?;
            for prior in priors {
                match prior {
                    Prior::Account(address, _) => {
                        reverse.accounts.entry(address).or_default();
                    }
                    Prior::Slot(address, slot, _) => {
                        let change: &mut AccountChange =
                            reverse.accounts.entry(address).or_default();
                        if let Entry::Vacant(entry) = change.storage.entry(slot) {
                            entry.insert(target.storage(address, slot)?);
                        }
                    }
                    _ => {}
                }
            }
        }
        for (address, change) in &mut reverse.accounts {
            change.account = target.account(*address)?;
            change.storage_wiped = change.account.is_none();
        }
        Ok(reverse)
    }

    /// Persists everything that waits; durable when it returns.
    pub fn flush(&self) -> Result<(), StorageError> {
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

/// Writes the schema version into a fresh environment, or checks the one that is there.
fn check_schema<T>(environment: &Arc<Environment>) -> Result<(), StorageError>
where
    T: Table<Key = Name, Value = Bytes>,
{
    if let Some(bytes) = environment.read_local()?.get::<T>(&META_SCHEMA)? {
        let found = <[u8; 4]>::try_from(bytes.as_ref())
            .map(u32::from_be_bytes)
            .map_err(|_| Damage("the schema version has a wrong length").of(T::SPEC.name))?;
        if found > SCHEMA_VERSION {
            let path = environment.path().to_path_buf();
            return Err(StorageError::NewerSchema { path, found, supported: SCHEMA_VERSION });
        }
        return Ok(());
    }
    let tx = environment.write()?;
    tx.put::<T>(&META_SCHEMA, &Bytes::copy_from_slice(&SCHEMA_VERSION.to_be_bytes()))?;
    tx.commit()
}

/// Checks that the two environments belong together, and takes back state that is ahead of the
/// journal.
fn check_pair(journal: &Journal, state: &Arc<Environment>) -> Result<(), StorageError> {
    let tx = state.read_local()?;
    let persisted = flat_state::persisted_block(&tx)?;
    let unreadable = |environment: &Environment, reason: &str| StorageError::Unreadable {
        path: environment.path().to_path_buf(),
        reason: reason.into(),
    };
    match (journal.genesis_hash()?, persisted) {
        // A genesis state without a journal is an initialisation that was cut short.
        (None, None | Some(0)) => return Ok(()),
        (None, Some(_)) => {
            let reason = "it is empty although the state beside it is not";
            return Err(unreadable(journal.environment(), reason));
        }
        (Some(_), None) => {
            return Err(unreadable(state, "it is empty although the journal beside it is not"));
        }
        (Some(expected), Some(_)) => {
            if genesis_of(&tx)? != Some(expected) {
                let reason = "it belongs to another chain than the journal beside it";
                return Err(unreadable(state, reason));
            }
        }
    }
    drop(tx);
    let head = journal.head().ok_or(StorageError::Empty)?;
    if persisted > Some(head) {
        let tx = state.write()?;
        unwind_to(&tx, head)?;
        tx.commit()?;
    }
    Ok(())
}

fn genesis_of<K: TransactionKind>(tx: &Transaction<K>) -> Result<Option<B256>, StorageError> {
    let bytes = tx.get::<StateMeta>(&META_GENESIS)?;
    bytes.map(|bytes| decode_hash(&bytes, StateMeta::SPEC.name)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_refused() {
        for newer in ["journal", "state"] {
            let dir = tempfile::tempdir().unwrap();
            drop(Database::open(dir.path(), DatabaseOptions::default()).unwrap());
            let version = Bytes::copy_from_slice(&(SCHEMA_VERSION + 1).to_be_bytes());
            let lock = Arc::new(DirectoryLock::take(dir.path()).unwrap());
            let tables = if newer == "journal" { JOURNAL_TABLES } else { STATE_TABLES };
            let path = dir.path().join(newer);
            let environment =
                Environment::open("test", &path, tables, Durability::Durable, 1 << 30, lock)
                    .unwrap();
            let tx = environment.write().unwrap();
            if newer == "journal" {
                tx.put::<JournalMeta>(&META_SCHEMA, &version).unwrap();
            } else {
                tx.put::<StateMeta>(&META_SCHEMA, &version).unwrap();
            }
            tx.commit().unwrap();
            drop(environment);
            let error = Database::open(dir.path(), DatabaseOptions::default()).unwrap_err();
            let sentence = error.to_string();
            assert!(matches!(error, StorageError::NewerSchema { found: 2, .. }), "{sentence}");
            assert!(sentence.contains("schema version 2"), "{sentence}");
        }
    }
}
