// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Funds many accounts in one transaction
/// @notice All of it happens in the constructor; no code is left behind.
contract Disperse {
    error Unfunded(address recipient);

    /// @notice Sends every recipient an equal share of the value.
    constructor(address[] memory recipients) payable {
        uint256 share = msg.value / recipients.length;
        for (uint256 i = 0; i < recipients.length; ++i) {
            (bool sent,) = recipients[i].call{value: share}("");
            if (!sent) revert Unfunded(recipients[i]);
        }
        assembly {
            return(0, 0)
        }
    }
}
