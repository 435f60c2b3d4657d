//! Blocks that a consensus layer asks for.
//!
//! A payload is an open block like a sequencer's: it grows by ticks from the pool and the keeper until it is asked for.

use super::{EngineControl, PayloadId};
use crate::{
    ChainError,
    block::{Effects, ExecutedBlock},
    open_block::Frame,
    producer::{KeeperAhead, Producer, towards},
};
use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_eips::{eip4895::Withdrawals, eip7594::BlobTransactionSidecarVariant, eip7685::Requests};
use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_evm::{NextBlockAttributes, priority_fees};
use std::sync::Arc;

/// What a consensus layer chooses of a block (`PayloadAttributes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRequest {
    /// Block time in seconds; above the parent's.
    pub timestamp: u64,
    /// What PREVRANDAO answers.
    pub prev_randao: B256,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// Withdrawals, from Shanghai on.
    pub withdrawals: Option<Withdrawals>,
    /// Root of the parent's beacon block, from Cancun on.
    pub parent_beacon_block_root: Option<B256>,
    /// The slot, from Amsterdam on.
    pub slot_number: Option<u64>,
    /// Where the gas limit moves to; `None`: to the node's own target.
    pub gas_limit_target: Option<u64>,
}

/// A payload that was asked for.
#[derive(Debug)]
pub struct BuiltPayload {
    /// What names it.
    pub id: PayloadId,
    /// The block.
    pub block: Arc<ExecutedBlock>,
    /// Requests for the consensus layer (EIP-7685).
    pub requests: Requests,
    /// What the block pays its fee recipient, in wei.
    pub value: U256,
    /// Blobs, commitments and proofs of its blob transactions, in order.
    pub sidecars: Vec<Arc<BlobTransactionSidecarVariant>>,
    pub(super) effects: Effects,
    pub(super) keeper_record: Bytes,
}

impl EngineControl {
    /// Opens a payload named `id` on the head; it grows from now on. The same one again is left as it is; any other that is
    /// under construction makes way.
    ///
    /// # Errors
    /// Where the node itself fails.
    pub fn begin_payload(&self, id: PayloadId, request: PayloadRequest) -> Result<(), ChainError> {
        let mut producer = self.chain.producer.lock();
        {
            let mut state = self.chain.engine.lock();
            if state.open == Some(id) || state.built(id).is_some() {
                return Ok(());
            }
            state.remember_request(id, self.chain.head().hash, request.clone());
        }
        self.open(&mut producer, id, request)
    }

    fn open(
        &self,
        producer: &mut Producer,
        id: PayloadId,
        request: PayloadRequest,
    ) -> Result<(), ChainError> {
        let chain = &*self.chain;
        producer.open = None;
        if producer.keeper_ahead != KeeperAhead::Nothing {
            producer.keeper_to_head(chain)?;
        }
        let head = chain.head();
        let target = request.gas_limit_target.unwrap_or(chain.config.gas_limit_target);
        let attributes = NextBlockAttributes {
            timestamp: request.timestamp,
            beneficiary: request.fee_recipient,
            prev_randao: request.prev_randao,
            gas_limit: towards(head.header.gas_limit, target),
            base_fee: None,
            slot_number: request.slot_number,
        };
        let frame = Frame {
            withdrawals: request.withdrawals,
            parent_beacon_block_root: request.parent_beacon_block_root,
        };
        producer.open_with(chain, head, attributes, frame, None)?;
        producer.keeper_ahead = KeeperAhead::OpenPayload;
        chain.engine.lock().open = Some(id);
        Ok(())
    }

    /// Completes the payload named `id` with what pool and keeper have for it now; `None` where it is unknown, or came to
    /// nothing. The same block again for who asks again.
    ///
    /// # Errors
    /// Where the node itself fails.
    pub fn finish_payload(&self, id: PayloadId) -> Result<Option<Arc<BuiltPayload>>, ChainError> {
        let chain = &*self.chain;
        let mut producer = chain.producer.lock();
        let again = {
            let mut state = chain.engine.lock();
            if let Some(built) = state.built(id) {
                return Ok(Some(built));
            }
            if state.open == Some(id) {
                state.open = None;
                None
            } else {
                match state.request(id, chain.head().hash) {
                    Some(request) => Some(request),
                    None => return Ok(None),
                }
            }
        };
        if let Some(request) = again {
            self.open(&mut producer, id, request)?;
        }
        producer.tick_payload(chain)?;
        let built = producer.build(chain)?;
        producer.keeper_ahead = KeeperAhead::Payload(built.block.hash);
        let blobs = built.block.transactions.iter().filter(|tx| tx.blob_count().is_some());
        let sidecars = blobs
            .map(|transaction| {
                let hash = transaction.tx_hash();
                let gone = || ChainError::Refused(format!("the blobs of {hash} are gone"));
                producer.sidecars.get(hash).cloned().ok_or_else(gone)
            })
            .collect::<Result<_, _>>()?;
        let transactions = built.block.transactions.iter().map(Recovered::inner);
        let payload = Arc::new(BuiltPayload {
            id,
            value: priority_fees(&built.block.header, transactions, &built.block.receipts),
            block: built.block,
            requests: built.requests,
            sidecars,
            effects: built.effects,
            keeper_record: built.keeper_record,
        });
        let mut state = chain.engine.lock();
        state.open = None;
        state.remember_built(payload.clone());
        Ok(Some(payload))
    }
}
