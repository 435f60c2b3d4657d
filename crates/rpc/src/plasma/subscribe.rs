//! `plasma_subscribe`: what the keeper decides, and what ticks add to the open block.

use crate::{
    api::Api,
    error::{self, RpcResult},
    live::{Live, LiveDecisions, LiveTick},
    params::{Arguments, Number, OutcomeName},
    subscription::{self, End, Feed, Names, Subscriber},
};
use jsonrpsee::RpcModule;
use plasma_keeper::{Decision, Outcome};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;

/// What a client can subscribe to.
enum Topic {
    Upkeeps(Receiver<Arc<LiveDecisions>>, Wanted),
    Ticks(Receiver<Arc<LiveTick>>),
}

/// The second parameter of `plasma_subscribe("upkeeps")`: which decisions are told.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    /// About this upkeep only.
    upkeep: Option<Number>,
    /// With one of these outcomes only.
    outcomes: Option<Vec<OutcomeName>>,
}

/// The second parameter of `plasma_subscribe("ticks")`: what is told of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Told {
    /// The accounts and slots that they changed, too.
    #[serde(default)]
    state_changes: bool,
}

impl Wanted {
    /// # Errors
    /// -32602 where no decision could match.
    fn check(&self) -> RpcResult<()> {
        let Some(outcomes) = &self.outcomes else { return Ok(()) };
        if outcomes.is_empty() {
            return Err(error::invalid_argument(
                1,
                "outcomes is empty: leave it out to be told of all",
            ));
        }
        if outcomes.iter().any(|wanted| wanted.0 == Outcome::NotNeeded.name()) {
            return Err(error::invalid_argument(
                1,
                "upkeeps that are not needed are counted, not told one by one: see keeper_decisions",
            ));
        }
        Ok(())
    }

    fn matches(&self, decision: &Decision) -> bool {
        let outcome = decision.outcome.name();
        self.upkeep.is_none_or(|upkeep| upkeep.0 == decision.upkeep)
            && self
                .outcomes
                .as_ref()
                .is_none_or(|outcomes| outcomes.iter().any(|wanted| wanted.0 == outcome))
    }
}

pub(crate) fn register(module: &mut RpcModule<Api>, live: &Live) {
    subscription::register::<Topic>(module, live);
}

impl Feed for Topic {
    const NAMES: Names = Names {
        subscribe: "plasma_subscribe",
        notification: "plasma_subscription",
        unsubscribe: "plasma_unsubscribe",
    };

    fn open(arguments: &Arguments<'_>, live: &Live) -> RpcResult<Self> {
        let name: String = arguments.required(0)?;
        match name.as_str() {
            "upkeeps" => {
                let wanted: Wanted = arguments.or_default(1)?;
                wanted.check()?;
                Ok(Self::Upkeeps(live.decisions(), wanted))
            }
            "ticks" => {
                let told: Told = arguments.or_default(1)?;
                Ok(Self::Ticks(live.ticks(told.state_changes)))
            }
            _ => Err(subscription::unknown(&name, "plasma")),
        }
    }

    async fn serve(self, subscriber: &Subscriber) -> End {
        match self {
            Self::Upkeeps(blocks, wanted) => {
                let told = |block: &LiveDecisions| match block {
                    LiveDecisions::Made(decisions) => {
                        let wanted = decisions.iter().filter(|one| wanted.matches(&one.decision));
                        wanted.filter_map(|one| Some(subscriber.message(one.json()?))).collect()
                    }
                    LiveDecisions::Unreadable => vec![Err(
                        "the subscription was dropped: the keeper's record of a block cannot be read",
                    )],
                };
                subscriber.follow(blocks, told).await
            }
            Self::Ticks(ticks) => {
                let told = |tick: &LiveTick| match tick {
                    LiveTick::Grew(json) => vec![subscriber.message(json)],
                    LiveTick::Missed => {
                        vec![Err("the subscription was dropped: the node missed ticks under load")]
                    }
                };
                subscriber.follow(ticks, told).await
            }
        }
    }
}
