// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

interface IOracle {
    function answer() external view returns (uint256);
}

/// @title An upkeep that accrues interest on a few positions at a time
/// @notice A load for the executor: each perform reads and writes some slots of its own contract.
contract Upkeep {
    event Performed(uint256 count, uint256 rate);

    /// How many positions one perform accrues.
    uint256 private constant STEP = 4;
    uint256 private constant POSITIONS = 16;

    /// Where rates come from, or zero for the last one; slot 0, which the executor's benchmark sets.
    address public oracle;
    /// The rate of the last perform, in parts of 2**32; slot 1, which the executor's benchmark sets.
    uint256 public rate;
    /// Performs so far; slot 2, which the executor's benchmark sets.
    uint256 public count;
    /// What each position is worth; slots 3 to 18, which the executor's benchmark sets.
    uint256[POSITIONS] public positions;

    /// @notice Accrues the next positions at the current rate.
    /// @param performData a number that is added to each of them
    function performUpkeep(bytes calldata performData) external {
        uint256 extra = abi.decode(performData, (uint256));
        uint256 current = oracle == address(0) ? rate + 1 : IOracle(oracle).answer();
        uint256 next = count * STEP;
        for (uint256 i = 0; i < STEP; ++i) {
            uint256 worth = positions[(next + i) % POSITIONS];
            positions[(next + i) % POSITIONS] = worth + ((worth * current) >> 32) + extra;
        }
        rate = current;
        emit Performed(++count, current);
    }
}
