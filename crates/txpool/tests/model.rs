//! The pool against a model of it that keeps a plain list and searches it.

mod support;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, U256};
use plasma_storage::{Account, AccountChange, StateChanges};
use plasma_txpool::{PoolConfig, PoolError, PoolHead, PoolStatus, TxPool};
use proptest::prelude::*;
use support::*;

const SENDERS: usize = 4;
const MAX_TRANSACTIONS: usize = 12;
const MAX_ACCOUNT: usize = 6;
const MAX_QUEUED: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// A transaction with a nonce so far above (or one below) the account's, and its fees in gwei.
    Add { sender: usize, nonce: i64, fee: u64, tip: u64, gas: u64 },
    /// The next batch is executed, or a part of it.
    Include { limit: usize },
    /// A block changes an account behind the pool's back.
    Account { sender: usize, nonce: i64, balance: u64, by_changes: bool },
    /// The next block's fee changes.
    BaseFee { fee: u64 },
    /// One transaction is dropped.
    Drop { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..SENDERS, -1i64..7, 1u64..6, 0u64..4, 0u64..3).prop_map(|(sender, nonce, fee, tip, gas)|
            Step::Add { sender, nonce, fee: fee * 2, tip, gas }),
        1 => (0usize..6).prop_map(|limit| Step::Include { limit }),
        1 => (0..SENDERS, -2i64..4, 0u64..40, any::<bool>()).prop_map(|(sender, nonce, balance, by_changes)|
            Step::Account { sender, nonce, balance, by_changes }),
        1 => (0u64..12).prop_map(|fee| Step::BaseFee { fee }),
        1 => (0usize..MAX_TRANSACTIONS).prop_map(|which| Step::Drop { which }),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tx {
    sender: usize,
    nonce: u64,
    fee: u128,
    tip: u128,
    gas: u64,
    hash: B256,
    arrival: u64,
}

impl Tx {
    fn cost(&self) -> u128 {
        self.fee * u128::from(self.gas)
    }
}

/// What the pool should hold, in the plainest form.
#[derive(Debug)]
struct Model {
    txs: Vec<Tx>,
    nonces: [u64; SENDERS],
    balances: [u128; SENDERS],
    base_fee: u128,
    arrivals: u64,
}

impl Model {
    fn of(&self, sender: usize) -> Vec<&Tx> {
        let mut txs: Vec<_> = self.txs.iter().filter(|tx| tx.sender == sender).collect();
        txs.sort_by_key(|tx| tx.nonce);
        txs
    }

    fn pending_end(&self, sender: usize) -> u64 {
        let mut end = self.nonces[sender];
        while self.txs.iter().any(|tx| tx.sender == sender && tx.nonce == end) {
            end += 1;
        }
        end
    }

    fn is_pending(&self, tx: &Tx) -> bool {
        tx.nonce < self.pending_end(tx.sender)
    }

    fn add(&mut self, mut tx: Tx) -> Result<(), &'static str> {
        let sender = tx.sender;
        if self.txs.iter().any(|other| other.hash == tx.hash) {
            return Err("already known");
        }
        if tx.tip > tx.fee {
            return Err("max priority fee per gas higher");
        }
        if tx.nonce < self.nonces[sender] {
            return Err("nonce too low");
        }
        let others = self.of(sender).into_iter().filter(|other| other.nonce != tx.nonce);
        let others: u128 = others.map(|other| other.cost()).sum();
        if others + tx.cost() > self.balances[sender] {
            return Err("insufficient funds");
        }
        if let Some(old) =
            self.txs.iter().position(|old| old.sender == sender && old.nonce == tx.nonce)
        {
            let bumped = |old: u128, new: u128| new > old && new * 10 >= old * 11;
            if !bumped(self.txs[old].fee, tx.fee) || !bumped(self.txs[old].tip, tx.tip) {
                return Err("replacement transaction underpriced");
            }
            self.txs.remove(old);
        } else {
            let gap = tx.nonce > self.pending_end(sender);
            let count = self.of(sender).len();
            let queued = self.of(sender).iter().filter(|tx| !self.is_pending(tx)).count();
            if count >= MAX_ACCOUNT || (gap && queued >= MAX_QUEUED) {
                return Err("account limit exceeded");
            }
            if self.txs.len() >= MAX_TRANSACTIONS {
                let worst = (0..SENDERS)
                    .filter(|other| *other != sender)
                    .filter_map(|other| self.of(other).last().map(|tx| (*tx).clone()))
                    .min_by_key(|tx| {
                        (self.is_pending(tx), tx.tip, tx.fee, std::cmp::Reverse(tx.arrival))
                    })
                    .ok_or("txpool is full")?;
                if (tx.tip, tx.fee) <= (worst.tip, worst.fee) {
                    return Err("transaction underpriced");
                }
                if gap && self.is_pending(&worst) {
                    return Err("future transaction tries to replace pending");
                }
                self.txs.retain(|tx| *tx != worst);
            }
        }
        self.arrivals += 1;
        tx.arrival = self.arrivals;
        self.txs.push(tx);
        Ok(())
    }

    fn best(&self, limit: usize) -> Vec<B256> {
        let mut next = self.nonces;
        let mut batch = Vec::new();
        while batch.len() < limit {
            let candidates = (0..SENDERS).filter_map(|sender| {
                self.txs.iter().find(|tx| tx.sender == sender && tx.nonce == next[sender])
            });
            let payable = candidates.filter(|tx| tx.fee >= self.base_fee);
            let order =
                |tx: &&Tx| (std::cmp::Reverse(tx.tip.min(tx.fee - self.base_fee)), tx.arrival);
            let Some(tx) = payable.min_by_key(order) else { break };
            next[tx.sender] += 1;
            batch.push(tx.hash);
        }
        batch
    }

    fn account_changed(&mut self) {
        let (nonces, balances) = (self.nonces, self.balances);
        self.txs.retain(|tx| tx.nonce >= nonces[tx.sender] && tx.cost() <= balances[tx.sender]);
    }
}

struct World {
    pool: TxPool,
    state: TestState,
    model: Model,
    addresses: Vec<Address>,
}

impl World {
    fn new() -> Self {
        let config = PoolConfig {
            require_base_fee: false,
            max_transactions: MAX_TRANSACTIONS,
            max_account_transactions: MAX_ACCOUNT,
            max_account_queued: MAX_QUEUED,
            ..PoolConfig::default()
        };
        let addresses: Vec<_> = (1..=SENDERS as u8).map(Address::repeat_byte).collect();
        let mut world = Self {
            pool: pool_with(config),
            state: TestState::default(),
            model: Model {
                txs: Vec::new(),
                nonces: [5; SENDERS],
                balances: [10 * ETHER; SENDERS],
                base_fee: 0,
                arrivals: 0,
            },
            addresses,
        };
        world.write_state();
        world
    }

    fn head(&self) -> PoolHead {
        PoolHead { base_fee: self.model.base_fee as u64, ..head() }
    }

    fn write_state(&mut self) {
        for (sender, address) in self.addresses.iter().enumerate() {
            let balance = U256::from(self.model.balances[sender]);
            self.state.set(*address, self.model.nonces[sender], balance);
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Add { sender, nonce, fee, tip, gas } => {
                let nonce = self.model.nonces[sender].saturating_add_signed(nonce);
                let tx = TxEip1559 {
                    gas_limit: 21_000 + gas * 10_000,
                    max_fee_per_gas: u128::from(fee) * GWEI,
                    max_priority_fee_per_gas: u128::from(tip) * GWEI,
                    value: U256::ZERO,
                    ..transfer(nonce)
                };
                let pooled = plasma_txpool::PoolTransaction::unsigned(
                    tx.clone().into(),
                    self.addresses[sender],
                );
                let expected = self.model.add(Tx {
                    sender,
                    nonce,
                    fee: tx.max_fee_per_gas,
                    tip: tx.max_priority_fee_per_gas,
                    gas: tx.gas_limit,
                    hash: pooled.hash,
                    arrival: 0,
                });
                let found = self.pool.add(pooled, &self.state, &self.head());
                match (&found, &expected) {
                    (Ok(_), Ok(())) => {}
                    (Err(error), Err(text)) => {
                        assert!(error.to_string().starts_with(text), "{error} against {text}");
                    }
                    _ => panic!("{found:?} against {expected:?}"),
                }
                if let Err(PoolError::Decode(_) | PoolError::State(_)) = found {
                    panic!("{found:?}");
                }
            }
            Step::Include { limit } => {
                let batch = self.pool.best(&self.head(), &self.state, u64::MAX, limit);
                let mut included = Vec::new();
                for tx in &batch {
                    let sender =
                        self.addresses.iter().position(|address| *address == tx.sender).unwrap();
                    // Executable: each follows the account's nonce at that point.
                    assert_eq!(tx.nonce(), self.model.nonces[sender]);
                    self.model.nonces[sender] += 1;
                    included.push((tx.sender, tx.nonce()));
                    self.model.txs.retain(|other| other.hash != tx.hash);
                }
                self.write_state();
                self.pool.remove_included(&included);
            }
            Step::Account { sender, nonce, balance, by_changes } => {
                let nonces = &mut self.model.nonces[sender];
                *nonces = nonces.saturating_add_signed(nonce);
                self.model.balances[sender] = u128::from(balance) * 50_000 * GWEI;
                self.write_state();
                if by_changes {
                    let account = Account {
                        nonce: self.model.nonces[sender],
                        balance: U256::from(self.model.balances[sender]),
                        bytecode_hash: None,
                    };
                    let change =
                        AccountChange { account: Some(account), ..AccountChange::default() };
                    let mut changes = StateChanges::default();
                    changes.accounts.insert(self.addresses[sender], change);
                    self.pool.on_block(&self.head(), &changes);
                } else {
                    self.pool.on_head(&self.head(), &self.state).unwrap();
                }
                self.model.account_changed();
            }
            Step::BaseFee { fee } => {
                self.model.base_fee = u128::from(fee) * GWEI;
                self.pool.on_head(&self.head(), &self.state).unwrap();
                self.model.account_changed();
            }
            Step::Drop { which } => {
                let Some(tx) = self.model.txs.get(which) else { return };
                assert!(self.pool.drop_transaction(tx.hash));
                self.model.txs.remove(which);
            }
        }
    }

    fn check(&self) {
        let content = self.pool.content();
        let (mut pending, mut queued) = (0, 0);
        for (sender, address) in self.addresses.iter().enumerate() {
            for tx in self.model.of(sender) {
                let part = if self.model.is_pending(tx) {
                    pending += 1;
                    &content.pending
                } else {
                    queued += 1;
                    &content.queued
                };
                let found = part.get(address).and_then(|txs| txs.get(&tx.nonce));
                assert_eq!(found.map(|found| found.hash), Some(tx.hash), "{tx:?}");
                assert!(self.pool.contains(tx.hash));
            }
            assert_eq!(
                self.pool.next_nonce(*address, self.model.nonces[sender]),
                self.model.pending_end(sender)
            );
        }
        assert_eq!(self.pool.status(), PoolStatus { pending, queued });
        let held = |part: &std::collections::BTreeMap<_, std::collections::BTreeMap<u64, _>>| {
            part.values().map(|txs| txs.len()).sum::<usize>()
        };
        assert_eq!((held(&content.pending), held(&content.queued)), (pending, queued));
        assert!(pending + queued <= MAX_TRANSACTIONS);
        for limit in [3, usize::MAX] {
            let batch = self.pool.best(&self.head(), &self.state, u64::MAX, limit);
            let hashes: Vec<_> = batch.iter().map(|tx| tx.hash).collect();
            assert_eq!(hashes, self.model.best(limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
            world.check();
        }
    }
}
