//! `plasma_getBlockConflicts`: why a block takes the time that it takes.

use crate::{
    api::{Api, Target, heavy},
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use jsonrpsee::RpcModule;
use plasma_chain::{ConflictReport, explain::Explanation};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a block takes the time that it takes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockConflicts {
    #[serde(with = "alloy_serde::quantity")]
    block_number: u64,
    block_hash: B256,
    transactions: Vec<B256>,
    /// What follows from the block itself; the same at any time and on any node.
    explanation: Explanation,
    /// What the executor met when the block was made here, where that is remembered: executions per
    /// transaction, and the conflicts that made them more than one.
    #[serde(flatten)]
    report: Option<Arc<ConflictReport>>,
}

/// The second parameter of `plasma_getBlockConflicts`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct About {
    /// Whom the explanation is about; the block as a whole where nobody is named.
    address: Option<Address>,
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "plasma_getBlockConflicts", 2, conflicts);
}

/// `plasma_getBlockConflicts(block, {address})`; `null` where the block is unknown.
fn conflicts(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<BlockConflicts>> {
    let id: BlockId = arguments.required(0)?;
    let about: About = arguments.or_default(1)?;
    let block = match api.target(id)? {
        None => return Ok(None),
        Some(Target::Sealed(block)) => block,
        Some(Target::Pending(_)) => {
            return Err(error::server_error(
                "conflicts are reported of sealed blocks only: the open block is still growing",
            ));
        }
    };
    let dependencies = api.chain.dependencies(block.number()).map_err(error::from_chain)?;
    Ok(Some(BlockConflicts {
        block_number: block.number(),
        block_hash: block.hash,
        transactions: block.transactions.iter().map(|tx| *tx.tx_hash()).collect(),
        explanation: match about.address {
            None => dependencies.explain(),
            Some(address) => dependencies.explain_account(address),
        },
        report: api.chain.conflicts(block.number()),
    }))
}
