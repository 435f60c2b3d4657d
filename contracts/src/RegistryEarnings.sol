// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";
import {RegistryBase} from "./RegistryBase.sol";
import {Upkeep} from "./RegistryTypes.sol";
import {UpkeepLock} from "./UpkeepLock.sol";

/// @title What the lanes have earned and was not paid yet
abstract contract RegistryEarnings is RegistryBase {
    /// @notice Pays what performs of the upkeeps owe to `lane`; open to everyone.
    function collect(uint256[] calldata ids, address lane) external {
        if (!lanes[lane]) revert OnlyActiveTransmitters();
        for (uint256 i = 0; i < ids.length; ++i) {
            // The perform that is going on pays for itself.
            if (UpkeepLock.isHeld(ids[i])) revert ReentrantCall();
            address forwarder = upkeeps[ids[i]].terms.forwarder;
            uint256 owed = getOwed(ids[i]);
            if (owed != 0) IForwarder(forwarder).pay(payable(lane), owed);
        }
    }

    /// @return Wei that performs of the upkeep owe to the lanes.
    function getOwed(uint256 id) public view returns (uint256) {
        Upkeep storage upkeep = upkeeps[id];
        address forwarder = upkeep.terms.forwarder;
        return forwarder == address(0) ? 0 : forwarder.balance - upkeep.ledger.balance;
    }
}
