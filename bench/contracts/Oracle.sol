// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A price that others read
/// @notice A load for the executor: one slot that a few transactions write and many read. Anyone may write it.
contract Oracle {
    event Updated(uint256 answer);

    /// The price; slot 0, which the executor's benchmark sets.
    uint256 public answer;

    /// @notice Sets the price.
    function update(uint256 newAnswer) external {
        answer = newAnswer;
        emit Updated(newAnswer);
    }
}
