//! What an existing data directory must fulfil before it is used.

use crate::{
    StorageError,
    codec::Damage,
    database::SCHEMA_VERSION,
    engine::{Environment, Transaction, TransactionKind},
    flat_state,
    journal::Journal,
    record_codec::decode_hash,
    table::{META_GENESIS, META_SCHEMA, Name, StateMeta, Table},
    unwind::unwind_to,
};
use alloy_primitives::{B256, Bytes};
use std::sync::Arc;

/// Writes the schema version into a fresh environment, or refuses that of another one.
pub(crate) fn check_schema<T>(environment: &Arc<Environment>) -> Result<(), StorageError>
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
        if found < SCHEMA_VERSION {
            let path = environment.path().to_path_buf();
            return Err(StorageError::OlderSchema { path, found, supported: SCHEMA_VERSION });
        }
        return Ok(());
    }
    let tx = environment.write()?;
    tx.put::<T>(&META_SCHEMA, &Bytes::copy_from_slice(&SCHEMA_VERSION.to_be_bytes()))?;
    tx.commit()
}

/// Checks that the two environments belong together, and takes back state that is ahead of the
/// journal.
pub(crate) fn check_pair(journal: &Journal, state: &Arc<Environment>) -> Result<(), StorageError> {
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

/// The genesis hash of the state environment.
pub(crate) fn genesis_of<K: TransactionKind>(
    tx: &Transaction<K>,
) -> Result<Option<B256>, StorageError> {
    let bytes = tx.get::<StateMeta>(&META_GENESIS)?;
    bytes.map(|bytes| decode_hash(&bytes, StateMeta::SPEC.name)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Database, DatabaseOptions,
        engine::Durability,
        lock::DirectoryLock,
        table::{JOURNAL_TABLES, JournalMeta, STATE_TABLES},
    };

    /// What opening says to a database whose environment `name` has schema `version`.
    fn refusal(name: &str, version: u32) -> StorageError {
        let dir = tempfile::tempdir().unwrap();
        drop(Database::open(dir.path(), DatabaseOptions::default()).unwrap());
        let version = Bytes::copy_from_slice(&version.to_be_bytes());
        let lock = Arc::new(DirectoryLock::take(dir.path()).unwrap());
        let tables = if name == "journal" { JOURNAL_TABLES } else { STATE_TABLES };
        let path = dir.path().join(name);
        let environment =
            Environment::open("test", &path, tables, Durability::Durable, 1 << 30, lock).unwrap();
        let tx = environment.write().unwrap();
        if name == "journal" {
            tx.put::<JournalMeta>(&META_SCHEMA, &version).unwrap();
        } else {
            tx.put::<StateMeta>(&META_SCHEMA, &version).unwrap();
        }
        tx.commit().unwrap();
        drop(environment);
        Database::open(dir.path(), DatabaseOptions::default()).unwrap_err()
    }

    #[test]
    fn other_schemas_are_refused() {
        for name in ["journal", "state"] {
            let newer = refusal(name, SCHEMA_VERSION + 1);
            let sentence = newer.to_string();
            assert!(matches!(newer, StorageError::NewerSchema { found: 4, .. }), "{sentence}");
            assert!(sentence.contains("schema version 4"), "{sentence}");
            let older = refusal(name, SCHEMA_VERSION - 1);
            let sentence = older.to_string();
            assert!(matches!(older, StorageError::OlderSchema { found: 2, .. }), "{sentence}");
            assert!(sentence.contains("plasma-node export"), "{sentence}");
        }
    }
}
