//! `plasma-node keeper register`: one transaction with the trigger as the options tell it.

use super::{fund, registry};
use crate::cli::{rpc_client::RpcClient, signer::SignerArgs, units};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use clap::{Args, ValueEnum};
use eyre::{Result, bail, ensure, eyre};
use plasma_keeper::{Schedule, abi::Registry::UpkeepRegistered};
use serde_json::Value;

sol! {
    interface Registry {
        function registerUpkeep(
            address target,
            uint32 gasLimit,
            address admin,
            uint8 triggerType,
            bytes checkData,
            bytes triggerConfig,
            bytes offchainConfig
        ) external returns (uint256 id);
    }
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
    /// Once for each log that matches.
    Log,
}

#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
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
    /// The contract whose logs count.
    #[arg(long, value_name = "ADDRESS")]
    log: Option<Address>,
    /// Signature of the event, such as "Transfer(address,address,uint256)".
    #[arg(long, requires = "log", value_name = "SIGNATURE")]
    event: Option<String>,
    /// First topic of the logs, where no --event says it.
    #[arg(long, requires = "log", conflicts_with = "event")]
    topic0: Option<B256>,
    /// Second topic [default: any].
    #[arg(long, requires = "log")]
    topic1: Option<B256>,
    /// Third topic [default: any].
    #[arg(long, requires = "log")]
    topic2: Option<B256>,
    /// Fourth topic [default: any].
    #[arg(long, requires = "log")]
    topic3: Option<B256>,
    /// Deliver logs within their block, without its hash, instead of from the next block on.
    #[arg(long, requires = "log")]
    same_block: bool,
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
            (self.log.is_some(), TriggerKind::Log, "--log"),
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
            TriggerKind::Log => self.log_trigger(),
        }
    }

    fn log_trigger(&self) -> Result<(u8, Vec<u8>)> {
        let Some(source) = self.log else {
            bail!("a log trigger needs --log ADDRESS");
        };
        let topic0 = match (&self.event, self.topic0) {
            (Some(signature), _) => event_topic(signature)?,
            (None, Some(topic)) => topic,
            (None, None) => bail!("a log trigger needs --event SIGNATURE or --topic0 HASH"),
        };
        let others = [self.topic1, self.topic2, self.topic3];
        let bits = others.iter().enumerate();
        let selector = bits.fold(0, |all, (bit, topic)| all | usize::from(topic.is_some()) << bit);
        let [topic1, topic2, topic3] = others.map(Option::unwrap_or_default);
        let config = (source, U256::from(selector), topic0, topic1, topic2, topic3);
        Ok((if self.same_block { 5 } else { 1 }, config.abi_encode_params()))
    }
}

/// The first topic of an event: the hash of its signature, as `Transfer(address,address,uint256)`.
fn event_topic(signature: &str) -> Result<B256> {
    let signature: String = signature.chars().filter(|letter| !letter.is_whitespace()).collect();
    let name = signature.split('(').next().unwrap_or_default();
    ensure!(
        !name.is_empty() && signature.len() > name.len() && signature.ends_with(')'),
        "\"{signature}\" is no signature of an event: give its name and the types of its parameters, such as \
         \"Transfer(address,address,uint256)\""
    );
    ensure!(
        !signature.contains("uint,")
            && !signature.contains("uint)")
            && !signature.contains("indexed"),
        "\"{signature}\" has to be written with plain full types: uint256 instead of uint, and without \"indexed\""
    );
    Ok(keccak256(signature))
}

/// Registers, and funds where asked; prints the id.
pub(super) fn run(rpc: &RpcClient, args: &RegisterArgs) -> Result<()> {
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
    let topic = UpkeepRegistered::SIGNATURE_HASH;
    receipt["logs"].as_array()?.iter().find_map(|log| {
        let topics: Vec<B256> = serde_json::from_value(log["topics"].clone()).ok()?;
        (topics.first() == Some(&topic)).then(|| topics.get(1).map(|id| (*id).into()))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use plasma_keeper::{LogFilter, Trigger};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RegisterArgs,
    }

    fn trigger(options: &str) -> Result<(u8, Vec<u8>)> {
        let line = format!("register {} {options}", Address::repeat_byte(1));
        Line::try_parse_from(line.split(' '))?.args.trigger()
    }

    #[test]
    fn logs_are_told_by_signature_or_topics() {
        let source = Address::repeat_byte(0xaa);
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let transfer = keccak256("Transfer(address,address,uint256)");
        let options =
            format!("--log {source} --event Transfer(address,address,uint256) --topic2 {two}");
        let (kind, config) = trigger(&options).unwrap();
        let filter = LogFilter { address: source, topics: [Some(transfer), None, Some(two), None] };
        let expected = Trigger::Log { filter: filter.into(), same_block: false };
        assert_eq!(Trigger::from_registry(kind, &config), expected);
        let options = format!("--log {source} --topic0 {one} --topic1 {two} --same-block");
        let (kind, config) = trigger(&options).unwrap();
        let filter = LogFilter { address: source, topics: [Some(one), Some(two), None, None] };
        let expected = Trigger::Log { filter: filter.into(), same_block: true };
        assert_eq!(Trigger::from_registry(kind, &config), expected);
    }

    #[test]
    fn half_a_log_trigger_is_refused() {
        let source = Address::repeat_byte(0xaa);
        for (options, part) in [
            (format!("--log {source}"), "--event SIGNATURE or --topic0 HASH"),
            ("--trigger log".into(), "--log ADDRESS"),
            (format!("--log {source} --event Transfer"), "is no signature"),
            (format!("--log {source} --event Transfer(address,uint)"), "uint256 instead of uint"),
            (
                format!("--log {source} --topic0 {} --every-blocks 1", B256::ZERO),
                "exclude each other",
            ),
        ] {
            let error = trigger(&options).unwrap_err().to_string();
            assert!(error.contains(part), "{options}: {error}");
        }
        assert!(trigger("--event Transfer(address)").is_err());
    }
}
