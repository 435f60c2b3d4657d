//! Encodings of journal records.
//!
//! Sealed blocks use reth's `Compact` codecs. A tick keeps its transactions as EIP-2718 bytes: it
//! lives for one block time, and compressing it would cost more than writing it.

use crate::{
    Account, AccountChange, BlockRecord, Checkpoints, Receipt, StateChanges, StorageError,
    TickRecord, Transaction,
    codec::{
        Damage, Input, put_bytes, put_compact, put_compact_list, put_length, put_u32, put_u64,
        put_u256,
    },
    table::{Bodies, Headers, JournalMeta, Receipts, Table, Ticks},
};
use alloy_consensus::Header;
use alloy_eips::{
    BlockNumHash,
    eip2718::{Decodable2718, Encodable2718},
    eip4895::Withdrawals,
};
use alloy_primitives::{Address, B256, Bytes};

/// Reads a hash of metadata.
pub(crate) fn decode_hash(bytes: &[u8], table: &'static str) -> Result<B256, StorageError> {
    B256::try_from(bytes).map_err(|_| Damage("a hash has a wrong length").of(table))
}

/// Both blocks, each with a flag that tells whether it is there.
pub(crate) fn encode_checkpoints(checkpoints: &Checkpoints) -> Vec<u8> {
    let mut out = Vec::new();
    for block in [checkpoints.safe, checkpoints.finalized] {
        out.push(u8::from(block.is_some()));
        if let Some(block) = block {
            put_u64(&mut out, block.number);
            out.extend_from_slice(block.hash.as_slice());
        }
    }
    out
}

/// Reads back [`encode_checkpoints`].
pub(crate) fn decode_checkpoints(bytes: &[u8]) -> Result<Checkpoints, StorageError> {
    let block = |input: &mut Input<'_>| {
        Ok(if input.flag()? { Some(BlockNumHash::new(input.u64()?, input.b256()?)) } else { None })
    };
    let read = || {
        let mut input = Input::new(bytes);
        let checkpoints = Checkpoints { safe: block(&mut input)?, finalized: block(&mut input)? };
        input.finish()?;
        Ok(checkpoints)
    };
    read().map_err(|damage: Damage| damage.of(JournalMeta::SPEC.name))
}

/// Hash and header.
pub(crate) fn encode_header(record: &BlockRecord) -> Vec<u8> {
    let mut out = record.hash.to_vec();
    put_compact(&mut out, &record.header);
    out
}

/// Reads back [`encode_header`].
pub(crate) fn decode_header(bytes: &[u8]) -> Result<(B256, Header), StorageError> {
    let read = || {
        let mut input = Input::new(bytes);
        let header = (input.b256()?, input.compact()?);
        input.finish()?;
        Ok(header)
    };
    read().map_err(|damage: Damage| damage.of(Headers::SPEC.name))
}

/// All of a block but its header, receipts and keeper record.
pub(crate) fn encode_body(record: &BlockRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 160 * record.transactions.len());
    put_compact_list(&mut out, &record.transactions);
    put_addresses(&mut out, &record.senders);
    put_compact_list(&mut out, &record.ommers);
    match &record.withdrawals {
        None => out.push(0),
        Some(withdrawals) => {
            out.push(1);
            put_compact_list(&mut out, withdrawals.as_slice());
        }
    }
    put_patch(&mut out, record.dev_patch.as_ref());
    put_u256(&mut out, record.total_difficulty);
    put_length(&mut out, record.post_states.len());
    for root in &record.post_states {
        out.extend_from_slice(root.as_slice());
    }
    out
}

/// Reads back [`encode_body`]; what it does not hold stays empty.
pub(crate) fn decode_body(bytes: &[u8]) -> Result<BlockRecord, StorageError> {
    let read = || {
        let mut input = Input::new(bytes);
        let record = BlockRecord {
            transactions: input.compact_list()?,
            senders: addresses(&mut input)?,
            ommers: input.compact_list()?,
            withdrawals: match input.flag()? {
                false => None,
                true => Some(Withdrawals::new(input.compact_list()?)),
            },
            dev_patch: patch(&mut input)?,
            total_difficulty: input.u256()?,
            post_states: {
                let count = input.count(32)?;
                (0..count).map(|_| input.b256()).collect::<Result<_, _>>()?
            },
            ..Default::default()
        };
        input.finish()?;
        Ok(record)
    };
    read().map_err(|damage: Damage| damage.of(Bodies::SPEC.name))
}

/// Receipts of a block.
pub(crate) fn encode_receipts(receipts: &[Receipt]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + 64 * receipts.len());
    put_compact_list(&mut out, receipts);
    out
}

/// Reads back [`encode_receipts`].
pub(crate) fn decode_receipts(bytes: &[u8]) -> Result<Vec<Receipt>, StorageError> {
    let read = || {
        let mut input = Input::new(bytes);
        let receipts = input.compact_list()?;
        input.finish()?;
        Ok(receipts)
    };
    read().map_err(|damage: Damage| damage.of(Receipts::SPEC.name))
}

/// A tick.
pub(crate) fn encode_tick(record: &TickRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(192 + 192 * record.transactions.len());
    put_u64(&mut out, record.block_number);
    put_u32(&mut out, record.tick);
    put_u64(&mut out, record.timestamp);
    put_u64(&mut out, record.time_ms);
    out.extend_from_slice(record.beneficiary.as_slice());
    put_u64(&mut out, record.gas_limit);
    out.extend_from_slice(record.prev_randao.as_slice());
    put_u64(&mut out, record.base_fee);
    put_length(&mut out, record.transactions.len());
    for transaction in &record.transactions {
        put_length(&mut out, transaction.encode_2718_len());
        transaction.encode_2718(&mut out);
    }
    put_addresses(&mut out, &record.senders);
    put_length(&mut out, record.performs.len());
    for index in &record.performs {
        put_u32(&mut out, *index);
    }
    put_bytes(&mut out, &record.keeper);
    put_patch(&mut out, record.dev_patch.as_ref());
    out
}

/// Reads back [`encode_tick`].
pub(crate) fn decode_tick(bytes: &[u8]) -> Result<TickRecord, StorageError> {
    let read = || {
        let mut input = Input::new(bytes);
        let record = TickRecord {
            block_number: input.u64()?,
            tick: input.u32()?,
            timestamp: input.u64()?,
            time_ms: input.u64()?,
            beneficiary: input.address()?,
            gas_limit: input.u64()?,
            prev_randao: input.b256()?,
            base_fee: input.u64()?,
            transactions: transactions(&mut input)?,
            senders: addresses(&mut input)?,
            performs: {
                let count = input.count(4)?;
                (0..count).map(|_| input.u32()).collect::<Result<_, _>>()?
            },
            keeper: Bytes::copy_from_slice(input.bytes()?),
            dev_patch: patch(&mut input)?,
        };
        input.finish()?;
        Ok(record)
    };
    read().map_err(|damage: Damage| damage.of(Ticks::SPEC.name))
}

fn transactions(input: &mut Input<'_>) -> Result<Vec<Transaction>, Damage> {
    let count = input.count(4)?;
    (0..count)
        .map(|_| {
            Transaction::decode_2718_exact(input.bytes()?)
                .map_err(|_| Damage("a transaction cannot be decoded"))
        })
        .collect()
}

fn put_addresses(out: &mut Vec<u8>, addresses: &[Address]) {
    put_length(out, addresses.len());
    for address in addresses {
        out.extend_from_slice(address.as_slice());
    }
}

fn addresses(input: &mut Input<'_>) -> Result<Vec<Address>, Damage> {
    let count = input.count(20)?;
    (0..count).map(|_| input.address()).collect()
}

fn put_patch(out: &mut Vec<u8>, patch: Option<&StateChanges>) {
    let Some(patch) = patch else { return out.push(0) };
    out.push(1);
    put_length(out, patch.accounts.len());
    for (address, change) in &patch.accounts {
        out.extend_from_slice(address.as_slice());
        match &change.account {
            None => out.push(0),
            Some(account) => {
                out.push(1);
                put_compact(out, account);
            }
        }
        out.push(u8::from(change.storage_wiped));
        put_length(out, change.storage.len());
        for (slot, value) in &change.storage {
            put_u256(out, *slot);
            put_u256(out, *value);
        }
    }
    put_length(out, patch.codes.len());
    for (hash, code) in &patch.codes {
        out.extend_from_slice(hash.as_slice());
        put_bytes(out, code);
    }
}

fn patch(input: &mut Input<'_>) -> Result<Option<StateChanges>, Damage> {
    if !input.flag()? {
        return Ok(None);
    }
    let mut patch = StateChanges::default();
    for _ in 0..input.count(26)? {
        let address = input.address()?;
        let account = if input.flag()? { Some(input.compact::<Account>()?) } else { None };
        let mut change =
            AccountChange { account, storage_wiped: input.flag()?, ..Default::default() };
        for _ in 0..input.count(2)? {
            let slot = input.u256()?;
            change.storage.insert(slot, input.u256()?);
        }
        patch.accounts.insert(address, change);
    }
    for _ in 0..input.count(36)? {
        let hash = input.b256()?;
        patch.codes.insert(hash, Bytes::copy_from_slice(input.bytes()?));
    }
    Ok(Some(patch))
}
