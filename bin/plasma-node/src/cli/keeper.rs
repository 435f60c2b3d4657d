//! `plasma-node keeper`: upkeeps from the command line, over a running node's JSON-RPC.

mod audit;
mod debug;
mod list;
mod register;
mod simulate;
mod watch;

use super::{
    rpc_client::RpcClient,
    signer::{Signer, SignerArgs},
    units,
};
use alloy_primitives::{Address, U256, aliases::U96, ruint::UintTryFrom as _};
use alloy_sol_types::{SolCall, sol};
use clap::{Args, Subcommand};
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};

sol! {
    interface Registry {
        function addFunds(uint256 id, uint96 amount) external payable;
        function pauseUpkeep(uint256 id) external;
        function unpauseUpkeep(uint256 id) external;
        function cancelUpkeep(uint256 id) external;
        function withdrawFunds(uint256 id, address to) external;
        function collect(uint256[] ids, address lane) external;
    }
}

/// Arguments of `plasma-node keeper`.
#[derive(Debug, Args)]
pub(crate) struct KeeperArgs {
    /// The node's JSON-RPC address.
    #[arg(long, global = true, env = "PLASMA_RPC_URL", default_value = "http://127.0.0.1:8545")]
    rpc: String,
    #[command(subcommand)]
    command: KeeperCommand,
}

#[derive(Debug, Subcommand)]
enum KeeperCommand {
    /// Register an upkeep, and fund it where asked.
    Register(Box<register::RegisterArgs>),
    /// List registered upkeeps, in order of registration.
    List(list::ListArgs),
    /// Show one upkeep.
    Show(UpkeepArgs),
    /// Stop an upkeep for a while.
    Pause(SendArgs),
    /// Let a paused upkeep go on.
    Unpause(SendArgs),
    /// End an upkeep for good.
    Cancel(SendArgs),
    /// Give an upkeep money for its performs.
    Fund(FundArgs),
    /// Take the rest of a cancelled upkeep's money out.
    Withdraw(WithdrawArgs),
    /// Have a keeper account paid what performs of upkeeps owe.
    Collect(CollectArgs),
    /// Show what the keeper decided.
    History(watch::HistoryArgs),
    /// Show what the keeper decides, as blocks come.
    Watch(watch::WatchArgs),
    /// Run an upkeep's check and perform without sending anything.
    Simulate(simulate::SimulateArgs),
    /// Say why an upkeep was performed or not, and what to do.
    Debug(UpkeepArgs),
    /// Hold what the keeper decided against state and receipts.
    Audit(audit::AuditArgs),
}

#[derive(Debug, Args)]
struct UpkeepArgs {
    /// The upkeep's id.
    #[arg(value_parser = units::upkeep_id)]
    id: U256,
}

#[derive(Debug, Args)]
struct SendArgs {
    #[command(flatten)]
    upkeep: UpkeepArgs,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
struct FundArgs {
    #[command(flatten)]
    send: SendArgs,
    /// Amount in ether.
    #[arg(value_parser = units::ether)]
    amount: U256,
}

#[derive(Debug, Args)]
struct WithdrawArgs {
    #[command(flatten)]
    send: SendArgs,
    /// Where the money goes [default: the sender].
    #[arg(long)]
    to: Option<Address>,
}

#[derive(Debug, Args)]
struct CollectArgs {
    /// The keeper account that is paid; it must be authorised in the registry.
    lane: Address,
    /// The upkeeps' ids.
    #[arg(required = true, value_parser = units::upkeep_id)]
    ids: Vec<U256>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Runs a keeper command.
pub(crate) fn run(args: KeeperArgs) -> Result<()> {
    let rpc = RpcClient::new(&args.rpc);
    match args.command {
        KeeperCommand::Register(args) => register::run(&rpc, &args),
        KeeperCommand::List(args) => list::run(&rpc, &args),
        KeeperCommand::Show(args) => show(&rpc, args.id),
        KeeperCommand::Pause(args) => {
            let call = Registry::pauseUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args.signer.signer()?, "paused", call.abi_encode())
        }
        KeeperCommand::Unpause(args) => {
            let call = Registry::unpauseUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args.signer.signer()?, "goes on", call.abi_encode())
        }
        KeeperCommand::Cancel(args) => {
            let call = Registry::cancelUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args.signer.signer()?, "cancelled", call.abi_encode())
        }
        KeeperCommand::Fund(args) => {
            let signer = args.send.signer.signer()?;
            fund(&rpc, &signer, registry(&rpc)?, args.send.upkeep.id, args.amount)
        }
        KeeperCommand::Withdraw(args) => withdraw(&rpc, &args),
        KeeperCommand::Collect(CollectArgs { lane, ids, signer }) => {
            let call = Registry::collectCall { ids, lane };
            send(&rpc, &signer.signer()?, "collected", call.abi_encode())
        }
        KeeperCommand::History(args) => watch::history(&rpc, &args),
        KeeperCommand::Watch(args) => watch::watch(&rpc, &args),
        KeeperCommand::Simulate(args) => simulate::run(&rpc, &args),
        KeeperCommand::Debug(args) => debug::run(&rpc, registry(&rpc)?, args.id),
        KeeperCommand::Audit(args) => audit::run(&rpc, registry(&rpc)?, &args),
    }
}

/// The registry's address, from the node.
fn registry(rpc: &RpcClient) -> Result<Address> {
    let stats: Value = rpc.call("keeper_stats", json!([]))?;
    serde_json::from_value(stats["registry"].clone()).map_err(|_| eyre!("this node runs no keeper"))
}

fn fund(rpc: &RpcClient, signer: &Signer, registry: Address, id: U256, amount: U256) -> Result<()> {
    let call = Registry::addFundsCall {
        id,
        amount: U96::uint_try_from(amount).map_err(|_| eyre!("the amount is above 2^96 wei"))?,
    };
    signer.send(rpc, registry, amount, call.abi_encode().into())?;
    eprintln!("funded with {} ETH", alloy_primitives::utils::format_ether(amount));
    Ok(())
}

fn send(rpc: &RpcClient, signer: &Signer, done: &str, input: Vec<u8>) -> Result<()> {
    let receipt = signer.send(rpc, registry(rpc)?, U256::ZERO, input.into())?;
    eprintln!("{done} (transaction {})", receipt["transactionHash"].as_str().unwrap_or("?"));
    Ok(())
}

fn withdraw(rpc: &RpcClient, args: &WithdrawArgs) -> Result<()> {
    let signer = args.send.signer.signer()?;
    let call = Registry::withdrawFundsCall {
        id: args.send.upkeep.id,
        to: args.to.unwrap_or(signer.address),
    };
    send(rpc, &signer, "withdrawn", call.abi_encode())
}

fn show(rpc: &RpcClient, id: U256) -> Result<()> {
    let upkeep: Value = rpc.call("keeper_get", json!([id]))?;
    if upkeep.is_null() {
        bail!("no upkeep {id:#x} is registered");
    }
    println!("{}", serde_json::to_string_pretty(&upkeep)?);
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
