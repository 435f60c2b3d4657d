//! From bytes to transactions with senders.

use crate::{PoolError, PoolTransaction};
use alloy_consensus::{
    EthereumTxEnvelope, TxEip4844Variant, TxEip4844WithSidecar, transaction::SignerRecoverable,
};
use alloy_eips::{Decodable2718, eip2718::Eip2718Error, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::{Address, Bytes};
use plasma_storage::Transaction;
use rayon::prelude::*;

/// A transaction as wallets and peers send it: blob transactions carry their sidecar, with blob
/// proofs (EIP-4844) or cell proofs (EIP-7594).
pub type PooledTransaction =
    EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// Highest type number that this crate decodes.
const LAST_TYPE: u8 = 4;

/// Lowest first byte of an RLP list: what a transaction without a type begins with.
const FIRST_LIST_BYTE: u8 = 0xc0;

/// Decodes an encoded transaction (EIP-2718), with a sidecar or without, and recovers its sender.
///
/// # Errors
/// Where the bytes are no transaction, or the signature is nobody's or not of the canonical half
/// (EIP-2).
pub fn decode_and_recover(raw: &[u8]) -> Result<PoolTransaction, PoolError> {
    let (transaction, sidecar) = decode(raw)?;
    let sender = transaction.recover_signer()?;
    let pooled = PoolTransaction::new(transaction, sender, sidecar);
    Ok(PoolTransaction { encoded_length: raw.len(), ..pooled })
}

/// Recovers the sender of a decoded transaction.
///
/// # Errors
/// Where the signature is nobody's or not of the canonical half (EIP-2).
pub fn recover(transaction: PooledTransaction) -> Result<PoolTransaction, PoolError> {
    let sender = transaction.recover_signer()?;
    let mut sidecar = None;
    let transaction = transaction.map_eip4844(|blob| {
        let (blob, with) = blob.into_parts();
        sidecar = Some(with);
        blob
    });
    Ok(PoolTransaction::new(transaction, sender, sidecar))
}

/// [`decode_and_recover`] for many at once, on all cores. The answers are in the order of `raw`.
pub fn recover_batch(raw: &[Bytes]) -> Vec<Result<PoolTransaction, PoolError>> {
    raw.par_iter().map(|raw| decode_and_recover(raw)).collect()
}

/// Senders of a block's transactions, on all cores. Signatures of the other half count too: blocks
/// before Homestead have such.
///
/// # Errors
/// Where a signature is nobody's.
pub fn recover_senders(transactions: &[Transaction]) -> Result<Vec<Address>, PoolError> {
    transactions.par_iter().map(|transaction| Ok(transaction.recover_signer_unchecked()?)).collect()
}

fn decode(raw: &[u8]) -> Result<(Transaction, Option<BlobTransactionSidecarVariant>), PoolError> {
    let Some(first) = raw.first() else {
        return Err(PoolError::TooShort);
    };
    if *first < FIRST_LIST_BYTE {
        if raw.len() <= 1 {
            return Err(PoolError::TooShort);
        }
        if *first > LAST_TYPE || *first == 0 {
            return Err(PoolError::TypeNotSupported(String::new()));
        }
    }
    type Either = EthereumTxEnvelope<TxEip4844Variant<BlobTransactionSidecarVariant>>;
    let decoded = Either::decode_2718_exact(raw).map_err(|error| match error {
        // The library reports a malformed list in this way too.
        Eip2718Error::UnexpectedType(_) if *first >= FIRST_LIST_BYTE => {
            PoolError::Decode("the list is not a signed legacy transaction".to_owned())
        }
        Eip2718Error::UnexpectedType(_) => PoolError::TypeNotSupported(String::new()),
        Eip2718Error::RlpError(error) => PoolError::Decode(error.to_string()),
        other => PoolError::Decode(other.to_string()),
    })?;
    let mut sidecar = None;
    let transaction = decoded.map_eip4844(|blob| match blob {
        TxEip4844Variant::TxEip4844(blob) => blob,
        TxEip4844Variant::TxEip4844WithSidecar(with) => {
            let (blob, blobs) = with.into_parts();
            sidecar = Some(blobs);
            blob
        }
    });
    Ok((transaction, sidecar))
}
