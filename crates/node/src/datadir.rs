//! The data directory: `genesis.json` and the database.

use crate::NodeError;
use alloy_primitives::{B256, keccak256};
use plasma_chainspec::ChainSpec;
use serde::{Deserialize, Serialize};
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

/// Bytes of a genesis file from which on its accounts are not read again at every start.
const LARGE_GENESIS: u64 = 1 << 20;

/// What is noted of a large genesis file.
#[derive(Serialize, Deserialize)]
struct GenesisDigest {
    /// Keccak-256 of the file.
    genesis_file: B256,
    /// Hash of the genesis block.
    genesis_hash: B256,
    /// Root of the genesis state.
    state_root: B256,
    /// The file without its accounts.
    genesis: serde_json::Value,
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
                let spec = match self.digested(&text)? {
                    Some(spec) => spec,
                    None => ChainSpec::from_json(&text)?,
                };
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

    /// Notes the rules of `genesis.json` beside it without the accounts, once these are in the
    /// database, so that the next start need not read them again.
    pub(crate) fn digest_genesis(&self, spec: &ChainSpec) -> Result<(), NodeError> {
        // Rules without accounts came from such a note.
        if spec.genesis().alloc.is_empty() {
            return Ok(());
        }
        let file = self.genesis_file();
        let failed = |source| NodeError::File { path: file.clone(), source };
        if std::fs::metadata(&file).map_err(failed)?.len() < LARGE_GENESIS {
            return Ok(());
        }
        let text = std::fs::read_to_string(&file).map_err(failed)?;
        let unreadable = |error: serde_json::Error| failed(std::io::Error::other(error));
        let mut genesis: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
        genesis["alloc"] = serde_json::json!({});
        let digest = GenesisDigest {
            genesis_file: keccak256(text.as_bytes()),
            genesis_hash: spec.genesis_hash(),
            state_root: spec.genesis_state_root(),
            genesis,
        };
        let text = serde_json::to_string_pretty(&digest).map_err(unreadable)?;
        self.write_whole(&self.digest_file(), &text)
    }

    /// The chain as [`Self::digest_genesis`] noted it, if that is of this very file.
    fn digested(&self, genesis: &str) -> Result<Option<ChainSpec>, NodeError> {
        if (genesis.len() as u64) < LARGE_GENESIS || !self.path.join("journal").exists() {
            return Ok(None);
        }
        let Ok(text) = std::fs::read_to_string(self.digest_file()) else { return Ok(None) };
        let Ok(digest) = serde_json::from_str::<GenesisDigest>(&text) else { return Ok(None) };
        if digest.genesis_file != keccak256(genesis.as_bytes()) {
            return Ok(None);
        }
        let rules = digest.genesis.to_string();
        let spec = ChainSpec::from_json_without_accounts(&rules, digest.state_root)?;
        Ok(Some(spec).filter(|spec| spec.genesis_hash() == digest.genesis_hash))
    }

    fn digest_file(&self) -> PathBuf {
        self.path.join("genesis-digest.json")
    }

    fn write_genesis(&self, text: &str) -> Result<(), NodeError> {
        self.write_whole(&self.genesis_file(), text)
    }

    /// Writes a file so that a crash leaves either what was there or the whole new file.
    fn write_whole(&self, file: &Path, text: &str) -> Result<(), NodeError> {
        let draft = file.with_extension("json.new");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NodeError::File { path, source }
        };
        std::fs::create_dir_all(&self.path).map_err(failed(&self.path))?;
        let mut out = std::fs::File::create(&draft).map_err(failed(&draft))?;
        out.write_all(text.as_bytes()).map_err(failed(&draft))?;
        out.sync_all().map_err(failed(&draft))?;
        std::fs::rename(&draft, file).map_err(failed(file))?;
        // The new name survives a power failure once the directory is on disk.
        std::fs::File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(failed(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plasma_chain::ChainConfig;
    use plasma_storage::DatabaseOptions;
    use plasma_txpool::PoolConfig;

    fn large_genesis() -> String {
        let mut genesis: serde_json::Value = serde_json::from_str(DEV_GENESIS).unwrap();
        for account in 0..20_000_u64 {
            let address = format!("0x{:040x}", 0x1_0000_0000 + account);
            genesis["alloc"][address] = serde_json::json!({ "balance": "0x1" });
        }
        genesis.to_string()
    }

    #[test]
    fn the_accounts_of_a_large_genesis_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let datadir = DataDir::new(dir.path());
        let text = large_genesis();
        assert!(text.len() as u64 > LARGE_GENESIS);
        let first = datadir.chain_spec(Some(&text)).unwrap();
        let open = |spec| {
            let (chain, pool) = (ChainConfig::default(), PoolConfig::default());
            crate::open_chain(&datadir, spec, chain, pool, None, DatabaseOptions::default())
        };
        open(first.clone()).unwrap().stop().unwrap();
        let second = datadir.chain_spec(None).unwrap();
        assert_eq!(second.genesis_hash(), first.genesis_hash());
        assert_eq!(second.genesis().alloc.len(), 0);
        // Opening reads no more of it.
        std::fs::remove_file(datadir.genesis_file()).unwrap();
        open(second).unwrap().stop().unwrap();

        // Another file under the same name is read as it is, and does not fit the database.
        std::fs::write(datadir.genesis_file(), text.replacen("0x1", "0x2", 1)).unwrap();
        let changed = datadir.chain_spec(None).unwrap();
        assert!(changed.genesis().alloc.len() > 20_000);
        assert_ne!(changed.genesis_hash(), first.genesis_hash());
        assert!(open(changed).is_err());
    }
}
