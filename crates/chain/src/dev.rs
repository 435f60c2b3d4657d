//! Developers' commands: time, mining modes, snapshots, patches of state, impersonation.
//!
//! Invariant: a patch of state is part of the next block's journal record, so that replay and
//! restart meet the same state as the developer did.

use crate::{ChainError, block::ExecutedBlock, inner::Inner, producer::now_s};
use alloy_primitives::{Address, B256, map::HashSet};
use parking_lot::RwLock;
use plasma_storage::{StateChanges, StateReader};
use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

/// Most blocks that one command may mine.
const MINE_LIMIT: u64 = 1_000_000;

/// The latest time, in seconds, that a developer can set: it leaves room for blocks after it.
const LATEST_TIME: u64 = i64::MAX as u64;

/// What developers have set for the blocks to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct DevState {
    pub(crate) automine: bool,
    /// Milliseconds between blocks where automining is off and an interval was asked for.
    pub(crate) interval_ms: Option<u64>,
    /// Added to the wall clock, in seconds.
    pub(crate) time_offset: i64,
    next_timestamp: Option<u64>,
    timestamp_interval: Option<u64>,
    pub(crate) next_base_fee: Option<u64>,
    pub(crate) next_prev_randao: Option<B256>,
    pub(crate) coinbase: Option<Address>,
    pub(crate) gas_limit: Option<u64>,
    /// Changes of state that the next block begins with.
    pub(crate) patch: StateChanges,
    snapshots: Vec<Snapshot>,
    snapshots_taken: u64,
    /// Wall clock when the last block was sealed, in seconds.
    last_sealed: Option<u64>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    number: u64,
    time_offset: i64,
    taken_at: u64,
    patch: StateChanges,
    gas_limit: Option<u64>,
    coinbase: Option<Address>,
}

impl DevState {
    /// The settings of a fresh node.
    pub(crate) fn new(automine: bool) -> Self {
        Self { automine, ..Self::default() }
    }

    /// Block time of the next block, in seconds.
    pub(crate) fn next_timestamp(&self, parent: u64, now: u64) -> u64 {
        if let Some(exact) = self.next_timestamp {
            return exact.min(LATEST_TIME).max(parent + 1);
        }
        match self.timestamp_interval {
            Some(interval) => parent.saturating_add(interval).min(LATEST_TIME).max(parent + 1),
            None => {
                let now = now.saturating_add_signed(self.time_offset);
                now.min(LATEST_TIME).max(parent + 1)
            }
        }
    }

    /// Wall-clock milliseconds moved by the developers' offset.
    pub(crate) fn shifted_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.time_offset.saturating_mul(1_000))
    }

    /// What was set for one block only is used up.
    pub(crate) fn block_sealed(&mut self) {
        self.last_sealed = Some(now_s());
        if let Some(exact) = self.next_timestamp.take() {
            // Later blocks go on from the time that was set, as dev nodes do.
            self.time_offset = offset_to(exact);
        }
        self.next_base_fee = None;
        self.next_prev_randao = None;
        self.patch = StateChanges::default();
    }
}

/// What has to be added to the wall clock, in seconds, so that it shows `timestamp`.
fn offset_to(timestamp: u64) -> i64 {
    timestamp.min(LATEST_TIME) as i64 - now_s() as i64
}

/// Developers' commands. Each call blocks until it is done.
#[derive(Debug)]
pub struct DevControl {
    chain: Weak<Inner>,
    /// As the producer has it; a copy, so that asking does not wait for a block being made.
    automine: AtomicBool,
    impersonated: RwLock<Impersonation>,
}

#[derive(Debug, Default)]
struct Impersonation {
    all: bool,
    addresses: HashSet<Address>,
}

impl DevControl {
    pub(crate) fn new(chain: Weak<Inner>, automine: bool) -> Self {
        Self { chain, automine: AtomicBool::new(automine), impersonated: RwLock::default() }
    }

    fn chain(&self) -> Result<Arc<Inner>, ChainError> {
        self.chain.upgrade().ok_or_else(|| ChainError::Stopped("the node is shutting down".into()))
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut DevState) -> T) -> Result<T, ChainError> {
        let chain = self.chain()?;
        let mut producer = chain.producer.lock();
        let answer = change(&mut producer.dev);
        // An empty open block was built from the old settings: the next tick opens it anew.
        if producer.open.as_ref().is_some_and(|open| open.transactions.is_empty()) {
            producer.open = None;
        }
        chain.refresh_pending(&producer)?;
        drop(producer);
        chain.signal.wake();
        Ok(answer)
    }

    /// Mines `blocks` blocks, `interval_s` seconds apart where given. The first takes what waits
    /// in the pool.
    pub fn mine(
        &self,
        blocks: u64,
        interval_s: Option<u64>,
    ) -> Result<Vec<Arc<ExecutedBlock>>, ChainError> {
        if blocks > MINE_LIMIT {
            return Err(ChainError::Refused(format!(
                "{blocks} blocks are more than one call may mine ({MINE_LIMIT})"
            )));
        }
        let chain = self.chain()?;
        let mut mined = Vec::new();
        for nth in 0..blocks {
            if chain.signal.is_stopping() {
                return Err(ChainError::Stopped("the node is shutting down".into()));
            }
            let mut producer = chain.producer.lock();
            if let (Some(interval), true) = (interval_s, nth > 0) {
                let latest = chain.head().header.timestamp;
                producer.dev.next_timestamp = Some(latest.saturating_add(interval.max(1)));
            }
            let sealed = producer.tick(&chain, false).and_then(|_| producer.seal(&chain));
            mined.push(chain.or_stop(sealed)?);
        }
        Ok(mined)
    }

    /// Whether a block is made as soon as a transaction is ready.
    pub fn automine(&self) -> bool {
        self.automine.load(Ordering::Acquire)
    }

    /// Turns automining on or off.
    pub fn set_automine(&self, on: bool) -> Result<(), ChainError> {
        self.with_state(|dev| {
            dev.automine = on;
            self.automine.store(on, Ordering::Release);
        })
    }

    /// Milliseconds between blocks; `None` where blocks do not come by time.
    pub fn interval_mining(&self) -> Result<Option<u64>, ChainError> {
        Ok(self.chain()?.producer.lock().dev.interval_ms)
    }

    /// Makes a block every `ms` milliseconds; `None` or zero stops that.
    pub fn set_interval_mining(&self, ms: Option<u64>) -> Result<(), ChainError> {
        self.with_state(|dev| dev.interval_ms = ms.filter(|&ms| ms > 0))
    }

    /// Sets the time of the next block, in seconds; it must be above the latest block's.
    pub fn set_next_block_timestamp(&self, timestamp: u64) -> Result<(), ChainError> {
        let latest = self.chain()?.head().header.timestamp;
        if timestamp <= latest {
            return Err(ChainError::Refused(format!(
                "Timestamp {timestamp} is lower than or equal to previous block's timestamp {latest}"
            )));
        }
        self.with_state(|dev| dev.next_timestamp = Some(timestamp))
    }

    /// Wall clock when the last block was sealed, in seconds; `None` before this run's first one.
    pub fn last_block_wall_time(&self) -> Result<Option<u64>, ChainError> {
        Ok(self.chain()?.producer.lock().dev.last_sealed)
    }

    /// Moves the clock by `seconds`; answers the whole offset to the wall clock.
    pub fn increase_time(&self, seconds: i64) -> Result<i64, ChainError> {
        self.with_state(|dev| {
            dev.time_offset = dev.time_offset.saturating_add(seconds);
            dev.time_offset
        })
    }

    /// Sets the clock to `timestamp` (seconds); answers the offset to the wall clock.
    pub fn set_time(&self, timestamp: u64) -> Result<i64, ChainError> {
        self.with_state(|dev| {
            dev.time_offset = offset_to(timestamp);
            dev.time_offset
        })
    }

    /// Seconds between the times of consecutive blocks; `None`: by the clock.
    pub fn set_block_timestamp_interval(&self, seconds: Option<u64>) -> Result<(), ChainError> {
        self.with_state(|dev| dev.timestamp_interval = seconds)
    }

    /// Base fee of the next block in wei.
    pub fn set_next_base_fee(&self, wei: u64) -> Result<(), ChainError> {
        self.with_state(|dev| dev.next_base_fee = Some(wei))
    }

    /// PREVRANDAO of the next block.
    pub fn set_next_prev_randao(&self, value: B256) -> Result<(), ChainError> {
        self.with_state(|dev| dev.next_prev_randao = Some(value))
    }

    /// Receiver of the fees from the next block on.
    pub fn set_coinbase(&self, coinbase: Address) -> Result<(), ChainError> {
        self.with_state(|dev| dev.coinbase = Some(coinbase))
    }

    /// Gas limit from the next block on.
    pub fn set_gas_limit(&self, gas_limit: u64) -> Result<(), ChainError> {
        self.with_state(|dev| dev.gas_limit = Some(gas_limit))
    }

    /// Remembers the present state; answers the snapshot's number.
    pub fn snapshot(&self) -> Result<u64, ChainError> {
        let chain = self.chain()?;
        let mut producer = chain.producer.lock();
        if producer.open.as_ref().is_some_and(|open| !open.transactions.is_empty()) {
            let sealed = producer.seal(&chain);
            chain.or_stop(sealed)?;
        }
        let number = chain.head().number();
        let dev = &mut producer.dev;
        dev.snapshots_taken += 1;
        dev.snapshots.push(Snapshot {
            id: dev.snapshots_taken,
            number,
            time_offset: dev.time_offset,
            taken_at: now_s(),
            patch: dev.patch.clone(),
            gas_limit: dev.gas_limit,
            coinbase: dev.coinbase,
        });
        Ok(dev.snapshots_taken)
    }

    /// Goes back to a snapshot and forgets it and all later ones; `false` where it is unknown.
    pub fn revert(&self, id: u64) -> Result<bool, ChainError> {
        let chain = self.chain()?;
        let mut producer = chain.producer.lock();
        let Some(position) = producer.dev.snapshots.iter().position(|one| one.id == id) else {
            return Ok(false);
        };
        let snapshot = producer.dev.snapshots[position].clone();
        producer.dev.snapshots.truncate(position);
        let dev = &mut producer.dev;
        // The clock goes back too: what has passed since the snapshot did not happen.
        dev.time_offset = snapshot.time_offset - (now_s() - snapshot.taken_at) as i64;
        dev.next_timestamp = None;
        dev.next_base_fee = None;
        dev.next_prev_randao = None;
        dev.gas_limit = snapshot.gas_limit;
        dev.coinbase = snapshot.coinbase;
        dev.patch = snapshot.patch;
        let reverted = chain.revert_to(&mut producer, snapshot.number);
        chain.or_stop(reverted)?;
        Ok(true)
    }

    /// Goes back to genesis and forgets all settings but the mining mode.
    pub fn reset(&self) -> Result<(), ChainError> {
        let chain = self.chain()?;
        let mut producer = chain.producer.lock();
        producer.dev = DevState {
            automine: producer.dev.automine,
            interval_ms: producer.dev.interval_ms,
            ..DevState::default()
        };
        *self.impersonated.write() = Impersonation::default();
        let reverted = chain.revert_to(&mut producer, 0);
        chain.or_stop(reverted)
    }

    /// Changes the state as it is after the latest block, which `make` is given; its error changes nothing and is the inner
    /// one of the answer. The next block begins with the changes.
    pub fn patch_state<E>(
        &self,
        make: impl FnOnce(&dyn StateReader) -> Result<StateChanges, E>,
    ) -> Result<Result<(), E>, ChainError> {
        let chain = self.chain()?;
        let mut producer = chain.producer.lock();
        if producer.open.as_ref().is_some_and(|open| !open.transactions.is_empty()) {
            let sealed = producer.seal(&chain);
            chain.or_stop(sealed)?;
        }
        producer.open = None;
        // Read and changed under one lock: in between the chain could go back.
        let changes = match make(&*chain.view().state) {
            Ok(changes) => changes,
            Err(error) => return Ok(Err(error)),
        };
        producer.dev.patch.merge(changes);
        chain.refresh_pending(&producer)?;
        Ok(Ok(()))
    }

    /// The number of the head, and what is patched over its state.
    pub fn patch(&self) -> Result<(u64, StateChanges), ChainError> {
        let chain = self.chain()?;
        let producer = chain.producer.lock();
        Ok((chain.head().number(), producer.dev.patch.clone()))
    }

    /// Lets transactions of `address` in without a signature, or no longer.
    pub fn impersonate(&self, address: Address, on: bool) {
        let mut impersonated = self.impersonated.write();
        if on {
            impersonated.addresses.insert(address);
        } else {
            impersonated.addresses.remove(&address);
        }
    }

    /// Lets transactions of every address in without a signature, or no longer.
    pub fn set_auto_impersonate(&self, on: bool) {
        self.impersonated.write().all = on;
    }

    /// Whether transactions of `address` need no signature.
    pub fn is_impersonated(&self, address: Address) -> bool {
        let impersonated = self.impersonated.read();
        impersonated.all || impersonated.addresses.contains(&address)
    }
}
