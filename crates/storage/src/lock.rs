//! One process per data directory.

use crate::{StorageError, engine::io_error};
use fs4::fs_std::FileExt;
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::Path,
};

/// Name of the lock file in the data directory.
const LOCK_FILE: &str = "LOCK";

/// Holds the data directory until it is dropped (or the process ends, however it ends).
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who holds it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StorageError> {
        let fail = |action, error: std::io::Error| io_error(directory, action, &error);
        std::fs::create_dir_all(directory).map_err(|e| fail("create the data directory", e))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(LOCK_FILE))
            .map_err(|e| fail("open the lock file", e))?;
        if !FileExt::try_lock_exclusive(&file).map_err(|e| fail("take the lock file", e))? {
            let mut text = String::new();
            let known =
                file.read_to_string(&mut text).is_ok() && text.trim().parse::<u32>().is_ok();
            let holder = if known { format!(" (process {})", text.trim()) } else { String::new() };
            return Err(StorageError::Locked { path: directory.to_path_buf(), holder });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| fail("write the lock file", e))?;
        Ok(Self { _file: file })
    }
}
