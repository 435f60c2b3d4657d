//! `eth_simulateV1`: blocks that nobody made, on top of one that is sealed.
//!
//! - [`request`]: what is asked for, and the row of blocks that follows from it;
//! - [`overrides`]: accounts and precompiles that are replaced before a block;
//! - [`transaction`]: from a call to the transaction in the simulated block;
//! - [`block`]: executing one block and building its header;
//! - [`transfers`]: the logs of a call, transfers of ether among them;
//! - [`state`]: the state between two simulated blocks.
//!
//! A simulated block is complete: system calls, withdrawals and requests are executed, the state
//! root is that of the trie, and the next block names its hash.

mod block;
mod overrides;
mod request;
mod transaction;
mod transfers;

use crate::{
    api::{Api, Target, heavy},
    error::{self, RpcResult},
    exec,
    params::Arguments,
};
use alloy_eips::BlockId;
use block::Simulator;
use jsonrpsee::RpcModule;
use request::Simulation;
use serde_json::value::RawValue;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "eth_simulateV1", 2, simulate);
}

fn simulate(api: &Api, arguments: Arguments<'_>) -> RpcResult<Box<RawValue>> {
    let mut request: Simulation = arguments.required(0)?;
    let base = match api.existing(arguments.optional::<BlockId>(1)?)? {
        Target::Sealed(block) => block,
        Target::Pending(_) => {
            return Err(error::server_error(
                "blocks can be simulated on top of sealed blocks only: use \"latest\"",
            ));
        }
    };
    exec::run_until(api.config.call_timeout, || {
        let planned = request.plan(&base.header)?;
        let mut simulator = Simulator::new(api, &request, &base)?;
        let mut blocks = Vec::with_capacity(planned.len());
        for block in planned {
            blocks.push(simulator.run(block)?);
        }
        serde_json::value::to_raw_value(&blocks)
            .map_err(|reason| error::internal(format!("blocks cannot be written: {reason}")))
    })
}
