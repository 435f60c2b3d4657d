//! Errors of the engine in our words.

use crate::StorageError;
use signet_libmdbx::MdbxError;
use std::path::Path;

/// With less than this free, an I/O error of the engine means that the disk is full.
const FULL_DISK_BYTES: u64 = 8 << 20;

/// What the engine said when `action` was tried in the environment at `path`.
pub(super) fn engine_error(path: &Path, action: &'static str, error: MdbxError) -> StorageError {
    let path = path.to_path_buf();
    match error {
        MdbxError::Other(code) if code == libc::ENOSPC || code == libc::EDQUOT => {
            StorageError::Full { path, reason: "the disk is full".into() }
        }
        // A write that the last free blocks cut short is reported as an I/O error.
        MdbxError::Other(libc::EIO)
            if fs4::available_space(&path).is_ok_and(|free| free < FULL_DISK_BYTES) =>
        {
            StorageError::Full { path, reason: "the disk is full".into() }
        }
        MdbxError::MapFull => {
            StorageError::Full { path, reason: "the database's size limit is reached".into() }
        }
        MdbxError::Invalid
        | MdbxError::VersionMismatch
        | MdbxError::Corrupted
        | MdbxError::PageNotFound
        | MdbxError::Incompatible
        | MdbxError::BadSignature => {
            StorageError::Unreadable { path, reason: error.to_string().into() }
        }
        MdbxError::Other(code) if code > 0 => {
            let reason = std::io::Error::from_raw_os_error(code).to_string().into();
            StorageError::Engine { path, action, reason }
        }
        other => StorageError::Engine { path, action, reason: other.to_string().into() },
    }
}
