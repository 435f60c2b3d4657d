//! `engine_getPayload`: a block that the consensus layer has asked for.

use super::{failed, serial, version::Fork};
use crate::{
    api::Api,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_consensus::Block;
use alloy_eips::{
    eip4844::{Blob, Bytes48, c_kzg::ethereum_kzg_settings},
    eip7594::BlobTransactionSidecarVariant,
    eip7685::Requests,
};
use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_engine::{
    ExecutionPayload, ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3,
    ExecutionPayloadV4,
};
use jsonrpsee::RpcModule;
use plasma_chain::{BuiltPayload, EngineControl, PayloadId};
use plasma_storage::Transaction;
use serde::Serialize;
use std::sync::Arc;

/// What is given for a payload beside it, by the version of the method.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    execution_payload: Payload,
    block_value: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs_bundle: Option<BlobsBundle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    should_override_builder: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_requests: Option<Requests>,
}

impl Envelope {
    /// All that can be told of a block: what is paid for it, its blobs, its requests. `cells`: with proofs per cell, whatever
    /// its transactions came with.
    pub(crate) fn new(
        block: &Block<Transaction>,
        hash: B256,
        access_list: Option<Bytes>,
        block_value: U256,
        sidecars: &[Arc<BlobTransactionSidecarVariant>],
        cells: bool,
        requests: Requests,
    ) -> RpcResult<Self> {
        Ok(Self {
            execution_payload: Payload::of(block, hash, access_list),
            block_value,
            blobs_bundle: Some(blobs_bundle(sidecars, cells)?),
            should_override_builder: Some(false),
            execution_requests: Some(requests),
        })
    }
}

/// The payload in the version that its block's fork has.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Payload {
    V1(ExecutionPayloadV1),
    V2(ExecutionPayloadV2),
    V3(ExecutionPayloadV3),
    V4(Box<ExecutionPayloadV4>),
}

impl Payload {
    fn of(block: &Block<Transaction>, hash: B256, access_list: Option<Bytes>) -> Self {
        let (payload, _) = match access_list {
            Some(list) => ExecutionPayload::from_block_unchecked_with_bal(hash, block, list),
            None => ExecutionPayload::from_block_unchecked(hash, block),
        };
        match payload {
            ExecutionPayload::V1(payload) => Self::V1(payload),
            ExecutionPayload::V2(payload) => Self::V2(payload),
            ExecutionPayload::V3(payload) => Self::V3(payload),
            ExecutionPayload::V4(payload) => Self::V4(Box::new(payload)),
        }
    }
}

/// `BlobsBundleV1`, with one proof per blob, or `BlobsBundleV2`, with one per cell.
#[derive(Clone, Debug, Default, Serialize)]
struct BlobsBundle {
    commitments: Vec<Bytes48>,
    proofs: Vec<Bytes48>,
    blobs: Vec<Blob>,
}

pub(super) fn register(module: &mut RpcModule<Api>) {
    serial(module, "engine_getPayloadV1", 1, |api, engine, arguments| {
        let built =
            built(api, engine, &arguments, "engine_getPayloadV1", Fork::Paris, Fork::Paris)?;
        Ok(payload(&built))
    });
    serial(module, "engine_getPayloadV2", 1, |api, engine, arguments| {
        let name = "engine_getPayloadV2";
        let built = built(api, engine, &arguments, name, Fork::Paris, Fork::Shanghai)?;
        Ok(bare(&built))
    });
    serial(module, "engine_getPayloadV3", 1, |api, engine, arguments| {
        let name = "engine_getPayloadV3";
        let built = built(api, engine, &arguments, name, Fork::Cancun, Fork::Cancun)?;
        Ok(Envelope { execution_requests: None, ..with_requests(&built, false)? })
    });
    serial(module, "engine_getPayloadV4", 1, |api, engine, arguments| {
        let name = "engine_getPayloadV4";
        let built = built(api, engine, &arguments, name, Fork::Prague, Fork::Prague)?;
        with_requests(&built, false)
    });
    serial(module, "engine_getPayloadV5", 1, |api, engine, arguments| {
        let name = "engine_getPayloadV5";
        let built = built(api, engine, &arguments, name, Fork::Osaka, Fork::Osaka)?;
        with_requests(&built, true)
    });
    serial(module, "engine_getPayloadV6", 1, |api, engine, arguments| {
        let name = "engine_getPayloadV6";
        let built = built(api, engine, &arguments, name, Fork::Amsterdam, Fork::Amsterdam)?;
        with_requests(&built, true)
    });
}

fn built(
    api: &Api,
    engine: &EngineControl,
    arguments: &Arguments<'_>,
    method: &str,
    first: Fork,
    last: Fork,
) -> RpcResult<Arc<BuiltPayload>> {
    let id: PayloadId = arguments.required(0)?;
    let built = engine.finish_payload(id).map_err(failed)?;
    let built = built.ok_or_else(|| {
        error::engine::unknown_payload(format!("no payload {id} is under construction"))
    })?;
    Fork::at(api, built.block.header.timestamp).within(method, first, last)?;
    Ok(built)
}

fn payload(built: &BuiltPayload) -> Payload {
    Payload::of(&built.block.to_block(), built.block.hash, built.block.access_list.clone())
}

fn bare(built: &BuiltPayload) -> Envelope {
    Envelope {
        execution_payload: payload(built),
        block_value: built.value,
        blobs_bundle: None,
        should_override_builder: None,
        execution_requests: None,
    }
}

fn with_requests(built: &BuiltPayload, cells: bool) -> RpcResult<Envelope> {
    let block = &built.block;
    Envelope::new(
        &block.to_block(),
        block.hash,
        block.access_list.clone(),
        built.value,
        &built.sidecars,
        cells,
        built.requests.clone(),
    )
}

/// The blobs of a block's transactions, in order, with a proof per blob or, for `cells`, per cell.
fn blobs_bundle(
    sidecars: &[Arc<BlobTransactionSidecarVariant>],
    cells: bool,
) -> RpcResult<BlobsBundle> {
    let mut bundle = BlobsBundle::default();
    for sidecar in sidecars {
        // What came before the fork that demands the other proofs.
        let mut sidecar = BlobTransactionSidecarVariant::clone(sidecar);
        if cells && matches!(sidecar, BlobTransactionSidecarVariant::Eip4844(_)) {
            let settings = ethereum_kzg_settings(0);
            let unproven = |reason| error::internal(format!("blobs cannot be proven: {reason}"));
            sidecar = sidecar.try_convert_into_eip7594_with_settings(settings).map_err(unproven)?;
        }
        bundle.commitments.extend_from_slice(sidecar.commitments());
        bundle.blobs.extend_from_slice(sidecar.blobs());
        match sidecar {
            BlobTransactionSidecarVariant::Eip4844(one) => bundle.proofs.extend(&one.proofs),
            BlobTransactionSidecarVariant::Eip7594(many) => bundle.proofs.extend(&many.cell_proofs),
        }
    }
    Ok(bundle)
}
