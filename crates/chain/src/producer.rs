//! Makes blocks: opens them, lets them grow by ticks, seals them.
//!
//! Invariant: whoever holds the producer is the only one that changes the chain.

use crate::{
    ChainConfig, ChainError,
    block::ExecutedBlock,
    dev::DevState,
    inner::Inner,
    latency::Latency,
    metrics,
    open_block::{Frame, OpenBlock, Untold},
    upkeeps::restore_queue,
};
use alloy_consensus::transaction::Recovered;
use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip7594::BlobTransactionSidecarVariant};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, keccak256, map::B256Map};
use plasma_chainspec::ChainSpec;
use plasma_evm::{EvmEnv, NextBlockAttributes};
use plasma_keeper::{Keeper, PlannedPerform, RoundInput};
use plasma_storage::{StateChanges, StateReader, TickRecord, Transaction};
use plasma_txpool::PoolHead;
use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// EIP-1559: a gas limit moves by less than this fraction of the parent's.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;

/// Most batches that one tick takes from the pool, so that a tick ends under any load.
const BATCHES_PER_TICK: usize = 8;

/// The block producer. One exists per chain, behind a lock.
pub(crate) struct Producer {
    pub(crate) open: Option<OpenBlock>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) dev: DevState,
    /// Logs that the keeper has not seen yet start at this transaction of the open block.
    keeper_seen: usize,
    /// Changes that the keeper has not seen and that are not part of the tick in progress.
    pub(crate) keeper_carry: StateChanges,
    /// Performs in the tick in progress, as positions in the block.
    tick_performs: Vec<u32>,
    pub(crate) latency: Latency,
    /// What the keeper has seen beyond the head.
    pub(crate) keeper_ahead: KeeperAhead,
    /// Blobs of the payload under construction: they are asked for with it, whatever has become of the pool.
    pub(crate) sidecars: B256Map<Arc<BlobTransactionSidecarVariant>>,
}

/// What the keeper has seen beyond the head, in a chain that a consensus layer drives: there a block may be built and
/// come to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeeperAhead {
    /// Nothing, or what will be part of the chain.
    #[default]
    Nothing,
    /// Some of a payload that is still open.
    OpenPayload,
    /// All of the payload with this hash.
    Payload(B256),
}

impl Producer {
    pub(crate) fn new(keeper: Option<Keeper>, dev: DevState) -> Self {
        Self {
            open: None,
            keeper,
            dev,
            keeper_seen: 0,
            keeper_carry: StateChanges::default(),
            tick_performs: Vec::new(),
            latency: Latency::default(),
            keeper_ahead: KeeperAhead::Nothing,
            sidecars: B256Map::default(),
        }
    }

    /// Opens the next block where none is open.
    pub(crate) fn open(&mut self, chain: &Inner) -> Result<(), ChainError> {
        if self.open.is_some() {
            return Ok(());
        }
        let parent = chain.head();
        let attributes = self.next_attributes(&chain.spec, &chain.config, &parent);
        let patch = self.dev.patch.clone();
        let frame = Frame::empty(&chain.spec, attributes.timestamp);
        self.open_with(chain, parent, attributes, frame, (!patch.is_empty()).then_some(patch))
    }

    /// Opens the next block with given attributes (restart, or [`Self::open`]).
    pub(crate) fn open_with(
        &mut self,
        chain: &Inner,
        parent: Arc<ExecutedBlock>,
        attributes: NextBlockAttributes,
        frame: Frame,
        patch: Option<StateChanges>,
    ) -> Result<(), ChainError> {
        let (spec, dev) = (&chain.spec, chain.config.dev);
        let state: Arc<dyn StateReader> = Arc::new(chain.db.latest()?);
        let extra_data = chain.config.extra_data.clone();
        let open = OpenBlock::open(spec, parent, state, attributes, frame, extra_data, patch, dev)?;
        self.keeper_seen = 0;
        self.tick_performs.clear();
        self.sidecars.clear();
        self.open = Some(open);
        Ok(())
    }

    /// What the next block would be opened with now.
    pub(crate) fn next_attributes(
        &self,
        spec: &ChainSpec,
        config: &ChainConfig,
        parent: &ExecutedBlock,
    ) -> NextBlockAttributes {
        let gas_limit = self
            .dev
            .gas_limit
            .unwrap_or_else(|| towards(parent.header.gas_limit, config.gas_limit_target));
        NextBlockAttributes {
            timestamp: self.dev.next_timestamp(parent.header.timestamp, now_s()),
            beneficiary: self.dev.coinbase.unwrap_or(config.beneficiary),
            prev_randao: self
                .dev
                .next_prev_randao
                .unwrap_or_else(|| keccak256([parent.hash.as_slice(), b"plasma randao"].concat())),
            gas_limit,
            base_fee: self
                .dev
                .next_base_fee
                .filter(|_| spec.is_london_active_at_block(parent.number() + 1)),
            slot_number: None,
        }
    }

    /// One tick: a batch from the pool, then the keeper, then the journal, then the listeners.
    /// Returns how many transactions it added. `durable` is false where the caller seals the
    /// block at once, so that the block's own journal record is the durable one.
    pub(crate) fn tick(&mut self, chain: &Inner, durable: bool) -> Result<usize, ChainError> {
        let started = Instant::now();
        self.open(chain)?;
        let added = self.grow(chain, started)?;
        if added == 0 {
            return Ok(0);
        }
        if durable {
            self.journal_tick(chain)?;
            self.latency.durable();
        }
        if let Some(open) = self.open.as_mut() {
            let included: Vec<(Address, u64)> =
                open.transactions[open.tick_start()..].iter().map(sender_and_nonce).collect();
            let (number, first) = (open.ticks, open.tick_start());
            let changes = open.end_tick();
            self.tick_performs.clear();
            if durable {
                chain.publish_pending(open, number, first, changes.clone());
                // A block that is sealed at once would only wait for what is begun here.
                open.trie.get_or_insert_with(|| chain.open_trie()).add(changes);
                // Only now: were they gone before their nonces can be read, a transaction that
                // arrives in between would get a nonce that is taken. Sealing does the same.
                chain.pool.remove_included(&included);
            } else {
                let untold = open.untold.get_or_insert_with(|| Untold::new(number, first));
                untold.add(changes);
            }
        }
        metrics::tick(started.elapsed(), added);
        Ok(added)
    }

    /// One tick of a payload that the consensus layer has asked for: readers see it as pending, but nothing is promised and
    /// nothing leaves the pool, as the payload may come to nothing. Does nothing where none is open.
    pub(crate) fn tick_payload(&mut self, chain: &Inner) -> Result<usize, ChainError> {
        let started = Instant::now();
        let added = self.grow(chain, started)?;
        let Some(open) = self.open.as_mut().filter(|_| added > 0) else { return Ok(0) };
        let changes = open.end_tick();
        self.tick_performs.clear();
        chain.show_pending(open);
        open.trie.get_or_insert_with(|| chain.open_trie()).add(changes);
        metrics::tick(started.elapsed(), added);
        Ok(added)
    }

    /// Executes what the pool and the keeper have for the open block, and answers how many transactions that added.
    fn grow(&mut self, chain: &Inner, started: Instant) -> Result<usize, ChainError> {
        for _ in 0..BATCHES_PER_TICK {
            if self.take_batch(chain)? == 0 {
                break;
            }
        }
        if let Err(error) = self.keeper_rounds(chain, started) {
            match error {
                ChainError::Keeper(_) => self.keeper_failed(chain, error)?,
                other => return Err(other),
            }
        }
        Ok(self.open.as_ref().map_or(0, |open| open.transactions.len() - open.tick_start()))
    }

    /// A keeper that cannot read its registry ends the node, since upkeeps would be missed. A developer may break the registry
    /// at will: on a development node it is the keeper alone that ends.
    pub(crate) fn keeper_failed(
        &mut self,
        chain: &Inner,
        error: ChainError,
    ) -> Result<(), ChainError> {
        if !chain.config.dev {
            return Err(error);
        }
        tracing::error!(target: "plasma::keeper", %error, "the keeper cannot go on and is off: no upkeep is fired until the node is started again");
        self.keeper = None;
        Ok(())
    }

    /// Brings a keeper that has seen a payload that came to nothing back to the head.
    pub(crate) fn keeper_to_head(&mut self, chain: &Inner) -> Result<(), ChainError> {
        self.keeper_ahead = KeeperAhead::Nothing;
        self.keeper_carry = StateChanges::default();
        let Some(keeper) = self.keeper.as_mut() else { return Ok(()) };
        let env = plasma_evm::block_env(&chain.spec, &chain.head().header);
        keeper.reload(&chain.db.latest()?, &env)?;
        restore_queue(chain, keeper)
    }

    /// Takes one batch from the pool and executes it; returns how many transactions it included.
    fn take_batch(&mut self, chain: &Inner) -> Result<usize, ChainError> {
        let Some(open) = self.open.as_mut() else { return Ok(0) };
        let head = pool_head(open);
        let ready = chain.pool.best_with_blobs(
            &head,
            open.state(),
            open.gas_left(),
            chain.config.batch_limit,
            open.blob_gas_left() / DATA_GAS_PER_BLOB,
        );
        let mut hashes = Vec::with_capacity(ready.len());
        let mut batch = Vec::with_capacity(ready.len());
        for pooled in ready {
            if let Some(sidecar) = pooled.sidecar.as_ref().filter(|_| chain.config.driven) {
                self.sidecars.insert(pooled.hash, sidecar.clone());
            }
            hashes.push(pooled.hash);
            batch.push(Recovered::new_unchecked(pooled.transaction.clone(), pooled.sender));
        }
        if batch.is_empty() {
            return Ok(0);
        }
        let result = open.execute(&chain.executor, chain.config.executor, batch)?;
        for (position, reason) in result.rejected {
            metrics::rejected();
            tracing::debug!(target: "plasma::chain", hash = %hashes[position], %reason, "transaction left out");
            chain.pool.remove_invalid(hashes[position], &reason.to_string());
        }
        Ok(result.included.len())
    }

    /// Lets the keeper fire what became due, round after round while performs cause performs.
    fn keeper_rounds(&mut self, chain: &Inner, tick: Instant) -> Result<(), ChainError> {
        let Some(keeper) = self.keeper.as_mut() else { return Ok(()) };
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let mut carried = std::mem::take(&mut self.keeper_carry);
        let rounds = keeper.max_rounds();
        // One round more only looks, so that the record tells the truth about what the last performs did.
        for round in 0..=rounds {
            let news;
            let changes = if carried.is_empty() {
                open.tick_changes()
            } else {
                carried.merge(open.tick_changes().clone());
                news = std::mem::take(&mut carried);
                &news
            };
            let first_of_block = self.keeper_seen == 0 && open.transactions.is_empty();
            let logs = open.logs_since(self.keeper_seen);
            self.keeper_seen = open.transactions.len();
            let plan = keeper.round(RoundInput {
                state: open.state(),
                env: &open.env,
                time_ms: self.dev.shifted_ms(now_ms()),
                new_logs: &logs,
                changes: Some(changes),
                gas_left: open.gas_left(),
                first_of_block,
                may_perform: round < rounds,
            })?;
            self.latency.found(&plan.decisions, tick);
            if plan.performs.is_empty() {
                return Ok(());
            }
            let (batch, places) = plan.batch();
            let mut placed = vec![None; batch.len()];
            let result = open.execute(&chain.executor, chain.config.executor, batch)?;
            for (position, reason) in &result.rejected {
                let of_it =
                    plan.performs.iter().zip(&places).filter(|(_, place)| *place == position);
                for (perform, _) in of_it {
                    tracing::warn!(target: "plasma::keeper", upkeep = %perform.upkeep, lane = %perform.lane, %reason, "perform left out");
                }
            }
            for &(position, place) in &result.included {
                placed[position] = Some(place);
                self.tick_performs.push(place as u32);
            }
            let executed: Vec<(PlannedPerform, Option<&plasma_storage::Receipt>)> = plan
                .performs
                .into_iter()
                .zip(places)
                .map(|(perform, position)| {
                    (perform, placed[position].and_then(|place| open.receipt(place)))
                })
                .collect();
            let performed = executed.iter().filter(|(_, receipt)| receipt.is_some()).count();
            keeper.on_executed(&executed);
            for (perform, receipt) in &executed {
                let is_performed = receipt.is_some() && keeper.due_since(perform.upkeep).is_none();
                self.latency.executed(perform, is_performed, tick);
            }
            open.performs += performed;
            if performed == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn journal_tick(&mut self, chain: &Inner) -> Result<(), ChainError> {
        let Some(open) = self.open.as_ref() else { return Ok(()) };
        let new = &open.transactions[open.tick_start()..];
        let record = TickRecord {
            block_number: open.number(),
            tick: open.ticks,
            timestamp: open.attributes.timestamp,
            time_ms: now_ms(),
            beneficiary: open.attributes.beneficiary,
            gas_limit: open.attributes.gas_limit,
            prev_randao: open.attributes.prev_randao,
            base_fee: open.env.block_env.basefee,
            transactions: new.iter().map(|transaction| transaction.inner().clone()).collect(),
            senders: new.iter().map(Recovered::signer).collect(),
            performs: self.tick_performs.clone(),
            keeper: Default::default(),
            dev_patch: (open.ticks == 0).then(|| open.patch.clone()).flatten(),
        };
        Ok(chain.db.append_tick(&record)?)
    }
}

fn sender_and_nonce(transaction: &Recovered<Transaction>) -> (Address, u64) {
    (transaction.signer(), alloy_consensus::Transaction::nonce(transaction.inner()))
}

/// What the pool must know of the block that it is asked to fill.
pub(crate) fn pool_head(open: &OpenBlock) -> PoolHead {
    next_pool_head(open.number(), &open.attributes, &open.env)
}

/// What the pool must know of block `number`.
pub(crate) fn next_pool_head(
    number: u64,
    attributes: &NextBlockAttributes,
    env: &EvmEnv,
) -> PoolHead {
    let block = &env.block_env;
    PoolHead {
        number,
        timestamp: attributes.timestamp,
        base_fee: block.basefee,
        blob_base_fee: block.blob_excess_gas_and_price.map_or(0, |blob| blob.blob_gasprice),
        gas_limit: block.gas_limit,
    }
}

/// The next gas limit on the way from `parent` to `target`.
pub(crate) fn towards(parent: u64, target: u64) -> u64 {
    let step = (parent / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    target.clamp(parent.saturating_sub(step), parent.saturating_add(step))
}

/// Wall-clock time in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    // A clock before 1970 is as good as none; blocks then go by their parent's time.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Wall-clock time in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    now_ms() / 1_000
}
