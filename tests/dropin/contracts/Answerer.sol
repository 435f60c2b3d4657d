// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

import {ILogAutomation, Log} from "@chainlink/contracts/src/v0.8/automation/interfaces/ILogAutomation.sol";

/// Answers questions of one kind that are asked in logs, other than the question 0.
contract Answerer is ILogAutomation {
    event Asked(uint256 indexed kind, uint256 question);
    event Answered(uint256 question, bytes note, Log log);

    /// Asks the questions `first`, `first + 1` and so on.
    function ask(uint256 kind, uint256 first, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) {
            emit Asked(kind, first + i);
        }
    }

    function checkLog(Log calldata log, bytes calldata checkData)
        external
        pure
        override
        returns (bool upkeepNeeded, bytes memory performData)
    {
        return (abi.decode(log.data, (uint256)) != 0, abi.encode(log, checkData));
    }

    function performUpkeep(bytes calldata performData) external override {
        (Log memory log, bytes memory note) = abi.decode(performData, (Log, bytes));
        emit Answered(abi.decode(log.data, (uint256)), note, log);
    }
}
