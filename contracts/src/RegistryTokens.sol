// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryFunds} from "./RegistryFunds.sol";

/// @title Funding by the token's `transferAndCall`
abstract contract RegistryTokens is RegistryFunds {
    /// @notice Called by the token when `amount` of it was sent here: funds an upkeep.
    /// @param data The upkeep's id, encoded.
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data) external {
        if (msg.sender != address(TOKEN)) revert OnlyCallableByLINKToken();
        if (data.length != 32) revert InvalidDataLength();
        if (amount > type(uint96).max) revert InvalidTokenAmount(amount);
        TOKEN.withdraw(amount);
        credit(uint256(bytes32(data)), sender, uint96(amount), true);
    }

    /// @return The wrapped native token, again.
    function getWrappedNativeTokenAddress() external view returns (address) {
        return address(TOKEN);
    }
}
