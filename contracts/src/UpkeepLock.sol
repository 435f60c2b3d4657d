// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title One transient lock per upkeep
/// @dev A lock in storage, or one for all upkeeps, would make every perform conflict with every other.
library UpkeepLock {
    function hold(uint256 id) internal {
        assembly ("memory-safe") {
            tstore(id, 1)
        }
    }

    function release(uint256 id) internal {
        assembly ("memory-safe") {
            tstore(id, 0)
        }
    }

    function isHeld(uint256 id) internal view returns (bool held) {
        assembly ("memory-safe") {
            held := tload(id)
        }
    }
}
