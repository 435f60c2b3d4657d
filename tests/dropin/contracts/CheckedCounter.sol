// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

import {AutomationCompatible} from "@chainlink/contracts/src/v0.8/automation/AutomationCompatible.sol";

/// Counts what was asked for, at most as much at once as its check data says. Its check cannot be sent as a transaction.
contract CheckedCounter is AutomationCompatible {
    event Counted(uint256 count, address caller);

    uint256 public wanted;
    uint256 public count;

    function request(uint256 more) external {
        wanted += more;
    }

    function checkUpkeep(bytes calldata checkData)
        external
        view
        override
        cannotExecute
        returns (bool upkeepNeeded, bytes memory performData)
    {
        uint256 most = abi.decode(checkData, (uint256));
        uint256 left = wanted - count;
        return (left > 0, abi.encode(left < most ? left : most));
    }

    function performUpkeep(bytes calldata performData) external override {
        uint256 step = abi.decode(performData, (uint256));
        require(step > 0 && count + step <= wanted, "not asked for");
        count += step;
        emit Counted(count, msg.sender);
    }
}
