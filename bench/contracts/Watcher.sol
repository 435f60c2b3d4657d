// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The target of many conditional upkeeps, each of which watches a number of its own
/// @notice A load for the keeper: what one upkeep's check reads, no other's does.
contract Watcher {
    /// What each upkeep watches, by its number; slot 0, which the keeper's benchmark sets.
    mapping(uint256 upkeep => uint256) public level;

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
}
