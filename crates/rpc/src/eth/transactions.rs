//! Transactions and their receipts.

use super::blocks::{hash, number};
use crate::{
    api::{Api, guessed_by_method, guessed_by_params, heavy},
    convert::{self, RpcReceipt, RpcTransaction},
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes};
use jsonrpsee::RpcModule;
use plasma_chain::ExecutedBlock;

use std::collections::BTreeMap;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    guessed_by_method(module, "eth_getTransactionByHash", 1, |api, arguments| {
        by_hash(api, arguments.required(0)?)
    });
    guessed_by_method(module, "eth_getTransactionReceipt", 1, |api, arguments| {
        receipt(api, arguments.required(0)?)
    });
    guessed_by_method(module, "eth_getRawTransactionByHash", 1, |api, arguments| {
        Ok(by_hash(api, arguments.required(0)?)?.map(|found| encoded(&found)))
    });
    guessed_by_params(module, "eth_getTransactionByBlockNumberAndIndex", 2, |api, arguments| {
        by_position(api, number(&arguments)?, &arguments)
    });
    guessed_by_params(module, "eth_getTransactionByBlockHashAndIndex", 2, |api, arguments| {
        by_position(api, hash(&arguments)?, &arguments)
    });
    guessed_by_params(module, "eth_getRawTransactionByBlockNumberAndIndex", 2, |api, arguments| {
        Ok(by_position(api, number(&arguments)?, &arguments)?.map(|found| encoded(&found)))
    });
    guessed_by_params(module, "eth_getRawTransactionByBlockHashAndIndex", 2, |api, arguments| {
        Ok(by_position(api, hash(&arguments)?, &arguments)?.map(|found| encoded(&found)))
    });
    heavy(module, "eth_getTransactionBySenderAndNonce", 2, |api, arguments| {
        by_sender_and_nonce(api, arguments.required(0)?, arguments.required::<Quantity>(1)?.0)
    });
    heavy(module, "eth_pendingTransactions", 0, |api, _| Ok(waiting(api)));
}

fn encoded(transaction: &RpcTransaction) -> Bytes {
    transaction.0.inner.inner().encoded_2718().into()
}

/// A transaction of a sealed block, of the open block, or of the pool.
fn by_hash(api: &Api, hash: B256) -> RpcResult<Option<RpcTransaction>> {
    if let Some((block, index)) = api.chain.transaction(hash).map_err(error::from_chain)? {
        return Ok(convert::block_transaction(&block, index));
    }
    let pending = api.chain.pending();
    if let Some(index) = pending.block.position(&hash) {
        // Not final yet: geth knows no hash, number or index for it either.
        let transaction = pending.block.transactions[index].clone();
        return Ok(Some(convert::pool_transaction(transaction)));
    }
    Ok(api.chain.pool().get(hash).map(|found| {
        let transaction = Recovered::new_unchecked(found.transaction.clone(), found.sender);
        convert::pool_transaction(transaction)
    }))
}

/// The receipt of a transaction in a sealed block.
pub(super) fn receipt(api: &Api, hash: B256) -> RpcResult<Option<RpcReceipt>> {
    let found = api.chain.transaction(hash).map_err(error::from_chain)?;
    Ok(found.and_then(|(block, index)| receipt_in(api, &block, index)))
}

/// The receipt of the transaction at `index` of `block`, which may still be open.
pub(super) fn receipt_in(api: &Api, block: &ExecutedBlock, index: usize) -> Option<RpcReceipt> {
    let blobs = api.chain.spec().blob_params_at(block.header.timestamp);
    convert::receipt(block, index, block.first_log_index(index), blobs)
}

fn by_position(
    api: &Api,
    id: BlockId,
    arguments: &Arguments<'_>,
) -> RpcResult<Option<RpcTransaction>> {
    let index = usize::try_from(arguments.required::<Quantity>(1)?.0).unwrap_or(usize::MAX);
    let target = api.target(id)?;
    Ok(target.and_then(|target| convert::block_transaction(target.block(), index)))
}

/// The transaction with which `sender` used `nonce`: the waiting one, or the one in a block.
fn by_sender_and_nonce(
    api: &Api,
    sender: Address,
    nonce: u64,
) -> RpcResult<Option<RpcTransaction>> {
    let head = api.state(None)?.account(sender).map_err(error::from_storage)?;
    if head.map_or(0, |account| account.nonce) <= nonce {
        let found = waiting(api).into_iter().find(|transaction| {
            transaction.0.inner.signer() == sender && transaction.0.inner.nonce() == nonce
        });
        return Ok(found);
    }
    let found = api.chain.sealed_by_nonce(sender, nonce).map_err(error::from_chain)?;
    Ok(found.and_then(|(block, index)| convert::block_transaction(&block, index)))
}

/// What the pool holds ready for the next blocks.
fn waiting(api: &Api) -> Vec<RpcTransaction> {
    let content = api.chain.pool().content();
    let ready = content.pending.into_values().flat_map(BTreeMap::into_values);
    ready
        .map(|found| {
            let transaction = Recovered::new_unchecked(found.transaction.clone(), found.sender);
            convert::pool_transaction(transaction)
        })
        .collect()
}
