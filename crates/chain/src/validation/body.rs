//! Rules of bodies, and what the header says of them.
//!
//! Sources: yellow paper section 4.4.2; EIP-2, 155, 4844, 4895, 7934.

use super::expect;
use crate::{ChainError, open_block::blob_gas};
use alloy_consensus::{Block, proofs};
use alloy_hardforks::EthereumHardforks;
use plasma_chainspec::ChainSpec;
use plasma_storage::Transaction;

/// EIP-7934: most bytes of an RLP-encoded block from Osaka on (10 MiB less 2 MiB of margin).
const MAX_RLP_BLOCK_SIZE: usize = 8 * 1024 * 1024;

/// Checks the header's commitments to the body.
pub(super) fn validate_body(
    spec: &ChainSpec,
    block: &Block<Transaction>,
) -> Result<(), ChainError> {
    let header = &block.header;
    let number = header.number;
    let body = &block.body;
    expect(
        number,
        "transactions root",
        header.transactions_root,
        proofs::calculate_transaction_root(&body.transactions),
    )?;
    expect(number, "ommers hash", header.ommers_hash, proofs::calculate_ommers_root(&body.ommers))?;
    expect(
        number,
        "withdrawals root",
        header.withdrawals_root,
        body.withdrawals.as_ref().map(|list| proofs::calculate_withdrawals_root(list.as_slice())),
    )?;
    let blobs: u64 = body.transactions.iter().map(blob_gas).sum();
    if let Some(used) = header.blob_gas_used {
        expect(number, "blob gas used", used, blobs)?;
    }
    if spec.is_osaka_active_at_timestamp(header.timestamp) {
        let size = alloy_rlp::Encodable::length(block);
        if size > MAX_RLP_BLOCK_SIZE {
            return Err(ChainError::invalid(
                number,
                "size",
                format!("{size} bytes"),
                format!("at most {MAX_RLP_BLOCK_SIZE} bytes"),
            ));
        }
    }
    Ok(())
}
