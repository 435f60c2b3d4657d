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
use plasma_parallel::{
    AccessList, AccessListError, ConflictReport, TransactionOutcome, VerifyError,
};
use plasma_storage::BlockRecord;

/// The outcomes of a block's transactions in order, and what the executor tells of them.
pub(crate) type Executed = (Box<dyn Iterator<Item = TransactionOutcome>>, ConflictReport);

/// What messages call it.
const FIELD: &str = "block access list";

/// The list that came with `record`, whose hash and size are as the header says.
pub(crate) fn given(record: &BlockRecord) -> Result<Option<BlockAccessList>, ChainError> {
    let Some(bytes) = &record.access_list else { return Ok(None) };
    check_hash(record, bytes)?;
    let list = BlockAccessList::decode(&mut bytes.as_ref())
        .map_err(|error| refuse(record, format!("no RLP of a list ({error})")))?;
    check_size(record, &list)?;
    Ok(Some(list))
}

fn refuse(record: &BlockRecord, found: impl ToString) -> ChainError {
    ChainError::invalid(record.header.number, FIELD, found, "what the block does")
}

fn check_hash(record: &BlockRecord, bytes: &[u8]) -> Result<(), ChainError> {
    let header = &record.header;
    let hash = keccak256(bytes);
    if header.block_access_list_hash == Some(hash) {
        return Ok(());
    }
    let stated = header.block_access_list_hash.map_or("absent".into(), |it| it.to_string());
    Err(ChainError::invalid(header.number, "block access list hash", stated, hash))
}

fn check_size(record: &BlockRecord, list: &[AccountChanges]) -> Result<(), ChainError> {
    let header = &record.header;
    let (items, most) = (total_bal_items(list), header.gas_limit / ITEM_COST as u64);
    if items <= most {
        return Ok(());
    }
    let field = "items of the block access list";
    Err(ChainError::invalid(header.number, field, items, format!("at most {most}")))
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
) -> Result<Option<Executed>, ChainError> {
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
    Ok(Some((Box::new(verified.into_iter()), report)))
}

/// Holds what came before and after the transactions against the list, which then holds nothing
/// more.
pub(crate) fn check_frame(
    record: &BlockRecord,
    finished: &FinishedBlock,
    checked: AccessList<'_>,
) -> Result<(), ChainError> {
    let frame = finished.access_list.as_deref().unwrap_or_default();
    let outcome = checked.check_part(frame).and_then(|()| checked.finish());
    outcome.map_err(|error| refuse(record, error))
}

/// The list of an executed block as it is stored and sent, RLP, held against the block's header.
pub(crate) fn checked(
    record: &BlockRecord,
    finished: &FinishedBlock,
) -> Result<Option<Bytes>, ChainError> {
    let (Some(list), Some(bytes)) = (&finished.access_list, finished.encoded_access_list()) else {
        return Ok(None);
    };
    check_hash(record, &bytes)?;
    check_size(record, list)?;
    Ok(Some(bytes))
}
