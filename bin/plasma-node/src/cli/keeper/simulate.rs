//! `plasma-node keeper simulate`: an upkeep's check and perform on the state of a block, as the registry runs them.

use alloy_primitives::{B256, Bytes, U256, hex};
use clap::Args;
use eyre::{Result, bail};
use plasma_keeper::Simulation;
use serde_json::json;

use crate::cli::{rpc_client::RpcClient, units};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The upkeep's id.
    #[arg(value_parser = units::upkeep_id)]
    id: U256,
    /// The block on whose state it is simulated [default: the head].
    #[arg(long)]
    block: Option<u64>,
    /// Perform with these bytes (hexadecimal) instead of what the check answers, whether it is due or not.
    #[arg(long)]
    perform_data: Option<Bytes>,
}

/// Prints what the check answers and how a perform would end. Fails where it would fail.
pub(super) fn run(rpc: &RpcClient, args: &SimulateArgs) -> Result<()> {
    let id = B256::from(args.id);
    let block = args.block.map(|number| format!("{number:#x}"));
    let found: Simulation = rpc.call("keeper_simulate", json!([id, block, args.perform_data]))?;
    let data = hex::encode_prefixed(&found.perform_data);
    if let (Some(reason), Some(gas)) = (found.failure_reason, found.check_gas) {
        println!("check    {} ({gas} gas)", reason.sentence());
    }
    let (Some(success), Some(gas)) = (found.perform_success, found.perform_gas) else {
        if !found.perform_data.is_empty() {
            println!("revert   {data}");
        }
        return Ok(());
    };
    println!("data     {data}");
    if !success {
        bail!("a perform of {id} would fail after {gas} gas");
    }
    println!("perform  succeeds ({gas} gas of the target)");
    Ok(())
}
