//! `plasma-node keeper list`: registered upkeeps, all of them or some, page by page.

use alloy_primitives::{Address, B256, U256, utils::format_ether};
use clap::Args;
use eyre::Result;
use plasma_keeper::{Outcome, UpkeepInfo};
use serde_json::{Map, Value, json};

use crate::cli::{rpc_client::RpcClient, units};

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// At most so many.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Those that were registered after this one: the last one of the page before.
    #[arg(long, value_name = "ID", value_parser = units::upkeep_id)]
    after: Option<U256>,
    /// Those of this admin.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// Those that serve this contract.
    #[arg(long, value_name = "ADDRESS")]
    target: Option<Address>,
    /// Those whose latest outcome is this one.
    #[arg(long, value_parser = Outcome::NAMES)]
    outcome: Option<String>,
    /// Those that are paused, or with --paused=false those that are not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    paused: Option<bool>,
}

impl ListArgs {
    /// The parameter of `keeper_list`.
    fn filter(&self) -> Value {
        let mut filter = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            filter.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("limit", self.limit.map(|limit| json!(limit)));
        put("after", self.after.map(|id| json!(B256::from(id))));
        put("admin", self.admin.map(|admin| json!(admin)));
        put("target", self.target.map(|target| json!(target)));
        put("outcome", self.outcome.as_ref().map(|outcome| json!(outcome)));
        put("paused", self.paused.map(|paused| json!(paused)));
        Value::Object(filter)
    }
}

/// Prints a line for each upkeep.
pub(super) fn run(rpc: &RpcClient, args: &ListArgs) -> Result<()> {
    let upkeeps: Vec<UpkeepInfo> = rpc.call("keeper_list", json!([args.filter()]))?;
    for upkeep in &upkeeps {
        println!(
            "{} {} target {} balance {} ETH {}",
            B256::from(upkeep.id),
            trigger_name(upkeep.trigger_type),
            upkeep.target,
            format_ether(upkeep.balance),
            status(upkeep)
        );
    }
    eprintln!("{} upkeeps", upkeeps.len());
    if let (Some(limit), Some(last)) = (args.limit, upkeeps.last())
        && upkeeps.len() as u64 == limit
    {
        eprintln!("there may be more: go on with --after {}", B256::from(last.id));
    }
    Ok(())
}

fn trigger_name(trigger_type: u8) -> &'static str {
    match trigger_type {
        0 => "condition",
        1 => "log",
        2 => "interval",
        3 => "cron",
        4 => "resolver",
        5 => "log-same-block",
        _ => "unknown",
    }
}

fn status(upkeep: &UpkeepInfo) -> &'static str {
    match (upkeep.active, upkeep.paused) {
        (false, _) => "cancelled",
        (true, true) => "paused",
        (true, false) => "active",
    }
}
