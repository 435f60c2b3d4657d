//! The only module that knows the storage engine (MDBX): environments, transactions, its errors.
//!
//! Everything above speaks of typed tables. Lengths of keys are checked here, because the engine
//! ends the process on a key that is too long.

mod copy;
mod create;
mod failure;
mod mapped;
mod scan;

use crate::{
    EnvironmentStats, StorageError, TableStats,
    lock::DirectoryLock,
    table::{Record, Table, TableKey, TableSpec, TableValue},
};
use failure::engine_error;
pub(crate) use failure::{io_error, sync_directory};
pub(crate) use mapped::mapped_resident_bytes;
use signet_libmdbx::{
    DatabaseFlags, Geometry, MdbxError, Mode, ReadError, Ro, RoSync, Rw, SyncMode, TableObject,
    WriteFlags,
    tx::{Tx, WriteMarker},
};
use std::{
    borrow::Cow,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The data file grows by this many bytes at a time.
const GROWTH_STEP_BYTES: isize = 4 << 20;
/// The data file shrinks when this many bytes at its end are free.
const SHRINK_THRESHOLD_BYTES: isize = 64 << 20;
/// Read transactions that can be open at once; each costs 64 bytes of the lock file.
const MAX_READERS: u64 = 16_384;

/// When a commit reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A commit that returned survives a power failure.
    Durable,
    /// Nothing is certain to be on disk before [`Environment::sync`].
    OnSync,
}

/// One open environment with its tables.
#[derive(Debug)]
pub(crate) struct Environment {
    environment: signet_libmdbx::Environment,
    handles: Vec<signet_libmdbx::Database>,
    tables: &'static [TableSpec],
    name: &'static str,
    path: PathBuf,
    /// Held until the environment is closed: fields drop in this order. `None` where another
    /// process may hold it.
    _lock: Option<Arc<DirectoryLock>>,
}

/// Whether a transaction reads or writes, and how it hands out bytes.
pub(crate) trait TransactionKind: signet_libmdbx::TransactionKind {
    /// Bytes of a key or value.
    type Bytes<'a>: TableObject<'a> + AsRef<[u8]>;
}

impl TransactionKind for Ro {
    type Bytes<'a> = Cow<'a, [u8]>;
}

impl TransactionKind for RoSync {
    type Bytes<'a> = Cow<'a, [u8]>;
}

impl TransactionKind for Rw {
    // Always copied: before it lends bytes to a writer, the engine looks at the page in which they
    // begin. An empty value at the end of a page begins in the page after it; where that is not the
    // first page of something (inside a large value, or not written yet), the engine fails.
    type Bytes<'a> = Vec<u8>;
}

/// A transaction of kind `K`.
pub(crate) struct Transaction<K: TransactionKind> {
    tx: Tx<K>,
    environment: Arc<Environment>,
}

/// A consistent view that several threads may use, one at a time.
pub(crate) type ReadTx = Transaction<RoSync>;
/// A consistent view for one thread.
pub(crate) type LocalReadTx = Transaction<Ro>;
/// The writer; dropping it without a commit undoes it.
pub(crate) type WriteTx = Transaction<Rw>;

impl Environment {
    /// Opens or creates the environment in `path` with all `tables`.
    pub(crate) fn open(
        name: &'static str,
        path: &Path,
        tables: &'static [TableSpec],
        durability: Durability,
        map_bytes: usize,
        lock: Arc<DirectoryLock>,
    ) -> Result<Arc<Self>, StorageError> {
        let sync_mode = match durability {
            Durability::Durable => SyncMode::Durable,
            Durability::OnSync => SyncMode::SafeNoSync,
        };
        let mut builder = signet_libmdbx::Environment::builder();
        builder
            .set_max_dbs(tables.len() + 4)
            .set_max_readers(MAX_READERS)
            .set_geometry(Geometry {
                size: Some(0..map_bytes),
                growth_step: Some(GROWTH_STEP_BYTES),
                shrink_threshold: Some(SHRINK_THRESHOLD_BYTES),
                page_size: None,
            })
            .set_flags(signet_libmdbx::EnvironmentFlags {
                mode: Mode::ReadWrite { sync_mode },
                // Accesses are random: what the kernel would read ahead is not what comes next.
                no_rdahead: true,
                coalesce: true,
                ..Default::default()
            });
        let fail = |error| engine_error(path, "open", error);
        create::create_whole(path, &builder)?;
        let environment = builder.open(path).map_err(fail)?;
        let tx = environment.begin_rw_unsync().map_err(fail)?;
        let mut handles = Vec::with_capacity(tables.len());
        for table in tables {
            handles.push(tx.create_db(Some(table.name), DatabaseFlags::empty()).map_err(fail)?);
        }
        tx.commit().map_err(fail)?;
        sync_directory(path)?;
        let _lock = Some(lock);
        Ok(Arc::new(Self { environment, handles, tables, name, path: path.into(), _lock }))
    }

    /// Opens the environment in `path` for reading only, beside a process that may write it.
    pub(crate) fn open_beside(
        name: &'static str,
        path: &Path,
        tables: &'static [TableSpec],
    ) -> Result<Arc<Self>, StorageError> {
        let fail = |error| engine_error(path, "open for reading", error);
        let mut builder = signet_libmdbx::Environment::builder();
        builder.set_max_dbs(tables.len() + 4).set_max_readers(MAX_READERS).set_flags(
            signet_libmdbx::EnvironmentFlags { mode: Mode::ReadOnly, ..Default::default() },
        );
        let environment = builder.open(path).map_err(fail)?;
        let tx = environment.begin_ro_unsync().map_err(fail)?;
        let mut handles = Vec::with_capacity(tables.len());
        for table in tables {
            handles.push(tx.open_db(Some(table.name)).map_err(fail)?);
        }
        // Handles outlive a transaction that was committed only.
        tx.commit().map_err(fail)?;
        Ok(Arc::new(Self { environment, handles, tables, name, path: path.into(), _lock: None }))
    }

    /// Begins a read transaction that may move between threads.
    pub(crate) fn read(self: &Arc<Self>) -> Result<ReadTx, StorageError> {
        let tx = self.environment.begin_ro_sync().map_err(|e| self.error("begin to read", e))?;
        Ok(Transaction { tx, environment: Arc::clone(self) })
    }

    /// Begins a read transaction for this thread.
    pub(crate) fn read_local(self: &Arc<Self>) -> Result<LocalReadTx, StorageError> {
        let tx = self.environment.begin_ro_unsync().map_err(|e| self.error("begin to read", e))?;
        Ok(Transaction { tx, environment: Arc::clone(self) })
    }

    /// Begins the write transaction; waits while another thread writes.
    pub(crate) fn write(self: &Arc<Self>) -> Result<WriteTx, StorageError> {
        let tx = self.environment.begin_rw_unsync().map_err(|e| self.error("begin to write", e))?;
        Ok(Transaction { tx, environment: Arc::clone(self) })
    }

    /// Waits until all commits are on disk.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.environment.sync(true).map(drop).map_err(|e| self.error("write to disk", e))
    }

    /// `journal` or `state`.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The environment's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sizes of the data file and the tables.
    pub(crate) fn stats(self: &Arc<Self>) -> Result<EnvironmentStats, StorageError> {
        let tx = self.read_local()?;
        let info = self.environment.info().map_err(|e| self.error("tell its size", e))?;
        let free =
            self.environment.freelist().map_err(|e| self.error("tell its size", mdbx_error(e)))?;
        let page_bytes =
            self.environment.stat().map_err(|e| self.error("tell its size", e))?.page_size();
        let mut tables = Vec::with_capacity(self.tables.len());
        for (spec, handle) in self.tables.iter().zip(&self.handles) {
            let stat = tx.tx.db_stat(handle).map_err(|e| self.error("tell its size", e))?;
            let pages = (stat.branch_pages() + stat.leaf_pages() + stat.overflow_pages()) as u64;
            tables.push(TableStats {
                name: spec.name,
                entries: stat.entries() as u64,
                pages,
                bytes: pages * u64::from(page_bytes),
            });
        }
        let file = self.path.join("mdbx.dat");
        let file_bytes = std::fs::metadata(&file)
            .map_err(|error| StorageError::Engine {
                path: file,
                action: "tell its size",
                reason: error.to_string().into(),
            })?
            .len();
        let beyond_last =
            file_bytes.saturating_sub((info.last_pgno() as u64 + 1) * u64::from(page_bytes));
        Ok(EnvironmentStats {
            name: self.name,
            file_bytes,
            free_bytes: free as u64 * u64::from(page_bytes) + beyond_last,
            page_bytes,
            tables,
        })
    }

    fn error(&self, action: &'static str, error: MdbxError) -> StorageError {
        engine_error(&self.path, action, error)
    }
}

impl<K: TransactionKind> Transaction<K> {
    /// The value of `key`.
    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, StorageError> {
        let key = key.encode();
        check_key::<T>(&key)?;
        let value = self
            .tx
            .get::<K::Bytes<'_>>(self.handle::<T>().dbi(), &key)
            .map_err(|e| self.fail("read", e))?;
        value.map(|value| decode_value::<T>(value.as_ref())).transpose()
    }

    /// The first record whose key's bytes are not less than `from`.
    pub(crate) fn seek<T: Table>(&self, from: &[u8]) -> Result<Option<Record<T>>, StorageError> {
        check_prefix::<T>(from)?;
        let mut cursor = self.cursor::<T>()?;
        let record = if from.is_empty() {
            cursor.first::<K::Bytes<'_>, K::Bytes<'_>>()
        } else {
            cursor.set_range::<K::Bytes<'_>, K::Bytes<'_>>(from)
        };
        record.map_err(|e| self.fail("read", e))?.map(decode_record::<T>).transpose()
    }

    /// The last record of the table.
    pub(crate) fn last<T: Table>(&self) -> Result<Option<Record<T>>, StorageError> {
        let mut cursor = self.cursor::<T>()?;
        let record = cursor.last::<K::Bytes<'_>, K::Bytes<'_>>();
        record.map_err(|e| self.fail("read", e))?.map(decode_record::<T>).transpose()
    }

    /// All records whose keys begin with `prefix`, in the order of their keys.
    pub(crate) fn with_prefix<T: Table>(
        &self,
        prefix: &[u8],
    ) -> Result<Vec<Record<T>>, StorageError> {
        let mut records = Vec::new();
        self.scan::<T>(prefix, |key, value| {
            records.push((key, value));
            ControlFlow::Continue(())
        })?;
        Ok(records)
    }

    fn cursor<T: Table>(&self) -> Result<signet_libmdbx::Cursor<'_, K>, StorageError> {
        self.tx.cursor(self.handle::<T>()).map_err(|e| self.environment.error("read", e))
    }

    fn handle<T: Table>(&self) -> signet_libmdbx::Database {
        debug_assert_eq!(self.environment.tables[T::INDEX].name, T::SPEC.name);
        self.environment.handles[T::INDEX]
    }

    fn fail(&self, action: &'static str, error: ReadError) -> StorageError {
        self.environment.error(action, mdbx_error(error))
    }
}

impl<K: TransactionKind + WriteMarker> Transaction<K> {
    /// Sets the value of `key`.
    pub(crate) fn put<T: Table>(&self, key: &T::Key, value: &T::Value) -> Result<(), StorageError> {
        let key = key.encode();
        check_key::<T>(&key)?;
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        self.tx
            .put(self.handle::<T>(), &key, &bytes, WriteFlags::UPSERT)
            .map_err(|e| self.environment.error("write", e))
    }

    /// Removes `key`; true where it was there.
    pub(crate) fn delete<T: Table>(&self, key: &T::Key) -> Result<bool, StorageError> {
        let key = key.encode();
        check_key::<T>(&key)?;
        self.tx.del(self.handle::<T>(), &key, None).map_err(|e| self.environment.error("write", e))
    }

    /// Removes all records of the table.
    pub(crate) fn clear<T: Table>(&self) -> Result<(), StorageError> {
        self.tx.clear_db(self.handle::<T>()).map_err(|e| self.environment.error("write", e))
    }
}

impl WriteTx {
    /// Commits; when it returns the change is as durable as the environment promises.
    pub(crate) fn commit(self) -> Result<(), StorageError> {
        let Self { tx, environment } = self;
        tx.commit().map_err(|e| environment.error("commit", e))
    }
}

fn decode_value<T: Table>(bytes: &[u8]) -> Result<T::Value, StorageError> {
    T::Value::decode(bytes).map_err(|damage| damage.of(T::SPEC.name))
}

fn decode_record<T: Table>(
    (key, value): (impl AsRef<[u8]>, impl AsRef<[u8]>),
) -> Result<Record<T>, StorageError> {
    let key = T::Key::decode(key.as_ref()).map_err(|damage| damage.of(T::SPEC.name))?;
    Ok((key, decode_value::<T>(value.as_ref())?))
}

fn check_key<T: Table>(key: &[u8]) -> Result<(), StorageError> {
    let TableSpec { name, least, most } = *T::SPEC;
    if (least..=most).contains(&key.len()) {
        return Ok(());
    }
    Err(StorageError::KeyLength { table: name, length: key.len(), least, most })
}

fn check_prefix<T: Table>(key: &[u8]) -> Result<(), StorageError> {
    let TableSpec { name, least, most } = *T::SPEC;
    if key.len() <= most {
        return Ok(());
    }
    Err(StorageError::KeyLength { table: name, length: key.len(), least, most })
}

fn mdbx_error(error: ReadError) -> MdbxError {
    match error {
        ReadError::Mdbx(error) => error,
        // Only raw bytes are read from the engine, and those always decode.
        ReadError::Decoding(_) => MdbxError::Problem,
    }
}
