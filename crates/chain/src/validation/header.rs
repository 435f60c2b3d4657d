//! Rules of headers.
//!
//! Sources: yellow paper section 4.4.4; EIP-779, 1559, 3675, 4844, 4895, 4788, 7685, 7843, 7892,
//! 7928.

use super::{difficulty::next_difficulty, expect};
use crate::ChainError;
use alloy_consensus::{BlockHeader, EMPTY_OMMER_ROOT_HASH, Header};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{B256, U256};
use plasma_chainspec::ChainSpec;

/// Least gas limit of a block.
const MIN_GAS_LIMIT: u64 = 5_000;

/// Largest gas limit of a block (2^63 - 1).
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// Most bytes of extra data.
const MAX_EXTRA_DATA: usize = 32;

/// EIP-779: extra data of the DAO fork's first blocks.
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";

/// EIP-779: how many blocks carry it.
const DAO_EXTRA_BLOCKS: u64 = 10;

/// What a header is checked against.
#[derive(Clone, Copy)]
pub(super) struct Parent<'a> {
    pub(super) header: &'a Header,
    pub(super) hash: B256,
}

/// Checks `header` as a child of `parent`; `merged`: it has to be a proof-of-stake block.
pub(super) fn validate_header(
    spec: &ChainSpec,
    parent: Parent<'_>,
    merged: bool,
    header: &Header,
) -> Result<(), ChainError> {
    let number = header.number;
    let above = parent.header;
    expect(number, "number", number, above.number.saturating_add(1))?;
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
    validate_dao_extra_data(spec, header)?;
    if header.gas_used > header.gas_limit {
        return Err(ChainError::invalid(
            number,
            "gas used",
            header.gas_used,
            format!("at most the gas limit {}", header.gas_limit),
        ));
    }
    validate_gas_limit(spec, above, header)?;
    let base_fee = spec.next_base_fee(above, header.timestamp);
    expect(number, "base fee", header.base_fee_per_gas, base_fee)?;
    if merged {
        expect(number, "difficulty", header.difficulty, U256::ZERO)?;
        expect(number, "nonce", header.nonce, Default::default())?;
        expect(number, "ommers hash", header.ommers_hash, EMPTY_OMMER_ROOT_HASH)?;
    } else {
        let difficulty = next_difficulty(spec, above, header.timestamp);
        expect(number, "difficulty", header.difficulty, difficulty)?;
    }
    validate_fork_fields(spec, above, header)
}

fn validate_dao_extra_data(spec: &ChainSpec, header: &Header) -> Result<(), ChainError> {
    let ForkCondition::Block(fork) = spec.ethereum_fork_activation(EthereumHardfork::Dao) else {
        return Ok(());
    };
    let marked = header.number >= fork && header.number - fork < DAO_EXTRA_BLOCKS;
    if marked && header.extra_data.as_ref() != DAO_EXTRA_DATA {
        let expected = alloy_primitives::hex::encode_prefixed(DAO_EXTRA_DATA);
        return Err(ChainError::invalid(header.number, "extra data", &header.extra_data, expected));
    }
    Ok(())
}

fn validate_gas_limit(
    spec: &ChainSpec,
    parent: &Header,
    header: &Header,
) -> Result<(), ChainError> {
    // The London block doubles the limit, so that its target equals the old limit.
    let doubled = spec.is_london_active_at_block(header.number)
        && !spec.is_london_active_at_block(parent.number);
    let base = if doubled { parent.gas_limit.saturating_mul(2) } else { parent.gas_limit };
    let bound = base / 1_024;
    let limit = header.gas_limit;
    if limit.abs_diff(base) >= bound || !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit) {
        return Err(ChainError::invalid(
            header.number,
            "gas limit",
            limit,
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
    let amsterdam = spec.is_amsterdam_active_at_timestamp(header.timestamp);
    present("block access list hash", header.block_access_list_hash.is_some(), amsterdam)?;
    present("slot number", header.slot_number.is_some(), amsterdam)?;
    let Some(params) = spec.blob_params_at(header.timestamp).filter(|_| cancun) else {
        return Ok(());
    };
    let expected = BlockHeader::maybe_next_block_excess_blob_gas(parent, Some(params)).unwrap_or(0); // the first block with blobs has no parent to count from
    expect(number, "excess blob gas", header.excess_blob_gas, Some(expected))?;
    let limit = params.max_blob_gas_per_block();
    if let Some(used) = header.blob_gas_used.filter(|used| *used > limit) {
        return Err(ChainError::invalid(number, "blob gas used", used, format!("at most {limit}")));
    }
    Ok(())
}
