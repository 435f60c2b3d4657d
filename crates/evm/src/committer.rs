//! One block from its first system call to its last, committed in order.
//!
//! Invariant: `commit` is called once per included transaction, in block order, with an outcome
//! that was computed on exactly the state that all earlier commits left behind.

use crate::{BlockState, EvmEnv, StateDbError, appearances, dao, rules::BlockRules};
use alloy_consensus::{EthereumReceipt, Header, Transaction as _, TxType, Typed2718};
use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_eips::{eip4895::Withdrawals, eip7685::Requests};
use alloy_evm::{
    Evm,
    block::{BlockExecutionError, BlockExecutionResult, BlockExecutor},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthTxResult,
        receipt_builder::{ReceiptBuilder as AlloyReceiptBuilder, ReceiptBuilderCtx},
    },
};
use alloy_primitives::{B256, Bytes};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Appearances, Receipt, StateChanges, Transaction};
use plasma_vm::PlasmaEvm;
use revm::{
    context_interface::result::{ExecutionResult, HaltReason, ResultAndState},
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::{borrow::Cow, sync::Arc};

/// A block cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The block breaks a rule, or the state could not be read.
    #[error(transparent)]
    Execution(#[from] BlockExecutionError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateDbError),
}

impl BlockError {
    /// True where the block itself breaks a rule; false where it could not be executed.
    pub fn is_the_blocks(&self) -> bool {
        matches!(self, Self::Execution(BlockExecutionError::Validation(_)))
    }
}

/// What a block's execution needs beside its environment.
#[derive(Clone, Debug, Default)]
pub struct BlockContext<'a> {
    /// Hash of the parent (EIP-2935).
    pub parent_hash: B256,
    /// Beacon block root of the parent slot (EIP-4788); `None` before Cancun.
    pub parent_beacon_block_root: Option<B256>,
    /// Withdrawals (EIP-4895); `None` before Shanghai.
    pub withdrawals: Option<Withdrawals>,
    /// Uncles, for the rewards of proof-of-work chains.
    pub ommers: &'a [Header],
    /// Extra data of the header.
    pub extra_data: Bytes,
}

/// Builds Plasma's receipts ([`EthereumReceipt`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiptBuilder;

impl AlloyReceiptBuilder for ReceiptBuilder {
    type Transaction = Transaction;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        EthereumReceipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

type Inner<'a> =
    EthBlockExecutor<'a, PlasmaEvm<BlockState>, BlockRules<Arc<ChainSpec>>, ReceiptBuilder>;

/// An outcome that is to be committed: the transaction, its result and its changes.
pub type Outcome<'t> = (&'t Transaction, ExecutionResult<HaltReason>, EvmState);

/// What an executed block came to.
#[derive(Clone, Debug)]
pub struct FinishedBlock {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// By what each transaction can be found, up to what [`crate::complete_appearances`] adds.
    pub appearances: Vec<Appearances>,
    /// Requests for the consensus layer (EIP-7685).
    pub requests: Requests,
    /// Gas used by the whole block.
    pub gas_used: u64,
    /// Blob gas used by the whole block (EIP-4844).
    pub blob_gas_used: u64,
    /// All changes against the parent's post-state.
    pub changes: StateChanges,
    /// Those of them that the post-block work made.
    pub closing: Arc<StateChanges>,
    /// What the block accessed and changed where (EIP-7928), from Amsterdam on. Of a block whose
    /// transactions were committed as verified by a list: what came before and after them.
    pub access_list: Option<BlockAccessList>,
}

impl FinishedBlock {
    /// The block access list as it is hashed, stored and sent: RLP.
    pub fn encoded_access_list(&self) -> Option<Bytes> {
        self.access_list.as_ref().map(|list| alloy_rlp::encode(list).into())
    }
}

/// Executes the frame of a block around its transactions and commits their outcomes.
///
/// An EVM cannot move between threads, an open block must: upstream's executor exists only while
/// something is executed or committed, and its totals are kept here in between.
#[derive(Debug)]
pub struct BlockCommitter<'a> {
    rules: BlockRules<Arc<ChainSpec>>,
    env: EvmEnv,
    context: EthBlockExecutionCtx<'a>,
    state: BlockState,
    totals: Totals,
    appearances: Vec<Appearances>,
    /// Whether transactions go into the block access list.
    lists_transactions: bool,
}

/// What upstream's executor counts.
#[derive(Debug, Default)]
struct Totals {
    receipts: Vec<Receipt>,
    cumulative_tx_gas_used: u64,
    block_regular_gas_used: u64,
    block_state_gas_used: u64,
    blob_gas_used: u64,
}

impl<'a> BlockCommitter<'a> {
    /// A block in `env` on `state`; nothing is executed yet.
    pub fn new(
        spec: Arc<ChainSpec>,
        env: EvmEnv,
        context: BlockContext<'a>,
        state: BlockState,
    ) -> Self {
        let context = EthBlockExecutionCtx {
            parent_hash: context.parent_hash,
            parent_beacon_block_root: context.parent_beacon_block_root,
            ommers: context.ommers,
            withdrawals: context.withdrawals.map(|list| Cow::Owned(list.into_inner())),
            extra_data: context.extra_data,
            tx_count_hint: None,
            slot_number: None,
        };
        let proof_of_stake = env.cfg_env.spec >= SpecId::MERGE;
        let rules = BlockRules::of_environment(spec, proof_of_stake);
        Self {
            rules,
            env,
            context,
            state,
            totals: Totals::default(),
            appearances: Vec::new(),
            lists_transactions: true,
        }
    }

    /// Upstream's executor with the state and the totals as they are.
    fn executor(&mut self) -> Inner<'a> {
        let state = self.state.take();
        let evm = PlasmaEvm::new(state, self.env.clone());
        let mut inner =
            EthBlockExecutor::new(evm, self.context.clone(), self.rules.clone(), ReceiptBuilder);
        let totals = std::mem::take(&mut self.totals);
        inner.receipts = totals.receipts;
        inner.cumulative_tx_gas_used = totals.cumulative_tx_gas_used;
        inner.block_regular_gas_used = totals.block_regular_gas_used;
        inner.block_state_gas_used = totals.block_state_gas_used;
        inner.blob_gas_used = totals.blob_gas_used;
        inner
    }

    /// Takes state and totals back.
    fn keep(&mut self, inner: Inner<'a>) {
        self.totals = Totals {
            receipts: inner.receipts,
            cumulative_tx_gas_used: inner.cumulative_tx_gas_used,
            block_regular_gas_used: inner.block_regular_gas_used,
            block_state_gas_used: inner.block_state_gas_used,
            blob_gas_used: inner.blob_gas_used,
        };
        self.state = inner.evm.finish().0;
    }

    /// What comes before the first transaction: the DAO's money (EIP-779), system calls (EIP-2935,
    /// EIP-4788).
    pub fn begin(&mut self) -> Result<(), BlockError> {
        self.list_at(Some(BlockAccessIndex::PRE_EXECUTION));
        if self.rules.moves_dao_money(self.env.block_env.number.saturating_to()) {
            let moved = dao::moved_money(&self.state).map_err(StateDbError::from)?;
            self.state.apply(moved);
        }
        let mut inner = self.executor();
        let begun = inner.apply_pre_execution_changes();
        self.keep(inner);
        Ok(begun?)
    }

    /// Leaves transactions out of the block access list: they were verified by one.
    pub fn leave_transactions_unlisted(&mut self) {
        self.lists_transactions = false;
    }

    fn list_at(&mut self, index: Option<BlockAccessIndex>) {
        if self.env.cfg_env.spec.is_enabled_in(SpecId::AMSTERDAM) {
            self.state.list_at(index);
        }
    }

    /// The place of the next transaction in a block access list, or of what comes after the last.
    fn next_place(&self) -> BlockAccessIndex {
        BlockAccessIndex::from_tx_index(self.totals.receipts.len() as u64)
    }

    /// Gas that transactions may still use in this block.
    pub fn gas_left(&self) -> u64 {
        self.env.block_env.gas_limit.saturating_sub(self.gas_used())
    }

    /// Gas that the transactions so far have used.
    pub fn gas_used(&self) -> u64 {
        if self.env.cfg_env.enable_amsterdam_eip8037 {
            self.totals.block_regular_gas_used.max(self.totals.block_state_gas_used)
        } else {
            self.totals.cumulative_tx_gas_used
        }
    }

    /// Blob gas of the transactions so far.
    pub fn blob_gas_used(&self) -> u64 {
        self.totals.blob_gas_used
    }

    /// Receipts so far, in block order.
    pub fn receipts(&self) -> &[Receipt] {
        &self.totals.receipts
    }

    /// The block's state as of the last commit.
    pub fn state(&self) -> &BlockState {
        &self.state
    }

    /// The block's state, to end a tick or to apply a developer's patch.
    pub fn state_mut(&mut self) -> &mut BlockState {
        &mut self.state
    }

    /// Environment of the block.
    pub fn env(&self) -> &EvmEnv {
        &self.env
    }

    /// Commits outcomes in order: the next transactions of the block.
    pub fn commit<'t>(&mut self, outcomes: impl IntoIterator<Item = Outcome<'t>>) {
        let listed = self.lists_transactions && self.env.cfg_env.spec >= SpecId::AMSTERDAM;
        let mut place = self.next_place();
        self.list_at(None);
        let mut inner = self.executor();
        for (transaction, result, state) in outcomes {
            if listed {
                inner.evm.db_mut().list_at(Some(place));
                place.increment();
            }
            let (to, beneficiary) = (transaction.kind(), self.env.block_env.beneficiary);
            self.appearances.push(appearances::of_outcome(to, &state, beneficiary));
            let tx_type = TxType::try_from(transaction.ty())
                .expect("a decoded transaction has a type that this client knows");
            let _gas = inner.commit_transaction(EthTxResult {
                result: ResultAndState { result, state },
                blob_gas_used: transaction.blob_gas_used().unwrap_or_default(),
                tx_type,
            });
        }
        self.keep(inner);
    }

    /// Post-block work (withdrawals, requests, rewards) and the block's totals.
    pub fn finish(mut self) -> Result<FinishedBlock, BlockError> {
        self.state.end_tick();
        self.list_at(Some(self.next_place()));
        let (evm, result) = self.executor().finish()?;
        let BlockExecutionResult { receipts, requests, gas_used, blob_gas_used } = result;
        let (mut state, _env) = evm.finish();
        let closing = state.end_tick();
        Ok(FinishedBlock {
            access_list: state.take_list(),
            closing,
            appearances: std::mem::take(&mut self.appearances),
            receipts,
            requests,
            gas_used,
            blob_gas_used,
            changes: state.into_changes(),
        })
    }
}
