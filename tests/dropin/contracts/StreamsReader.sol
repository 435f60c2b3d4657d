// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

import {AutomationCompatibleInterface} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/AutomationCompatibleInterface.sol";
import {StreamsLookupCompatibleInterface} from
    "@chainlink/contracts/src/v0.8/automation/interfaces/StreamsLookupCompatibleInterface.sol";

/// Asks for a price from outside when told to, and goes by its last one where there is none to be had.
contract StreamsReader is AutomationCompatibleInterface, StreamsLookupCompatibleInterface {
    event Read(uint256 value);
    event Unavailable(uint256 errCode, uint256 round);

    uint256 public round;
    bool public wanted;

    function want() external {
        wanted = true;
        ++round;
    }

    function checkUpkeep(bytes calldata checkData)
        external
        view
        override
        returns (bool upkeepNeeded, bytes memory performData)
    {
        if (!wanted) return (false, "");
        string[] memory feeds = new string[](1);
        feeds[0] = abi.decode(checkData, (string));
        revert StreamsLookup("feedIDs", feeds, "timestamp", block.timestamp, abi.encode(round));
    }

    function checkCallback(bytes[] memory values, bytes memory)
        external
        pure
        override
        returns (bool upkeepNeeded, bytes memory performData)
    {
        return (true, abi.encode(false, values[0]));
    }

    function checkErrorHandler(uint256 errCode, bytes memory extraData)
        external
        pure
        override
        returns (bool upkeepNeeded, bytes memory performData)
    {
        return (true, abi.encode(true, abi.encode(errCode, abi.decode(extraData, (uint256)))));
    }

    function performUpkeep(bytes calldata performData) external override {
        (bool failed, bytes memory content) = abi.decode(performData, (bool, bytes));
        wanted = false;
        if (failed) {
            (uint256 errCode, uint256 askedIn) = abi.decode(content, (uint256, uint256));
            emit Unavailable(errCode, askedIn);
        } else {
            emit Read(abi.decode(content, (uint256)));
        }
    }
}
