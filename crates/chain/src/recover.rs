//! After a restart: blocks that the journal has and the state lacks are executed again, and so
//! are the ticks of the block that was open.

use crate::{
    ChainError,
    block::{Effects, ExecutedBlock},
    import::give_back,
    inner::Inner,
    open_block::Frame,
    producer::Producer,
    replay::execute_record,
};
use alloy_consensus::transaction::Recovered;
use plasma_evm::NextBlockAttributes;
use plasma_keeper::PlannedPerform;
use std::sync::Arc;

/// Executes the journaled blocks after the persisted state, so that the tip is the journal's head.
pub(crate) fn catch_up(chain: &Inner, producer: &Producer) -> Result<u64, ChainError> {
    let target = chain.db.journal_head()?;
    let from = chain.db.state_block();
    if from < target {
        tracing::info!(target: "plasma::chain", from = from + 1, to = target, "executing journaled blocks that the state lacks");
    }
    for number in from + 1..=target {
        let record = chain.db.block_record(number)?.ok_or(ChainError::UnknownBlock(number))?;
        let state = Arc::new(chain.db.latest()?);
        let replayed = execute_record(chain, chain.config.executor, &record, state)?;
        let (mut trie, snapshot) = chain.trie_at_head()?;
        let updates = trie.update(&snapshot, &replayed.changes)?;
        if trie.root() != record.header.state_root {
            return Err(ChainError::invalid(
                number,
                "state root after executing it again",
                trie.root(),
                record.header.state_root,
            ));
        }
        let block = Arc::new(ExecutedBlock::from(record));
        let effects = Effects::new(replayed.changes, replayed.appearances);
        chain.adopt(block, effects, Arc::new(updates), trie, producer)?;
    }
    Ok(target - from)
}

/// Builds the block that was open again from its journaled ticks.
pub(crate) fn reopen(chain: &Inner, producer: &mut Producer) -> Result<usize, ChainError> {
    let ticks = chain.db.open_ticks()?;
    let Some(first) = ticks.first() else { return Ok(0) };
    if chain.config.driven {
        // The consensus layer says what the next block is; what stood in this one is pending again.
        let transactions: Vec<_> = ticks
            .into_iter()
            .flat_map(|tick| tick.transactions.into_iter().zip(tick.senders))
            .map(|(transaction, sender)| Recovered::new_unchecked(transaction, sender))
            .collect();
        tracing::warn!(target: "plasma::chain", transactions = transactions.len(), "the journal has an open block of this node's own, which the consensus layer knows nothing of: its transactions are pending again");
        give_back(chain, &transactions, []);
        return Ok(0);
    }
    let parent = chain.head();
    if first.block_number != parent.number() + 1 {
        return Err(ChainError::invalid(
            first.block_number,
            "number of the journaled open block",
            first.block_number,
            parent.number() + 1,
        ));
    }
    let attributes = NextBlockAttributes {
        timestamp: first.timestamp,
        beneficiary: first.beneficiary,
        prev_randao: first.prev_randao,
        gas_limit: first.gas_limit,
        base_fee: Some(first.base_fee),
        slot_number: None,
    };
    if let Some(patch) = &first.dev_patch {
        producer.dev.patch = patch.clone();
    }
    let frame = Frame::empty(&chain.spec, attributes.timestamp);
    producer.open_with(chain, parent, attributes, frame, first.dev_patch.clone())?;
    let mut recovered = 0;
    for tick in ticks {
        let Some(open) = producer.open.as_mut() else { return Ok(recovered) };
        let hashes: Vec<_> = tick.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        let batch: Vec<_> = tick
            .transactions
            .into_iter()
            .zip(tick.senders)
            .map(|(transaction, sender)| Recovered::new_unchecked(transaction, sender))
            .collect();
        recovered += batch.len();
        let result = open.execute(&chain.executor, chain.config.executor, batch)?;
        if let Some((position, reason)) = result.rejected.first() {
            return Err(ChainError::InvalidTransaction {
                number: open.number(),
                index: *position,
                hash: hashes[*position],
                reason: reason.to_string(),
            });
        }
        let mut performed = tick.performs.len();
        if let Some(keeper) = producer.keeper.as_mut() {
            // Upkeeps that were registered in this block are not known from the state before it.
            let logs = open.logs_since(open.tick_start());
            keeper.learn(open.state(), &open.env, &logs)?;
            let registry = keeper.config().registry;
            let performs: Vec<_> = result
                .included
                .iter()
                // Anybody may send the registry what looks like a perform.
                .filter(|(_, place)| tick.performs.binary_search(&(*place as u32)).is_ok())
                .flat_map(|&(_, place)| {
                    let transaction = &open.transactions[place];
                    let performs =
                        PlannedPerform::from_transaction(transaction, registry, open.number());
                    performs.into_iter().map(move |perform| (perform, place))
                })
                .map(|(perform, place)| (perform, open.receipt(place)))
                .collect();
            keeper.on_executed(&performs);
            performed = performs.len();
        }
        open.performs += performed;
        open.end_tick();
    }
    tracing::info!(target: "plasma::chain", transactions = recovered, "open block restored from the journal");
    Ok(recovered)
}
