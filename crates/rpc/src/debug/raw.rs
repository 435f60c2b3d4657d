//! Consensus encodings: `debug_getRaw*`.

use crate::{
    api::Api,
    error::{self, RpcResult},
    eth::access_lists,
    params::Arguments,
};
use alloy_consensus::{Block, BlockBody, TxReceipt};
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use plasma_chain::ExecutedBlock;
use plasma_storage::Transaction;
use std::sync::Arc;

fn existing(api: &Api, arguments: &Arguments<'_>) -> RpcResult<Arc<ExecutedBlock>> {
    super::sealed_block(api, arguments.required::<BlockId>(0)?)?.ok_or_else(error::header_not_found)
}

/// `debug_getRawHeader`: RLP of a header.
pub(super) fn header(api: &Api, arguments: Arguments<'_>) -> RpcResult<Bytes> {
    Ok(alloy_rlp::encode(&existing(api, &arguments)?.header).into())
}

/// `debug_getRawBlock`: RLP of a block.
pub(super) fn block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Bytes> {
    let block = existing(api, &arguments)?;
    let body = BlockBody::<Transaction> {
        transactions: block.transactions.iter().map(|it| it.inner().clone()).collect(),
        ommers: block.ommers.clone(),
        withdrawals: block.withdrawals.clone(),
    };
    Ok(alloy_rlp::encode(Block { header: block.header.clone(), body }).into())
}

/// `debug_getRawTransaction`: EIP-2718 encoding of a transaction; empty where it is unknown.
pub(super) fn transaction(api: &Api, arguments: Arguments<'_>) -> RpcResult<Bytes> {
    let hash: B256 = arguments.required(0)?;
    if let Some((block, index)) = super::sealed_transaction(api, hash)? {
        return Ok(block.transactions[index].inner().encoded_2718().into());
    }
    let pending = api.chain.pending();
    if let Some(index) = pending.block.position(&hash) {
        return Ok(pending.block.transactions[index].inner().encoded_2718().into());
    }
    let pooled = api.chain.pool().get(hash);
    Ok(pooled.map(|it| it.transaction.encoded_2718().into()).unwrap_or_default())
}

/// `debug_getRawBlockAccessList`: RLP of a block's access list (EIP-7928).
pub(super) fn access_list(api: &Api, arguments: Arguments<'_>) -> RpcResult<Bytes> {
    let block = existing(api, &arguments)?;
    access_lists::encoded(&block).ok_or_else(|| {
        let number = block.number();
        error::server_error(format!(
            "block {number} is from before Amsterdam and has no access list"
        ))
    })
}

/// `debug_getRawTransactions`: EIP-2718 encodings of a block's transactions.
pub(super) fn transactions(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<Bytes>> {
    let block = existing(api, &arguments)?;
    Ok(block.transactions.iter().map(|it| it.inner().encoded_2718().into()).collect())
}

/// `debug_getRawReceipts`: EIP-2718 encodings of a block's receipts.
pub(super) fn receipts(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<Bytes>> {
    let block = existing(api, &arguments)?;
    Ok(block.receipts.iter().map(|it| it.with_bloom_ref().encoded_2718().into()).collect())
}
