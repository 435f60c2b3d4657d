//! Makes new environments so that a power failure leaves either none or a whole one.

use super::{engine_error, io_error, sync_directory};
use crate::StorageError;
use std::{fs, path::Path};

/// The engine's data file in an environment's directory.
const DATA_FILE: &str = "mdbx.dat";

/// Creates an empty environment in `path` unless there is one. It is made and written to disk under
/// another name first: the engine does not wait for its first pages, and would refuse half of them.
pub(super) fn create_whole(
    path: &Path,
    builder: &signet_libmdbx::EnvironmentBuilder,
) -> Result<(), StorageError> {
    if path.join(DATA_FILE).exists() {
        return Ok(());
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let failed = |action| move |error| io_error(path, action, &error);
    if draft.exists() {
        fs::remove_dir_all(draft).map_err(failed("remove what is left of an earlier attempt"))?;
    }
    fs::create_dir_all(draft).map_err(failed("create its directory"))?;
    drop(builder.open(draft).map_err(|error| engine_error(path, "create", error))?);
    fs::File::open(draft.join(DATA_FILE))
        .and_then(|file| file.sync_all())
        .map_err(failed("write to disk"))?;
    sync_directory(draft)?;
    // An empty directory may be replaced; one with other files may not.
    fs::rename(draft, path).map_err(failed("create its directory"))?;
    path.parent().map_or(Ok(()), sync_directory)
}
