//! The accounts whose keys a development node holds.

use alloy_consensus::{SignableTransaction, TxEnvelope, TypedTransaction};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{
    Address, B256, Signature, U256, eip191_hash_message, keccak256, map::AddressMap,
};
use coins_bip39::{English, Mnemonic, MnemonicError};
use k256::ecdsa::SigningKey;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// The mnemonic that every Ethereum development tool knows. Its keys are public: whatever is sent
/// to its accounts on a public chain is lost.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// How many accounts a development node holds where nothing else is asked.
pub const DEV_ACCOUNTS: usize = 20;

/// Most accounts that one mnemonic may be asked for.
const MAX_DEV_ACCOUNTS: usize = 10_000;

/// Where Ethereum's accounts stand below a mnemonic's root key (BIP-44).
const ETHEREUM_PATH: &str = "m/44'/60'/0'/0/";

/// Why there are no accounts, or no signature. No message repeats the mnemonic or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// A word stands in no English BIP-39 list.
    #[error("the mnemonic contains a word that is not in the English BIP-39 list")]
    UnknownWord,
    /// The number of words or the checksum is wrong.
    #[error("the mnemonic is not valid: it needs 12 to 24 words with a correct checksum word")]
    InvalidMnemonic,
    /// More accounts were asked for than allowed.
    #[error("{asked} accounts were asked for, but a mnemonic gives at most {MAX_DEV_ACCOUNTS}")]
    TooMany {
        /// How many were asked for.
        asked: usize,
    },
    /// A key could not be derived.
    #[error("account {index} cannot be derived from the mnemonic")]
    Derivation {
        /// Index of the account.
        index: usize,
    },
    /// The node holds no key of this account.
    #[error("unknown account: this node holds no key of {0}")]
    Unknown(Address),
    /// Typed data is inconsistent (EIP-712).
    #[error("invalid typed data: {0}")]
    TypedData(String),
}

/// One account with its key.
#[derive(Clone)]
pub struct DevAccount {
    address: Address,
    key: SecretKey,
}

impl DevAccount {
    /// Address of the account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The secret key, 32 bytes: for the banner of a development node and nothing else.
    pub fn secret_key(&self) -> B256 {
        B256::from(self.key.secret_bytes())
    }
}

impl std::fmt::Debug for DevAccount {
    /// Leaves the key out, so that it does not reach a log by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevAccount").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Accounts with keys, in the order of their derivation.
#[derive(Clone, Debug, Default)]
pub struct DevAccounts {
    accounts: Vec<DevAccount>,
    positions: AddressMap<usize>,
}

impl DevAccounts {
    /// The first [`DEV_ACCOUNTS`] accounts of [`DEV_MNEMONIC`].
    pub fn dev() -> Self {
        Self::from_mnemonic(DEV_MNEMONIC, DEV_ACCOUNTS)
            .expect("the development mnemonic is valid, as a test shows")
    }

    /// The first `count` accounts of `mnemonic` (English BIP-39, no passphrase) at
    /// `m/44'/60'/0'/0/i`.
    ///
    /// # Errors
    /// The mnemonic is not valid, or `count` is above 10,000.
    pub fn from_mnemonic(mnemonic: &str, count: usize) -> Result<Self, AccountsError> {
        if count > MAX_DEV_ACCOUNTS {
            return Err(AccountsError::TooMany { asked: count });
        }
        let words = mnemonic.split_whitespace().collect::<Vec<_>>().join(" ");
        let mnemonic =
            Mnemonic::<English>::new_from_phrase(&words).map_err(|error| match error {
                MnemonicError::WordlistError(_) => AccountsError::UnknownWord,
                _ => AccountsError::InvalidMnemonic,
            })?;
        let root = mnemonic.master_key(None).map_err(|_| AccountsError::InvalidMnemonic)?;
        let mut accounts = Self::default();
        for index in 0..count {
            let failed = || AccountsError::Derivation { index };
            let path = format!("{ETHEREUM_PATH}{index}");
            let derived = root.derive_path(path.as_str()).map_err(|_| failed())?;
            let key: &SigningKey = derived.as_ref();
            let key = SecretKey::from_slice(&key.to_bytes()).map_err(|_| failed())?;
            accounts.insert(key);
        }
        Ok(accounts)
    }

    fn insert(&mut self, key: SecretKey) {
        let address = address_of(&key);
        if self.positions.insert(address, self.accounts.len()).is_none() {
            self.accounts.push(DevAccount { address, key });
        }
    }

    /// The accounts, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &DevAccount> {
        self.accounts.iter()
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> Vec<Address> {
        self.accounts.iter().map(DevAccount::address).collect()
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// True where the key of `address` is here.
    pub fn contains(&self, address: Address) -> bool {
        self.positions.contains_key(&address)
    }

    /// Signs a hash as it is, deterministically (RFC 6979), with a low `s` (EIP-2).
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    pub fn sign_hash(&self, address: Address, hash: B256) -> Result<Signature, AccountsError> {
        let position = self.positions.get(&address).ok_or(AccountsError::Unknown(address))?;
        let key = &self.accounts[*position].key;
        let message = Message::from_digest(hash.0);
        let (recovery, bytes) = SECP256K1.sign_ecdsa_recoverable(&message, key).serialize_compact();
        Ok(Signature::new(
            U256::from_be_slice(&bytes[..32]),
            U256::from_be_slice(&bytes[32..]),
            i32::from(recovery) % 2 == 1,
        ))
    }

    /// Signs bytes as a person's message (EIP-191, version `E`).
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    pub fn sign_message(
        &self,
        address: Address,
        message: &[u8],
    ) -> Result<Signature, AccountsError> {
        self.sign_hash(address, eip191_hash_message(message))
    }

    /// Signs typed data (EIP-712).
    ///
    /// # Errors
    /// [`AccountsError::Unknown`], [`AccountsError::TypedData`].
    pub fn sign_typed_data(
        &self,
        address: Address,
        data: &TypedData,
    ) -> Result<Signature, AccountsError> {
        let hash = data
            .eip712_signing_hash()
            .map_err(|error| AccountsError::TypedData(error.to_string()))?;
        self.sign_hash(address, hash)
    }

    /// Signs a transaction of any type.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    pub fn sign_transaction(
        &self,
        address: Address,
        transaction: TypedTransaction,
    ) -> Result<TxEnvelope, AccountsError> {
        let signature = self.sign_hash(address, transaction.signature_hash())?;
        Ok(transaction.into_signed(signature).into())
    }
}

/// The address that belongs to a key: the last 20 bytes of the public key's Keccak-256.
fn address_of(key: &SecretKey) -> Address {
    let public = PublicKey::from_secret_key(SECP256K1, key).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{TxEip1559, transaction::SignerRecoverable};
    use alloy_primitives::{address, b256, hex};
    use proptest::prelude::*;

    const FIRST: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

    /// Addresses and keys as anvil and Hardhat's node print them.
    #[test]
    fn the_test_mnemonic_gives_the_accounts_that_tools_expect() {
        let accounts = DevAccounts::dev();
        assert_eq!(accounts.len(), DEV_ACCOUNTS);
        let expected = [
            (FIRST, b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")),
            (
                address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
                b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
            ),
            (
                address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
                b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
            ),
        ];
        for (account, (address, key)) in accounts.iter().zip(expected) {
            assert_eq!((account.address(), account.secret_key()), (address, key));
        }
        assert_eq!(accounts.addresses()[9], address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
        assert!(accounts.contains(FIRST));
        assert!(!accounts.contains(Address::ZERO));
    }

    #[test]
    fn bad_mnemonics_are_refused_without_being_repeated() {
        let refused = |mnemonic: &str| DevAccounts::from_mnemonic(mnemonic, 1).unwrap_err();
        assert_eq!(refused("test test plasmanium"), AccountsError::UnknownWord);
        assert_eq!(refused(""), AccountsError::UnknownWord);
        let checksum = DEV_MNEMONIC.replace("junk", "test");
        assert_eq!(refused(&checksum), AccountsError::InvalidMnemonic);
        assert_eq!(refused("test test test"), AccountsError::InvalidMnemonic);
        for mnemonic in ["test test plasmanium", checksum.as_str()] {
            assert!(!refused(mnemonic).to_string().contains("test test"));
        }
        assert_eq!(
            DevAccounts::from_mnemonic(DEV_MNEMONIC, 10_001).unwrap_err(),
            AccountsError::TooMany { asked: 10_001 }
        );
    }

    #[test]
    fn spare_blanks_in_a_mnemonic_do_no_harm() {
        let spaced = format!("  {}\n", DEV_MNEMONIC.replace(' ', "  "));
        let accounts = DevAccounts::from_mnemonic(&spaced, 1).unwrap();
        assert_eq!(accounts.addresses(), [FIRST]);
    }

    #[test]
    fn debug_output_hides_keys() {
        let text = format!("{:?}", DevAccounts::dev());
        assert!(!text.contains("ac0974be"), "{text}");
    }

    /// The example of EIP-712, whose key is the Keccak-256 of "cow".
    #[test]
    fn typed_data_is_signed_as_the_eip_shows() {
        let mut accounts = DevAccounts::default();
        accounts.insert(SecretKey::from_slice(keccak256("cow").as_slice()).unwrap());
        let cow = address!("CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826");
        let data: TypedData = serde_json::from_str(super::super::tests::EIP712_EXAMPLE).unwrap();
        assert_eq!(
            data.eip712_signing_hash().unwrap(),
            b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
        );
        let signature = accounts.sign_typed_data(cow, &data).unwrap();
        assert_eq!(
            hex::encode(signature.as_bytes()),
            "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
             07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562\
             1c"
        );
    }

    #[test]
    fn strangers_cannot_sign() {
        let stranger = Address::repeat_byte(9);
        assert_eq!(
            DevAccounts::dev().sign_message(stranger, b"hello").unwrap_err(),
            AccountsError::Unknown(stranger)
        );
    }

    proptest! {
        /// alloy's own recovery (another implementation of the curve's use) names the signer.
        #[test]
        fn signatures_name_their_signer(index in 0..DEV_ACCOUNTS, message: Vec<u8>, nonce: u64) {
            let accounts = DevAccounts::dev();
            let address = accounts.addresses()[index];
            let signature = accounts.sign_message(address, &message).unwrap();
            prop_assert_eq!(signature.recover_address_from_msg(&message).unwrap(), address);
            prop_assert!(signature.normalize_s().is_none());
            let transaction = TxEip1559 { nonce, chain_id: 1337, ..Default::default() };
            let signed = accounts.sign_transaction(address, transaction.into()).unwrap();
            prop_assert_eq!(signed.recover_signer().unwrap(), address);
        }
    }
}
