//! The Engine API, by which a consensus layer drives the chain (execution-apis, `src/engine`): all versions from Paris to
//! Osaka; those of Amsterdam are experimental, as the fork is.
//!
//! Served on the authenticated port alone, and beyond saying what this node is only where the node was told that a consensus
//! layer drives it (`--engine`).

mod blobs;
mod bodies;
mod caller;
mod forkchoice;
mod new_payload;
mod payload;
mod status;
mod version;

pub use caller::EngineCaller;
pub(crate) use payload::Envelope;

use crate::{
    api::{Api, quick},
    error::{self, RpcResult},
    params::Arguments,
};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use plasma_chain::{ChainError, EngineControl};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What every method of the namespace begins with.
const NAMESPACE: &str = "engine_";

/// What is told of [`register`]'s methods in exchange for what the other side can: all but the one that tells.
const CAPABILITIES: [&str; 23] = [
    "engine_forkchoiceUpdatedV1",
    "engine_forkchoiceUpdatedV2",
    "engine_forkchoiceUpdatedV3",
    "engine_forkchoiceUpdatedV4",
    "engine_getBlobsV1",
    "engine_getBlobsV2",
    "engine_getBlobsV3",
    IDENTIFICATION,
    "engine_getPayloadBodiesByHashV1",
    "engine_getPayloadBodiesByHashV2",
    "engine_getPayloadBodiesByRangeV1",
    "engine_getPayloadBodiesByRangeV2",
    "engine_getPayloadV1",
    "engine_getPayloadV2",
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_getPayloadV6",
    "engine_newPayloadV1",
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_newPayloadV5",
];

/// The method that says what this node is.
const IDENTIFICATION: &str = "engine_getClientVersionV1";

/// Plasma's two letters; no client has reserved them.
const CODE: &str = "PL";

/// The first four bytes of the commit, in hex, where the build was told them; else zeros.
const COMMIT: &str = match option_env!("PLASMA_COMMIT") {
    Some(commit) if commit.len() == 8 => commit,
    _ => "00000000",
};

/// `ClientVersionV1`: which program, which version of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ClientVersion {
    code: String,
    name: String,
    version: String,
    commit: String,
}

pub(crate) fn register(module: &mut RpcModule<Api>, api: &Api) {
    let driven = api.chain.engine().is_some();
    quick(module, "engine_exchangeCapabilities", 1, move |_, arguments| {
        // What the other side serves changes nothing here.
        let _theirs: Vec<String> = arguments.required(0)?;
        let ours = CAPABILITIES.into_iter().filter(|name| driven || *name == IDENTIFICATION);
        Ok(ours.collect::<Vec<_>>())
    });
    quick(module, IDENTIFICATION, 1, |_, arguments| {
        let theirs: ClientVersion = arguments.required(0)?;
        tracing::debug!(name = ?theirs.name, version = ?theirs.version, "a consensus client asks");
        Ok([ClientVersion {
            code: CODE.to_owned(),
            name: "Plasma".to_owned(),
            version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
            commit: COMMIT.to_owned(),
        }])
    });
    if !driven {
        return;
    }
    new_payload::register(module);
    forkchoice::register(module);
    payload::register(module);
    bodies::register(module);
    blobs::register(module);
}

/// Registers a method that moves the chain or builds on it: one after the other, in the order of arrival.
fn serial<T, F>(module: &mut RpcModule<Api>, name: &'static str, arguments: usize, answer: F)
where
    T: Serialize + Clone + Send + 'static,
    F: Fn(&Api, &EngineControl, Arguments<'_>) -> RpcResult<T> + Copy + Send + Sync + 'static,
{
    let registered =
        module.register_async_method(name, move |params, api: Arc<Api>, _| async move {
            let workers = api.engine_workers.clone();
            workers
                .run(move || {
                    let engine = control(&api)?;
                    answer(&api, &engine, Arguments::new(&params, arguments)?)
                })
                .await
        });
    registered.expect("each method is registered once");
}

/// What the consensus layer commands. Methods that need it exist only where one drives the chain.
fn control(api: &Api) -> RpcResult<EngineControl> {
    api.chain.engine().ok_or_else(|| error::internal("no consensus layer drives this node"))
}

/// -32603: the node itself has failed.
fn failed(reason: ChainError) -> ErrorObjectOwned {
    tracing::error!(target: "plasma::rpc", %reason, "a request of the consensus layer failed");
    error::internal(reason.to_string())
}

/// True for a method of the namespace, served or not.
pub(crate) fn is_engine(method: &str) -> bool {
    method.starts_with(NAMESPACE)
}

/// -32601 for a method of the namespace that is not served; `driven`: a consensus layer drives the chain.
pub(crate) fn not_served(method: &str, driven: bool) -> ErrorObjectOwned {
    let reason = if driven {
        "this node does not know it; engine_exchangeCapabilities tells what it serves"
    } else {
        "this node's own sequencer makes the blocks; started with --engine, it leaves that to a consensus layer"
    };
    error::error(error::METHOD_NOT_FOUND, format!("the method {method} is not available: {reason}"))
}
