//! Copies of an environment, record by record: without free pages, and with every page full.

use super::{Durability, Environment, Transaction, TransactionKind, engine_error, mdbx_error};
use crate::{StorageError, lock::DirectoryLock};
use std::{path::Path, sync::Arc};

/// Bytes of records per commit of the copy, which bounds its memory.
const COMMIT_BYTES: usize = 64 << 20;

impl<K: TransactionKind> Transaction<K> {
    /// Copies all tables as this transaction sees them into a new environment in `path`, which
    /// lies in the data directory that `lock` holds. The copy is on disk when this returns; answers
    /// how many records it has.
    pub(crate) fn copy_to(
        &self,
        path: &Path,
        map_bytes: usize,
        lock: Arc<DirectoryLock>,
    ) -> Result<u64, StorageError> {
        let source = &self.environment;
        let copy = Environment::open(
            source.name,
            path,
            source.tables,
            Durability::OnSync,
            map_bytes,
            lock,
        )?;
        let failed = |error| engine_error(path, "write a copy", error);
        let (mut records, mut bytes) = (0, 0);
        let mut tx = copy.write()?;
        for (from, to) in source.handles.iter().zip(&copy.handles) {
            let read = |error| source.error("read", mdbx_error(error));
            let mut cursor = self.tx.cursor(*from).map_err(|e| source.error("read", e))?;
            let mut next = cursor.first::<K::Bytes<'_>, K::Bytes<'_>>().map_err(read)?;
            while let Some((key, value)) = next {
                let (key, value) = (key.as_ref(), value.as_ref());
                tx.tx.append(*to, key, value).map_err(failed)?;
                records += 1;
                bytes += key.len() + value.len();
                if bytes >= COMMIT_BYTES {
                    bytes = 0;
                    tx.commit()?;
                    tx = copy.write()?;
                }
                next = cursor.next().map_err(read)?;
            }
        }
        tx.commit()?;
        copy.sync()?;
        Ok(records)
    }
}
