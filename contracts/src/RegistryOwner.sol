// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryBase} from "./RegistryBase.sol";
import {Settings} from "./RegistryTypes.sol";

/// @title What the owner governs: lanes, settings, the pause of everything
abstract contract RegistryOwner is RegistryBase {
    /// @notice Authorises an account to perform upkeeps, or withdraws that.
    function setLane(address lane, bool active) external onlyOwner {
        if (lane == address(0)) revert ZeroAddressNotAllowed();
        lanes[lane] = active;
        emit LaneSet(lane, active);
    }

    /// @notice Stops registration and performs of all upkeeps.
    function pause() external onlyOwner {
        settings.paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external onlyOwner {
        settings.paused = false;
        emit Unpaused(msg.sender);
    }

    /// @notice Changes what performs cost and how large they may be. The limits never shrink below what is registered.
    function setSettings(
        uint32 premiumPPB,
        uint32 flatGasOverhead,
        uint32 maxPerformGas,
        uint32 maxCheckDataSize,
        uint32 maxPerformDataSize,
        uint64 fallbackGasPrice
    ) external onlyOwner {
        Settings memory old = settings;
        if (maxPerformGas < old.maxPerformGas || maxCheckDataSize < old.maxCheckDataSize) revert SettingOutsideRange();
        if (maxPerformDataSize < old.maxPerformDataSize) revert SettingOutsideRange();
        storeSettings(
            Settings({
                paused: old.paused,
                premiumPPB: premiumPPB,
                flatGasOverhead: flatGasOverhead,
                maxPerformGas: maxPerformGas,
                maxCheckDataSize: maxCheckDataSize,
                maxPerformDataSize: maxPerformDataSize,
                fallbackGasPrice: fallbackGasPrice
            })
        );
    }

    function storeSettings(Settings memory next) internal {
        settings = next;
        emit SettingsSet(
            next.premiumPPB,
            next.flatGasOverhead,
            next.maxPerformGas,
            next.maxCheckDataSize,
            next.maxPerformDataSize,
            next.fallbackGasPrice
        );
    }
}
