//! Files of conformance tests: found in folders, reported case by case.

use eyre::{Context as _, Result};
use serde::Serialize;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// One line of output.
#[derive(Debug, Serialize)]
pub(crate) struct CaseResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) fork: &'a str,
    pub(crate) index: usize,
    pub(crate) pass: bool,
    pub(crate) error: Option<String>,
}

/// Prints one JSON line per case and counts.
pub(crate) struct Tally<W: Write> {
    out: W,
    only_failures: bool,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) other_files: u64,
}

impl<W: Write> Tally<W> {
    pub(crate) fn new(out: W, only_failures: bool) -> Self {
        Self { out, only_failures, passed: 0, failed: 0, skipped: 0, other_files: 0 }
    }

    /// Counts one case; `error` tells why it failed.
    pub(crate) fn case(
        &mut self,
        name: &str,
        fork: &str,
        index: usize,
        error: Option<String>,
    ) -> Result<()> {
        let pass = error.is_none();
        if pass {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        if !pass || !self.only_failures {
            let line = CaseResult { name, fork, index, pass, error };
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Prints the sums on standard error; fails where a case failed or none was found.
    pub(crate) fn finish(mut self, kind: &str) -> Result<()> {
        self.out.flush()?;
        eprintln!(
            "{} passed, {} failed, {} skipped (forks that are not implemented); \
             {} files of other kinds",
            self.passed, self.failed, self.skipped, self.other_files
        );
        eyre::ensure!(self.passed + self.failed > 0, "no {kind} test was found");
        eyre::ensure!(self.failed == 0, "{} {kind} test cases failed", self.failed);
        Ok(())
    }
}

/// The files among `paths` and all `.json` files in the folders among them, sorted.
pub(crate) fn json_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// The text of a fixture.
pub(crate) fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
