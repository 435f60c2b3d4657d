//! The block that is being built.
//!
//! Invariant: everything in an open block was executed on exactly the state that everything
//! before it left behind, and stands in the journal once its tick has ended.

use crate::{ChainError, ExecutorKind, PendingBlock, block::ExecutedBlock, upkeeps::emitted_logs};
use alloy_consensus::{Header, Transaction as _, transaction::Recovered};
use alloy_eips::eip4895::Withdrawals;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, Bytes};
use plasma_chainspec::ChainSpec;
use plasma_evm::{
    BlockCommitter, BlockContext, BlockParts, BlockState, EvmEnv, InvalidTransaction,
    NextBlockAttributes, assemble_header, next_block_env, tx_env,
};
use plasma_keeper::EmittedLog;
use plasma_parallel::{
    BatchOutcome, Conflict, ConflictReport, ParallelExecutor, TransactionOutcome,
    execute_sequential,
};
use plasma_storage::{StateChanges, StateReader, Transaction};
use plasma_trie::OpenTrie;
use std::{sync::Arc, time::Instant};

/// A block between its first system call and its seal.
pub(crate) struct OpenBlock {
    pub(crate) parent: Arc<ExecutedBlock>,
    pub(crate) attributes: NextBlockAttributes,
    pub(crate) env: EvmEnv,
    pub(crate) transactions: Vec<Recovered<Transaction>>,
    pub(crate) conflicts: ConflictReport,
    /// Ticks that ended with something in them.
    pub(crate) ticks: u32,
    /// Number and first transaction of a tick that nobody was told of, as it becomes durable with the block only.
    pub(crate) untold: Option<Untold>,
    /// Performs among the transactions.
    pub(crate) performs: usize,
    pub(crate) opened: Instant,
    /// A developer's patch that was applied before anything else.
    pub(crate) patch: Option<StateChanges>,
    /// Works on the root while the block is open; `None` until a tick was published.
    pub(crate) trie: Option<OpenTrie>,
    committer: BlockCommitter<'static>,
    frame: Frame,
    extra_data: Bytes,
    spec: Arc<ChainSpec>,
    /// First transaction of the tick in progress.
    tick_start: usize,
}

/// A sealed block before it is journaled.
pub(crate) struct BuiltBlock {
    pub(crate) executed: ExecutedBlock,
    pub(crate) changes: StateChanges,
    /// Those of the changes that came after the last transaction.
    pub(crate) closing: Arc<StateChanges>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct BatchResult {
    /// Position in the batch and position in the block of what was included.
    pub(crate) included: Vec<(usize, usize)>,
    /// Position in the batch and reason of what was left out.
    pub(crate) rejected: Vec<(usize, InvalidTransaction)>,
}

/// Ticks that are told of as one when the block is sealed.
#[derive(Debug)]
pub(crate) struct Untold {
    number: u32,
    first: usize,
    /// What they wrote; not kept where they are the whole block, whose changes are known then.
    changes: Vec<Arc<StateChanges>>,
}

impl Untold {
    /// None yet: the first has this number and begins with transaction `first`.
    pub(crate) const fn new(number: u32, first: usize) -> Self {
        Self { number, first, changes: Vec::new() }
    }

    /// Adds a tick.
    pub(crate) fn add(&mut self, changes: Arc<StateChanges>) {
        if self.first > 0 {
            self.changes.push(changes);
        }
    }

    /// Number, first transaction and changes of the tick that is told, of a block that changed `all`, and `closing` at
    /// its end.
    pub(crate) fn into_told(
        self,
        all: &Arc<StateChanges>,
        closing: &Arc<StateChanges>,
    ) -> (u32, usize, Vec<Arc<StateChanges>>) {
        let Self { number, first, mut changes } = self;
        if first == 0 {
            return (number, first, vec![all.clone()]);
        }
        changes.push(closing.clone());
        (number, first, changes)
    }
}

impl OpenBlock {
    /// Opens the block after `parent`, whose post-state is `state`, and runs its first system
    /// calls. `patch` is applied before them; `dev` allows for impersonated contracts.
    pub(crate) fn open(
        spec: &Arc<ChainSpec>,
        parent: Arc<ExecutedBlock>,
        state: Arc<dyn StateReader>,
        attributes: NextBlockAttributes,
        extra_data: Bytes,
        patch: Option<StateChanges>,
        dev: bool,
    ) -> Result<Self, ChainError> {
        let mut env = next_block_env(spec, &parent.header, &attributes);
        // EIP-3607 is about keys that collide with contracts; a developer may impersonate one.
        env.cfg_env.disable_eip3607 = dev;
        let frame = Frame::new(spec, attributes.timestamp);
        let mut block_state = BlockState::new(state);
        if let Some(patch) = &patch {
            block_state.apply(patch.clone());
        }
        let context = BlockContext {
            parent_hash: parent.hash,
            parent_beacon_block_root: frame.parent_beacon_block_root,
            withdrawals: frame.withdrawals.clone(),
            ommers: &[],
            extra_data: extra_data.clone(),
        };
        let mut committer = BlockCommitter::new(spec.clone(), env.clone(), context, block_state);
        committer.begin()?;
        Ok(Self {
            parent,
            attributes,
            env,
            transactions: Vec::new(),
            conflicts: ConflictReport::default(),
            ticks: 0,
            untold: None,
            performs: 0,
            opened: Instant::now(),
            patch,
            trie: None,
            committer,
            frame,
            extra_data,
            spec: spec.clone(),
            tick_start: 0,
        })
    }

    /// The block's number.
    pub(crate) fn number(&self) -> u64 {
        self.parent.number() + 1
    }

    /// Gas that is still free.
    pub(crate) fn gas_left(&self) -> u64 {
        self.committer.gas_left()
    }

    /// Blob gas that is still free.
    pub(crate) fn blob_gas_left(&self) -> u64 {
        let limit = self
            .spec
            .blob_params_at(self.attributes.timestamp)
            .map_or(0, |params| params.max_blob_gas_per_block());
        limit.saturating_sub(self.committer.blob_gas_used())
    }

    /// State after the last committed transaction.
    pub(crate) fn state(&self) -> &BlockState {
        self.committer.state()
    }

    /// Logs of the transactions from position `from` on.
    pub(crate) fn logs_since(&self, from: usize) -> Vec<EmittedLog> {
        emitted_logs(&self.transactions, self.committer.receipts(), from)
    }

    /// The receipt of transaction `index`.
    pub(crate) fn receipt(&self, index: usize) -> Option<&plasma_storage::Receipt> {
        self.committer.receipts().get(index)
    }

    /// Executes `batch` on top of what stands in the block and commits it in order. The caller
    /// makes sure that the gas limits of the batch fit into the block.
    pub(crate) fn execute(
        &mut self,
        executor: &ParallelExecutor,
        kind: ExecutorKind,
        batch: Vec<Recovered<Transaction>>,
    ) -> Result<BatchResult, ChainError> {
        let envs: Vec<_> = batch.iter().map(tx_env).collect();
        let BatchOutcome { outcomes, report } = match kind {
            ExecutorKind::Parallel => executor.execute(self.committer.state(), &self.env, &envs)?,
            ExecutorKind::Sequential => {
                execute_sequential(self.committer.state(), &self.env, &envs)?
            }
        };
        let mut result = BatchResult::default();
        // Positions in the report become positions in the block, so that readers find them.
        let mut block_position = vec![None; batch.len()];
        let first = self.transactions.len();
        let mut committed = Vec::with_capacity(batch.len());
        for (position, (transaction, outcome)) in batch.into_iter().zip(outcomes).enumerate() {
            match outcome {
                TransactionOutcome::Executed { result: executed, state } => {
                    block_position[position] = Some(self.transactions.len());
                    result.included.push((position, self.transactions.len()));
                    self.transactions.push(transaction);
                    committed.push((executed, state));
                }
                TransactionOutcome::Invalid(reason) => result.rejected.push((position, reason)),
            }
        }
        self.committer.commit(
            self.transactions[first..]
                .iter()
                .zip(committed)
                .map(|(transaction, (executed, state))| (transaction.inner(), executed, state)),
        );
        self.merge_conflicts(report, &block_position);
        Ok(result)
    }

    fn merge_conflicts(&mut self, report: ConflictReport, block_position: &[Option<usize>]) {
        let place = |position: u32| {
            block_position.get(position as usize).copied().flatten().map(|place| place as u32)
        };
        for (position, incarnations) in report.incarnations.into_iter().enumerate() {
            if block_position[position].is_some() {
                self.conflicts.incarnations.push(incarnations);
            }
        }
        let placed = |mut conflict: Conflict| {
            conflict.reader = place(conflict.reader)?;
            conflict.writer = place(conflict.writer)?;
            Some(conflict)
        };
        self.conflicts.conflicts.extend(report.conflicts.into_iter().filter_map(placed));
        self.conflicts.waits.extend(report.waits.into_iter().filter_map(placed));
        self.conflicts.parallel |= report.parallel;
        self.conflicts.threads = self.conflicts.threads.max(report.threads);
    }

    /// Changes of the tick in progress.
    pub(crate) fn tick_changes(&self) -> &StateChanges {
        self.committer.state().tick_changes()
    }

    /// First transaction of the tick in progress.
    pub(crate) fn tick_start(&self) -> usize {
        self.tick_start
    }

    /// Ends the tick in progress: what it did becomes part of [`Self::pending`]. Answers what it
    /// changed.
    pub(crate) fn end_tick(&mut self) -> Arc<StateChanges> {
        let changes = self.committer.state_mut().end_tick();
        if self.tick_start < self.transactions.len() {
            self.ticks += 1;
            self.tick_start = self.transactions.len();
        }
        changes
    }

    /// The open block as readers may see it.
    pub(crate) fn pending(&self) -> PendingBlock {
        let mut block = pending_block(
            &self.spec,
            &self.parent,
            &self.attributes,
            &self.env,
            self.extra_data.clone(),
        );
        block.header.gas_used = self.committer.gas_used();
        if block.header.blob_gas_used.is_some() {
            block.header.blob_gas_used = Some(self.committer.blob_gas_used());
        }
        block.transactions.clone_from(&self.transactions);
        block.receipts = self.committer.receipts().to_vec();
        PendingBlock {
            block,
            state: Arc::new(self.committer.state().published()),
            env: self.env.clone(),
        }
    }

    /// Runs the post-block work and builds the block; `root` computes the state root of the
    /// changes.
    pub(crate) fn seal(
        self,
        root: impl FnOnce(&StateChanges) -> Result<B256, ChainError>,
    ) -> Result<BuiltBlock, ChainError> {
        let finished = self.committer.finish()?;
        let access_list = finished.encoded_access_list();
        let state_root = root(&finished.changes)?;
        let plain: Vec<Transaction> =
            self.transactions.iter().map(|transaction| transaction.inner().clone()).collect();
        let parts = BlockParts {
            parent_hash: self.parent.hash,
            state_root,
            transactions: &plain,
            withdrawals: self.frame.withdrawals.as_ref(),
            parent_beacon_block_root: self.frame.parent_beacon_block_root,
            access_list: access_list.as_ref(),
            extra_data: self.extra_data,
        };
        let header = assemble_header(&self.spec, &self.env, &parts, &finished);
        let hash = header.hash_slow();
        Ok(BuiltBlock {
            executed: ExecutedBlock {
                header,
                hash,
                transactions: self.transactions,
                receipts: finished.receipts,
                ommers: Vec::new(),
                withdrawals: self.frame.withdrawals,
                // A block of this node has no difficulty to add.
                total_difficulty: self.parent.total_difficulty,
                post_states: Vec::new(),
                access_list,
            },
            changes: finished.changes,
            closing: finished.closing,
        })
    }
}

/// The parts of a block that the fork demands and that a sequencer leaves empty.
#[derive(Clone, Debug)]
struct Frame {
    withdrawals: Option<Withdrawals>,
    parent_beacon_block_root: Option<B256>,
}

impl Frame {
    fn new(spec: &ChainSpec, timestamp: u64) -> Self {
        Self {
            withdrawals: spec.is_shanghai_active_at_timestamp(timestamp).then(Withdrawals::default),
            parent_beacon_block_root: spec
                .is_cancun_active_at_timestamp(timestamp)
                .then_some(B256::ZERO),
        }
    }
}

/// The block after `parent` before anything stands in it: a header without roots, no hash.
pub(crate) fn pending_block(
    spec: &ChainSpec,
    parent: &ExecutedBlock,
    attributes: &NextBlockAttributes,
    env: &EvmEnv,
    extra_data: Bytes,
) -> ExecutedBlock {
    let frame = Frame::new(spec, attributes.timestamp);
    let number = parent.number() + 1;
    let block = &env.block_env;
    ExecutedBlock {
        header: Header {
            parent_hash: parent.hash,
            beneficiary: attributes.beneficiary,
            number,
            gas_limit: attributes.gas_limit,
            timestamp: attributes.timestamp,
            mix_hash: attributes.prev_randao,
            base_fee_per_gas: spec.is_london_active_at_block(number).then_some(block.basefee),
            blob_gas_used: frame.parent_beacon_block_root.map(|_| 0),
            excess_blob_gas: block.blob_excess_gas_and_price.map(|blob| blob.excess_blob_gas),
            parent_beacon_block_root: frame.parent_beacon_block_root,
            slot_number: spec
                .is_amsterdam_active_at_timestamp(attributes.timestamp)
                .then_some(block.slot_num),
            extra_data,
            ..Header::default()
        },
        withdrawals: frame.withdrawals,
        total_difficulty: parent.total_difficulty,
        ..ExecutedBlock::default()
    }
}

/// Blob gas of a transaction; zero for all types but 3.
pub(crate) fn blob_gas(transaction: &Transaction) -> u64 {
    transaction.blob_gas_used().unwrap_or_default()
}
