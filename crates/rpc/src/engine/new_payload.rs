//! `engine_newPayload`: a block that the consensus layer brings.

use super::{failed, serial, status::PayloadStatus, version::Fork};
use crate::{
    api::Api,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_consensus::{Block, Transaction as _};
use alloy_eips::{eip2718::Decodable2718, eip7685::Requests};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{
    CancunPayloadFields, ExecutionPayload, ExecutionPayloadInputV2, ExecutionPayloadSidecar,
    ExecutionPayloadV1, ExecutionPayloadV3, ExecutionPayloadV4, PraguePayloadFields,
};
use jsonrpsee::RpcModule;
use plasma_chain::EngineControl;
use plasma_storage::Transaction;

/// A payload with what comes beside it.
struct Given {
    payload: ExecutionPayload,
    sidecar: ExecutionPayloadSidecar,
    /// Whether the first version of the method was called.
    first_version: bool,
}

pub(super) fn register(module: &mut RpcModule<Api>) {
    serial(module, "engine_newPayloadV1", 1, |_, engine, arguments| {
        let payload: ExecutionPayloadV1 = arguments.required(0)?;
        let payload = ExecutionPayload::V1(payload);
        take(
            engine,
            Given { payload, sidecar: ExecutionPayloadSidecar::none(), first_version: true },
        )
    });
    serial(module, "engine_newPayloadV2", 1, |api, engine, arguments| {
        let payload: ExecutionPayloadInputV2 = arguments.required(0)?;
        let fork = Fork::at(api, payload.execution_payload.timestamp);
        fork.within("engine_newPayloadV2", Fork::Paris, Fork::Shanghai)?;
        if payload.withdrawals.is_some() != (fork == Fork::Shanghai) {
            return Err(error::invalid_params(
                "a payload has withdrawals from Shanghai on, and none before",
            ));
        }
        take(
            engine,
            Given {
                payload: payload.into_payload(),
                sidecar: ExecutionPayloadSidecar::none(),
                first_version: false,
            },
        )
    });
    serial(module, "engine_newPayloadV3", 3, |api, engine, arguments| {
        let payload: ExecutionPayloadV3 = arguments.required(0)?;
        let cancun = cancun(&arguments)?;
        let fork = Fork::at(api, payload.timestamp());
        fork.within("engine_newPayloadV3", Fork::Cancun, Fork::Cancun)?;
        let sidecar = ExecutionPayloadSidecar::v3(cancun);
        take(
            engine,
            Given { payload: ExecutionPayload::V3(payload), sidecar, first_version: false },
        )
    });
    serial(module, "engine_newPayloadV4", 4, |api, engine, arguments| {
        let payload: ExecutionPayloadV3 = arguments.required(0)?;
        let sidecar = prague(&arguments)?;
        let fork = Fork::at(api, payload.timestamp());
        fork.within("engine_newPayloadV4", Fork::Prague, Fork::Osaka)?;
        take(
            engine,
            Given { payload: ExecutionPayload::V3(payload), sidecar, first_version: false },
        )
    });
    serial(module, "engine_newPayloadV5", 4, |api, engine, arguments| {
        let payload: ExecutionPayloadV4 = arguments.required(0)?;
        let sidecar = prague(&arguments)?;
        let fork = Fork::at(api, payload.timestamp());
        fork.within("engine_newPayloadV5", Fork::Amsterdam, Fork::Amsterdam)?;
        take(
            engine,
            Given { payload: ExecutionPayload::V4(payload), sidecar, first_version: false },
        )
    });
}

fn cancun(arguments: &Arguments<'_>) -> RpcResult<CancunPayloadFields> {
    let versioned_hashes: Vec<B256> = arguments.required(1)?;
    Ok(CancunPayloadFields::new(arguments.required(2)?, versioned_hashes))
}

fn prague(arguments: &Arguments<'_>) -> RpcResult<ExecutionPayloadSidecar> {
    let requests: Vec<Bytes> = arguments.required(3)?;
    check_requests(&requests)?;
    let prague = PraguePayloadFields::new(Requests::new(requests));
    Ok(ExecutionPayloadSidecar::v4(cancun(arguments)?, prague))
}

/// EIP-7685: each request is its type and what it says, types rise, and none is empty.
fn check_requests(requests: &[Bytes]) -> RpcResult<()> {
    let mut last = None;
    for (index, request) in requests.iter().enumerate() {
        if request.len() < 2 {
            return Err(error::invalid_params(format!("execution request {index} is empty")));
        }
        let kind = Some(request[0]);
        if kind <= last {
            return Err(error::invalid_params(format!(
                "execution request {index} has type {}, which does not rise",
                request[0]
            )));
        }
        last = kind;
    }
    Ok(())
}

fn take(engine: &EngineControl, given: Given) -> RpcResult<PayloadStatus> {
    let Given { payload, sidecar, first_version } = given;
    let (stated, parent) = (payload.block_hash(), payload.parent_hash());
    let access_list = payload.block_access_list().cloned();
    // The hash is checked on the transactions as they came: so it covers even what cannot be decoded.
    let raw: Block<Bytes> = match payload.into_block_with_sidecar_raw(&sidecar) {
        Ok(raw) => raw,
        Err(reason) => return Ok(PayloadStatus::invalid(reason.to_string())),
    };
    let found = raw.header.hash_slow();
    if found != stated {
        return Ok(PayloadStatus::wrong_hash(stated, found, first_version));
    }
    let mut index = 0;
    let decoded = raw.try_map_transactions(|bytes| {
        let transaction = Transaction::decode_2718_exact(bytes.as_ref());
        index += 1;
        transaction
            .map_err(|reason| format!("transaction {} cannot be decoded: {reason}", index - 1))
    });
    let block = match decoded {
        Ok(block) => block,
        Err(reason) => {
            let verdict = engine.undecodable(stated, parent, reason).map_err(failed)?;
            return Ok(PayloadStatus::of(verdict, stated));
        }
    };
    if let Some(expected) = sidecar.versioned_hashes() {
        let transactions = block.body.transactions.iter();
        let found = transactions.flat_map(|tx| tx.blob_versioned_hashes().unwrap_or_default());
        if !found.eq(expected) {
            // The hash of the block does not cover what was expected.
            return Ok(PayloadStatus::invalid(
                "the blobs of the block are not those that were expected",
            ));
        }
    }
    let verdict = engine.new_payload(block, stated, access_list).map_err(failed)?;
    Ok(PayloadStatus::of(verdict, stated))
}
