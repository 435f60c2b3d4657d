// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The target of many conditional upkeeps, each of which watches a number of its own
/// @notice A load for the keeper: what one upkeep's check reads, no other's does.
contract Watcher {
    /// What each upkeep watches, by its number; slot 0, which the keeper's benchmark sets.
    mapping(uint256 upkeep => uint256) public level;
    /// How often `setLevels` was called. No check reads it.
    uint256 public writes;

    /// @notice Due at a level of 100 and more.
    /// @param checkData the upkeep's number
    function checkUpkeep(bytes calldata checkData) external view returns (bool, bytes memory) {
        return (level[abi.decode(checkData, (uint256))] >= 100, checkData);
    }

    function performUpkeep(bytes calldata performData) external {
        uint256 upkeep = abi.decode(performData, (uint256));
        require(level[upkeep] >= 100, "not needed");
        level[upkeep] = 1;
    }

    /// @notice Sets what `count` upkeeps watch, from number `first` on.
    function setLevels(uint256 first, uint256 count, uint256 value) external {
        for (uint256 upkeep = first; upkeep < first + count; ++upkeep) level[upkeep] = value;
        ++writes;
    }

    /// @notice What an observer asks for: once `written` has grown and `due` is zero, all of them were performed.
    /// @return written how often `setLevels` was called
    /// @return due how many of `count` upkeeps from number `first` on are due
    function progress(uint256 first, uint256 count) external view returns (uint256 written, uint256 due) {
        for (uint256 upkeep = first; upkeep < first + count; ++upkeep) {
            if (level[upkeep] >= 100) ++due;
        }
        written = writes;
    }
}
