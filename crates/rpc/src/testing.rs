//! The `testing` namespace of the execution-apis: `testing_buildBlockV1` builds a block and throws
//! it away.

use crate::{
    api::{Api, heavy},
    engine::Envelope,
    error::{self, RpcResult},
    exec,
    params::{Arguments, Quantity},
};
use alloy_consensus::{Block, BlockBody, Transaction as _, transaction::Recovered};
use alloy_eips::{
    eip1559::calculate_block_gas_limit,
    eip4895::{Withdrawal, Withdrawals},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, Bytes};
use jsonrpsee::RpcModule;
use plasma_chain::ExecutedBlock;
use plasma_evm::{
    BlockCommitter, BlockContext, BlockParts, BlockState, EvmEnv, InvalidTransaction,
    NextBlockAttributes, assemble_header, next_block_env, priority_fees, tx_env,
};
use plasma_parallel::{TransactionOutcome, execute_sequential};
use plasma_storage::Transaction;
use plasma_txpool::PoolHead;
use serde::Deserialize;
use std::sync::Arc;

/// The most transactions that are taken from the pool.
const MAX_POOLED: usize = 10_000;

/// The most bytes of extra data in a header (yellow paper, section 4.4.4).
const MAX_EXTRA_DATA: usize = 32;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "testing_buildBlockV1", 4, build_block);
}

/// `PayloadAttributesV3` of the Engine API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    timestamp: Quantity,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    withdrawals: Option<Vec<Withdrawal>>,
    parent_beacon_block_root: Option<B256>,
}

/// A transaction to be built in, with what it carries beside the block.
struct Given {
    transaction: Recovered<Transaction>,
    sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
}

fn build_block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Envelope> {
    let parent_hash: B256 = arguments.required(0)?;
    let attributes: Attributes = arguments.required(1)?;
    let raw: Option<Vec<Bytes>> = arguments.optional(2)?;
    let extra_data: Bytes = arguments.or_default(3)?;
    if extra_data.len() > MAX_EXTRA_DATA {
        return Err(error::invalid_params(format!(
            "extraData has {} bytes, but a header holds at most {MAX_EXTRA_DATA}",
            extra_data.len()
        )));
    }
    let parent = api.chain.block_by_hash(parent_hash).map_err(error::from_chain)?;
    let parent = parent.ok_or_else(|| error::server_error("unknown parent block"))?;
    let given = raw
        .map(|raw| raw.iter().enumerate().map(|(at, raw)| decode(at, raw)).collect())
        .transpose()?;
    exec::run_until(api.config.call_timeout, || {
        Builder::new(api, &parent, attributes, extra_data)?.build(given)
    })
}

fn decode(index: usize, raw: &Bytes) -> RpcResult<Given> {
    let decoded = plasma_txpool::decode_and_recover(raw)
        .map_err(|reason| error::invalid_params(format!("transaction {index}: {reason}")))?;
    Ok(Given {
        transaction: Recovered::new_unchecked(decoded.transaction, decoded.sender),
        sidecar: decoded.sidecar,
    })
}

/// A block on top of a sealed one.
struct Builder<'a> {
    api: &'a Api,
    parent: &'a ExecutedBlock,
    env: EvmEnv,
    withdrawals: Option<Withdrawals>,
    parent_beacon_block_root: Option<B256>,
    extra_data: Bytes,
}

impl<'a> Builder<'a> {
    fn new(
        api: &'a Api,
        parent: &'a ExecutedBlock,
        attributes: Attributes,
        extra_data: Bytes,
    ) -> RpcResult<Self> {
        let spec = api.chain.spec();
        let Quantity(timestamp) = attributes.timestamp;
        if timestamp <= parent.header.timestamp {
            return Err(error::invalid_params(format!(
                "the timestamp {timestamp} is not after the parent's, {}",
                parent.header.timestamp
            )));
        }
        let expected = |name: &str, there: bool, wanted: bool| {
            if there == wanted {
                return Ok(());
            }
            let must = if wanted { "must be given" } else { "must not be given" };
            Err(error::invalid_params(format!("{name} {must} at time {timestamp}")))
        };
        let shanghai = spec.is_shanghai_active_at_timestamp(timestamp);
        expected("withdrawals", attributes.withdrawals.is_some(), shanghai)?;
        let cancun = spec.is_cancun_active_at_timestamp(timestamp);
        let root = attributes.parent_beacon_block_root;
        expected("parentBeaconBlockRoot", root.is_some(), cancun)?;
        let next = NextBlockAttributes {
            timestamp,
            beneficiary: attributes.suggested_fee_recipient,
            prev_randao: attributes.prev_randao,
            gas_limit: calculate_block_gas_limit(
                parent.header.gas_limit,
                api.chain.config().gas_limit_target,
            ),
            base_fee: None,
            slot_number: None,
        };
        Ok(Self {
            api,
            parent,
            env: next_block_env(spec, &parent.header, &next),
            withdrawals: attributes.withdrawals.map(Withdrawals::new),
            parent_beacon_block_root: root,
            extra_data,
        })
    }

    /// Builds with `given` transactions, all of which must be valid, or with what the pool has.
    fn build(self, given: Option<Vec<Given>>) -> RpcResult<Envelope> {
        let chain = &self.api.chain;
        let number = self.parent.number();
        let state = chain.state_at(number).map_err(error::from_chain)?;
        let context = BlockContext {
            parent_hash: self.parent.hash,
            parent_beacon_block_root: self.parent_beacon_block_root,
            withdrawals: self.withdrawals.clone(),
            ommers: &[],
            extra_data: self.extra_data.clone(),
        };
        let mut committer = BlockCommitter::new(
            chain.spec().clone(),
            self.env.clone(),
            context,
            BlockState::new(state),
        );
        let failed = |failure: plasma_evm::BlockError| {
            error::server_error(format!("the block cannot be built: {failure}"))
        };
        committer.begin().map_err(failed)?;
        let strict = given.is_some();
        let given = given.unwrap_or_else(|| self.pooled(committer.state()));
        let mut included = Vec::with_capacity(given.len());
        for given in given {
            exec::check_time()?;
            match self.execute(&mut committer, &given)? {
                None => included.push(given),
                Some(reason) if strict => return Err(invalid(&given.transaction, &reason)),
                // The pool judged by the head's state; the parent may be another block.
                Some(_) => {}
            }
        }
        let finished = committer.finish().map_err(failed)?;
        let mut fork = chain.fork(number).map_err(error::from_chain)?;
        let transactions: Vec<Transaction> =
            included.iter().map(|given| given.transaction.inner().clone()).collect();
        let access_list = finished.encoded_access_list();
        let parts = BlockParts {
            access_list: access_list.as_ref(),
            parent_hash: self.parent.hash,
            state_root: fork.apply(&finished.changes).map_err(error::from_chain)?,
            transactions: &transactions,
            withdrawals: self.withdrawals.as_ref(),
            parent_beacon_block_root: self.parent_beacon_block_root,
            extra_data: self.extra_data.clone(),
        };
        let header = assemble_header(chain.spec(), &self.env, &parts, &finished);
        let value = priority_fees(&header, &transactions, &finished.receipts);
        let sidecars: Vec<_> = included.into_iter().filter_map(|given| given.sidecar).collect();
        let hash = header.hash_slow();
        let body =
            BlockBody { transactions, ommers: Vec::new(), withdrawals: self.withdrawals.clone() };
        let block = Block { header, body };
        // With the proofs that the blobs came with.
        let cells = false;
        Envelope::new(&block, hash, access_list, value, &sidecars, cells, finished.requests)
    }

    /// What the pool would put into the block.
    fn pooled(&self, state: &BlockState) -> Vec<Given> {
        let block = &self.env.block_env;
        let head = PoolHead {
            number: block.number.saturating_to(),
            timestamp: block.timestamp.saturating_to(),
            base_fee: block.basefee,
            blob_base_fee: block.blob_excess_gas_and_price.map_or(0, |blobs| blobs.blob_gasprice),
            gas_limit: block.gas_limit,
        };
        let pool = self.api.chain.pool();
        let best = pool.best(&head, state, block.gas_limit, MAX_POOLED);
        best.iter()
            .map(|pooled| Given {
                transaction: Recovered::new_unchecked(pooled.transaction.clone(), pooled.sender),
                sidecar: pool.blob_sidecar(pooled.hash),
            })
            .collect()
    }

    /// Executes and commits the next transaction, or answers why it cannot be next.
    fn execute(
        &self,
        committer: &mut BlockCommitter<'_>,
        given: &Given,
    ) -> RpcResult<Option<InvalidTransaction>> {
        if given.transaction.gas_limit() > committer.gas_left() {
            return Ok(Some(InvalidTransaction::CallerGasLimitMoreThanBlock));
        }
        let transaction = tx_env(&given.transaction);
        let batch = execute_sequential(committer.state(), &self.env, &[transaction])
            .map_err(|failure| error::internal(format!("a block cannot be built: {failure}")))?;
        for outcome in batch.outcomes {
            match outcome {
                TransactionOutcome::Executed { result, state } => {
                    committer.commit([(given.transaction.inner(), result, state)]);
                }
                TransactionOutcome::Invalid(reason) => return Ok(Some(reason)),
            }
        }
        Ok(None)
    }
}

fn invalid(
    transaction: &Recovered<Transaction>,
    reason: &InvalidTransaction,
) -> jsonrpsee::types::ErrorObjectOwned {
    error::server_error(format!(
        "transaction {} of {} is not valid here: {}",
        transaction.tx_hash(),
        transaction.signer(),
        error::invalid_transaction_message(reason)
    ))
}
