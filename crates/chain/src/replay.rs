//! Executes stored blocks again and compares everything that can be compared.

use crate::{ChainError, ExecutorKind, access_list, block::ExecutedBlock, inner::Inner};
use alloy_consensus::transaction::Recovered;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::B256;
use plasma_evm::{
    BlockCommitter, BlockContext, BlockState, EvmEnv, ExecutionResult, FinishedBlock, HaltReason,
    block_env, revm::context_interface::Cfg, tx_env,
};
use plasma_parallel::{
    AccessList, BatchOutcome, ConflictReport, TransactionOutcome, execute_sequential,
};
use plasma_storage::{BlockRecord, StateReader};
use plasma_trie::{NodeSource, StateTrie};
use plasma_txpool::PoolTransaction;
use std::sync::Arc;

/// A block executed again.
#[derive(Clone, Debug)]
pub struct BlockReplay {
    /// Number of the block.
    pub number: u64,
    /// Its transactions.
    pub transactions: usize,
    /// Gas used.
    pub gas_used: u64,
    /// Executions per transaction and conflicts.
    pub conflicts: ConflictReport,
    /// What differs from the stored block; empty where all is the same.
    pub differences: Vec<ReplayDifference>,
}

/// One difference between a stored block and its execution now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDifference {
    /// What differs.
    pub what: String,
    /// The stored value.
    pub stored: String,
    /// The value found now.
    pub found: String,
}

/// Executes `record` on its parent's post-state.
pub(crate) fn execute_record(
    chain: &Inner,
    kind: ExecutorKind,
    record: &BlockRecord,
    state: Arc<dyn StateReader>,
) -> Result<FinishedBlock, ChainError> {
    Ok(execute_with_report(chain, kind, record, state, None)?.finished)
}

/// An executed block with what is known beside its outcome.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) finished: FinishedBlock,
    pub(crate) report: ConflictReport,
    /// State root after each transaction; before Byzantium, where a trie was given.
    pub(crate) post_states: Vec<B256>,
}

/// Opens the block of `record` on its parent's post-state and runs what comes before its
/// transactions: a developer's patch where it has one, then the system calls.
pub(crate) fn begin<'a>(
    chain: &Inner,
    record: &'a BlockRecord,
    state: Arc<dyn StateReader>,
) -> Result<BlockCommitter<'a>, ChainError> {
    let header = &record.header;
    let mut env = block_env(&chain.spec, header);
    // EIP-3607 is about keys that collide with contracts; a developer may impersonate a contract.
    let mut senders = record.transactions.iter().zip(&record.senders);
    env.cfg_env.disable_eip3607 =
        senders.any(|(transaction, sender)| PoolTransaction::is_unsigned(transaction, *sender));
    let context = BlockContext {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        withdrawals: record.withdrawals.clone(),
        ommers: &record.ommers,
        extra_data: header.extra_data.clone(),
    };
    let mut block_state = BlockState::new(state);
    if let Some(patch) = &record.dev_patch {
        block_state.apply(patch.clone());
    }
    let mut committer = BlockCommitter::new(chain.spec.clone(), env, context, block_state);
    committer.begin()?;
    Ok(committer)
}

/// Executes `record` on its parent's post-state and reports its conflicts. `trie` stands at the
/// parent; it is asked for the roots that receipts held before Byzantium.
pub(crate) fn execute_with_report(
    chain: &Inner,
    kind: ExecutorKind,
    record: &BlockRecord,
    state: Arc<dyn StateReader>,
    trie: Option<(&StateTrie, &dyn NodeSource)>,
) -> Result<Execution, ChainError> {
    let header = &record.header;
    let mut committer = begin(chain, record, state)?;
    let env = committer.env().clone();
    let mut gas = BlockGas::new(header.gas_limit, &env);
    let transactions: Vec<_> = record
        .transactions
        .iter()
        .zip(&record.senders)
        .map(|(transaction, sender)| Recovered::new_unchecked(transaction.clone(), *sender))
        .collect();
    let envs: Vec<_> = transactions.iter().map(tx_env).collect();
    // The sequential executor makes the list itself, for comparison.
    let mut given = if kind == ExecutorKind::Parallel { access_list::given(record)? } else { None };
    let mut list = given.as_deref().map(|list| AccessList::new(list, envs.len()));
    let by_list = match &list {
        Some(list) => access_list::execute(chain, record, committer.state(), &env, &envs, list)?,
        None => None,
    };
    let (outcomes, report) = match by_list {
        Some(executed) => {
            committer.leave_transactions_unlisted();
            executed
        }
        None => {
            list = None;
            let BatchOutcome { outcomes, report } = match kind {
                ExecutorKind::Parallel => chain.executor.execute(committer.state(), &env, &envs)?,
                ExecutorKind::Sequential => execute_sequential(committer.state(), &env, &envs)?,
            };
            (Box::new(outcomes.into_iter()) as _, report)
        }
    };
    let mut committed = Vec::with_capacity(transactions.len());
    for (index, (transaction, outcome)) in transactions.iter().zip(outcomes).enumerate() {
        let refuse = |reason: String| ChainError::InvalidTransaction {
            number: header.number,
            index,
            hash: *transaction.tx_hash(),
            reason,
        };
        let limit = alloy_consensus::Transaction::gas_limit(transaction.inner());
        if let Some(left) = gas.lacks(limit) {
            return Err(refuse(format!("gas limit {limit} above the {left} left in the block")));
        }
        match outcome {
            TransactionOutcome::Executed { result, state } => {
                gas.spend(&result);
                committed.push((transaction.inner(), result, state));
            }
            TransactionOutcome::Invalid(reason) => return Err(refuse(reason.to_string())),
        }
    }
    let byzantium = chain.spec.is_byzantium_active_at_block(header.number);
    let mut post_states = Vec::new();
    match trie.filter(|_| !byzantium && !committed.is_empty()) {
        None => committer.commit(committed),
        Some((trie, nodes)) => {
            let mut trie = trie.clone();
            trie.update(nodes, &committer.state_mut().end_tick())?;
            for one in committed {
                committer.commit([one]);
                trie.update(nodes, &committer.state_mut().end_tick())?;
                post_states.push(trie.root());
            }
        }
    }
    let mut finished = committer.finish()?;
    if let Some(checked) = list {
        access_list::check_frame(record, &finished, checked)?;
        finished.access_list = given.take();
    }
    Ok(Execution { finished, report, post_states })
}

/// What transactions may still use of a block's gas. From Amsterdam on gas for state is counted apart
/// (EIP-8037).
struct BlockGas {
    limit: u64,
    /// The most that counts against what is left for execution; `None` before Amsterdam.
    cap: Option<u64>,
    regular: u64,
    state: u64,
}

impl BlockGas {
    fn new(limit: u64, env: &EvmEnv) -> Self {
        let apart = env.cfg_env.enable_amsterdam_eip8037;
        let cap = apart.then(|| env.cfg_env.tx_gas_limit_cap());
        Self { limit, cap, regular: 0, state: 0 }
    }

    /// What is left, if that is less than a transaction with this gas limit may use.
    fn lacks(&self, gas_limit: u64) -> Option<u64> {
        let regular = self.limit.saturating_sub(self.regular);
        let state = self.limit.saturating_sub(self.state);
        match self.cap {
            None => (gas_limit > regular).then_some(regular),
            Some(cap) if gas_limit.min(cap) > regular => Some(regular),
            Some(_) => (gas_limit > state).then_some(state),
        }
    }

    fn spend(&mut self, result: &ExecutionResult<HaltReason>) {
        if self.cap.is_some() {
            self.regular = self.regular.saturating_add(result.gas().block_regular_gas_used());
            self.state = self.state.saturating_add(result.gas().block_state_gas_used());
        } else {
            self.regular = self.regular.saturating_add(result.tx_gas_used());
        }
    }
}

/// Executes a stored block again and compares receipts, gas and state root. `trie` stands at the
/// parent and moves on to the block.
pub(crate) fn replay(
    chain: &Inner,
    kind: ExecutorKind,
    record: &BlockRecord,
    state: Arc<dyn StateReader>,
    trie: &mut StateTrie,
    nodes: &dyn NodeSource,
) -> Result<BlockReplay, ChainError> {
    let number = record.header.number;
    let before = Some((&*trie, nodes));
    let execution = execute_with_report(chain, kind, record, state, before)?;
    trie.update(nodes, &execution.finished.changes)?;
    Ok(BlockReplay {
        number,
        transactions: record.transactions.len(),
        gas_used: execution.finished.gas_used,
        differences: differences(record, &execution, trie.root()),
        conflicts: execution.report,
    })
}

/// Compares a stored block with what its execution came to.
fn differences(
    record: &BlockRecord,
    execution: &Execution,
    state_root: B256,
) -> Vec<ReplayDifference> {
    let finished = &execution.finished;
    let mut found = Vec::new();
    let mut compare = |what: String, stored: String, now: String| {
        if stored != now {
            found.push(ReplayDifference { what, stored, found: now });
        }
    };
    let header = &record.header;
    compare("state root".into(), header.state_root.to_string(), state_root.to_string());
    compare("gas used".into(), header.gas_used.to_string(), finished.gas_used.to_string());
    compare(
        "number of receipts".into(),
        record.receipts.len().to_string(),
        finished.receipts.len().to_string(),
    );
    for (index, (stored, now)) in record.receipts.iter().zip(&finished.receipts).enumerate() {
        if stored != now {
            compare(format!("receipt {index}"), format!("{stored:?}"), format!("{now:?}"));
        }
    }
    compare(
        "post states".into(),
        format!("{:?}", record.post_states),
        format!("{:?}", execution.post_states),
    );
    if let (Some(stated), Some(list)) = (header.block_access_list_hash, &finished.access_list) {
        let now = alloy_eip7928::compute_block_access_list_hash(list);
        compare("block access list hash".into(), stated.to_string(), now.to_string());
    }
    if let Some(hash) = header.requests_hash {
        compare(
            "requests hash".into(),
            hash.to_string(),
            finished.requests.requests_hash().to_string(),
        );
    }
    found
}

impl From<&ExecutedBlock> for BlockRecord {
    fn from(block: &ExecutedBlock) -> Self {
        Self {
            header: block.header.clone(),
            hash: block.hash,
            transactions: block.transactions.iter().map(|tx| tx.inner().clone()).collect(),
            senders: block.transactions.iter().map(Recovered::signer).collect(),
            receipts: block.receipts.clone(),
            ommers: block.ommers.clone(),
            withdrawals: block.withdrawals.clone(),
            keeper: Default::default(),
            dev_patch: None,
            total_difficulty: block.total_difficulty,
            post_states: block.post_states.clone(),
            access_list: block.access_list.clone(),
        }
    }
}
