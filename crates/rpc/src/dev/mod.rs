//! What development nodes add: `evm_*`, `hardhat_*` and `anvil_*`.
//!
//! One handler serves all names of a command. Where the two nodes word an answer differently, the
//! name decides: a command done answers `null` under `anvil_*` and `true` elsewhere, as Hardhat's
//! node does.
//!
//! Invariant: nothing here is registered unless the chain was started for development.

mod aliases;
mod blobs;
pub(crate) mod console;
mod dump;
mod erc20;
#[cfg(test)]
pub(crate) mod harness;
mod info;
mod mining;
mod pool;
mod refused;
mod state;

#[cfg(test)]
mod compat_tests;
#[cfg(test)]
mod tests;

use crate::{
    api::Api,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_primitives::{B256, map::HashMap};
pub(crate) use blobs::KeptBlobs;
use jsonrpsee::RpcModule;
use parking_lot::Mutex;
use plasma_chain::{ChainError, DevControl};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::sync::{Arc, atomic::Ordering};

/// What the commands remember between calls.
#[derive(Debug)]
pub(crate) struct DevContext {
    /// Names this run of the chain: Hardhat's plugins forget what they know when it changes.
    instance: Mutex<B256>,
    /// Block number and hash at each snapshot, for `anvil_metadata`.
    snapshots: Mutex<HashMap<u64, (u64, B256)>>,
    /// Changes that read the state first hold this until they have written it.
    writing: Mutex<()>,
}

impl Default for DevContext {
    fn default() -> Self {
        Self {
            instance: Mutex::new(B256::random()),
            snapshots: Mutex::default(),
            writing: Mutex::default(),
        }
    }
}

/// Adds the commands to `module`, if the chain of `api` takes them.
pub(crate) fn register(module: &mut RpcModule<Api>, api: &Api) {
    if api.chain.dev().is_none() {
        return;
    }
    let context = Arc::new(DevContext::default());
    let mut commands = Commands { module, context };
    mining::register(&mut commands);
    state::register(&mut commands);
    dump::register(&mut commands);
    pool::register(&mut commands);
    info::register(&mut commands);
    erc20::register(&mut commands);
    blobs::register(&mut commands);
    refused::register(&mut commands);
    aliases::register(module);
}

/// Registers commands under all their names.
struct Commands<'a> {
    module: &'a mut RpcModule<Api>,
    context: Arc<DevContext>,
}

/// One call of a command.
struct Call<'a> {
    api: &'a Api,
    dev: &'a DevControl,
    context: &'a DevContext,
    arguments: Arguments<'a>,
    /// The name under which the command was called.
    name: &'static str,
}

impl Call<'_> {
    fn is_anvil(&self) -> bool {
        self.name.starts_with("anvil_")
    }

    /// A line in the node's log, unless the developer has turned them off.
    fn log(&self, what: std::fmt::Arguments<'_>) {
        if self.api.dev_logging.load(Ordering::Relaxed) {
            tracing::info!(target: "plasma::dev", method = self.name, "{what}");
        }
    }
}

impl Commands<'_> {
    /// Registers a command that answers something, under each of `names`.
    fn query<T, F>(&mut self, names: &[&'static str], arguments: usize, answer: F)
    where
        T: Serialize,
        F: Fn(&Call<'_>) -> RpcResult<T> + Copy + Send + Sync + 'static,
    {
        for &name in names {
            let context = self.context.clone();
            let registered =
                self.module.register_async_method(name, move |params, api: Arc<Api>, _| {
                    let context = context.clone();
                    async move {
                        let workers = api.workers.clone();
                        let job = move || {
                            let dev =
                                api.chain.dev().ok_or_else(|| error::method_not_found(name))?;
                            let arguments = Arguments::new(&params, arguments)?;
                            let call = Call { api: &api, dev, context: &context, arguments, name };
                            raw(&answer(&call)?)
                        };
                        workers.run(job).await
                    }
                });
            registered.expect("each method is registered once");
        }
    }

    /// Registers a command that is done or fails: `null` under `anvil_*`, else `true`.
    fn command<F>(&mut self, names: &[&'static str], arguments: usize, run: F)
    where
        F: Fn(&Call<'_>) -> RpcResult<()> + Copy + Send + Sync + 'static,
    {
        self.query(names, arguments, move |call| {
            run(call)?;
            Ok(if call.is_anvil() { Value::Null } else { Value::Bool(true) })
        });
    }
}

fn raw<T: Serialize>(value: &T) -> RpcResult<Box<RawValue>> {
    serde_json::value::to_raw_value(value)
        .map_err(|failure| error::internal(format!("an answer cannot be written: {failure}")))
}

/// A refusal by the chain is the developer's mistake: Hardhat's and anvil's code for it.
fn refused_by_chain(source: ChainError) -> jsonrpsee::types::ErrorObjectOwned {
    match source {
        ChainError::Refused(reason) => error::invalid_params(reason),
        other => error::from_chain(other),
    }
}
