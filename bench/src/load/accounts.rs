//! Accounts of the load, and their signatures.

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, b256, keccak256};
use eyre::{Result, eyre};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey, ecdsa::RecoverableSignature};

/// Key of the first account of the mnemonic "test test … junk", which development nodes fund.
pub(crate) const FUNDED_KEY: B256 =
    b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

/// An account with its key.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    key: SecretKey,
    pub(crate) address: Address,
}

/// A signed transaction.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// EIP-2718 bytes.
    pub(crate) raw: Vec<u8>,
    pub(crate) hash: B256,
}

/// What all transactions of a load have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) chain_id: u64,
    /// Wei per gas.
    pub(crate) max_fee: u128,
    /// Wei per gas.
    pub(crate) priority_fee: u128,
}

impl Account {
    /// The account of a secret key.
    pub(crate) fn new(key: B256) -> Result<Self> {
        let key =
            SecretKey::from_slice(key.as_slice()).map_err(|error| eyre!("bad key: {error}"))?;
        let public = PublicKey::from_secret_key(SECP256K1, &key).serialize_uncompressed();
        let hash = keccak256(&public[1..]);
        Ok(Self { key, address: Address::from_slice(&hash[12..]) })
    }

    /// The account number `index` of a seed.
    pub(crate) fn derive(seed: &str, index: u32) -> Result<Self> {
        Self::new(keccak256([seed.as_bytes(), &index.to_be_bytes()].concat()))
    }

    /// Signs a transaction.
    pub(crate) fn sign(
        &self,
        terms: Terms,
        nonce: u64,
        to: TxKind,
        value: U256,
        input: Bytes,
        gas_limit: u64,
    ) -> Signed {
        let transaction = TxEip1559 {
            chain_id: terms.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: terms.max_fee,
            max_priority_fee_per_gas: terms.priority_fee,
            to,
            value,
            access_list: Default::default(),
            input,
        };
        let message = Message::from_digest(transaction.signature_hash().0);
        let (recovery, bytes) = RecoverableSignature::serialize_compact(
            &SECP256K1.sign_ecdsa_recoverable(&message, &self.key),
        );
        let signature = Signature::new(
            U256::from_be_slice(&bytes[..32]),
            U256::from_be_slice(&bytes[32..]),
            i32::from(recovery) & 1 == 1,
        );
        let raw = transaction.into_signed(signature).encoded_2718();
        let hash = keccak256(&raw);
        Signed { raw, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{TxEnvelope, transaction::SignerRecoverable as _};
    use alloy_eips::eip2718::Decodable2718 as _;
    use alloy_primitives::address;

    #[test]
    fn signatures_recover_to_their_account() {
        let terms = Terms { chain_id: 1337, max_fee: 2_000_000_000, priority_fee: 1 };
        let funded = Account::new(FUNDED_KEY).unwrap();
        assert_eq!(funded.address, address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        for index in 0..20 {
            let account = Account::derive("seed", index).unwrap();
            let signed = account.sign(
                terms,
                u64::from(index),
                TxKind::Call(funded.address),
                U256::from(1),
                Bytes::new(),
                21_000,
            );
            let decoded = TxEnvelope::decode_2718(&mut signed.raw.as_slice()).unwrap();
            assert_eq!(*decoded.tx_hash(), signed.hash);
            assert_eq!(decoded.recover_signer().unwrap(), account.address);
        }
    }
}
