//! The socket's file: made for its owner alone, never taken from a node that lives.

use crate::server::RpcError;
use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::{SocketAddr, UnixStream},
    },
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

/// A socket's file, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number: another node's file may stand at the path by then.
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let own = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if own && let Err(reason) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(target: "plasma::rpc", %path, %reason, "the IPC socket cannot be removed");
        }
    }
}

/// Listens at `path`.
///
/// # Errors
/// Where another process listens there, something else stands there, or no socket can be made.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), RpcError> {
    let fail = |reason: String| RpcError::Ipc { path: path.to_owned(), reason };
    check_place(path).map_err(fail)?;
    let made = make(path);
    made.map_err(|failure| fail(not_made(&failure)))
}

/// Why no socket could be made, and what to do.
fn not_made(failure: &io::Error) -> String {
    format!(
        "cannot be made: {failure}; choose another path with --ipcpath, check the disk and its free \
         space, or give --ipcdisable"
    )
}

/// Whether a socket may be made at `path`: there is nothing, or one that nobody listens to.
fn check_place(path: &Path) -> Result<(), String> {
    // It is made under another name, which may be shorter: clients could not name it.
    SocketAddr::from_pathname(path).map_err(|failure| not_made(&failure))?;
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(failure) => return Err(format!("cannot be looked at: {failure}")),
    };
    if !found.file_type().is_socket() {
        return Err("exists and is no socket: choose another path or move it away".to_owned());
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            Err("is in use by another node: choose another path or give --ipcdisable".to_owned())
        }
        // The node that made it died without removing it.
        Err(failure) if failure.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(failure) => Err(format!("exists and cannot be connected to: {failure}")),
    }
}

/// Makes the socket in a folder that nobody else may enter, closes it to others and moves it to its
/// place, so that it is open to nobody else at any moment, and takes the place of a stale one at
/// once.
fn make(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new(".")).join(format!(".ipc{}", std::process::id()));
    // Left behind by a process of the same number that was killed right here.
    let _ = fs::remove_file(folder.join("s"));
    let _ = fs::remove_dir(&folder);
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let made = make_inside(&folder.join("s"), path);
    let removed = fs::remove_dir(&folder);
    let made = made?;
    removed?;
    Ok(made)
}

fn make_inside(inside: &Path, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(inside)?;
    let ready = fs::set_permissions(inside, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::symlink_metadata(inside))
        .and_then(|made| fs::rename(inside, path).map(|()| made));
    match ready {
        Ok(made) => {
            let identity = (made.dev(), made.ino());
            Ok((listener, SocketFile { path: path.to_owned(), identity }))
        }
        Err(failure) => {
            let _ = fs::remove_file(inside);
            Err(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        listen(path).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_its_node() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plasma.ipc");
        let (listener, file) = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let taken = refused(&path);
        assert!(taken.contains("in use by another node") && taken.contains("--ipc"), "{taken}");
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_successors_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plasma.ipc");
        let (listener, first) = listen(&path).unwrap();
        drop(listener);
        assert!(path.exists());
        let (_listener, _second) = listen(&path).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plasma.ipc");
        fs::write(&path, "precious").unwrap();
        assert!(refused(&path).contains("is no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(refused(&dir.path().join("no/such/place")).contains("choose another path"));
        let long = dir.path().join("n".repeat(200));
        assert!(refused(&long).contains("cannot be made"), "{}", refused(&long));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
