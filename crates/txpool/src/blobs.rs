//! Rules for blob transactions and their sidecars.

use crate::{PoolError, PoolTransaction, limits::TRANSACTION_BLOBS};
use alloy_consensus::Transaction as _;
use alloy_eips::{
    eip4844::{BLOB_TX_MIN_BLOB_GASPRICE, c_kzg::ethereum_kzg_settings},
    eip7594::BlobTransactionSidecarVariant,
};
use plasma_chainspec::EthereumHardfork;

/// Tables make proofs faster to compute, not to verify, and the usual ones take seconds and 96 MiB
/// to build, which the first blob transaction would wait for.
const NO_PRECOMPUTATION: u64 = 0;

/// Loads the table behind blob proofs, so that the first blob transaction does not wait for it.
pub fn load_trusted_setup() {
    ethereum_kzg_settings(NO_PRECOMPUTATION);
}

/// Turns a sidecar with one proof per blob (EIP-4844) into one with cell proofs (EIP-7594), which
/// Osaka demands: wallets and libraries went on sending the old form for a while. Anything else
/// stays as it is. Takes tens of milliseconds a blob.
///
/// # Errors
/// The old proofs do not prove the blobs.
pub fn with_cell_proofs(mut pooled: PoolTransaction) -> Result<PoolTransaction, PoolError> {
    let Some(sidecar) = &pooled.sidecar else { return Ok(pooled) };
    if !matches!(**sidecar, BlobTransactionSidecarVariant::Eip4844(_)) {
        return Ok(pooled);
    }
    let invalid = |error: String| PoolError::InvalidSidecar(error);
    let settings = ethereum_kzg_settings(NO_PRECOMPUTATION);
    let hashes = pooled.transaction.blob_versioned_hashes().unwrap_or(&[]);
    sidecar.validate(hashes, settings).map_err(|error| invalid(error.to_string()))?;
    let converted = BlobTransactionSidecarVariant::clone(sidecar)
        .try_convert_into_eip7594_with_settings(settings)
        .map_err(|error| invalid(error.to_string()))?;
    pooled.sidecar = Some(std::sync::Arc::new(converted));
    Ok(pooled)
}

/// Blobs that one transaction may have under `fork`, where a block may have `block_blobs`.
pub(crate) fn most_blobs(fork: EthereumHardfork, block_blobs: u64) -> u64 {
    if fork >= EthereumHardfork::Osaka { TRANSACTION_BLOBS.min(block_blobs) } else { block_blobs }
}

/// Checks what a blob transaction must carry, the proofs last: they cost milliseconds a blob.
pub(crate) fn check_sidecar(
    pooled: &PoolTransaction,
    fork: EthereumHardfork,
) -> Result<(), PoolError> {
    let sidecar = pooled.sidecar.as_deref().ok_or(PoolError::MissingSidecar)?;
    let want = u8::from(fork >= EthereumHardfork::Osaka);
    let got = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(_) => 0,
        BlobTransactionSidecarVariant::Eip7594(_) => 1,
    };
    if want != got {
        return Err(PoolError::SidecarVersion { want, got });
    }
    let fee = pooled.transaction.max_fee_per_blob_gas().unwrap_or(0);
    if fee < BLOB_TX_MIN_BLOB_GASPRICE {
        let minimum = BLOB_TX_MIN_BLOB_GASPRICE;
        return Err(PoolError::BlobFeeBelowMinimum { fee, minimum });
    }
    let hashes = pooled.transaction.blob_versioned_hashes().unwrap_or(&[]);
    if hashes.is_empty() {
        return Err(PoolError::NoBlobs);
    }
    if sidecar.blobs().len() != hashes.len() {
        let blobs = sidecar.blobs().len();
        return Err(PoolError::BlobCount { blobs, hashes: hashes.len() });
    }
    sidecar
        .validate(hashes, ethereum_kzg_settings(NO_PRECOMPUTATION))
        .map_err(|error| PoolError::InvalidSidecar(error.to_string()))
}
