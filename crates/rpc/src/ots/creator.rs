//! Who created a contract.

use super::has_code;
use crate::{
    api::Api,
    debug::frames_of,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_primitives::Address;
use alloy_rpc_types_trace::{
    otterscan::ContractCreator,
    parity::{Action, TraceOutput},
};

/// `ots_getContractCreator`: the transaction that created the contract, and the account that did:
/// its sender, or another contract. `null` where there is no code now, or no transaction put it there.
///
/// # Errors
/// Where only executing the transaction again tells the creator, and the state before it is pruned.
pub(super) fn contract_creator(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Option<ContractCreator>> {
    let address: Address = arguments.required(0)?;
    if !has_code(api, address, None)? {
        return Ok(None);
    }
    let origin = api.chain.database().contract_origin(address).map_err(error::from_storage)?;
    let Some(origin) = origin else { return Ok(None) };
    let block = api.chain.block(origin.block).map_err(error::from_chain)?;
    let index = usize::try_from(origin.index).unwrap_or(usize::MAX);
    let found = block.and_then(|block| Some((*block.transactions.get(index)?.tx_hash(), block)));
    let (hash, block) = found.ok_or_else(error::header_not_found)?;
    if let Some(creator) = origin.creator {
        return Ok(Some(ContractCreator { hash, creator }));
    }
    let creator = frames_of(api, &block, index)?.into_iter().rev().find_map(|frame| {
        match (frame.trace.action, frame.trace.result) {
            (Action::Create(create), Some(TraceOutput::Create(made))) => {
                (made.address == address).then_some(create.from)
            }
            _ => None,
        }
    });
    match creator {
        Some(creator) => Ok(Some(ContractCreator { hash, creator })),
        None => {
            Err(error::internal(format!("{hash} does not create {address} when it runs again")))
        }
    }
}
