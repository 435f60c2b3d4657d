//! Secrets from the environment and from files. They are wiped when dropped.

use eyre::{Context as _, Result, eyre};
use std::{fs::File, io::Read as _, path::Path};
use zeroize::Zeroizing;

/// Longest file that is read as a password, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The value of an environment variable; `None` where it is not set.
pub(super) fn variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    // The text of the standard library's own error would show the value.
    let value = std::env::var_os(name).map(|value| value.into_string().map(Zeroizing::new));
    value.transpose().map_err(|_| eyre!("the environment variable {name} is not valid UTF-8"))
}

/// The first line of a file that nobody else may read.
pub(super) fn first_line(path: &Path) -> Result<Zeroizing<String>> {
    let shown = path.display();
    let file =
        File::open(path).with_context(|| format!("the password file {shown} cannot be opened"))?;
    check_mode(&file, path)?;
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("the password file {shown} cannot be read"))?;
    let line = text.lines().next().unwrap_or("");
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    let metadata =
        file.metadata().with_context(|| format!("the file {shown} cannot be examined"))?;
    let mode = metadata.permissions().mode();
    eyre::ensure!(
        mode & 0o077 == 0,
        "the password file {shown} is open to other users (mode {:04o}); run: chmod 600 on it",
        mode & 0o7777
    );
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    };

    fn line_of(content: &[u8]) -> Result<Zeroizing<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(content).unwrap();
        first_line(&path)
    }

    #[test]
    fn a_password_is_the_first_line_as_it_stands() {
        for (content, expected) in [
            ("pass", "pass"),
            ("pass\n", "pass"),
            ("pass\r\nmore", "pass"),
            (" p p \n", " p p "),
            ("", ""),
        ] {
            assert_eq!(line_of(content.as_bytes()).unwrap().as_str(), expected, "{content:?}");
        }
        let error = format!("{:#}", line_of(b"secret\xff").unwrap_err());
        assert!(error.contains("cannot be read") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_password_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs::write(&path, "secret").unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = first_line(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("is open to other users (mode {mode:04o})")),
                "{error}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(first_line(&path).unwrap().as_str(), "secret");
        let error = first_line(&dir.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent cannot be opened"), "{error}");
    }
}
