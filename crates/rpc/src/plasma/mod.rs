//! The `plasma` namespace: what this node knows of blocks beyond what other nodes know.

mod conflicts;
mod subscribe;

use crate::{api::Api, live::Live};
use jsonrpsee::RpcModule;

pub(crate) fn register(module: &mut RpcModule<Api>, live: &Live) {
    conflicts::register(module);
    subscribe::register(module, live);
}
