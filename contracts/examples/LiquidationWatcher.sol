// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IUpkeepTarget} from "../src/interfaces/IUpkeepTarget.sol";
import {LendingVault} from "./LendingVault.sol";

/// @title Liquidates positions of a vault
/// @notice For conditional upkeeps, each of which watches a range of positions: its check data is
/// `abi.encode(uint256 from, uint256 to)`, with `to` excluded. A check reads the oracle's price and the positions, so the
/// keeper looks again when one of these changes, in the block of the change, and not otherwise.
contract LiquidationWatcher is IUpkeepTarget {
    error NothingToLiquidate();
    error RangeTooLong(uint256 most);

    /// Most positions of one upkeep, so that a check stays far below its 10,000,000 gas.
    uint256 public constant MAX_RANGE = 1000;
    /// Most positions that one perform liquidates. What is left is due in the next block.
    uint256 public constant MAX_LIQUIDATIONS = 10;

    LendingVault public immutable vault;

    constructor(LendingVault vault_) {
        vault = vault_;
    }

    /// @inheritdoc IUpkeepTarget
    /// @dev Answers the positions to liquidate as `abi.encode(uint256[])`. The range may reach beyond the last position.
    function checkUpkeep(bytes calldata checkData) external view returns (bool upkeepNeeded, bytes memory performData) {
        (uint256 from, uint256 to) = abi.decode(checkData, (uint256, uint256));
        if (to > from + MAX_RANGE) revert RangeTooLong(MAX_RANGE);
        uint256 count = vault.count();
        if (to > count) to = count;
        uint256[] memory ids = new uint256[](MAX_LIQUIDATIONS);
        uint256 found;
        for (uint256 id = from; id < to && found < MAX_LIQUIDATIONS; ++id) {
            if (vault.isLiquidatable(id)) ids[found++] = id;
        }
        assembly ("memory-safe") {
            mstore(ids, found)
        }
        return (found > 0, abi.encode(ids));
    }

    /// @inheritdoc IUpkeepTarget
    /// @dev Anyone may call it with any positions: the vault liquidates none that is worth enough. Those that are (by now) are
    /// passed over, so that one that was repaid in between does not save the others.
    function performUpkeep(bytes calldata performData) external {
        uint256[] memory ids = abi.decode(performData, (uint256[]));
        uint256 liquidated;
        for (uint256 place = 0; place < ids.length; ++place) {
            if (!vault.isLiquidatable(ids[place])) continue;
            vault.liquidate(ids[place]);
            ++liquidated;
        }
        if (liquidated == 0) revert NothingToLiquidate();
    }
}
