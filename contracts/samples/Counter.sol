// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IUpkeepTarget} from "../src/interfaces/IUpkeepTarget.sol";

/// @title A queue that works itself off
/// @notice Anyone asks for work with `request`; a conditional upkeep does it, a bounded number of pieces per perform.
contract Counter is IUpkeepTarget {
    /// Pieces of work done, and how many were done by this perform.
    event Worked(uint256 done, uint256 pieces);

    /// Most pieces that one perform takes, so that its gas stays bounded.
    uint256 public constant MAX_PIECES = 10;

    /// Pieces asked for so far.
    uint256 public requested;
    /// Pieces done so far.
    uint256 public done;

    /// @notice Asks for `pieces` pieces of work.
    function request(uint256 pieces) external {
        requested += pieces;
    }

    /// @inheritdoc IUpkeepTarget
    function checkUpkeep(bytes calldata) external view returns (bool upkeepNeeded, bytes memory performData) {
        return (requested > done, "");
    }

    /// @inheritdoc IUpkeepTarget
    function performUpkeep(bytes calldata) external {
        // Looks again rather than trusting the check: the state may have moved on in between.
        uint256 pieces = requested - done;
        if (pieces == 0) return;
        if (pieces > MAX_PIECES) pieces = MAX_PIECES;
        done += pieces;
        emit Worked(done, pieces);
    }
}
