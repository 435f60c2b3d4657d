// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A contract with a pulse
/// @notice For an interval upkeep: no check is asked for, so `performUpkeep` is all that it needs. Anyone may call it.
contract Heartbeat {
    /// One beat, and the block's time at which it was made.
    event Beat(uint256 beats, uint256 timestamp);

    /// Beats so far.
    uint256 public beats;
    /// Block of the latest beat.
    uint256 public lastBlock;

    /// @notice Counts a beat.
    function performUpkeep(bytes calldata) external {
        lastBlock = block.number;
        emit Beat(++beats, block.timestamp);
    }
}
