//! The `ots` namespace, by which Otterscan explores a node without an indexer beside it, and the one
//! method of `erigon` that it asks for.
//!
//! Shapes are those of Otterscan's specification (`docs/custom-jsonrpc.md` in its repository) and of
//! Erigon. Block numbers and page sizes are JSON numbers or hex quantities.

mod block;
mod creator;
mod search;
mod trace;

#[cfg(test)]
mod tests;

use crate::{
    api::{Api, heavy, quick},
    convert,
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256};
use jsonrpsee::RpcModule;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, value::RawValue};

/// The version of Otterscan's interface that is served here.
const API_LEVEL: u8 = 8;

/// Adds `ots_*` and `erigon_getHeaderByNumber` to `module`.
pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "ots_getApiLevel", 0, |_, _| Ok(API_LEVEL));
    heavy(module, "erigon_getHeaderByNumber", 1, header);
    heavy(module, "ots_getHeaderByNumber", 1, header);
    heavy(module, "ots_getBlockDetails", 1, |api, arguments| {
        block::details(api, arguments.required::<AnyBlock>(0)?.0)
    });
    heavy(module, "ots_getBlockDetailsByHash", 1, |api, arguments| {
        block::details(api, arguments.required::<B256>(0)?.into())
    });
    heavy(module, "ots_getBlockTransactions", 3, block::transactions);
    heavy(module, "ots_hasCode", 2, |api, arguments| {
        let block: Option<AnyBlock> = arguments.optional(1)?;
        has_code(api, arguments.required(0)?, block.map(|block| block.0))
    });
    heavy(module, "ots_getContractCreator", 1, creator::contract_creator);
    heavy(module, "ots_getInternalOperations", 1, trace::internal_operations);
    heavy(module, "ots_getTransactionError", 1, trace::transaction_error);
    heavy(module, "ots_traceTransaction", 1, trace::transaction);
    heavy(module, "ots_getTransactionBySenderAndNonce", 2, |api, arguments| {
        by_sender_and_nonce(api, arguments.required(0)?, arguments.required::<Quantity>(1)?.0)
    });
    heavy(module, "ots_searchTransactionsBefore", 3, search::before);
    heavy(module, "ots_searchTransactionsAfter", 3, search::after);
}

fn header(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<Box<RawValue>>> {
    let target = api.target(arguments.required::<AnyBlock>(0)?.0)?;
    target.map(|target| convert::header_json(&target)).transpose()
}

/// Whether there is code at `address`.
fn has_code(api: &Api, address: Address, block: Option<BlockId>) -> RpcResult<bool> {
    let account = api.state(block)?.account(address).map_err(error::from_storage)?;
    Ok(account.is_some_and(|account| account.bytecode_hash.is_some()))
}

/// The hash of the sealed transaction with which `sender` used `nonce`.
fn by_sender_and_nonce(api: &Api, sender: Address, nonce: u64) -> RpcResult<Option<B256>> {
    let found = api.chain.sealed_by_nonce(sender, nonce).map_err(error::from_chain)?;
    Ok(found.map(|(block, index)| *block.transactions[index].tx_hash()))
}

/// A block by hash, tag, or number, which may be a JSON number.
#[derive(Clone, Copy, Debug)]
struct AnyBlock(BlockId);

impl<'de> Deserialize<'de> for AnyBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = if value.is_number() {
            serde_json::from_value(value)
                .map(|Quantity(number)| BlockNumberOrTag::Number(number).into())
        } else {
            serde_json::from_value(value)
        };
        read.map(Self).map_err(de::Error::custom)
    }
}
