//! `engine_forkchoiceUpdated`: which block is the head, and what to build on it.

use super::{control, failed, serial, status::PayloadStatus, version::Fork};
use crate::{
    api::Api,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B64, B256, keccak256};
use alloy_rpc_types_engine::PayloadAttributes;
use jsonrpsee::RpcModule;
use plasma_chain::{
    EngineControl, ExecutedBlock, Forkchoice, ForkchoiceVerdict, PayloadId, PayloadRequest,
};
use serde::{Deserialize, Serialize};

/// `ForkchoiceStateV1`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    head_block_hash: B256,
    safe_block_hash: B256,
    finalized_block_hash: B256,
}

/// The answer of all versions.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    payload_status: PayloadStatus,
    payload_id: Option<PayloadId>,
}

/// A version of the method: its number, its name, the forks of the blocks that it can ask for.
#[derive(Clone, Copy)]
struct Version {
    number: u8,
    name: &'static str,
    first: Fork,
    last: Fork,
}

const V1: Version = Version {
    number: 1,
    name: "engine_forkchoiceUpdatedV1",
    first: Fork::Paris,
    last: Fork::Paris,
};
const V2: Version = Version {
    number: 2,
    name: "engine_forkchoiceUpdatedV2",
    first: Fork::Paris,
    last: Fork::Shanghai,
};
const V3: Version = Version {
    number: 3,
    name: "engine_forkchoiceUpdatedV3",
    first: Fork::Cancun,
    last: Fork::Osaka,
};
const V4: Version = Version {
    number: 4,
    name: "engine_forkchoiceUpdatedV4",
    first: Fork::Amsterdam,
    last: Fork::Amsterdam,
};

pub(super) fn register(module: &mut RpcModule<Api>) {
    serial(module, V1.name, 2, |api, engine, arguments| update(api, engine, &arguments, V1));
    serial(module, V2.name, 2, |api, engine, arguments| update(api, engine, &arguments, V2));
    serial(module, V3.name, 2, |api, engine, arguments| update(api, engine, &arguments, V3));
    serial(module, V4.name, 2, |api, engine, arguments| update(api, engine, &arguments, V4));
}

fn update(
    api: &Api,
    engine: &EngineControl,
    arguments: &Arguments<'_>,
    version: Version,
) -> RpcResult<Updated> {
    let state: State = arguments.required(0)?;
    let attributes: Option<PayloadAttributes> = arguments.optional(1)?;
    let named = Forkchoice {
        head: state.head_block_hash,
        safe: state.safe_block_hash,
        finalized: state.finalized_block_hash,
    };
    let without_payload = |payload_status| Ok(Updated { payload_status, payload_id: None });
    let head = match engine.forkchoice_updated(named).map_err(failed)? {
        ForkchoiceVerdict::Head(head) => head,
        ForkchoiceVerdict::Old(block) => return without_payload(PayloadStatus::valid(block.hash)),
        ForkchoiceVerdict::Syncing => return without_payload(PayloadStatus::syncing()),
        ForkchoiceVerdict::Invalid(verdict) => {
            return without_payload(PayloadStatus::of(verdict, named.head));
        }
        ForkchoiceVerdict::Inconsistent(reason) => {
            return Err(error::engine::invalid_forkchoice_state(reason));
        }
        ForkchoiceVerdict::TooDeep(reason) => return Err(error::engine::too_deep_reorg(reason)),
    };
    // The head has moved, whatever is wrong with the attributes (paris.md, specification 8).
    let payload_id = match attributes {
        None => None,
        Some(attributes) => {
            check(api, &head, &attributes, version)?;
            let id = payload_id(&head, &attributes, version);
            control(api)?.begin_payload(id, request(attributes)).map_err(failed)?;
            Some(id)
        }
    };
    Ok(Updated { payload_status: PayloadStatus::valid(head.hash), payload_id })
}

fn check(
    api: &Api,
    head: &ExecutedBlock,
    attributes: &PayloadAttributes,
    version: Version,
) -> RpcResult<()> {
    let refuse = |reason: String| Err(error::engine::invalid_payload_attributes(reason));
    let fork = Fork::at(api, attributes.timestamp);
    let members = [
        (
            "parentBeaconBlockRoot",
            attributes.parent_beacon_block_root.is_some(),
            version.number >= 3,
        ),
        ("slotNumber", attributes.slot_number.is_some(), version.number >= 4),
    ];
    for (name, there, wanted) in members {
        if there != wanted {
            let words = if wanted { "must be given" } else { "must not be given" };
            return refuse(format!("{name} {words} to {}", version.name));
        }
    }
    if version.number == 1 && attributes.withdrawals.is_some() {
        return refuse(format!("withdrawals must not be given to {}", version.name));
    }
    fork.within(version.name, version.first, version.last)?;
    if version.number > 1 && attributes.withdrawals.is_some() != (fork >= Fork::Shanghai) {
        return refuse("a block has withdrawals from Shanghai on, and none before".to_owned());
    }
    if attributes.timestamp <= head.header.timestamp {
        return refuse(format!(
            "the timestamp {} is not after the head's, {}",
            attributes.timestamp, head.header.timestamp
        ));
    }
    Ok(())
}

fn request(attributes: PayloadAttributes) -> PayloadRequest {
    PayloadRequest {
        timestamp: attributes.timestamp,
        prev_randao: attributes.prev_randao,
        fee_recipient: attributes.suggested_fee_recipient,
        withdrawals: attributes.withdrawals.map(Withdrawals::new),
        parent_beacon_block_root: attributes.parent_beacon_block_root,
        slot_number: attributes.slot_number,
        gas_limit_target: attributes.target_gas_limit,
    }
}

/// Names the payload with these attributes on `head`: equal ones alike, others apart. Its first byte is the version.
fn payload_id(head: &ExecutedBlock, attributes: &PayloadAttributes, version: Version) -> B64 {
    let mut parts = head.hash.to_vec();
    parts.extend(attributes.timestamp.to_be_bytes());
    parts.extend(attributes.prev_randao);
    parts.extend(attributes.suggested_fee_recipient);
    for optional in [attributes.slot_number, attributes.target_gas_limit] {
        parts.push(u8::from(optional.is_some()));
        parts.extend(optional.unwrap_or_default().to_be_bytes());
    }
    parts.extend(attributes.parent_beacon_block_root.unwrap_or_default());
    let withdrawals = attributes.withdrawals.as_ref();
    parts.extend(withdrawals.map(alloy_rlp::encode).unwrap_or_default());
    let mut id = B64::from_slice(&keccak256(parts)[..8]);
    id[0] = version.number;
    id
}
