//! Walks over the records of a table.

use super::{Transaction, TransactionKind, check_prefix, decode_record};
use crate::{StorageError, table::Table};
use std::ops::ControlFlow;

impl<K: TransactionKind> Transaction<K> {
    /// Hands the records whose keys begin with `prefix` to `each`, in the order of their keys, until
    /// it breaks.
    pub(crate) fn scan<T: Table>(
        &self,
        prefix: &[u8],
        each: impl FnMut(T::Key, T::Value) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.scan_from::<T>(prefix, prefix, each)
    }

    /// As [`Self::scan`], from the first key on that is not below `from`.
    pub(crate) fn scan_from<T: Table>(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut each: impl FnMut(T::Key, T::Value) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        check_prefix::<T>(from)?;
        let mut cursor = self.cursor::<T>()?;
        let mut next = if from.is_empty() {
            cursor.first::<K::Bytes<'_>, K::Bytes<'_>>()
        } else {
            cursor.set_range::<K::Bytes<'_>, K::Bytes<'_>>(from)
        }
        .map_err(|e| self.fail("read", e))?;
        while let Some(record) = next.filter(|record| record.0.as_ref().starts_with(prefix)) {
            let (key, value) = decode_record::<T>(record)?;
            if each(key, value).is_break() {
                break;
            }
            next = cursor.next().map_err(|e| self.fail("read", e))?;
        }
        Ok(())
    }

    /// Hands the records whose keys begin with `prefix` and are below `end` to `each`, the last one
    /// first, until it breaks.
    pub(crate) fn scan_back<T: Table>(
        &self,
        prefix: &[u8],
        end: &[u8],
        mut each: impl FnMut(T::Key, T::Value) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        check_prefix::<T>(end)?;
        let mut cursor = self.cursor::<T>()?;
        let at_end = cursor.set_range::<K::Bytes<'_>, K::Bytes<'_>>(end);
        let mut next = match at_end.map_err(|e| self.fail("read", e))? {
            Some(_) => cursor.prev::<K::Bytes<'_>, K::Bytes<'_>>(),
            None => cursor.last(),
        }
        .map_err(|e| self.fail("read", e))?;
        while let Some(record) = next.filter(|record| record.0.as_ref().starts_with(prefix)) {
            let (key, value) = decode_record::<T>(record)?;
            if each(key, value).is_break() {
                break;
            }
            next = cursor.prev().map_err(|e| self.fail("read", e))?;
        }
        Ok(())
    }
}
