//! Blocks that come with their access list (EIP-7928).
//!
//! Invariant: a list is used only where its hash is the one in the header, and a block executed by it
//! is accepted only if all of the block, what comes before and after its transactions included, does
//! what the list says and nothing else.

use crate::{ChainError, inner::Inner};
use alloy_eip7928::{AccountChanges, BlockAccessList, ITEM_COST, total_bal_items};
use alloy_primitives::{Bytes, keccak256};
use alloy_rlp::Decodable;
use plasma_evm::{BlockState, EvmEnv, FinishedBlock, TxEnv};
use plasma_parallel::{AccessList, AccessListError, BatchOutcome, ConflictReport, VerifyError};
use plasma_storage::BlockRecord;

/// What messages call it.
const FIELD: &str = "block access list";

/// The list that came with `record`, whose hash is as the header says.
pub(crate) fn given(record: &BlockRecord) -> Result<Option<BlockAccessList>, ChainError> {
    let Some(bytes) = &record.access_list else { return Ok(None) };
    let header = &record.header;
    let hash = keccak256(bytes);
    if header.block_access_list_hash != Some(hash) {
        let stated = header.block_access_list_hash.map_or("absent".into(), |it| it.to_string());
        let field = "block access list hash";
        return Err(ChainError::invalid(header.number, field, stated, hash));
    }
    BlockAccessList::decode(&mut bytes.as_ref())
        .map(Some)
        .map_err(|error| refuse(record, format!("no RLP of a list ({error})")))
}

fn refuse(record: &BlockRecord, found: impl ToString) -> ChainError {
    ChainError::invalid(record.header.number, FIELD, found, "what the block does")
}

/// Executes the transactions of `record` by its list, on the state after what comes before them; `None`
/// where no list could tell what they do, so that they are to be executed without.
pub(crate) fn execute(
    chain: &Inner,
    record: &BlockRecord,
    state: &BlockState,
    env: &EvmEnv,
    transactions: &[TxEnv],
    list: &AccessList<'_>,
) -> Result<Option<BatchOutcome>, ChainError> {
    let verified = match chain.executor.verify(state, env, transactions, list) {
        Ok(verified) => verified,
        Err(VerifyError::List { source: AccessListError::EmptyAccount { .. }, .. }) => {
            return Ok(None);
        }
        Err(error @ VerifyError::List { .. }) => return Err(refuse(record, error)),
        Err(VerifyError::Execution(error)) => return Err(error.into()),
    };
    let threads = chain.executor.config().threads.get();
    let report = ConflictReport {
        parallel: true,
        threads: threads.try_into().unwrap_or(u32::MAX),
        incarnations: vec![1; transactions.len()],
        ..ConflictReport::default()
    };
    Ok(Some(BatchOutcome { outcomes: verified.into_iter().collect(), report }))
}

/// Holds what came before and after the transactions against the list, which then holds nothing
/// more, and makes it the block's.
pub(crate) fn finish(
    record: &BlockRecord,
    finished: &mut FinishedBlock,
    checked: AccessList<'_>,
    list: &[AccountChanges],
) -> Result<(), ChainError> {
    let frame = finished.access_list.take().unwrap_or_default();
    let outcome: Result<(), AccessListError> =
        checked.check_part(&frame).and_then(|()| checked.finish());
    outcome.map_err(|error| refuse(record, error))?;
    finished.access_list = Some(list.to_vec());
    Ok(())
}

/// The list of an executed block as it is stored and sent: RLP.
pub(crate) fn encoded(finished: &FinishedBlock) -> Option<Bytes> {
    finished.access_list.as_ref().map(|list| alloy_rlp::encode(list).into())
}

/// Holds the list of an executed block against its header: hash and size.
pub(crate) fn check(record: &BlockRecord, finished: &FinishedBlock) -> Result<(), ChainError> {
    let header = &record.header;
    let Some(list) = &finished.access_list else { return Ok(()) };
    let hash = alloy_eip7928::compute_block_access_list_hash(list);
    if header.block_access_list_hash != Some(hash) {
        let stated = header.block_access_list_hash.map_or("absent".into(), |it| it.to_string());
        let field = "block access list hash";
        return Err(ChainError::invalid(header.number, field, stated, hash));
    }
    let (items, most) = (total_bal_items(list), header.gas_limit / ITEM_COST as u64);
    if items > most {
        let field = "items of the block access list";
        return Err(ChainError::invalid(header.number, field, items, format!("at most {most}")));
    }
    Ok(())
}
