//! The data directory: `genesis.json` and the database.

use crate::NodeError;
use plasma_chainspec::ChainSpec;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The genesis of `--dev` nodes, in geth's format.
pub const DEV_GENESIS: &str = include_str!("../../../genesis/dev.json");

/// The development genesis with the present as its time, so that contracts of test suites, which
/// compare with the latest block's time, find a clock that goes. Fresh development directories get
/// it; their `genesis.json` keeps it.
pub(crate) fn dev_genesis_now() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut genesis: serde_json::Value = serde_json::from_str(DEV_GENESIS)
        .expect("the development genesis is JSON, as the tests of the chain rules show");
    genesis["timestamp"] = format!("{now:#x}").into();
    format!("{genesis:#}\n")
}

/// A data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The directory at `path`; it need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn genesis_file(&self) -> PathBuf {
        self.path.join("genesis.json")
    }

    /// The chain of this directory. `given` makes a fresh directory belong to that chain, and is
    /// checked against an existing one.
    pub fn chain_spec(&self, given: Option<&str>) -> Result<Arc<ChainSpec>, NodeError> {
        let file = self.genesis_file();
        let stored = match std::fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(NodeError::File { path: file, source }),
        };
        let given_spec = given.map(ChainSpec::from_json).transpose()?;
        match (stored, given_spec) {
            (Some(text), given_spec) => {
                let spec = ChainSpec::from_json(&text)?;
                match given_spec {
                    Some(given) if given.genesis_hash() != spec.genesis_hash() => {
                        Err(NodeError::OtherGenesis {
                            dir: self.path.clone(),
                            found: spec.genesis_hash(),
                            given: given.genesis_hash(),
                        })
                    }
                    _ => Ok(Arc::new(spec)),
                }
            }
            (None, Some(spec)) => {
                self.write_genesis(given.unwrap_or_default())?;
                Ok(Arc::new(spec))
            }
            (None, None) => Err(NodeError::NoGenesis(self.path.clone())),
        }
    }

    /// Writes the genesis file so that a crash leaves either none or the whole file.
    fn write_genesis(&self, text: &str) -> Result<(), NodeError> {
        let file = self.genesis_file();
        let draft = self.path.join("genesis.json.new");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NodeError::File { path, source }
        };
        std::fs::create_dir_all(&self.path).map_err(failed(&self.path))?;
        let mut out = std::fs::File::create(&draft).map_err(failed(&draft))?;
        out.write_all(text.as_bytes()).map_err(failed(&draft))?;
        out.sync_all().map_err(failed(&draft))?;
        std::fs::rename(&draft, &file).map_err(failed(&file))?;
        // The new name survives a power failure once the directory is on disk.
        std::fs::File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(failed(&self.path))
    }
}
