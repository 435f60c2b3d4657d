//! Pages of the data file that are mapped into this process.
//!
//! The engine reads through a mapping of its data file, so that every page that was ever read counts
//! as this process' resident memory until the system runs short of memory. With a journal that only
//! grows, that looks like a leak and hides one. The pages are the system's cache of the file: letting
//! go of the mapping loses nothing, and a page that is read again comes back without the disk as
//! long as the cache has it.

use super::Environment;
use crate::StorageError;
use std::sync::Arc;

impl Environment {
    /// Lets go of all mapped pages of the data file, and tells how many bytes of address space
    /// they lay in. Where the system does not tell what is mapped it does nothing.
    pub(crate) fn release_mapped(self: &Arc<Self>) -> Result<usize, StorageError> {
        // The engine moves a mapping only where it is told another size, which nothing here does, and
        // not while there is a reader.
        let _reader = self.read_local()?;
        linux::release(&self.path.join("mdbx.dat")).map_err(|error| StorageError::Engine {
            path: self.path.clone(),
            action: "let go of mapped pages",
            reason: error.to_string().into(),
        })
    }
}

/// Bytes of files that are mapped into this process and in memory; 0 where the system does not tell.
pub(crate) fn mapped_resident_bytes() -> usize {
    linux::resident().unwrap_or(0)
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::{
        mm::{Advice, madvise},
        param::page_size,
    };
    use std::{
        fs, io,
        ops::Range,
        os::unix::ffi::{OsStrExt, OsStringExt},
        path::Path,
    };

    /// See proc_pid_statm(5): size, resident and shared pages.
    pub(super) fn resident() -> Option<usize> {
        let text = fs::read_to_string("/proc/self/statm").ok()?;
        let pages: usize = text.split(' ').nth(2)?.parse().ok()?;
        Some(pages * page_size())
    }

    #[allow(unsafe_code, reason = "advice on memory is given by address")]
    pub(super) fn release(file: &Path) -> io::Result<usize> {
        let file = fs::canonicalize(file)?.into_os_string().into_vec();
        let maps = fs::read("/proc/self/maps")?;
        let mut released = 0;
        for range in maps.split(|byte| *byte == b'\n').filter_map(|line| mapping_of(line, &file)) {
            // SAFETY: the range is a mapping of the data file, read only and shared, and stays one: the
            // caller holds the environment and a reader, see there. Letting go of pages of such a
            // mapping changes nothing that can be read in it: they come back from the file.
            unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) }?;
            released += range.len();
        }
        Ok(released)
    }

    /// The addresses of a line of proc_pid_maps(5) if it is a read-only shared mapping of `file`.
    pub(super) fn mapping_of(line: &[u8], file: &[u8]) -> Option<Range<usize>> {
        // The last field is padded with spaces and may have some within it.
        let begin = line.iter().position(|byte| *byte == b'/')?;
        if std::ffi::OsStr::from_bytes(&line[begin..]) != std::ffi::OsStr::from_bytes(file) {
            return None;
        }
        let mut fields = std::str::from_utf8(&line[..begin]).ok()?.split(' ');
        let (start, end) = fields.next()?.split_once('-')?;
        (fields.next()? == "r--s").then_some(())?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some(address(start)?..address(end)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    pub(super) fn resident() -> Option<usize> {
        None
    }

    pub(super) fn release(_: &std::path::Path) -> std::io::Result<usize> {
        Ok(0)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::mapping_of;
    use crate::{
        engine::{Durability, Environment},
        lock::DirectoryLock,
        table::{Bodies, JOURNAL_TABLES},
    };
    use alloy_primitives::Bytes;
    use std::{fs, path::Path, sync::Arc};

    #[test]
    fn only_shared_read_only_mappings_of_the_file_are_found() {
        let line = |permissions: &str, file: &str| {
            format!("7f1200000000-7f1200400000 {permissions} 00000000 fe:00 1234      {file}")
        };
        let found = |text: String| mapping_of(text.as_bytes(), b"/data dir/mdbx.dat");
        let range = Some(0x7f12_0000_0000..0x7f12_0040_0000);
        assert_eq!(found(line("r--s", "/data dir/mdbx.dat")), range);
        for (permissions, file) in [
            ("rw-s", "/data dir/mdbx.dat"),
            ("r--p", "/data dir/mdbx.dat"),
            ("---s", "/data dir/mdbx.dat"),
            ("r--s", "/data dir/mdbx.dat (deleted)"),
            ("r--s", "/other/data dir/mdbx.dat"),
            ("r--s", "/data dir/mdbx.lck"),
        ] {
            assert_eq!(found(line(permissions, file)), None, "{permissions} {file}");
        }
        assert_eq!(found("7f1200000000-7f1200400000 rw-p 00000000 00:00 0".into()), None);
        assert_eq!(found(String::new()), None);
    }

    /// Resident KiB of the mappings of `file`, see proc_pid_smaps(5).
    fn resident_kib(file: &Path) -> u64 {
        let (file, mut ours, mut sum) = (file.to_str().unwrap(), false, 0);
        for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
            if let Some(size) = line.strip_prefix("Rss:") {
                if ours {
                    sum += size.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
                }
            } else if line.contains('/') || !line.contains(':') || line.contains('-') {
                ours = line.ends_with(file);
            }
        }
        sum
    }

    #[test]
    fn what_was_let_go_is_not_resident_and_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Arc::new(DirectoryLock::take(dir.path()).unwrap());
        let path = dir.path().canonicalize().unwrap().join("journal");
        let open =
            Environment::open("journal", &path, JOURNAL_TABLES, Durability::Durable, 1 << 30, lock);
        let environment = open.unwrap();
        let value = |number: u64| Bytes::from(vec![number as u8; 50_000]);
        let tx = environment.write().unwrap();
        for number in 0..200 {
            tx.put::<Bodies>(&number, &value(number)).unwrap();
        }
        tx.commit().unwrap();
        let beside = environment.read_local().unwrap();
        let read_all = || {
            for number in 0..200 {
                assert_eq!(beside.get::<Bodies>(&number).unwrap(), Some(value(number)));
            }
        };
        read_all();
        let file = path.join("mdbx.dat");
        let before = resident_kib(&file);
        assert!(before > 9_000, "{before} KiB were read");
        assert!(environment.release_mapped().unwrap() > 0);
        let after = resident_kib(&file);
        assert!(after < 1_000, "{after} KiB are still there");
        read_all();
    }
}
