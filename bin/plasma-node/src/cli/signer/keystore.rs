//! Encrypted key files: Web3 Secret Storage, version 3, as geth, cast and other wallets write it.
//!
//! The password, through a slow function (scrypt or PBKDF2), gives 32 bytes: the first half is the
//! key of AES-128 in counter mode, the second one goes into a hash that tells a wrong password.

use aes::Aes128;
use alloy_primitives::{Address, hex, keccak256};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use eyre::{Context as _, Result, bail, ensure, eyre};
use k256::ecdsa::SigningKey;
use serde_json::Value;
use sha2::Sha256;
use std::{fs::File, io::Read as _, path::Path};
use zeroize::Zeroizing;

/// Longest keystore that is read, in bytes; usual ones have about 500.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Greatest `n * r * p` of scrypt. The usual cost is 2^21; this one takes 2 GiB and some seconds.
/// More would rather exhaust the machine than open a wallet.
const SCRYPT_COST_MAX: u64 = 1 << 24;

/// Most rounds of PBKDF2. Usual are 262,144.
const PBKDF2_ROUNDS_MAX: u64 = 1 << 24;

/// Bytes that the password becomes.
const DERIVED_BYTES: u64 = 32;

/// A keystore that was read, still locked.
#[derive(Debug)]
pub(super) struct Keystore {
    /// The file, for messages.
    name: String,
    kdf: Kdf,
    salt: Vec<u8>,
    iv: [u8; 16],
    ciphertext: [u8; 32],
    mac: [u8; 32],
    /// What the file says; not every wallet writes it.
    address: Option<Address>,
}

/// How the password becomes a key.
#[derive(Debug)]
enum Kdf {
    Scrypt(scrypt::Params),
    Pbkdf2 { rounds: u32 },
}

impl Keystore {
    /// Reads a file. Errors name it and say what is wrong in it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file =
            File::open(path).with_context(|| format!("the keystore {name} cannot be opened"))?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("the keystore {name} cannot be read"))?;
        Self::parse(name, &text)
    }

    fn parse(name: String, text: &str) -> Result<Self> {
        // The parser's own words could repeat a key, where somebody takes a plain key file for a
        // keystore.
        let json: Value = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_eof() { "ends too early" } else { "is no JSON" };
            eyre!(
                "{name} is no keystore: it {what} (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        let fields = Fields { name: &name, json: &json };
        ensure!(json.is_object(), "{name} is no keystore: it is JSON, but no object");
        let version = fields.number("/version")?;
        ensure!(
            version == 3,
            "the keystore {name} has version {version}, only 3 is known here; import its key anew \
             with the wallet that made it"
        );
        let cipher = fields.text("/crypto/cipher")?;
        ensure!(
            cipher == "aes-128-ctr",
            "the keystore {name} is encrypted with {cipher:?}, only \"aes-128-ctr\" is known here"
        );
        let address = match json.get("address").and_then(Value::as_str).filter(|it| !it.is_empty())
        {
            Some(address) => Some(
                address
                    .parse()
                    .map_err(|_| eyre!("the keystore {name} is damaged: its address is none"))?,
            ),
            None => None,
        };
        Ok(Self {
            kdf: fields.kdf()?,
            salt: hex::decode(fields.text("/crypto/kdfparams/salt")?)
                .map_err(|_| fields.damaged("/crypto/kdfparams/salt", "is not hexadecimal"))?,
            iv: fields.bytes("/crypto/cipherparams/iv")?,
            ciphertext: fields.bytes("/crypto/ciphertext")?,
            mac: fields.bytes("/crypto/mac")?,
            address,
            name,
        })
    }

    /// Decrypts the key. A wrong password is told as such.
    pub(super) fn unlock(&self, password: &[u8]) -> Result<SigningKey> {
        let name = &self.name;
        let mut derived = Zeroizing::new([0_u8; DERIVED_BYTES as usize]);
        match &self.kdf {
            Kdf::Scrypt(params) => {
                scrypt::scrypt(password, &self.salt, params, derived.as_mut_slice())
                    .map_err(|_| eyre!("the keystore {name} asks scrypt for what it cannot do"))?;
            }
            Kdf::Pbkdf2 { rounds } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, *rounds, derived.as_mut_slice())
            }
        }
        let (cipher_key, mac_key) = derived.split_at(16);
        let authenticated = Zeroizing::new([mac_key, &self.ciphertext].concat());
        ensure!(
            keccak256(authenticated.as_slice()) == self.mac,
            "the password does not open the keystore {name} (or the file is damaged)"
        );
        let mut secret = Zeroizing::new(self.ciphertext);
        Ctr128BE::<Aes128>::new_from_slices(cipher_key, &self.iv)
            .map_err(|_| eyre!("the keystore {name} has no key of AES-128"))?
            .apply_keystream(secret.as_mut_slice());
        let key = SigningKey::from_slice(secret.as_slice())
            .map_err(|_| eyre!("what the keystore {name} holds is no key of secp256k1"))?;
        let address = Address::from_private_key(&key);
        if let Some(written) = self.address.filter(|written| *written != address) {
            bail!(
                "the keystore {name} says that it is for {written}, but its key is that of {address}"
            );
        }
        Ok(key)
    }
}

/// Access to what stands in a keystore, by JSON pointer.
struct Fields<'a> {
    name: &'a str,
    json: &'a Value,
}

impl Fields<'_> {
    fn damaged(&self, pointer: &str, how: &str) -> eyre::Report {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        eyre!("the keystore {} is damaged: {field} {how}", self.name)
    }

    fn text(&self, pointer: &str) -> Result<&str> {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.ok_or_else(|| self.damaged(pointer, "is missing, or no text"))
    }

    fn number(&self, pointer: &str) -> Result<u64> {
        let value = self.json.pointer(pointer).and_then(Value::as_u64);
        value.ok_or_else(|| self.damaged(pointer, "is missing, or no whole number"))
    }

    fn bytes<const N: usize>(&self, pointer: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        hex::decode_to_slice(self.text(pointer)?, &mut bytes)
            .map_err(|_| self.damaged(pointer, &format!("is not {N} bytes in hexadecimal")))?;
        Ok(bytes)
    }

    fn kdf(&self) -> Result<Kdf> {
        let name = self.name;
        let kdf = self.text("/crypto/kdf")?;
        ensure!(
            matches!(kdf, "scrypt" | "pbkdf2"),
            "the keystore {name} derives its key with {kdf:?}, only \"scrypt\" and \"pbkdf2\" are known here"
        );
        // Both functions give the same first bytes however many are asked for.
        if self.number("/crypto/kdfparams/dklen")? < DERIVED_BYTES {
            return Err(self.damaged("/crypto/kdfparams/dklen", "is below 32"));
        }
        if kdf == "scrypt" { self.scrypt() } else { self.pbkdf2() }
    }

    fn scrypt(&self) -> Result<Kdf> {
        let n = self.number("/crypto/kdfparams/n")?;
        let r = self.number("/crypto/kdfparams/r")?;
        let p = self.number("/crypto/kdfparams/p")?;
        let cost = n.checked_mul(r).and_then(|product| product.checked_mul(p));
        ensure!(
            cost.is_some_and(|cost| cost <= SCRYPT_COST_MAX),
            "the keystore {} asks for too much work: n * r * p of scrypt may be {SCRYPT_COST_MAX} at most",
            self.name
        );
        let unfit = || self.damaged("/crypto/kdfparams", "is not possible for scrypt");
        if !n.is_power_of_two() {
            return Err(self.damaged("/crypto/kdfparams/n", "is no power of two"));
        }
        let r = u32::try_from(r).map_err(|_| unfit())?;
        let p = u32::try_from(p).map_err(|_| unfit())?;
        let params = scrypt::Params::new(n.ilog2() as u8, r, p);
        Ok(Kdf::Scrypt(params.map_err(|_| unfit())?))
    }

    fn pbkdf2(&self) -> Result<Kdf> {
        let function = self.text("/crypto/kdfparams/prf")?;
        ensure!(
            function == "hmac-sha256",
            "the keystore {} uses pbkdf2 with {function:?}, only \"hmac-sha256\" is known here",
            self.name
        );
        let rounds = self.number("/crypto/kdfparams/c")?;
        ensure!(
            (1..=PBKDF2_ROUNDS_MAX).contains(&rounds),
            "the keystore {} asks for {rounds} rounds of pbkdf2, from 1 to {PBKDF2_ROUNDS_MAX} are possible",
            self.name
        );
        let rounds = u32::try_from(rounds)
            .map_err(|_| self.damaged("/crypto/kdfparams/c", "is too large"))?;
        Ok(Kdf::Pbkdf2 { rounds })
    }
}

#[cfg(test)]
mod tests;
