//! What is told of a block's dependencies, within bounds.

use super::{
    graph::{Cause, CauseKind, Dependencies, Dependency},
    verdict,
};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts and locations of an explanation of a block.
const MAX_HOT: usize = 20;

/// Locations of an explanation of one account.
const MAX_LOCATIONS_OF_ACCOUNT: usize = 256;

/// Dependencies of an explanation, and steps of its critical path.
const MAX_DEPENDENCIES: usize = 10_000;

/// Why a block, or one account in it, cannot be executed faster.
///
/// Shares are of the block's gas, from 0 to 1. The limit is the most that execution on any number of
/// cores could be faster than one by one, gas being the measure; 1 for a block without transactions.
/// Both are rounded to four digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The sentence to take away.
    pub verdict: String,
    /// Gas of all transactions.
    pub work: u64,
    /// Gas of the heaviest chain of transactions each of which depends on the one before.
    pub critical_path: u64,
    /// `work` over `critical_path`.
    pub limit: f64,
    /// Transactions that depend on another.
    pub waiters: u32,
    /// Their gas.
    pub waiting_gas: u64,
    /// Accounts by the gas that waited for them, most first.
    pub accounts: Vec<HotAccount>,
    /// Locations by the gas that waited for them, most first.
    pub locations: Vec<HotLocation>,
    /// The critical path from its first transaction on.
    pub path: Vec<PathStep>,
    /// Who had to wait for whom, by reader and then by writer.
    pub dependencies: Vec<Dependency>,
    /// How many there are of each list above, which are cut where they are long.
    pub totals: Totals,
}

/// Lengths of an explanation's lists before they were cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Accounts that were waited for.
    pub accounts: usize,
    /// Locations that were waited for.
    pub locations: usize,
    /// Steps of the critical path.
    pub path: usize,
    /// Dependencies.
    pub dependencies: usize,
}

/// An account that transactions waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HotAccount {
    /// The account.
    pub address: Address,
    /// Whether it has code.
    pub contract: bool,
    /// Transactions that loaded it.
    pub touched: u32,
    /// Their gas.
    pub touched_gas: u64,
    /// Transactions that wrote anything of it that others waited for.
    pub writers: u32,
    /// Transactions that waited for anything of it.
    pub waiters: u32,
    /// Their gas.
    pub waiting_gas: u64,
    /// `waiting_gas` in the block's gas.
    pub share: f64,
    /// What the critical path would be, in gas, if nobody had to wait for this account.
    pub critical_path_without: u64,
}

/// A location that transactions waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HotLocation {
    /// What was waited for.
    #[serde(flatten)]
    pub cause: Cause,
    /// Transactions that wrote it; those of the sender, for [`CauseKind::Sender`].
    pub writers: u32,
    /// Transactions that waited for it.
    pub waiters: u32,
    /// Their gas.
    pub waiting_gas: u64,
    /// `waiting_gas` in the block's gas.
    pub share: f64,
    /// What the critical path would be, in gas, if nobody had to wait for this location.
    pub critical_path_without: u64,
}

/// A transaction on the critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathStep {
    /// Its index in the block.
    pub transaction: u32,
    /// The gas that it used.
    pub gas: u64,
    /// What it waited for, which the step before wrote; `None` for the first step.
    pub waited_for: Option<Cause>,
}

/// Who waited, and for how much gas in all.
#[derive(Debug, Default)]
struct Waiters {
    count: u32,
    gas: u64,
}

impl Waiters {
    fn of<'a>(graph: &Dependencies, edges: impl Iterator<Item = &'a Dependency>) -> Self {
        let readers: BTreeSet<u32> = edges.map(|edge| edge.reader).collect();
        let mut waiters = Self::default();
        for reader in readers {
            waiters.count += 1;
            waiters.gas += graph.transactions[reader as usize].gas;
        }
        waiters
    }
}

impl Dependencies {
    /// Explains the block.
    pub fn explain(&self) -> Explanation {
        let mut explanation = self.explain_part(|_| true, MAX_HOT);
        explanation.verdict = verdict::of_block(self.transactions.len(), &explanation);
        explanation
    }

    /// Explains what `account` had to do with the block's speed: the lists hold what concerns it,
    /// the figures of the block are whole.
    pub fn explain_account(&self, account: Address) -> Explanation {
        let concerns = |cause: &Cause| cause.address == account;
        let mut explanation = self.explain_part(concerns, MAX_LOCATIONS_OF_ACCOUNT);
        if explanation.accounts.is_empty() {
            // Nobody waited for it; how many used it is worth telling all the same.
            explanation.accounts.push(self.account(account, &[], explanation.work));
        }
        explanation.verdict = verdict::of_account(&explanation, &explanation.accounts[0]);
        explanation
    }

    fn explain_part(&self, concerns: impl Fn(&Cause) -> bool, most: usize) -> Explanation {
        let work = self.work();
        let path = self.path(|_| false);
        let edges = || self.edges.iter().filter(|edge| concerns(&edge.cause));
        let mut by_cause: BTreeMap<Cause, Vec<Dependency>> = BTreeMap::new();
        let mut by_account: BTreeMap<Address, Vec<Dependency>> = BTreeMap::new();
        for edge in edges() {
            by_cause.entry(edge.cause).or_default().push(*edge);
            by_account.entry(edge.cause.address).or_default().push(*edge);
        }
        let totals = Totals {
            accounts: by_account.len(),
            locations: by_cause.len(),
            path: path.steps.len(),
            dependencies: edges().count(),
        };
        let waiting = Waiters::of(self, self.edges.iter());
        let step = |&(transaction, waited_for): &(u32, Option<Cause>)| {
            let gas = self.transactions[transaction as usize].gas;
            PathStep { transaction, gas, waited_for }
        };
        Explanation {
            verdict: String::new(),
            work,
            critical_path: path.gas,
            limit: rounded(limit(work, path.gas)),
            waiters: waiting.count,
            waiting_gas: waiting.gas,
            accounts: hottest(self, by_account, most)
                .into_iter()
                .map(|(address, edges)| self.account(address, &edges, work))
                .collect(),
            locations: hottest(self, by_cause, most)
                .into_iter()
                .map(|(cause, edges)| self.location(cause, &edges, work))
                .collect(),
            path: path.steps.iter().take(MAX_DEPENDENCIES).map(step).collect(),
            dependencies: edges().take(MAX_DEPENDENCIES).copied().collect(),
            totals,
        }
    }

    fn location(&self, cause: Cause, edges: &[Dependency], work: u64) -> HotLocation {
        let waiters = Waiters::of(self, edges.iter());
        HotLocation {
            cause,
            writers: self.writers.get(&cause).copied().unwrap_or_default(),
            waiters: waiters.count,
            waiting_gas: waiters.gas,
            share: rounded(share(waiters.gas, work)),
            critical_path_without: self.path(|other| *other == cause).gas,
        }
    }

    fn account(&self, address: Address, edges: &[Dependency], work: u64) -> HotAccount {
        let waiters = Waiters::of(self, edges.iter());
        let causes: BTreeSet<Cause> = edges.iter().map(|edge| edge.cause).collect();
        let mut account = HotAccount {
            address,
            contract: false,
            touched: 0,
            touched_gas: 0,
            writers: 0,
            waiters: waiters.count,
            waiting_gas: waiters.gas,
            share: rounded(share(waiters.gas, work)),
            critical_path_without: self.path(|cause| cause.address == address).gas,
        };
        for transaction in &self.transactions {
            let accesses = &transaction.accesses;
            account.contract |= accesses.contracts.contains(&address);
            if accesses.reads.contains(&plasma_evm::Location::Existence(address)) {
                account.touched += 1;
                account.touched_gas += transaction.gas;
            }
            let sent = Cause { kind: CauseKind::Sender, address: transaction.sender, slot: None };
            let wrote = accesses.writes.iter().any(|location| causes.contains(&(*location).into()));
            account.writers += u32::from(wrote || causes.contains(&sent));
        }
        account
    }
}

/// The `most` keys for which most gas waited; among equals the first.
fn hottest<K: Ord + Copy>(
    graph: &Dependencies,
    edges: BTreeMap<K, Vec<Dependency>>,
    most: usize,
) -> Vec<(K, Vec<Dependency>)> {
    let mut all: Vec<_> = edges
        .into_iter()
        .map(|(key, edges)| (std::cmp::Reverse(Waiters::of(graph, edges.iter()).gas), key, edges))
        .collect();
    all.sort_by_key(|(gas, key, _)| (*gas, *key));
    all.truncate(most);
    all.into_iter().map(|(_, key, edges)| (key, edges)).collect()
}

/// Work over path; 1 where there is none.
pub(super) fn limit(work: u64, path: u64) -> f64 {
    if path == 0 { 1.0 } else { work as f64 / path as f64 }
}

pub(super) fn share(gas: u64, work: u64) -> f64 {
    if work == 0 { 0.0 } else { gas as f64 / work as f64 }
}

/// Four digits after the point: more are noise to whoever reads them.
fn rounded(ratio: f64) -> f64 {
    (ratio * 10_000.0).round() / 10_000.0
}
