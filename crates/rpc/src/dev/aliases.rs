//! Further names of commands.

use crate::api::Api;
use jsonrpsee::RpcModule;

/// Names, each with the one whose handler and answers it has.
const ALIASES: &[(&str, &str)] = &[
    // Tenderly's, which anvil has beside its own.
    ("tenderly_addBalance", "anvil_addBalance"),
    ("tenderly_setBalance", "anvil_setBalance"),
    // ganache's: a command done answers `true`.
    ("evm_setAccountBalance", "hardhat_setBalance"),
    ("evm_setAccountCode", "hardhat_setCode"),
    ("evm_setAccountStorageAt", "hardhat_setStorageAt"),
    ("anvil_setNextBlockPrevRandao", "anvil_setPrevRandao"),
    ("hardhat_snapshot", "anvil_snapshot"),
    ("hardhat_revert", "anvil_revert"),
    ("hardhat_increaseTime", "anvil_increaseTime"),
    ("hardhat_setTime", "anvil_setTime"),
    ("hardhat_setNextBlockTimestamp", "evm_setNextBlockTimestamp"),
    ("hardhat_setAutomine", "evm_setAutomine"),
    ("hardhat_setIntervalMining", "evm_setIntervalMining"),
    ("hardhat_setBlockGasLimit", "anvil_setBlockGasLimit"),
    ("hardhat_nodeInfo", "anvil_nodeInfo"),
    ("hardhat_removeBlockTimestampInterval", "anvil_removeBlockTimestampInterval"),
];

/// Adds the names to `module`, which must have the commands already.
pub(super) fn register(module: &mut RpcModule<Api>) {
    for (alias, command) in ALIASES {
        let registered = module.register_alias(alias, command);
        registered.expect("each alias is registered once and names a command");
    }
}
