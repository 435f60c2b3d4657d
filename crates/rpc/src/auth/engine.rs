//! The part of the `engine` namespace that says what this node is and offers (execution-apis,
//! `src/engine/common.md` and `identification.md`).

use crate::{
    api::{Api, quick},
    error,
};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use serde::{Deserialize, Serialize};

/// What every method of the namespace begins with.
const NAMESPACE: &str = "engine_";

/// The methods of the Engine API that are served, the one that tells them left out, as its page says.
const CAPABILITIES: [&str; 1] = ["engine_getClientVersionV1"];

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

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "engine_exchangeCapabilities", 1, |_, arguments| {
        // What the other side serves changes nothing here.
        let _theirs: Vec<String> = arguments.required(0)?;
        Ok(CAPABILITIES)
    });
    quick(module, "engine_getClientVersionV1", 1, |_, arguments| {
        let theirs: ClientVersion = arguments.required(0)?;
        tracing::debug!(name = ?theirs.name, version = ?theirs.version, "a consensus client asks");
        Ok([ClientVersion {
            code: CODE.to_owned(),
            name: "Plasma".to_owned(),
            version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
            commit: COMMIT.to_owned(),
        }])
    });
}

/// True for a method of the namespace, served or not.
pub(crate) fn is_engine(method: &str) -> bool {
    method.starts_with(NAMESPACE)
}

/// -32601 for a method of the namespace that is not served.
pub(crate) fn not_served(method: &str) -> ErrorObjectOwned {
    error::error(
        error::METHOD_NOT_FOUND,
        format!(
            "the method {method} is not available: this node's own sequencer makes the blocks, \
             and the Engine API is not served yet"
        ),
    )
}
