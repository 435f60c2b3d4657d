//! The `eth` namespace.

pub(crate) mod access_lists;
pub(crate) mod blocks;
pub(crate) mod call_many;
pub(crate) mod calls;
mod config;
pub(crate) mod fees;
pub(crate) mod fill;
pub(crate) mod filters;
pub(crate) mod info;
pub(crate) mod logs;
mod simulate;
pub(crate) mod state;
pub(crate) mod submit;
pub(crate) mod subscribe;
pub(crate) mod transactions;

use crate::{api::Api, live::Live};
use jsonrpsee::RpcModule;

/// All `eth` methods except those of developers' mode.
pub(crate) fn module(api: &Api, live: &Live) -> RpcModule<Api> {
    let mut module = RpcModule::new(api.clone());
    info::register(&mut module);
    config::register(&mut module);
    blocks::register(&mut module);
    access_lists::register(&mut module);
    transactions::register(&mut module);
    state::register(&mut module);
    calls::register(&mut module);
    simulate::register(&mut module);
    fees::register(&mut module);
    fill::register(&mut module);
    logs::register(&mut module);
    filters::register(&mut module);
    submit::register(&mut module);
    subscribe::register(&mut module, live);
    module
}
