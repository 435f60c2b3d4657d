//! `plasma-node keeper simulate`: an upkeep's check and perform on the state of a block, as the registry runs them.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::SolCall;
use clap::Args;
use eyre::{Result, bail};
use plasma_keeper::abi::Registry::{checkUpkeepCall, simulatePerformUpkeepCall};
use serde_json::json;

use crate::cli::{rpc_client::RpcClient, units};

/// `checkUpkeep`'s reasons, by their numbers.
const REASONS: [&str; 10] = [
    "it is due",
    "it is cancelled, or was never registered",
    "it is paused",
    "its check failed",
    "it is not needed",
    "its perform data is longer than the registry allows",
    "its balance may not cover a perform",
    "its callback failed",
    "its check failed with more data than is kept",
    "the whole registry is paused",
];

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
pub(super) fn run(rpc: &RpcClient, registry: Address, args: &SimulateArgs) -> Result<()> {
    let id = args.id;
    let block = args.block.map_or_else(|| "latest".to_owned(), |number| format!("{number:#x}"));
    let call = |data: Vec<u8>| -> Result<Bytes> {
        rpc.call("eth_call", json!([{ "to": registry, "data": Bytes::from(data) }, block]))
    };
    let data = match &args.perform_data {
        Some(data) => data.clone(),
        None => {
            let answer = call(checkUpkeepCall { id }.abi_encode())?;
            let found = checkUpkeepCall::abi_decode_returns(&answer)?;
            let reason = REASONS.get(usize::from(found.reason)).copied().unwrap_or("unknown");
            println!("check    {reason} ({} gas)", found.gasUsed);
            if !found.upkeepNeeded {
                if !found.performData.is_empty() {
                    println!("revert   {}", hex::encode_prefixed(&found.performData));
                }
                return Ok(());
            }
            found.performData
        }
    };
    println!("data     {}", hex::encode_prefixed(&data));
    let answer = call(simulatePerformUpkeepCall { id, performData: data }.abi_encode())?;
    let found = simulatePerformUpkeepCall::abi_decode_returns(&answer)?;
    if !found.success {
        bail!("a perform of {} would fail after {} gas", B256::from(id), found.gasUsed);
    }
    println!("perform  succeeds ({} gas of the target)", found.gasUsed);
    Ok(())
}
