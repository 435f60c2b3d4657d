//! What readers see of the present.

use crate::{
    ChainConfig, ChainError, PendingBlock,
    block::ExecutedBlock,
    open_block::{Frame, pending_block},
    producer::{Producer, next_pool_head},
};
use plasma_chainspec::ChainSpec;
use plasma_evm::{LayeredState, next_block_env};
use plasma_storage::StateReader;
use plasma_txpool::PoolHead;
use std::sync::Arc;

/// What readers see of the present.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) head: Arc<ExecutedBlock>,
    /// State after the head, developers' patches included.
    pub(crate) state: Arc<dyn StateReader>,
    pub(crate) pending: Arc<PendingBlock>,
    pub(crate) pool_head: PoolHead,
}

/// `state` with the patch that developers have set for the next block.
pub(crate) fn with_patch(state: Arc<dyn StateReader>, producer: &Producer) -> Arc<dyn StateReader> {
    if producer.dev.patch.is_empty() {
        return state;
    }
    Arc::new(LayeredState::new(state, vec![Arc::new(producer.dev.patch.clone())]))
}

/// The view while nothing stands in the open block.
pub(crate) fn empty_view(
    spec: &Arc<ChainSpec>,
    config: &ChainConfig,
    producer: &Producer,
    head: Arc<ExecutedBlock>,
    snapshot: Arc<dyn StateReader>,
) -> Result<View, ChainError> {
    let attributes = producer.next_attributes(spec, config, &head);
    let env = next_block_env(spec, &head.header, &attributes);
    let state = with_patch(snapshot, producer);
    let pool_head = next_pool_head(head.number() + 1, &attributes, &env);
    let frame = Frame::empty(spec, attributes.timestamp);
    let block = pending_block(spec, &head, &attributes, &env, &frame, config.extra_data.clone());
    let pending = Arc::new(PendingBlock { block, state: state.clone(), env });
    Ok(View { head, state, pending, pool_head })
}
