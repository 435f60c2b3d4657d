//! Which transaction depends on which.
//!
//! A transaction depends on the earlier ones of its block that wrote what it reads. As whoever
//! writes a location has read it, the latest of its writers stands for all of them. The
//! beneficiary's balance is the exception: fees are added to it unread, so whoever reads it waits
//! for all who paid one.

use alloy_primitives::{Address, U256};
use plasma_evm::{Accesses, Location};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// The kind of a [`Cause`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseKind {
    /// One storage slot.
    Storage,
    /// Balance of an account.
    Balance,
    /// Nonce of an account that is not the sender of both transactions.
    Nonce,
    /// Code of an account.
    Code,
    /// Whether the account exists, or whether its storage was wiped.
    Existence,
    /// Both transactions have the same sender: its nonces are in order, its money is one purse.
    Sender,
}

/// What a transaction had to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// What it is of the account.
    pub kind: CauseKind,
    /// The account.
    pub address: Address,
    /// The slot, for [`CauseKind::Storage`].
    pub slot: Option<U256>,
}

impl Cause {
    const fn of_account(kind: CauseKind, address: Address) -> Self {
        Self { kind, address, slot: None }
    }
}

impl From<Location> for Cause {
    fn from(location: Location) -> Self {
        match location {
            Location::Storage(address, slot) => {
                Self { kind: CauseKind::Storage, address, slot: Some(slot) }
            }
            Location::Balance(address) => Self::of_account(CauseKind::Balance, address),
            Location::Nonce(address) => Self::of_account(CauseKind::Nonce, address),
            Location::Code(address) => Self::of_account(CauseKind::Code, address),
            Location::Existence(address) => Self::of_account(CauseKind::Existence, address),
        }
    }
}

/// One transaction that had to wait for an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Index of the transaction that read.
    pub reader: u32,
    /// Index of the earlier transaction that wrote.
    pub writer: u32,
    /// What was written and read.
    #[serde(flatten)]
    pub cause: Cause,
}

/// One transaction of a block, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Its sender.
    pub sender: Address,
    /// The gas that it used: its weight.
    pub gas: u64,
    /// What it read and wrote.
    pub accesses: Accesses,
}

/// The transactions of a block and their dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    beneficiary: Address,
    pub(super) transactions: Vec<Weighed>,
    /// By reader, then by writer.
    pub(super) edges: Vec<Dependency>,
    /// Transactions that wrote what a cause stands for.
    pub(super) writers: HashMap<Cause, u32>,
}

/// The heaviest chain of dependencies, and how each transaction came to start when it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Its weight.
    pub(super) gas: u64,
    /// Indices of its transactions in order, each with what it waited for: nothing for the first.
    pub(super) steps: Vec<(u32, Option<Cause>)>,
}

impl Dependencies {
    /// The dependencies of the `transactions` of a block whose fees go to `beneficiary`.
    pub fn new(beneficiary: Address, transactions: Vec<Weighed>) -> Self {
        let mut edges = Vec::new();
        let mut writers: HashMap<Cause, u32> = HashMap::new();
        let mut latest: HashMap<Location, u32> = HashMap::new();
        // A block's gas bounds its transactions far below this.
        for (reader, transaction) in (0_u32..).zip(&transactions) {
            let mut found = BTreeSet::new();
            for location in &transaction.accesses.reads {
                let Some(&writer) = latest.get(location) else { continue };
                let same = transactions[writer as usize].sender == transaction.sender;
                let cause = match *location {
                    Location::Balance(address) | Location::Nonce(address)
                        if same && address == transaction.sender =>
                    {
                        Cause::of_account(CauseKind::Sender, address)
                    }
                    location => location.into(),
                };
                found.insert(Dependency { reader, writer, cause });
            }
            edges.extend(found.iter().filter(|edge| !follows_from_another(edge, &found)));
            for location in &transaction.accesses.writes {
                latest.insert(*location, reader);
                *writers.entry((*location).into()).or_default() += 1;
            }
            let sender = Cause::of_account(CauseKind::Sender, transaction.sender);
            *writers.entry(sender).or_default() += 1;
        }
        Self { beneficiary, transactions, edges, writers }
    }

    /// Who had to wait for whom, by reader and then by writer.
    pub fn edges(&self) -> &[Dependency] {
        &self.edges
    }

    /// Gas of all transactions.
    pub(super) fn work(&self) -> u64 {
        self.transactions.iter().map(|transaction| transaction.gas).sum()
    }

    /// The critical path as it would be without the causes that `ignored` names. Among equals the
    /// earliest transaction counts.
    pub(super) fn path(&self, ignored: impl Fn(&Cause) -> bool) -> Path {
        let fees = Cause::of_account(CauseKind::Balance, self.beneficiary);
        let paid = Location::Balance(self.beneficiary);
        // When the transaction ends that is the last to pay a fee, and which one it is.
        let mut last_fee: Option<(u64, u32)> = None;
        let mut ends: Vec<u64> = Vec::with_capacity(self.transactions.len());
        let mut waited: Vec<Option<(u32, Cause)>> = Vec::with_capacity(self.transactions.len());
        let mut edges = self.edges.iter().peekable();
        for (reader, transaction) in (0_u32..).zip(&self.transactions) {
            let mut start = 0;
            let mut reason = None;
            while let Some(edge) = edges.next_if(|edge| edge.reader == reader) {
                if ignored(&edge.cause) {
                    continue;
                }
                let (end, writer) = match last_fee {
                    Some(last) if edge.cause == fees => last,
                    _ => (ends[edge.writer as usize], edge.writer),
                };
                if end > start {
                    start = end;
                    reason = Some((writer, edge.cause));
                }
            }
            let end = start + transaction.gas;
            ends.push(end);
            waited.push(reason);
            if transaction.accesses.writes.contains(&paid)
                && last_fee.is_none_or(|(last, _)| end > last)
            {
                last_fee = Some((end, reader));
            }
        }
        let gas = ends.iter().copied().max().unwrap_or_default();
        let mut steps = Vec::new();
        let mut at = (0_u32..).zip(&ends).find(|(_, end)| **end == gas).map(|(index, _)| index);
        while let Some(index) = at {
            let reason = waited[index as usize];
            steps.push((index, reason.map(|(_, cause)| cause)));
            at = reason.map(|(writer, _)| writer);
        }
        steps.reverse();
        Path { gas, steps }
    }
}

/// That an account came into being follows from its money, code or storage, which tells more.
fn follows_from_another(edge: &Dependency, found: &BTreeSet<Dependency>) -> bool {
    edge.cause.kind == CauseKind::Existence
        && found.iter().any(|other| {
            other.writer == edge.writer
                && other.cause.address == edge.cause.address
                && other.cause.kind != CauseKind::Existence
        })
}
