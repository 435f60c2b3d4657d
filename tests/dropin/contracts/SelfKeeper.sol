// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

import {AutomationCompatibleInterface} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/AutomationCompatibleInterface.sol";
import {IAutomationRegistryConsumer} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/IAutomationRegistryConsumer.sol";
import {IAutomationRegistryMaster2_3} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/v2_3/IAutomationRegistryMaster2_3.sol";

/// Administers its own upkeep: does as many rounds as it is told to, and pauses itself while it is called for the last.
contract SelfKeeper is AutomationCompatibleInterface {
    IAutomationRegistryConsumer public immutable registry;
    uint256 public id;
    uint256 public rounds;
    uint256 public done;

    constructor(IAutomationRegistryConsumer itsRegistry) {
        registry = itsRegistry;
    }

    receive() external payable {}

    /// Takes on an upkeep, of which it must be the admin.
    function adopt(uint256 itsId) external {
        id = itsId;
    }

    /// Pays out of its own pocket, in the native token.
    function topUp(uint96 amount) external {
        IAutomationRegistryMaster2_3(payable(address(registry))).addFunds{value: amount}(id, amount);
    }

    function start(uint256 more) external {
        rounds += more;
        if (done > 0) registry.unpauseUpkeep(id);
    }

    function money() external view returns (uint96 balance, uint96 minBalance) {
        return (registry.getBalance(id), registry.getMinBalance(id));
    }

    function cancel() external {
        registry.cancelUpkeep(id);
    }

    function collect() external {
        registry.withdrawFunds(id, address(this));
    }

    /// True also when all is done, so that nothing but the pause stops it.
    function checkUpkeep(bytes calldata) external view override returns (bool upkeepNeeded, bytes memory performData) {
        return (rounds > 0, "");
    }

    function performUpkeep(bytes calldata) external override {
        if (++done >= rounds) registry.pauseUpkeep(id);
    }
}
