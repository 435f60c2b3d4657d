//! A whole database as it stands, for checking and copying it: with or without a node on it.

use crate::{
    Account, DEFAULT_MAP_BYTES, DatabaseStats, StorageError, TrieNodeKey,
    engine::{Durability, Environment, ReadTx, sync_directory},
    flat_state,
    lock::DirectoryLock,
    opening::{check_schema, genesis_of},
    record_codec::decode_header,
    table::{
        AccountTrie, Accounts, BlockHashes, Codes, Headers, JOURNAL_TABLES, JournalMeta, NodePlace,
        STATE_TABLES, StateMeta, Storage, StorageTrie, TableSpec,
    },
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Times that both environments are opened until they are seen on the same chain: a node may take
/// its chain back between the two.
const ATTEMPTS: usize = 20;

/// The environments of a database and their tables.
const ENVIRONMENTS: [(&str, &[TableSpec]); 2] =
    [("journal", JOURNAL_TABLES), ("state", STATE_TABLES)];

/// One version of a database, for reading. A node may work on the directory meanwhile; it then
/// cannot reuse the pages that this version holds, so its files grow until this is dropped. Where no
/// node runs, none can start before this is dropped.
#[derive(Debug)]
pub struct Inspection {
    directory: PathBuf,
    state: Opened,
    journal: Opened,
    state_block: u64,
    journal_head: u64,
    live: bool,
}

/// An environment at one version.
struct Opened {
    tx: ReadTx,
    environment: Arc<Environment>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.environment.fmt(f)
    }
}

impl Opened {
    fn new(environment: &Arc<Environment>) -> Result<Self, StorageError> {
        Ok(Self { tx: environment.read()?, environment: Arc::clone(environment) })
    }
}

impl Inspection {
    /// Opens the database in `dir`, whether a node works on it or not.
    ///
    /// # Errors
    /// [`StorageError::Unreadable`] where there is none, [`StorageError::Empty`] where it has no
    /// chain yet, [`StorageError::StateAhead`] in the middle of an import.
    pub fn open(dir: &Path) -> Result<Self, StorageError> {
        for (name, _) in ENVIRONMENTS {
            if !dir.join(name).join("mdbx.dat").is_file() {
                let reason = format!("it has no {name}/mdbx.dat").into();
                return Err(StorageError::Unreadable { path: dir.to_path_buf(), reason });
            }
        }
        let lock = match DirectoryLock::take(dir) {
            Ok(lock) => Some(Arc::new(lock)),
            Err(StorageError::Locked { .. }) => None,
            Err(other) => return Err(other),
        };
        let open = |(name, tables): (&'static str, &'static [TableSpec])| {
            let path = dir.join(name);
            match &lock {
                // The last writer may have been killed; opening for writing makes up for it.
                Some(lock) => Environment::open(
                    name,
                    &path,
                    tables,
                    Durability::Durable,
                    DEFAULT_MAP_BYTES,
                    Arc::clone(lock),
                ),
                None => Environment::open_beside(name, &path, tables),
            }
        };
        let [journal, state] = ENVIRONMENTS.map(open);
        let (journal, state) = (journal?, state?);
        check_schema::<JournalMeta>(&journal)?;
        check_schema::<StateMeta>(&state)?;
        let mut ahead = None;
        for _ in 0..ATTEMPTS {
            // State first: a block that a node seals is in the journal before its state is here, and
            // so in a journal that is read later. Not so in an import, which journals many blocks at
            // once while the state of the first is written already.
            let (state, journal) = (Opened::new(&state)?, Opened::new(&journal)?);
            let state_block = flat_state::persisted_block(&state.tx)?.ok_or(StorageError::Empty)?;
            let journal_head = journal.tx.last::<Headers>()?.ok_or(StorageError::Empty)?.0;
            let seen = state.tx.get::<BlockHashes>(&state_block)?;
            let header = journal.tx.get::<Headers>(&state_block)?;
            let journaled = header.map(|bytes| decode_header(&bytes)).transpose()?;
            if seen.is_some() && journaled.map(|(hash, _)| hash) == seen {
                let live = lock.is_none();
                let directory = dir.to_path_buf();
                return Ok(Self { directory, state, journal, state_block, journal_head, live });
            }
            ahead = (state_block > journal_head).then_some((state_block, journal_head));
        }
        let path = dir.to_path_buf();
        Err(match ahead {
            Some((state_block, journal_head)) => {
                StorageError::StateAhead { path, state_block, journal_head }
            }
            None => StorageError::Unreadable {
                path,
                reason: "state and journal are not of the same chain".into(),
            },
        })
    }

    /// True where a node works on the directory.
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The block whose state is here.
    pub const fn state_block(&self) -> u64 {
        self.state_block
    }

    /// The highest sealed block.
    pub const fn journal_head(&self) -> u64 {
        self.journal_head
    }

    /// Hash of the genesis block.
    pub fn genesis_hash(&self) -> Result<Option<B256>, StorageError> {
        genesis_of(&self.state.tx)
    }

    /// Hash and header of a sealed block.
    pub fn header(&self, number: u64) -> Result<Option<(B256, Header)>, StorageError> {
        let bytes = self.journal.tx.get::<Headers>(&number)?;
        bytes.map(|bytes| decode_header(&bytes)).transpose()
    }

    /// Hands all accounts to `each`, by address, until it breaks.
    pub fn accounts(
        &self,
        each: impl FnMut(Address, Account) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.state.tx.scan::<Accounts>(&[], each)
    }

    /// Hands all slots of `address` that hold a value to `each`, in order, until it breaks.
    pub fn slots(
        &self,
        address: Address,
        mut each: impl FnMut(U256, U256) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.state.tx.scan::<Storage>(address.as_slice(), |(_, slot), value| each(slot, value))
    }

    /// Hands all codes to `each`, under the hashes that they are stored with, until it breaks.
    pub fn codes(
        &self,
        each: impl FnMut(B256, Bytes) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.state.tx.scan::<Codes>(&[], each)
    }

    /// The code stored with this hash.
    pub fn code(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        self.state.tx.get::<Codes>(&hash)
    }

    /// RLP of a stored trie node.
    pub fn trie_node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        match NodePlace::from(key) {
            NodePlace::Account(path) => self.state.tx.get::<AccountTrie>(&path),
            NodePlace::Storage(key) => self.state.tx.get::<StorageTrie>(&key),
        }
    }

    /// How large everything is, as of now.
    pub fn stats(&self) -> Result<DatabaseStats, StorageError> {
        Ok(DatabaseStats {
            environments: vec![self.journal.environment.stats()?, self.state.environment.stats()?],
            journal_head: self.journal_head,
            state_block: self.state_block,
            oldest_state: flat_state::oldest_state(&self.state.tx, self.state_block)?,
            unpersisted_blocks: 0,
        })
    }

    /// Copies both environments into the directory `target`, which must not have any yet; durable
    /// when it returns. Answers how many records the copy has.
    ///
    /// # Errors
    /// [`StorageError::Occupied`] where a database lies there already.
    pub fn copy_to(&self, target: &Path) -> Result<u64, StorageError> {
        let lock = Arc::new(DirectoryLock::take(target)?);
        for (name, _) in ENVIRONMENTS {
            if target.join(name).exists() {
                return Err(StorageError::Occupied { path: target.to_path_buf() });
            }
        }
        // The journal comes last: a directory without one is not taken for a database.
        let mut records = 0;
        for opened in [&self.state, &self.journal] {
            let name = opened.environment.name();
            let (draft, place) = (target.join(format!("{name}.new")), target.join(name));
            let failed = |action, error: std::io::Error| StorageError::Engine {
                path: draft.clone(),
                action,
                reason: error.to_string().into(),
            };
            if draft.exists() {
                // Left over from a copy that was cut short.
                std::fs::remove_dir_all(&draft).map_err(|e| failed("remove a torn copy", e))?;
            }
            records += opened.tx.copy_to(&draft, DEFAULT_MAP_BYTES, Arc::clone(&lock))?;
            std::fs::rename(&draft, &place).map_err(|e| failed("be put into its place", e))?;
        }
        sync_directory(target)?;
        Ok(records)
    }
}

/// Rewrites both environments of the data directory `dir` without free space; no node may work on
/// it. Answers the bytes of the files before and afterwards.
///
/// A crash in between leaves each file either as it was or rewritten.
pub fn compact(dir: &Path) -> Result<(u64, u64), StorageError> {
    let (mut before, mut after) = (0, 0);
    // Not before it is known to be a database is anything created.
    drop(Inspection::open(dir)?);
    let lock = Arc::new(DirectoryLock::take(dir)?);
    for (name, tables) in ENVIRONMENTS {
        let path = dir.join(name);
        let draft = path.join("compact");
        let failed = |action, error: std::io::Error| StorageError::Engine {
            path: path.clone(),
            action,
            reason: error.to_string().into(),
        };
        if draft.exists() {
            std::fs::remove_dir_all(&draft).map_err(|e| failed("remove a torn copy", e))?;
        }
        let size = |path: &Path| std::fs::metadata(path).map(|file| file.len());
        let file = path.join("mdbx.dat");
        before += size(&file).map_err(|e| failed("tell its size", e))?;
        {
            let environment = Environment::open(
                name,
                &path,
                tables,
                Durability::Durable,
                DEFAULT_MAP_BYTES,
                lock.clone(),
            )?;
            environment.read()?.copy_to(&draft, DEFAULT_MAP_BYTES, lock.clone())?;
        }
        std::fs::rename(draft.join("mdbx.dat"), &file)
            .map_err(|e| failed("replace its file", e))?;
        std::fs::remove_dir_all(&draft).map_err(|e| failed("remove the copy's folder", e))?;
        sync_directory(&path)?;
        after += size(&file).map_err(|e| failed("tell its size", e))?;
    }
    Ok((before, after))
}
