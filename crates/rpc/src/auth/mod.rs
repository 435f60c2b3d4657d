//! The authenticated port, as the Engine API's specification describes it: the `eth`, `net` and
//! `web3` methods and the Engine API, for whoever knows the secret of a file.
//!
//! Invariants:
//! - No request reaches a method without a fresh token that was signed with the secret; over
//!   WebSocket the handshake needs it.
//! - Developers' methods and the node's own keys are not served here, whatever the chain allows.
//! - The secret is in no message, no log line and no `Debug` output.

mod gate;
mod secret;

pub(crate) use gate::TokenGate;
pub(crate) use secret::JwtSecret;

use crate::{RpcError, api::Api, engine, eth, live::Live, modules, net};
use jsonrpsee::{Methods, RpcModule};

/// The methods of the authenticated port.
///
/// # Errors
/// [`RpcError::Conflict`] where a method is registered twice.
pub(crate) fn methods(api: &Api, live: &Live) -> Result<Methods, RpcError> {
    let mut module: RpcModule<Api> = eth::module(api, live);
    net::register(&mut module);
    engine::register(&mut module, api);
    let mut methods = Methods::from(module);
    let mut last = RpcModule::new(api.clone());
    modules::register(&mut last, &methods);
    methods.merge(last).map_err(|reason| RpcError::Conflict(reason.to_string()))?;
    Ok(methods)
}
