//! The indexed keeper decides as one that checks everything, and as one that was just restarted.

use crate::chain::*;
use alloy_primitives::{Address, U256};
use plasma_keeper::KeeperConfig;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Something that users do.
#[derive(Clone, Debug)]
enum Action {
    Set { key: u64, to: u64 },
    Shout { key: u64, word: u64, times: u64 },
    Send { key: u64, wei: u128 },
    Register { trigger: u8, kind: u64, key: u64, rich: bool },
    Fund { which: usize, wei: u128 },
    Pause { which: usize },
    Unpause { which: usize },
    Cancel { which: usize },
    Lane { lane: usize, active: bool },
    PauseRegistry(bool),
    Tick,
    Block { base_fee: u64 },
}

const CALENDARS: [&str; 4] = ["* * * * * *", "*/3 * * * * *", "10-20/2 * * * * *", "no calendar"];
const KEYS: std::ops::Range<u64> = 0..8;

fn any_action() -> impl Strategy<Value = Action> {
    let kinds = prop::sample::select(vec![
        0u64, 0, 0, 1, 2, 3, 6, 8, 9, 10, 11, 11, 11, 12, 13, 15, 16, 16, 17, 18, 21, 22, 23, 24,
        26, 31,
    ]);
    let which = 0usize..12;
    prop_oneof![
        8 => (KEYS, 0u64..4).prop_map(|(key, to)| Action::Set { key, to }),
        1 => (KEYS, Just(1_010u64)).prop_map(|(key, to)| Action::Set { key, to }),
        5 => (KEYS, 1u128..4).prop_map(|(key, wei)| Action::Send { key, wei }),
        5 => (KEYS, 1u64..7, 1u64..4).prop_map(|(key, word, times)| Action::Shout { key, word, times }),
        5 => (0u8..10, kinds, KEYS, prop::bool::weighted(0.85)).prop_map(|(trigger, kind, key, rich)| {
            Action::Register { trigger, kind, key, rich }
        }),
        1 => (which.clone(), 1u128..ETHER).prop_map(|(which, wei)| Action::Fund { which, wei }),
        1 => which.clone().prop_map(|which| Action::Pause { which }),
        1 => which.clone().prop_map(|which| Action::Unpause { which }),
        1 => which.prop_map(|which| Action::Cancel { which }),
        1 => (0usize..4, any::<bool>()).prop_map(|(lane, active)| Action::Lane { lane, active }),
        1 => prop::bool::weighted(0.2).prop_map(Action::PauseRegistry),
        6 => Just(Action::Tick),
        6 => prop::sample::select(vec![1u64, 2, 30]).prop_map(|factor| Action::Block { base_fee: factor }),
    ]
}

#[derive(Default)]
struct World {
    ids: Vec<(U256, bool /* paused */, bool /* cancelled */)>,
    registry_paused: bool,
}

impl World {
    /// Does `action` where it makes sense.
    fn act(&mut self, chain: &mut TestChain, action: &Action) {
        match *action {
            Action::Set { key, to } => chain.set(key, to),
            Action::Shout { key, word, times } => {
                chain.shout(key, word, times);
            }
            Action::Send { key, wei } => {
                chain.send(OWNER, Address::with_last_byte(key as u8 + 0x70), wei, Vec::new());
                // low addresses are precompiles; keys of kind 11 look at those all the same
                chain.send(OWNER, Address::with_last_byte(key as u8), wei, Vec::new());
            }
            Action::Register { trigger, kind, key, rich } if !self.registry_paused => {
                let trigger = match trigger {
                    0 => Trigger::Blocks(key + 1),
                    1 => Trigger::Milliseconds(700 * (key + 1)),
                    2 => Trigger::Cron(CALENDARS[key as usize % CALENDARS.len()]),
                    3 => Trigger::Resolver,
                    4 => Trigger::Log { of: key, same_block: true },
                    5 | 6 => Trigger::Log { of: key, same_block: false },
                    _ => Trigger::Condition,
                };
                let funds = if rich { ETHER } else { 400_000_000_000_000 };
                self.ids.push((chain.register(trigger, kind, key, 300_000, funds), false, false));
            }
            Action::Fund { which, wei } => {
                if let Some((id, _, false)) = self.ids.get(which) {
                    chain.fund(*id, wei);
                }
            }
            Action::Pause { which } => {
                if let Some((id, paused @ false, false)) = self.ids.get_mut(which) {
                    chain.admin(Registration::pauseUpkeepCall { id: *id });
                    *paused = true;
                }
            }
            Action::Unpause { which } => {
                if let Some((id, paused @ true, false)) = self.ids.get_mut(which) {
                    chain.admin(Registration::unpauseUpkeepCall { id: *id });
                    *paused = false;
                }
            }
            Action::Cancel { which } => {
                if let Some((id, _, cancelled @ false)) = self.ids.get_mut(which) {
                    chain.admin(Registration::cancelUpkeepCall { id: *id });
                    *cancelled = true;
                }
            }
            Action::Lane { lane, active } => {
                let lane = config().lanes.lanes()[lane];
                chain.owner(Registration::setLaneCall { lane, active });
            }
            Action::PauseRegistry(pause) if pause != self.registry_paused => {
                if pause {
                    chain.owner(Registration::pauseCall {});
                } else {
                    chain.owner(Registration::unpauseCall {});
                }
                self.registry_paused = pause;
            }
            _ => {}
        }
    }
}

/// With one lane, three due upkeeps are enough for a bundle.
fn check(actions: Vec<Action>, lanes: u32, gas_limit: u64) {
    let few_lanes = || {
        let secret = plasma_keeper::LaneKeys::dev_secret().0;
        let lanes = plasma_keeper::LaneKeys::from_secret(&secret, lanes).unwrap();
        KeeperConfig { lanes, ..config() }
    };
    let mut chain = TestChain::new();
    chain.env.block_env.gas_limit = gas_limit;
    chain.gas_left = gas_limit;
    let mut indexed = chain.load(few_lanes());
    let mut everything = chain.load(KeeperConfig { check_everything: true, ..few_lanes() });
    let mut restarted = chain.load(few_lanes());
    let mut world = World::default();
    for action in actions.iter().chain([&Action::Block { base_fee: 1 }]) {
        world.act(&mut chain, action);
        if !matches!(action, Action::Tick | Action::Block { .. }) {
            continue;
        }
        for round in 0..=indexed.max_rounds() {
            let may_perform = round < indexed.max_rounds();
            let plan = chain.look(&mut indexed, may_perform);
            assert_eq!(plan.performs, chain.look(&mut everything, may_perform).performs);
            assert_eq!(plan.performs, chain.look(&mut restarted, may_perform).performs);
            chain.round_done();
            let executed = chain.perform(&plan.performs);
            for keeper in [&mut indexed, &mut everything, &mut restarted] {
                report(keeper, &executed);
            }
            if plan.performs.is_empty() {
                break;
            }
        }
        chain.time_ms += 100;
        if let Action::Block { base_fee } = action {
            let sealed = chain.sealed_block();
            let record = indexed.on_sealed(&sealed);
            let decoded = plasma_keeper::BlockDecisions::decode(&record).unwrap();
            let other = everything.on_sealed(&sealed);
            assert_eq!(decoded, plasma_keeper::BlockDecisions::decode(&other).unwrap());
            let other = restarted.on_sealed(&sealed);
            assert_eq!(decoded, plasma_keeper::BlockDecisions::decode(&other).unwrap());
            assert_eq!(decoded.missed(), 0);
            let told: BTreeSet<_> = decoded.decisions.iter().map(|one| one.upkeep).collect();
            assert_eq!(decoded.active, decoded.not_needed + told.len() as u64);

            chain.env.block_env.basefee = base_fee * BASE_FEE.div_ceil(10);
            chain.next_block(1_000);
            restarted = chain.restart(few_lanes(), &record);
        }
    }
    let total = indexed.stats().evaluations;
    assert!(total <= everything.stats().evaluations);
}

proptest! {
    // each case runs three keepers over a whole chain: half the usual number
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 2))]
    #[test]
    fn indexed_restarted_and_exhaustive_keepers_agree(
        actions in prop::collection::vec(any_action(), 1..60),
        lanes in prop::sample::select(vec![1u32, 4]),
        // the keeper's share holds four performs or so, or all
        gas_limit in prop::sample::select(vec![4_000_000, 40_000_000]),
    ) {
        check(actions, lanes, gas_limit);
    }
}
