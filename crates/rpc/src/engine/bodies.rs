//! `engine_getPayloadBodies`: what stood in blocks.

use super::{control, failed};
use crate::{
    api::{Api, heavy},
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{ExecutionPayloadBodyV1, ExecutionPayloadBodyV2};
use jsonrpsee::RpcModule;
use plasma_chain::ExecutedBlock;
use std::sync::Arc;

/// Most bodies that are answered at once. The specification demands 32.
const MAX_BODIES: u64 = 1_024;

type Blocks = Vec<Option<Arc<ExecutedBlock>>>;

pub(super) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "engine_getPayloadBodiesByHashV1", 1, |api, arguments| {
        Ok(each(by_hash(api, &arguments)?, first))
    });
    heavy(module, "engine_getPayloadBodiesByHashV2", 1, |api, arguments| {
        Ok(each(by_hash(api, &arguments)?, second))
    });
    heavy(module, "engine_getPayloadBodiesByRangeV1", 2, |api, arguments| {
        Ok(each(by_range(api, &arguments)?, first))
    });
    heavy(module, "engine_getPayloadBodiesByRangeV2", 2, |api, arguments| {
        Ok(each(by_range(api, &arguments)?, second))
    });
}

fn each<T>(blocks: Blocks, body: impl Fn(&ExecutedBlock) -> T) -> Vec<Option<T>> {
    blocks.iter().map(|block| block.as_deref().map(&body)).collect()
}

fn first(block: &ExecutedBlock) -> ExecutionPayloadBodyV1 {
    ExecutionPayloadBodyV1::from_block(block.to_block())
}

fn second(block: &ExecutedBlock) -> ExecutionPayloadBodyV2 {
    let list: Option<Bytes> = block.access_list.clone();
    ExecutionPayloadBodyV2::from_block(block.to_block(), list)
}

fn too_many(asked: u64) -> RpcResult<()> {
    if asked <= MAX_BODIES {
        return Ok(());
    }
    Err(error::engine::too_large_request(format!(
        "{asked} bodies were asked for, and at most {MAX_BODIES} are answered at once"
    )))
}

fn by_hash(api: &Api, arguments: &Arguments<'_>) -> RpcResult<Blocks> {
    let hashes: Vec<B256> = arguments.required(0)?;
    too_many(hashes.len() as u64)?;
    let engine = control(api)?;
    hashes.into_iter().map(|hash| engine.block(hash).map_err(failed)).collect()
}

/// Blocks from a number on, up to the head.
fn by_range(api: &Api, arguments: &Arguments<'_>) -> RpcResult<Blocks> {
    let Quantity(start) = arguments.required(0)?;
    let Quantity(count) = arguments.required(1)?;
    if start == 0 || count == 0 {
        return Err(error::invalid_params("start and count must be at least 1"));
    }
    too_many(count)?;
    let last = start.saturating_add(count - 1).min(api.chain.head().number());
    (start..=last).map(|number| api.chain.block(number).map_err(failed)).collect()
}
