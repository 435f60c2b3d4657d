//! Errors of the engine in our words.

use crate::StorageError;
use signet_libmdbx::MdbxError;
use std::{io, path::Path};

/// With less than this free, an I/O error of the engine means that the disk is full.
const FULL_DISK_BYTES: u64 = 8 << 20;

/// What the engine said when `action` was tried in the environment at `path`.
pub(super) fn engine_error(path: &Path, action: &'static str, error: MdbxError) -> StorageError {
    let path = path.to_path_buf();
    match error {
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
        // After damage was met, the engine answers every other reader of the same view like this.
        MdbxError::BadTxn if action == "read" => {
            StorageError::Unreadable { path, reason: "an earlier read found it damaged".into() }
        }
        // The engine tells why only to whoever met it first, which may have been itself.
        MdbxError::Panic => {
            let reason = "an earlier write to it failed, or the disk is full".into();
            StorageError::Disk { path, action, reason }
        }
        MdbxError::Other(code) if code > 0 => {
            io_error(&path, action, &io::Error::from_raw_os_error(code))
        }
        other => StorageError::Engine { path, action, reason: other.to_string().into() },
    }
}

/// What the operating system said when `action` was tried at `path`.
pub(crate) fn io_error(path: &Path, action: &'static str, error: &io::Error) -> StorageError {
    let path = path.to_path_buf();
    let code = error.raw_os_error();
    // A write that the last free blocks cut short is reported as an I/O error.
    let cut_short = || fs4::available_space(&path).is_ok_and(|free| free < FULL_DISK_BYTES);
    match code {
        Some(libc::ENOSPC | libc::EDQUOT) => {
            StorageError::Full { path, reason: "the disk is full".into() }
        }
        Some(libc::EIO) if cut_short() => {
            StorageError::Full { path, reason: "the disk is full".into() }
        }
        Some(libc::EIO | libc::EROFS) => {
            StorageError::Disk { path, action, reason: error.to_string().into() }
        }
        _ => StorageError::Engine { path, action, reason: error.to_string().into() },
    }
}

/// Makes the names of the files in `directory` survive a power failure.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    std::fs::File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| io_error(directory, "write its directory", &error))
}
