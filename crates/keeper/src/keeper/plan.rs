//! Which due upkeeps are performed now: gas, lanes, and what shares a transaction.
//!
//! Performs that share one save their owners most of what a transaction costs by itself, but run one after the other. So only
//! as many share one as there are more due than lanes can send at once, and only short ones.

use super::{
    Keeper, RoundInput,
    round::{PARALLEL_FROM, gas_share},
};
use crate::{
    KeeperError, PlannedPerform,
    config::MAX_TRANSACTION_GAS,
    decision::{Decision, DeferReason, Outcome},
    index::Slot,
    logs::TriggerLog,
    perform::{
        LaneAllocator, Unsigned, encode_bundle, encode_perform, own_gas, perform_gas_limit,
        transaction_gas_limit,
    },
    registry::RegistryView,
    upkeep::UpkeepInfo,
};
use alloy_consensus::transaction::Recovered;
use alloy_primitives::{B256, Bytes, U256, map::HashMap};
use plasma_storage::Transaction;
use rayon::prelude::*;
use std::collections::HashSet;

/// Most performs of one transaction.
const MOST_BUNDLED: usize = 16;
/// Transactions for each lane below which nothing is bundled: with so many at hand, executing them beside each other is worth
/// more than their gas.
const TRANSACTIONS_PER_LANE: usize = 2;
/// Gas of an upkeep up to which its performs may share a transaction.
const BUNDLED_PERFORM_GAS: u32 = 1_000_000;
/// Longest perform data in a bundle, in bytes: the registry's bound.
const BUNDLED_DATA: usize = 512;
/// Most gas of a transaction with several performs.
const MOST_BUNDLE_GAS: u64 = 8_000_000;

/// A due upkeep that got gas.
#[derive(Debug)]
struct Member {
    slot: Slot,
    id: U256,
    since: u64,
    /// Empty but for logs.
    trigger: Bytes,
    data: Bytes,
    /// Of a transaction of its own.
    calldata: Bytes,
    /// Gas that is reserved for it.
    gas: u64,
    perform_gas: u32,
}

/// A transaction, and what it performs.
pub(super) struct Chosen {
    members: Vec<Member>,
    unsigned: Unsigned,
}

/// How many performs share a transaction, of `due` ones and with so many lanes.
fn bundle_size(due: usize, lanes: usize) -> usize {
    due.div_ceil((lanes * TRANSACTIONS_PER_LANE).max(1)).clamp(1, MOST_BUNDLED)
}

/// The upkeeps of a block's decisions whose performs were not charged. Whatever is the matter with them, in the next block they share
/// no transaction with others.
pub(super) fn not_charged(decisions: &[Decision]) -> HashSet<U256> {
    use DeferReason::{InvalidTransaction, Refused, TransactionReverted};
    let told = decisions.iter().filter(|decision| {
        matches!(
            decision.outcome,
            Outcome::Deferred { reason: InvalidTransaction | TransactionReverted | Refused, .. }
        )
    });
    told.map(|decision| decision.upkeep).collect()
}

impl Keeper {
    /// Gives gas and lanes to due upkeeps: the oldest first, then in order of registration.
    pub(super) fn choose(
        &mut self,
        input: &RoundInput<'_>,
        check_block: (u32, B256),
        lanes: &mut LaneAllocator<'_>,
    ) -> Result<Vec<Chosen>, KeeperError> {
        let mut queue: Vec<_> = self
            .due
            .iter()
            .filter_map(|slot| {
                let since = self.book.entry(*slot)?.due_since?;
                let order = self.book.info(*slot)?.registration_order();
                let log = self.book.log(*slot).map(TriggerLog::position);
                Some(((since, order, log), *slot))
            })
            .collect();
        queue.sort_unstable();
        let share = gas_share(input.env.block_env.gas_limit, self.config.gas_share_percent);
        let size = bundle_size(queue.len(), lanes.count());
        let mut gas_left = input.gas_left;
        let mut chosen = Vec::new();
        let mut bundle: Vec<Member> = Vec::new();
        let mut purses = Purses::new(self.view(input));
        let mut planned: HashMap<U256, u32> = HashMap::default();
        for ((since, ..), slot) in queue {
            let Some(info) = self.book.info(slot) else { continue };
            let Some(entry) = self.book.entry(slot) else { continue };
            let Some(data) = entry.due_data.as_deref().cloned() else { continue };
            let id = info.id;
            let log = self.book.log(slot);
            let trigger = log.map(|log| log.trigger(check_block)).unwrap_or_default();
            let calldata = encode_perform(id, &trigger, &data);
            let gas = perform_gas_limit(&self.config, info.perform_gas, log.is_some(), &calldata);
            let may_share = size > 1
                && log.is_none()
                && !self.alone.contains(&id)
                && info.perform_gas <= BUNDLED_PERFORM_GAS
                && data.len() <= BUNDLED_DATA;
            let granted = match gas {
                Some(gas) if gas <= share.min(MAX_TRANSACTION_GAS) => {
                    if self.open.gas_reserved + gas > share {
                        Err(DeferReason::GasShare)
                    } else if gas > gas_left {
                        Err(DeferReason::BlockGas)
                    } else if log.is_some()
                        && (planned.get(&id).is_some_and(|count| *count >= self.allowance(id))
                            || !purses.covers(info, gas, lanes.max_fee())?)
                    {
                        Err(DeferReason::PerformsBefore)
                    } else if !input.may_perform {
                        Err(DeferReason::RoundLimit)
                    } else {
                        Ok(gas)
                    }
                }
                _ => Err(DeferReason::TooLarge),
            };
            let gas = match granted {
                Ok(gas) => gas,
                Err(reason) => {
                    self.book.set_outcome(slot, Outcome::Deferred { reason, since });
                    continue;
                }
            };
            self.open.gas_reserved += gas;
            gas_left -= gas;
            *planned.entry(id).or_default() += 1;
            let perform_gas = info.perform_gas;
            let member = Member { slot, id, since, trigger, data, calldata, gas, perform_gas };
            if !may_share {
                gas_left += self.send_alone(member, lanes, &mut chosen);
                continue;
            }
            let gas = bundle.iter().map(|member| member.gas).sum::<u64>() + gas;
            if gas > MOST_BUNDLE_GAS && !bundle.is_empty() {
                gas_left += self.send(std::mem::take(&mut bundle), lanes, &mut chosen);
            }
            bundle.push(member);
            if bundle.len() == size {
                gas_left += self.send(std::mem::take(&mut bundle), lanes, &mut chosen);
            }
        }
        self.send(bundle, lanes, &mut chosen);
        Ok(chosen)
    }

    /// Gives a lane to one perform; answers the gas that is not needed after all.
    fn send_alone(
        &mut self,
        member: Member,
        lanes: &mut LaneAllocator<'_>,
        chosen: &mut Vec<Chosen>,
    ) -> u64 {
        let gas = member.gas;
        match lanes.allocate(member.calldata.clone(), gas) {
            Ok(unsigned) => {
                chosen.push(Chosen { members: vec![member], unsigned });
                0
            }
            Err(reason) => {
                let outcome = Outcome::Deferred { reason, since: member.since };
                self.book.set_outcome(member.slot, outcome);
                self.open.gas_reserved -= gas;
                gas
            }
        }
    }

    /// The same for performs that share a transaction, where there are several.
    fn send(
        &mut self,
        mut members: Vec<Member>,
        lanes: &mut LaneAllocator<'_>,
        chosen: &mut Vec<Chosen>,
    ) -> u64 {
        if members.len() > 1 {
            let calldata = encode_bundle(members.iter().map(|member| (member.id, &member.data)));
            let own = |member: &Member| own_gas(&self.config, member.perform_gas, &member.data);
            let own: Vec<u64> = members.iter().map(own).collect();
            let limit = transaction_gas_limit(own.iter().sum(), &calldata);
            if let Ok(unsigned) = lanes.allocate(calldata, limit) {
                let reserved: u64 = members.iter().map(|member| member.gas).sum();
                let shared = limit - own.iter().sum::<u64>();
                for (member, own) in members.iter_mut().zip(own) {
                    member.gas = own;
                }
                members[0].gas += shared;
                let saved = reserved.saturating_sub(limit);
                self.open.gas_reserved -= saved;
                chosen.push(Chosen { members, unsigned });
                return saved;
            }
        }
        // No lane can pay for all of them at once, perhaps for each.
        members.into_iter().map(|member| self.send_alone(member, lanes, chosen)).sum()
    }

    /// Signs what was chosen, in parallel, and notes it as planned.
    pub(super) fn sign(&mut self, number: u64, chosen: Vec<Chosen>) -> Vec<PlannedPerform> {
        let keys = &self.config.lanes;
        let sign =
            |chosen: &Chosen| keys.sign(chosen.unsigned.lane, chosen.unsigned.transaction.clone());
        let signed: Vec<Recovered<Transaction>> = if chosen.len() < PARALLEL_FROM {
            chosen.iter().map(sign).collect()
        } else {
            chosen.par_iter().map(sign).collect()
        };
        let mut performs = Vec::with_capacity(chosen.len());
        for (chosen, transaction) in chosen.into_iter().zip(signed) {
            for member in chosen.members {
                let Member { slot, id, since, trigger, gas, .. } = member;
                self.due.remove(&slot);
                self.dirty.insert(slot);
                self.open.in_flight.insert(slot);
                if let Some(entry) = self.book.entry_mut(slot) {
                    entry.performed_in = number;
                    entry.due_data = None;
                }
                // holds until the execution is reported
                let reason = DeferReason::InvalidTransaction;
                self.book.set_outcome(slot, Outcome::Deferred { reason, since });
                performs.push(PlannedPerform {
                    upkeep: id,
                    block: number,
                    lane: transaction.signer(),
                    transaction: transaction.clone(),
                    gas,
                    trigger,
                    due_since_block: since,
                });
            }
        }
        performs
    }
}

/// What upkeeps can spend on performs for several logs in one round: each alone was seen to be paid for, but not all
/// together.
struct Purses<'a> {
    view: RegistryView<'a>,
    premium_ppb: Option<u32>,
    left: HashMap<U256, U256>,
}

impl<'a> Purses<'a> {
    fn new(view: RegistryView<'a>) -> Self {
        Self { view, premium_ppb: None, left: HashMap::default() }
    }

    /// Whether `upkeep` can pay for one perform more, with `gas` at `max_fee` wei per gas. The first one always can.
    fn covers(
        &mut self,
        upkeep: &UpkeepInfo,
        gas: u64,
        max_fee: u128,
    ) -> Result<bool, KeeperError> {
        let premium = match self.premium_ppb {
            Some(premium) => premium,
            None => *self.premium_ppb.insert(self.view.premium_ppb()?),
        };
        let price = U256::from(gas) * U256::from(max_fee);
        let cost = price + price * U256::from(premium) / U256::from(1_000_000_000);
        let first = !self.left.contains_key(&upkeep.id);
        let left = self.left.entry(upkeep.id).or_insert(upkeep.balance);
        let covered = *left >= cost;
        *left = left.saturating_sub(cost);
        Ok(first || covered)
    }
}

#[cfg(test)]
mod tests {
    use super::bundle_size;

    #[test]
    fn bundles_grow_with_what_is_due_and_lanes_are_used_first() {
        let sizes: Vec<_> =
            [0, 1, 16, 32, 33, 64, 65, 100, 512, 513, 3_000].map(|due| bundle_size(due, 16)).into();
        assert_eq!(sizes, [1, 1, 1, 1, 2, 2, 3, 4, 16, 16, 16]);
        assert_eq!(bundle_size(3, 1), 2);
        assert_eq!(bundle_size(3, 0), 3);
    }
}
