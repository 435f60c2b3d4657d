//! Rules that a block must keep before it is worth executing.
//!
//! Sources: yellow paper section 4.4.4; EIP-1559, 3675, 4844, 4895, 4788, 7685, 7934.

use crate::{ChainError, block::ExecutedBlock};
use alloy_consensus::{Block, EMPTY_OMMER_ROOT_HASH, Header, proofs};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::U256;
use plasma_chainspec::ChainSpec;
use plasma_storage::Transaction;

/// Least gas limit of a block.
const MIN_GAS_LIMIT: u64 = 5_000;

/// Most bytes of extra data.
const MAX_EXTRA_DATA: usize = 32;

/// EIP-7934: most bytes of an RLP-encoded block from Osaka on (10 MiB less 2 MiB of margin).
const MAX_RLP_BLOCK_SIZE: usize = 8 * 1024 * 1024;

/// Checks header and body against the parent and against each other.
pub(crate) fn validate_block(
    spec: &ChainSpec,
    parent: &ExecutedBlock,
    block: &Block<Transaction>,
) -> Result<(), ChainError> {
    validate_header(spec, parent, &block.header)?;
    validate_body(spec, block)
}

/// Fails with the named field unless found and expected agree.
fn expect<T: PartialEq + std::fmt::Debug>(
    number: u64,
    field: &'static str,
    found: T,
    expected: T,
) -> Result<(), ChainError> {
    if found == expected {
        return Ok(());
    }
    Err(ChainError::invalid(number, field, format!("{found:?}"), format!("{expected:?}")))
}

fn validate_header(
    spec: &ChainSpec,
    parent: &ExecutedBlock,
    header: &Header,
) -> Result<(), ChainError> {
    let number = header.number;
    let above = &parent.header;
    expect(number, "number", number, above.number + 1)?;
    expect(number, "parent hash", header.parent_hash, parent.hash)?;
    if header.timestamp <= above.timestamp {
        return Err(ChainError::invalid(
            number,
            "timestamp",
            header.timestamp,
            format!("more than the parent's {}", above.timestamp),
        ));
    }
    if header.extra_data.len() > MAX_EXTRA_DATA {
        return Err(ChainError::invalid(
            number,
            "extra data",
            format!("{} bytes", header.extra_data.len()),
            format!("at most {MAX_EXTRA_DATA} bytes"),
        ));
    }
    if header.gas_used > header.gas_limit {
        return Err(ChainError::invalid(
            number,
            "gas used",
            header.gas_used,
            format!("at most the gas limit {}", header.gas_limit),
        ));
    }
    validate_gas_limit(spec, above, header)?;
    expect(
        number,
        "base fee",
        header.base_fee_per_gas,
        spec.next_base_fee(above, header.timestamp),
    )?;
    if spec.is_paris_active_at_block(number) {
        expect(number, "difficulty", header.difficulty, U256::ZERO)?;
        expect(number, "nonce", header.nonce, Default::default())?;
        expect(number, "ommers hash", header.ommers_hash, EMPTY_OMMER_ROOT_HASH)?;
    }
    validate_fork_fields(spec, above, header)
}

fn validate_gas_limit(
    spec: &ChainSpec,
    parent: &Header,
    header: &Header,
) -> Result<(), ChainError> {
    // The London block doubles the limit, so that its target equals the old limit.
    let doubled = spec.is_london_active_at_block(header.number)
        && !spec.is_london_active_at_block(parent.number);
    let base = if doubled { parent.gas_limit * 2 } else { parent.gas_limit };
    let bound = base / 1_024;
    if header.gas_limit.abs_diff(base) >= bound || header.gas_limit < MIN_GAS_LIMIT {
        return Err(ChainError::invalid(
            header.number,
            "gas limit",
            header.gas_limit,
            format!("less than {bound} away from {base} and at least {MIN_GAS_LIMIT}"),
        ));
    }
    Ok(())
}

/// Fields that exist from a fork on, and only from then on.
fn validate_fork_fields(
    spec: &ChainSpec,
    parent: &Header,
    header: &Header,
) -> Result<(), ChainError> {
    let number = header.number;
    let present = |field: &'static str, found: bool, expected: bool| {
        let word = |there: bool| if there { "present" } else { "absent" };
        expect(number, field, word(found), word(expected))
    };
    let shanghai = spec.is_shanghai_active_at_timestamp(header.timestamp);
    let cancun = spec.is_cancun_active_at_timestamp(header.timestamp);
    let prague = spec.is_prague_active_at_timestamp(header.timestamp);
    present("withdrawals root", header.withdrawals_root.is_some(), shanghai)?;
    present("blob gas used", header.blob_gas_used.is_some(), cancun)?;
    present("excess blob gas", header.excess_blob_gas.is_some(), cancun)?;
    present("parent beacon block root", header.parent_beacon_block_root.is_some(), cancun)?;
    present("requests hash", header.requests_hash.is_some(), prague)?;
    let Some(params) = spec.blob_params_at(header.timestamp).filter(|_| cancun) else {
        return Ok(());
    };
    let expected =
        alloy_consensus::BlockHeader::maybe_next_block_excess_blob_gas(parent, Some(params))
            .unwrap_or(0); // the first block with blobs has no parent to count from
    expect(number, "excess blob gas", header.excess_blob_gas, Some(expected))?;
    let limit = params.max_blob_gas_per_block();
    if header.blob_gas_used.is_some_and(|used| used > limit) {
        return Err(ChainError::invalid(
            number,
            "blob gas used",
            format!("{:?}", header.blob_gas_used),
            format!("at most {limit}"),
        ));
    }
    Ok(())
}

fn validate_body(spec: &ChainSpec, block: &Block<Transaction>) -> Result<(), ChainError> {
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
    let blob_gas: u64 = body.transactions.iter().map(crate::open_block::blob_gas).sum();
    if let Some(used) = header.blob_gas_used {
        expect(number, "blob gas used", used, blob_gas)?;
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
