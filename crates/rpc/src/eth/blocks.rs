//! Blocks, headers, uncles and receipts of blocks.

use crate::{
    api::{Api, Target, guessed_by_params},
    convert::{self, RpcReceipt},
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{Block, Transaction};
use jsonrpsee::RpcModule;
use serde_json::value::RawValue;

type Raw = Box<RawValue>;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    guessed_by_params(module, "eth_getBlockByNumber", 2, |api, arguments| {
        block(api, number(&arguments)?, arguments.or_default(1)?)
    });
    guessed_by_params(module, "eth_getBlockByHash", 2, |api, arguments| {
        block(api, hash(&arguments)?, arguments.or_default(1)?)
    });
    guessed_by_params(module, "eth_getHeaderByNumber", 1, |api, arguments| {
        header(api, number(&arguments)?)
    });
    guessed_by_params(module, "eth_getHeaderByHash", 1, |api, arguments| {
        header(api, hash(&arguments)?)
    });
    guessed_by_params(module, "eth_getBlockTransactionCountByNumber", 1, |api, arguments| {
        count(api, number(&arguments)?, |target| target.block().transactions.len())
    });
    guessed_by_params(module, "eth_getBlockTransactionCountByHash", 1, |api, arguments| {
        count(api, hash(&arguments)?, |target| target.block().transactions.len())
    });
    guessed_by_params(module, "eth_getUncleCountByBlockNumber", 1, |api, arguments| {
        count(api, number(&arguments)?, |target| target.block().ommers.len())
    });
    guessed_by_params(module, "eth_getUncleCountByBlockHash", 1, |api, arguments| {
        count(api, hash(&arguments)?, |target| target.block().ommers.len())
    });
    guessed_by_params(module, "eth_getUncleByBlockNumberAndIndex", 2, |api, arguments| {
        uncle(api, number(&arguments)?, arguments.required(1)?)
    });
    guessed_by_params(module, "eth_getUncleByBlockHashAndIndex", 2, |api, arguments| {
        uncle(api, hash(&arguments)?, arguments.required(1)?)
    });
    guessed_by_params(module, "eth_getBlockReceipts", 1, |api, arguments| {
        receipts(api, arguments.required(0)?)
    });
}

/// The block number or tag that stands first.
pub(super) fn number(arguments: &Arguments<'_>) -> RpcResult<BlockId> {
    Ok(arguments.required::<BlockNumberOrTag>(0)?.into())
}

/// The block hash that stands first.
pub(super) fn hash(arguments: &Arguments<'_>) -> RpcResult<BlockId> {
    Ok(arguments.required::<B256>(0)?.into())
}

fn block(api: &Api, id: BlockId, full: bool) -> RpcResult<Option<Raw>> {
    api.target(id)?.map(|target| convert::block_json(&target, full)).transpose()
}

fn header(api: &Api, id: BlockId) -> RpcResult<Option<Raw>> {
    api.target(id)?.map(|target| convert::header_json(&target)).transpose()
}

fn count(api: &Api, id: BlockId, of: fn(&Target) -> usize) -> RpcResult<Option<U64>> {
    Ok(api.target(id)?.map(|target| U64::from(of(&target))))
}

fn uncle(api: &Api, id: BlockId, index: Quantity) -> RpcResult<Option<Block<Transaction>>> {
    let Some(target) = api.target(id)? else { return Ok(None) };
    let position = usize::try_from(index.0).unwrap_or(usize::MAX);
    let uncle = target.block().ommers.get(position).cloned();
    Ok(uncle.map(Block::uncle_from_header))
}

fn receipts(api: &Api, id: BlockId) -> RpcResult<Option<Vec<RpcReceipt>>> {
    let Some(target) = api.target(id)? else { return Ok(None) };
    let block = target.block();
    let blobs = api.chain.spec().blob_params_at(block.header.timestamp);
    let mut first_log = 0;
    let mut receipts = Vec::with_capacity(block.receipts.len());
    for index in 0..block.receipts.len() {
        let receipt = convert::receipt(block, index, first_log, blobs).ok_or_else(|| {
            error::internal(format!(
                "block {} has a receipt without a transaction at index {index}",
                block.number()
            ))
        })?;
        first_log += receipt.inner.logs().len() as u64;
        receipts.push(receipt);
    }
    Ok(Some(receipts))
}
