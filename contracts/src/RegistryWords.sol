// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryBase} from "./RegistryBase.sol";
import {Upkeep} from "./RegistryTypes.sol";

/// @title The slots that a perform reads, as words
/// @dev Reading a packed struct into memory field by field would be a good part of what a perform costs beside its target. The
/// places of the fields are those of `Settings`, `Terms` and `Ledger`: the first field stands in the lowest bits. A test holds
/// them against what the compiler does.
abstract contract RegistryWords is RegistryBase {
    function settingsWord() internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(settings.slot)
        }
    }

    function isPausedIn(uint256 config) internal pure returns (bool) {
        return uint8(config) != 0;
    }

    function premiumPPBOf(uint256 config) internal pure returns (uint256) {
        return uint32(config >> 8);
    }

    function flatGasOverheadOf(uint256 config) internal pure returns (uint256) {
        return uint32(config >> 40);
    }

    function maxPerformDataSizeOf(uint256 config) internal pure returns (uint256) {
        return uint32(config >> 136);
    }

    function termsWord(Upkeep storage upkeep) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(upkeep.slot)
        }
    }

    function forwarderOf(uint256 terms) internal pure returns (address) {
        return address(uint160(terms));
    }

    function performGasOf(uint256 terms) internal pure returns (uint256) {
        return uint32(terms >> 160);
    }

    function maxValidBlocknumberOf(uint256 terms) internal pure returns (uint256) {
        return uint32(terms >> 192);
    }

    function isPausedBy(uint256 terms) internal pure returns (bool) {
        return uint8(terms >> 224) != 0;
    }

    function ledgerWord(Upkeep storage upkeep) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(add(upkeep.slot, 1))
        }
    }

    function balanceOf(uint256 ledger) internal pure returns (uint256) {
        return uint96(ledger);
    }

    /// @dev Moves `payment`, which the balance covers, from the balance to what was spent, in this block.
    function noteCharge(Upkeep storage upkeep, uint256 ledger, uint256 payment) internal {
        uint256 spent = uint96(uint96(ledger >> 96) + payment);
        uint256 word = (uint96(ledger) - payment) | (spent << 96) | (uint256(uint32(block.number)) << 192)
            | (uint256(uint32(block.timestamp)) << 224);
        assembly ("memory-safe") {
            sstore(add(upkeep.slot, 1), word)
        }
    }
}
