//! Commands that other nodes have and this one cannot carry out: each says so, and what to do.

use super::Commands;
use crate::error;

/// Names and sentences.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["hardhat_setMinGasPrice", "anvil_setMinGasPrice"],
        "setMinGasPrice is not supported while EIP-1559 is active: set the next block's base fee \
         instead, with hardhat_setNextBlockBaseFeePerGas or anvil_setNextBlockBaseFeePerGas",
    ),
    (
        &["anvil_setChainId", "hardhat_setChainId"],
        "the chain id is part of this chain's genesis and cannot change while it runs: start the \
         node with a genesis file that has the wanted chain id",
    ),
    (
        &["anvil_setRpcUrl", "hardhat_setRpcUrl"],
        "this node forks no other chain, so it has no RPC URL to change",
    ),
    (
        &["anvil_impersonateSignature", "hardhat_impersonateSignature"],
        "blocks on this node are executed again after a restart, with the ecrecover precompile as \
         it is: use eth_call with a state override that moves that precompile and puts code in its \
         place, or anvil_impersonateAccount",
    ),
    (
        &["anvil_classifyTransaction", "hardhat_classifyTransaction"],
        "this node knows no classes of transactions but their types: eth_getTransactionByHash \
         tells the type, txpool_contentFrom whether one waits",
    ),
    (
        &["anvil_reorg", "anvil_rollback", "hardhat_reorg", "hardhat_rollback"],
        "blocks are final on this node: use evm_snapshot and evm_revert to go back",
    ),
];

pub(super) fn register(commands: &mut Commands<'_>) {
    for &(names, sentence) in REFUSED {
        // The arguments do not matter, so any number of them is accepted.
        commands.query(names, usize::MAX, move |_| -> crate::error::RpcResult<()> {
            Err(error::invalid_params(sentence))
        });
    }
}
