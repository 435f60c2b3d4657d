// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IWrappedNative} from "./interfaces/IWrappedNative.sol";
import {RegistryBase} from "./RegistryBase.sol";
import {RegistryExtension} from "./RegistryExtension.sol";
import {RegistryOwner} from "./RegistryOwner.sol";
import {RegistryUpkeeps} from "./RegistryUpkeeps.sol";
import {RegistryViews} from "./RegistryViews.sol";
import {Settings} from "./RegistryTypes.sol";
import {UpkeepLock} from "./UpkeepLock.sol";

/// @title Registry of upkeeps
/// @notice Contracts register here to be called by the node: when their condition holds, when a log is
/// emitted, at an interval or a point of the calendar, or when a resolver says so. Anyone may register and fund an upkeep; lanes, accounts of the node, perform them and are repaid out of the upkeep's balance.
contract Registry is RegistryUpkeeps, RegistryOwner, RegistryViews {
    address private immutable EXTENSION;

    /// @param initialOwner Account that authorises lanes and changes the settings.
    /// @param initialLanes Accounts that may perform upkeeps.
    /// @param initialSettings Costs and limits to start with.
    /// @param token The wrapped native token.
    constructor(
        address initialOwner,
        address[] memory initialLanes,
        Settings memory initialSettings,
        IWrappedNative token
    ) RegistryBase(token) {
        if (initialOwner == address(0)) revert ZeroAddressNotAllowed();
        contractOwner = initialOwner;
        emit OwnershipTransferred(address(0), initialOwner);
        for (uint256 i = 0; i < initialLanes.length; ++i) {
            if (initialLanes[i] == address(0)) revert ZeroAddressNotAllowed();
            lanes[initialLanes[i]] = true;
            emit LaneSet(initialLanes[i], true);
        }
        storeSettings(initialSettings);
        EXTENSION = address(new RegistryExtension(token));
    }

    /// Takes what is unwrapped, and what a forwarder pays out to be wrapped; neither stays here.
    receive() external payable {
        if (msg.sender != address(TOKEN) && !UpkeepLock.isHeld(WRAPPING)) revert TransferFailed();
    }

    /// Answers what the registry's tools ask for; anything else is refused.
    fallback() external {
        address extension = EXTENSION;
        assembly ("memory-safe") {
            // Beyond what Solidity has in use; nothing comes back to it.
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let success := delegatecall(gas(), extension, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            switch success
            case 0 { revert(free, returndatasize()) }
            default { return(free, returndatasize()) }
        }
    }
}
