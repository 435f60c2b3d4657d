//! Gas by opcode: `trace_transactionOpcodeGas` and `trace_blockOpcodeGas`, as reth has them.

use super::{from_tracing, limits, replay::Replay, sealed_block, sealed_transaction, trace_at};
use crate::{api::Api, error::RpcResult, params::Arguments};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_trace::opcode::{BlockOpcodeGas, TransactionOpcodeGas};
use plasma_evm::tracing::opcode_gas;

/// `trace_transactionOpcodeGas`; `null` where the transaction is unknown.
pub(super) fn transaction(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Option<TransactionOpcodeGas>> {
    let transaction_hash: B256 = arguments.required(0)?;
    let Some((block, index)) = sealed_transaction(api, transaction_hash)? else { return Ok(None) };
    let opcode_gas = trace_at(api, &block, index, |state, env, tx, _, limits| {
        opcode_gas(state, env, tx, limits)
    })?;
    Ok(Some(TransactionOpcodeGas { transaction_hash, opcode_gas }))
}

/// `trace_blockOpcodeGas`; `null` where there is no such block.
pub(super) fn block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<BlockOpcodeGas>> {
    let Some(block) = sealed_block(api, arguments.required::<BlockId>(0)?)? else {
        return Ok(None);
    };
    let mut transactions = Vec::with_capacity(block.transactions.len());
    if !block.transactions.is_empty() {
        let mut replay = Replay::begin(api, &block)?;
        for transaction in &block.transactions {
            let opcode_gas = replay
                .trace_expected(|state, env, tx, _| opcode_gas(state, env, tx, limits(api)))?
                .map_err(from_tracing)?;
            let transaction_hash = *transaction.tx_hash();
            transactions.push(TransactionOpcodeGas { transaction_hash, opcode_gas });
        }
    }
    let (block_hash, block_number) = (block.hash, block.number());
    Ok(Some(BlockOpcodeGas { block_hash, block_number, transactions }))
}
