//! Lanes: the keeper's own accounts, several of them so that performs run in parallel.
//!
//! Lane `i` has the key `keccak256(secret || be32(i))`. Signatures are deterministic (RFC 6979),
//! so that the same plan gives the same transactions, bit for bit.

use crate::KeeperError;
use alloy_consensus::{SignableTransaction, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use plasma_storage::Transaction;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

/// Lanes used where nothing else is configured.
pub const DEFAULT_LANES: u32 = 16;

/// The signing keys of the keeper's lanes.
#[derive(Clone)]
pub struct LaneKeys {
    keys: Vec<SecretKey>,
    addresses: Vec<Address>,
}

impl std::fmt::Debug for LaneKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // never the keys
        f.debug_struct("LaneKeys").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl LaneKeys {
    /// Derives `count` lanes from `secret`.
    ///
    /// # Errors
    /// [`KeeperError::LaneKey`] where a derived key is no valid secp256k1 key (chance 2^-128).
    pub fn from_secret(secret: &[u8; 32], count: u32) -> Result<Self, KeeperError> {
        let mut keys = Vec::new();
        let mut addresses = Vec::new();
        for lane in 0..count {
            let mut preimage = [0u8; 36];
            preimage[..32].copy_from_slice(secret);
            preimage[32..].copy_from_slice(&lane.to_be_bytes());
            let key = SecretKey::from_byte_array(&keccak256(preimage).0)
                .map_err(|_| KeeperError::LaneKey { lane })?;
            let public = PublicKey::from_secret_key(SECP256K1, &key).serialize_uncompressed();
            addresses.push(Address::from_raw_public_key(&public[1..]));
            keys.push(key);
        }
        Ok(Self { keys, addresses })
    }

    /// The well-known lanes of developers' chains: secret `keccak256("plasma dev keeper")`.
    /// Everybody knows these keys; never fund them on a chain whose money matters.
    pub fn dev() -> Self {
        Self::from_secret(&Self::dev_secret().0, DEFAULT_LANES)
            .expect("the well-known secret gives valid keys, as a test shows")
    }

    /// The well-known secret behind [`LaneKeys::dev`].
    pub fn dev_secret() -> B256 {
        keccak256("plasma dev keeper")
    }

    /// Reads the secret (32 bytes in hex) from `path`; where the file is absent, creates it with a
    /// random secret, readable by its owner alone (mode 0600).
    ///
    /// # Errors
    /// [`KeeperError::KeyFile`] where the file cannot be read or created, is readable by others,
    /// or holds no 32 bytes of hex.
    pub fn from_file(path: &Path, count: u32) -> Result<Self, KeeperError> {
        let fail = |reason: String| KeeperError::KeyFile { path: path.to_path_buf(), reason };
        let text = match fs::read_to_string(path) {
            Ok(text) => {
                check_mode(path).map_err(fail)?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_secret(path).map_err(|error| fail(format!("cannot be created: {error}")))?
            }
            Err(error) => return Err(fail(format!("cannot be read: {error}"))),
        };
        let secret: B256 = text.trim().parse().map_err(|_| {
            fail("must hold one secret of 32 bytes in hex (64 digits, 0x may stand before)".into())
        })?;
        Self::from_secret(&secret.0, count)
    }

    /// Addresses of the lanes, by lane number.
    pub fn lanes(&self) -> &[Address] {
        &self.addresses
    }

    /// Number of lanes.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True where there is no lane.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Signs `transaction` with the key of lane number `lane` (below [`LaneKeys::len`], else it
    /// panics); the sender is attached, no recovery is needed.
    pub fn sign(&self, lane: usize, transaction: TxEip1559) -> Recovered<Transaction> {
        let message = Message::from_digest(transaction.signature_hash().0);
        let (id, compact) =
            SECP256K1.sign_ecdsa_recoverable(&message, &self.keys[lane]).serialize_compact();
        let (r, s) = compact.split_at(32);
        let odd_parity = i32::from(id) & 1 == 1;
        let signature = Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), odd_parity);
        let signed = Transaction::from(transaction.into_signed(signature));
        Recovered::new_unchecked(signed, self.addresses[lane])
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)
        .map_err(|error| format!("cannot be examined: {error}"))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "is open to other users (mode {:04o}); run: chmod 600 on it",
            mode & 0o7777
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), String> {
    Ok(())
}

fn create_secret(path: &Path) -> io::Result<String> {
    let mut secret = [0u8; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let text = format!("{}\n", B256::from(secret));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::transaction::SignerRecoverable;
    use alloy_primitives::{Bytes, TxKind};

    fn transaction(nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id: 1337,
            nonce,
            gas_limit: 100_000,
            max_fee_per_gas: 7,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(Address::repeat_byte(1)),
            value: U256::ZERO,
            access_list: Default::default(),
            input: Bytes::from_static(b"abc"),
        }
    }

    #[test]
    fn signatures_recover_to_the_lane_and_repeat() {
        let lanes = LaneKeys::dev();
        assert_eq!(lanes.len(), DEFAULT_LANES as usize);
        for lane in 0..lanes.len() {
            let signed = lanes.sign(lane, transaction(lane as u64));
            assert_eq!(signed.signer(), lanes.lanes()[lane]);
            assert_eq!(signed.inner().recover_signer().unwrap(), lanes.lanes()[lane]);
            assert_eq!(signed, lanes.sign(lane, transaction(lane as u64)));
        }
    }

    #[test]
    fn a_missing_key_file_is_created_once_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keeper.key");
        let created = LaneKeys::from_file(&path, 3).unwrap();
        let read = LaneKeys::from_file(&path, 3).unwrap();
        assert_eq!(created.lanes(), read.lanes());
        assert_ne!(created.lanes(), &LaneKeys::dev().lanes()[..3]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let error = LaneKeys::from_file(&path, 3).unwrap_err().to_string();
            assert!(error.contains("open to other users"), "{error}");
        }
    }

    #[test]
    fn a_key_file_with_rubbish_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keeper.key");
        fs::write(&path, "not a key").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let error = LaneKeys::from_file(&path, 1).unwrap_err().to_string();
        assert!(error.contains("32 bytes in hex"), "{error}");
        let error = LaneKeys::from_file(dir.path(), 1).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
