//! `plasma-node explain`: why a block takes its time and why a contract does not scale, from a
//! running node.

mod block;
mod contract;
mod keys;
mod layout;
mod names;
mod table;

use super::rpc_client::RpcClient;
use alloy_primitives::{B256, U64};
use clap::{Args, Subcommand};
use eyre::Result;
use plasma_chain::explain::Explanation;
use serde::{Deserialize, Deserializer};

/// Arguments of `plasma-node explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The node's JSON-RPC address.
    #[arg(long, global = true, env = "PLASMA_RPC_URL", default_value = "http://127.0.0.1:8545")]
    rpc: String,
    /// Print JSON rather than text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ExplainCommand,
}

#[derive(Debug, Subcommand)]
enum ExplainCommand {
    /// What the transactions of a block waited for.
    Block(block::BlockArgs),
    /// Which storage of a contract makes transactions wait.
    Contract(contract::ContractArgs),
}

/// The answer of `plasma_getBlockConflicts`, as far as it is the same for every block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockAnswer {
    #[serde(deserialize_with = "quantity")]
    block_number: u64,
    transactions: Vec<B256>,
    explanation: Explanation,
}

/// A hexadecimal quantity of JSON-RPC.
fn quantity<'de, D: Deserializer<'de>>(text: D) -> Result<u64, D::Error> {
    U64::deserialize(text).map(|number| number.to())
}

/// Runs an explain command.
pub(crate) fn run(args: &ExplainArgs) -> Result<()> {
    let rpc = RpcClient::new(&args.rpc);
    match &args.command {
        ExplainCommand::Block(block) => block::explain(&rpc, block, args.json),
        ExplainCommand::Contract(contract) => contract::explain(&rpc, contract, args.json),
    }
}

/// How many times as fast as one by one, at most.
fn times(work: u64, path: u64) -> String {
    let limit = if path == 0 { 1.0 } else { work as f64 / path as f64 };
    format!("{limit:.1}x")
}

/// A share of a whole in percent, rounded down so that 100% means all.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0%".to_owned();
    }
    let percent = u128::from(part) * 100 / u128::from(whole);
    if percent == 0 { "<1%".to_owned() } else { format!("{percent}%") }
}
