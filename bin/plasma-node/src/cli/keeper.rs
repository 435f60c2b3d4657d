//! `plasma-node keeper`: upkeeps from the command line, over a running node's JSON-RPC.

mod audit;
mod debug;
mod list;
mod simulate;
mod watch;

use super::{
    rpc_client::RpcClient,
    signer::{Signer, SignerArgs},
    units,
};
use alloy_primitives::{
    Address, B256, Bytes, U256, aliases::U96, hex, keccak256, ruint::UintTryFrom as _,
};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use clap::{Args, Subcommand, ValueEnum};
use eyre::{Result, bail, eyre};
use plasma_keeper::Schedule;
use serde_json::{Value, json};

sol! {
    interface Registry {
        event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);

        function registerUpkeep(
            address target,
            uint32 gasLimit,
            address admin,
            uint8 triggerType,
            bytes checkData,
            bytes triggerConfig,
            bytes offchainConfig
        ) external returns (uint256 id);
        function addFunds(uint256 id, uint96 amount) external payable;
        function pauseUpkeep(uint256 id) external;
        function unpauseUpkeep(uint256 id) external;
        function cancelUpkeep(uint256 id) external;
        function withdrawFunds(uint256 id, address to) external;
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
    Register(RegisterArgs),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TriggerKind {
    /// Whenever checkUpkeep says so.
    Condition,
    /// Every so many blocks or milliseconds.
    Interval,
    /// At points of the calendar.
    Cron,
    /// Whenever a contract of its own says so, which also says what to call.
    Resolver,
}

#[derive(Debug, Args)]
struct RegisterArgs {
    /// The contract whose performUpkeep shall be called (by a resolver: whatever function that says).
    target: Address,
    /// When it is called [default: condition, or what the other options say].
    #[arg(long)]
    trigger: Option<TriggerKind>,
    /// Interval in blocks.
    #[arg(long, conflicts_with = "every_ms")]
    every_blocks: Option<u64>,
    /// Interval in milliseconds.
    #[arg(long)]
    every_ms: Option<u64>,
    /// Calendar in UTC: "minute hour day month weekday", with a second before them where wanted.
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<Schedule>,
    /// The contract that says when to call and what.
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<Address>,
    /// What the resolver is called with (hexadecimal) [default: checker()].
    #[arg(long, requires = "resolver")]
    resolver_call: Option<Bytes>,
    /// Gas that performUpkeep gets.
    #[arg(long, default_value_t = 500_000)]
    gas: u32,
    /// Bytes that checkUpkeep is called with (hexadecimal); an interval or calendar performs with them.
    #[arg(long, default_value = "0x")]
    check_data: Bytes,
    /// Who may pause, cancel and withdraw [default: the sender].
    #[arg(long)]
    admin: Option<Address>,
    /// Money for performs, in ether.
    #[arg(long, value_parser = units::ether)]
    fund: Option<U256>,
    #[command(flatten)]
    signer: SignerArgs,
}

impl RegisterArgs {
    /// The registry's number of the trigger and its configuration.
    fn trigger(&self) -> Result<(u8, Vec<u8>)> {
        let has_interval = self.every_blocks.is_some() || self.every_ms.is_some();
        let said = [
            (has_interval, TriggerKind::Interval, "--every-blocks and --every-ms"),
            (self.cron.is_some(), TriggerKind::Cron, "--cron"),
            (self.resolver.is_some(), TriggerKind::Resolver, "--resolver"),
        ];
        let mut kinds = said.iter().filter(|(is_said, ..)| *is_said);
        let first = kinds.next();
        if let (Some((_, _, one)), Some((_, _, other))) = (first, kinds.next()) {
            bail!("{one} and {other} exclude each other: an upkeep has one trigger");
        }
        let implied = first.map(|(_, kind, _)| *kind);
        let kind = self.trigger.or(implied).unwrap_or(TriggerKind::Condition);
        if let Some((_, wanted, option)) = first.filter(|(_, wanted, _)| *wanted != kind) {
            let name = wanted.to_possible_value();
            let name = name.as_ref().map_or("other", |value| value.get_name());
            bail!("{option} belong to --trigger {name}");
        }
        match kind {
            TriggerKind::Condition => Ok((0, Vec::new())),
            TriggerKind::Interval => match (self.every_blocks, self.every_ms) {
                (Some(blocks), None) if blocks > 0 => Ok((2, (blocks, 0_u64).abi_encode())),
                (None, Some(ms)) if ms > 0 => Ok((2, (0_u64, ms).abi_encode())),
                _ => bail!("an interval needs --every-blocks or --every-ms above zero"),
            },
            TriggerKind::Cron => match &self.cron {
                Some(schedule) => Ok((3, (schedule.as_str().to_owned(),).abi_encode_params())),
                None => bail!("a calendar needs --cron \"EXPRESSION\""),
            },
            TriggerKind::Resolver => {
                let Some(resolver) = self.resolver else {
                    bail!("a resolver trigger needs --resolver ADDRESS");
                };
                let checker = || keccak256("checker()")[..4].to_vec().into();
                let call = self.resolver_call.clone().unwrap_or_else(checker);
                Ok((4, (resolver, call).abi_encode_params()))
            }
        }
    }
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

/// Runs a keeper command.
pub(crate) fn run(args: KeeperArgs) -> Result<()> {
    let rpc = RpcClient::new(&args.rpc);
    match args.command {
        KeeperCommand::Register(args) => register(&rpc, &args),
        KeeperCommand::List(args) => list::run(&rpc, &args),
        KeeperCommand::Show(args) => show(&rpc, args.id),
        KeeperCommand::Pause(args) => {
            let call = Registry::pauseUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args, "paused", call.abi_encode(), U256::ZERO)
        }
        KeeperCommand::Unpause(args) => {
            let call = Registry::unpauseUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args, "goes on", call.abi_encode(), U256::ZERO)
        }
        KeeperCommand::Cancel(args) => {
            let call = Registry::cancelUpkeepCall { id: args.upkeep.id };
            send(&rpc, &args, "cancelled", call.abi_encode(), U256::ZERO)
        }
        KeeperCommand::Fund(args) => {
            let signer = args.send.signer.signer()?;
            fund(&rpc, &signer, registry(&rpc)?, args.send.upkeep.id, args.amount)
        }
        KeeperCommand::Withdraw(args) => withdraw(&rpc, &args),
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

fn register(rpc: &RpcClient, args: &RegisterArgs) -> Result<()> {
    let (trigger_type, config) = args.trigger()?;
    let signer = args.signer.signer()?;
    let registry = registry(rpc)?;
    let call = Registry::registerUpkeepCall {
        target: args.target,
        gasLimit: args.gas,
        admin: args.admin.unwrap_or(signer.address),
        triggerType: trigger_type,
        checkData: args.check_data.clone(),
        triggerConfig: config.into(),
        offchainConfig: Bytes::new(),
    };
    let receipt = signer.send(rpc, registry, U256::ZERO, call.abi_encode().into())?;
    let id = registered_id(&receipt)
        .ok_or_else(|| eyre!("the receipt has no UpkeepRegistered event: {receipt}"))?;
    println!("{}", hex::encode_prefixed(id.to_be_bytes::<32>()));
    match args.fund {
        Some(amount) => fund(rpc, &signer, registry, id, amount),
        None => Ok(()),
    }
}

fn registered_id(receipt: &Value) -> Option<U256> {
    let topic = Registry::UpkeepRegistered::SIGNATURE_HASH;
    receipt["logs"].as_array()?.iter().find_map(|log| {
        let topics: Vec<B256> = serde_json::from_value(log["topics"].clone()).ok()?;
        (topics.first() == Some(&topic)).then(|| topics.get(1).map(|id| (*id).into()))?
    })
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

fn send(rpc: &RpcClient, args: &SendArgs, done: &str, input: Vec<u8>, value: U256) -> Result<()> {
    let signer = args.signer.signer()?;
    let receipt = signer.send(rpc, registry(rpc)?, value, input.into())?;
    eprintln!("{done} (transaction {})", receipt["transactionHash"].as_str().unwrap_or("?"));
    Ok(())
}

fn withdraw(rpc: &RpcClient, args: &WithdrawArgs) -> Result<()> {
    let signer = args.send.signer.signer()?;
    let call = Registry::withdrawFundsCall {
        id: args.send.upkeep.id,
        to: args.to.unwrap_or(signer.address),
    };
    send(rpc, &args.send, "withdrawn", call.abi_encode(), U256::ZERO)
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
