//! `keeper_list`: registered upkeeps, all of them or page by page.

use crate::{
    api::Api,
    error::{self, RpcResult},
    params::{Arguments, Number, OutcomeName, Quantity},
};
use alloy_primitives::{Address, B256, U256};
use plasma_evm::block_env;
use plasma_keeper::{UpkeepInfo, registered_upkeep};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// Names of triggers, by the registry's numbers.
const TRIGGERS: [&str; 6] = ["conditional", "log", "interval", "cron", "resolver", "sameBlockLog"];

/// The parameter of `keeper_list`: which upkeeps, and how many of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    /// At most so many.
    limit: Option<Quantity>,
    /// Those that were registered after this one.
    after: Option<Number>,
    admin: Option<Address>,
    target: Option<Address>,
    trigger: Option<TriggerName>,
    /// By their latest outcome.
    outcome: Option<OutcomeName>,
    paused: Option<bool>,
}

/// A trigger type, by its name.
#[derive(Clone, Copy, Debug)]
struct TriggerName(u8);

impl<'de> Deserialize<'de> for TriggerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let known = (0..).zip(TRIGGERS).find(|(_, name)| *name == text);
        known.map(|(number, _)| Self(number)).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            let names = TRIGGERS.join(", ");
            de::Error::custom(format!("there is no trigger \"{shown}\"; triggers are {names}"))
        })
    }
}

impl Wanted {
    fn matches(&self, upkeep: &UpkeepInfo) -> bool {
        let is = |wanted: Option<Address>, found| wanted.is_none_or(|wanted| wanted == found);
        is(self.admin, upkeep.admin)
            && is(self.target, upkeep.target)
            && self.paused.is_none_or(|wanted| wanted == upkeep.paused)
            && self.trigger.is_none_or(|wanted| wanted.0 == upkeep.trigger_type)
            && self.outcome.is_none_or(|wanted| {
                upkeep.last_outcome.as_ref().is_some_and(|outcome| outcome.name() == wanted.0)
            })
    }
}

/// `keeper_list({limit, after, admin, target, trigger, outcome, paused})`, in order of registration.
pub(super) fn list(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<UpkeepInfo>> {
    let wanted: Wanted = arguments.or_default(0)?;
    if wanted.limit == Some(Quantity(0)) {
        return Err(error::invalid_argument(0, "limit is 0: ask for one upkeep at least"));
    }
    let mut upkeeps = api.chain.upkeeps();
    if let Some(Number(after)) = wanted.after {
        let last = place(api, &upkeeps, after)?;
        upkeeps.retain(|upkeep| upkeep.registration_order() > last);
    }
    upkeeps.retain(|upkeep| wanted.matches(upkeep));
    if let Some(Quantity(limit)) = wanted.limit {
        upkeeps.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(upkeeps)
}

/// The place of upkeep `id` in the order of registration. It may have been cancelled since the page that it ended.
fn place(api: &Api, upkeeps: &[UpkeepInfo], id: U256) -> RpcResult<(u64, U256)> {
    if let Some(upkeep) = upkeeps.iter().find(|upkeep| upkeep.id == id) {
        return Ok(upkeep.registration_order());
    }
    let registry = super::registry(api)?;
    let head = api.chain.head();
    let state = api.chain.state_at(head.number()).map_err(error::from_chain)?;
    let env = block_env(api.chain.spec(), &head.header);
    match registered_upkeep(&*state, &env, registry, id) {
        Ok(Some(cancelled)) => Ok(cancelled.registration_order()),
        Ok(None) => Err(error::invalid_argument(
            0,
            format!("after names {}, but no such upkeep was ever registered", B256::from(id)),
        )),
        Err(other) => Err(error::from_keeper(other)),
    }
}
