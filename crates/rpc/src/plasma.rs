//! The `plasma` namespace: what this node knows of blocks beyond what other nodes know.

use crate::{
    api::{Api, Target, quick},
    error::{self, RpcResult},
};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use jsonrpsee::RpcModule;
use plasma_chain::ConflictReport;
use serde::Serialize;
use std::sync::Arc;

/// How a block was executed in parallel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockConflicts {
    #[serde(with = "alloy_serde::quantity")]
    block_number: u64,
    block_hash: B256,
    transactions: Vec<B256>,
    /// Executions per transaction, and the conflicts that made them more than one.
    #[serde(flatten)]
    report: Arc<ConflictReport>,
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "plasma_getBlockConflicts", 1, |api, arguments| {
        conflicts(api, arguments.required(0)?)
    });
}

/// The report of a block; `null` where the block is unknown, or was not executed here lately.
fn conflicts(api: &Api, id: BlockId) -> RpcResult<Option<BlockConflicts>> {
    let block = match api.target(id)? {
        None => return Ok(None),
        Some(Target::Sealed(block)) => block,
        Some(Target::Pending(_)) => {
            return Err(error::server_error(
                "conflicts are reported of sealed blocks only: the open block is still growing",
            ));
        }
    };
    Ok(api.chain.conflicts(block.number()).map(|report| BlockConflicts {
        block_number: block.number(),
        block_hash: block.hash,
        transactions: block.transactions.iter().map(|tx| *tx.tx_hash()).collect(),
        report,
    }))
}
