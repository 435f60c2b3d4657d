// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

import {AutomationCompatibleInterface} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/AutomationCompatibleInterface.sol";
import {IAutomationForwarder} from "@chainlink/contracts/src/v0.8/automation/interfaces/IAutomationForwarder.sol";
import {IKeeperRegistryMaster} from "@chainlink/contracts/src/v0.8/automation/interfaces/v2_1/IKeeperRegistryMaster.sol";

/// Opens a door when asked to, and lets nobody but its own forwarder do so.
contract ForwarderOnly is AutomationCompatibleInterface {
    error OnlyForwarder(address caller);
    error NotMine(uint256 id);

    event Opened(address caller);

    IAutomationForwarder public forwarder;
    bool public knocked;

    /// Learns the forwarder of an upkeep, which must be one for this contract and of this registry.
    function adopt(IKeeperRegistryMaster registry, uint256 id) external {
        IAutomationForwarder found = IAutomationForwarder(registry.getForwarder(id));
        if (found.getTarget() != address(this) || address(found.getRegistry()) != address(registry)) revert NotMine(id);
        forwarder = found;
    }

    function knock() external {
        knocked = true;
    }

    function checkUpkeep(bytes calldata) external view override returns (bool upkeepNeeded, bytes memory performData) {
        return (knocked, "");
    }

    function performUpkeep(bytes calldata) external override {
        if (msg.sender != address(forwarder)) revert OnlyForwarder(msg.sender);
        knocked = false;
        emit Opened(msg.sender);
    }
}
