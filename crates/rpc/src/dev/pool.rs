//! Transactions that wait.

use super::{Call, Commands};
use crate::error::{self, RpcResult};
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.query(&["hardhat_dropTransaction", "anvil_dropTransaction"], 1, drop_transaction);
    commands.command(&["anvil_dropAllTransactions", "hardhat_dropAllTransactions"], 0, |call| {
        call.api.chain.pool().clear();
        Ok(())
    });
    commands.command(
        &["anvil_removePoolTransactions", "hardhat_removePoolTransactions"],
        1,
        remove_of_sender,
    );
}

/// Hardhat's node answers whether the transaction was there, anvil its hash or `null`.
fn drop_transaction(call: &Call<'_>) -> RpcResult<Value> {
    let hash: B256 = call.arguments.required(0)?;
    let dropped = call.api.chain.pool().drop_transaction(hash);
    if call.is_anvil() {
        return Ok(if dropped { json!(hash) } else { Value::Null });
    }
    if !dropped && call.api.chain.transaction(hash).map_err(error::from_chain)?.is_some() {
        return Err(error::invalid_params(format!(
            "Transaction {hash} cannot be dropped because it's already mined"
        )));
    }
    Ok(Value::Bool(dropped))
}

fn remove_of_sender(call: &Call<'_>) -> RpcResult<()> {
    let sender: Address = call.arguments.required(0)?;
    let pool = call.api.chain.pool();
    let content = pool.content_from(sender);
    for transaction in [content.pending, content.queued]
        .iter()
        .flat_map(|by_sender| by_sender.values())
        .flat_map(|by_nonce| by_nonce.values())
    {
        pool.drop_transaction(transaction.hash);
    }
    Ok(())
}
