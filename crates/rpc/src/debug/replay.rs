//! Executing a sealed block again, up to the transaction of interest.

use crate::{
    api::Api,
    error::{self, RpcResult},
    exec,
};
use plasma_chain::ExecutedBlock;
use plasma_evm::{
    BlockCommitter, BlockContext, BlockState, EvmEnv, TxEnv, block_env,
    tracing::{Traced, TracingError, TransactionInfo},
    tx_env,
};
use plasma_parallel::{TransactionOutcome, execute_sequential};
use plasma_storage::StateChanges;
use plasma_txpool::PoolTransaction;
use std::sync::Arc;

/// A block in the middle of being executed again.
pub(crate) struct Replay<'a> {
    block: &'a ExecutedBlock,
    parent: u64,
    env: EvmEnv,
    committer: BlockCommitter<'a>,
    position: usize,
}

impl<'a> Replay<'a> {
    /// Starts `block` on its parent's post-state and runs what comes before its transactions: a
    /// developer's patch where it has one, then the system calls.
    ///
    /// # Errors
    /// -32000 for the genesis block and where the parent's state is pruned.
    pub(crate) fn begin(api: &Api, block: &'a ExecutedBlock) -> RpcResult<Self> {
        let parent = block
            .number()
            .checked_sub(1)
            .ok_or_else(|| error::server_error("genesis is not traceable"))?;
        let state = api.chain.state_at(parent).map_err(error::from_chain)?;
        let mut state = BlockState::new(state);
        let record = api.chain.database().block_record(block.number());
        if let Some(patch) = record.map_err(error::from_storage)?.and_then(|it| it.dev_patch) {
            state.apply(patch);
        }
        let mut env = block_env(api.chain.spec(), &block.header);
        // EIP-3607 is about keys that collide with contracts; a developer may impersonate one.
        env.cfg_env.disable_eip3607 = block
            .transactions
            .iter()
            .any(|it| PoolTransaction::is_unsigned(it.inner(), it.signer()));
        let context = BlockContext {
            parent_hash: block.header.parent_hash,
            parent_beacon_block_root: block.header.parent_beacon_block_root,
            withdrawals: block.withdrawals.clone(),
            ommers: &block.ommers,
            extra_data: block.header.extra_data.clone(),
        };
        let mut committer =
            BlockCommitter::new(api.chain.spec().clone(), env.clone(), context, state);
        committer.begin().map_err(|failure| {
            error::internal(format!("block {} cannot be replayed: {failure}", block.number()))
        })?;
        Ok(Self { block, parent, env, committer, position: 0 })
    }

    /// Number of the block on whose state this one is executed; the genesis block has none and is
    /// not replayed.
    pub(crate) const fn parent(&self) -> u64 {
        self.parent
    }

    /// Executes the transactions before position `index` and commits them.
    ///
    /// # Errors
    /// -32603 where a transaction does not execute as it did in its block, -32000 where time is up.
    pub(crate) fn skip_to(&mut self, index: usize) -> RpcResult<()> {
        let index = index.min(self.block.transactions.len());
        if index <= self.position {
            return Ok(());
        }
        while self.position < index {
            exec::check_time()?;
            self.skip()?;
        }
        Ok(())
    }

    /// Executes the next transaction and commits it.
    fn skip(&mut self) -> RpcResult<()> {
        let transaction = &self.block.transactions[self.position];
        let failed = |reason: String| {
            error::internal(format!("block {} cannot be replayed: {reason}", self.block.number()))
        };
        let batch = execute_sequential(self.committer.state(), &self.env, &[tx_env(transaction)])
            .map_err(|failure| failed(failure.to_string()))?;
        let mut outcomes = Vec::with_capacity(1);
        for outcome in batch.outcomes {
            match outcome {
                TransactionOutcome::Executed { result, state } => {
                    outcomes.push((transaction.inner(), result, state));
                }
                TransactionOutcome::Invalid(reason) => {
                    let hash = transaction.tx_hash();
                    return Err(failed(format!("transaction {hash} is invalid now: {reason}")));
                }
            }
        }
        self.committer.commit(outcomes);
        self.position += 1;
        Ok(())
    }

    /// Traces the next transaction with `tracer` and commits it; `None` after the last one.
    ///
    /// A transaction whose trace failed (it took too long, say) is executed without the tracer, so
    /// that the transactions after it can be traced.
    ///
    /// # Errors
    /// The outer error where the replay cannot go on; the inner one where this trace failed.
    pub(crate) fn trace_next<T>(
        &mut self,
        tracer: impl FnOnce(
            &mut BlockState,
            &EvmEnv,
            TxEnv,
            TransactionInfo,
        ) -> Result<Traced<T>, TracingError>,
    ) -> RpcResult<Option<Result<T, TracingError>>> {
        let Some(transaction) = self.block.transactions.get(self.position) else {
            return Ok(None);
        };
        let info = TransactionInfo {
            hash: Some(*transaction.tx_hash()),
            index: Some(self.position as u64),
            block_hash: Some(self.block.hash),
            block_number: Some(self.block.number()),
            base_fee: self.block.header.base_fee_per_gas,
            ..TransactionInfo::default()
        };
        let traced = tracer(self.committer.state_mut(), &self.env, tx_env(transaction), info);
        match traced {
            Ok(Traced { trace, outcome }) => {
                let outcome = (transaction.inner(), outcome.result, outcome.state);
                self.committer.commit([outcome]);
                self.position += 1;
                Ok(Some(Ok(trace)))
            }
            Err(failure) => {
                self.skip_to(self.position + 1)?;
                Ok(Some(Err(failure)))
            }
        }
    }

    /// What was changed since the last call of this.
    pub(crate) fn end_tick(&mut self) -> Arc<StateChanges> {
        self.committer.state_mut().end_tick()
    }

    /// The state after the transactions so far, and the block's environment.
    pub(crate) fn into_state_and_env(self) -> (BlockState, EvmEnv) {
        (self.committer.state().clone(), self.env)
    }
}
