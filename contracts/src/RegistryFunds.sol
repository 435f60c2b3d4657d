// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryBase} from "./RegistryBase.sol";
import {Upkeep} from "./RegistryTypes.sol";

/// @title Money for upkeeps: native or wrapped, it lies as native token in the upkeep's forwarder
abstract contract RegistryFunds is RegistryBase {
    /// @dev Puts `amount` wei, which the registry holds at this moment, into the upkeep's forwarder.
    /// @param wrapped Whether it came as the token. An upkeep whose admin first funds it with the token is paid out in it; nobody
    /// else's money decides that.
    function credit(uint256 id, address from, uint96 amount, bool wrapped) internal {
        Upkeep storage upkeep = upkeeps[id];
        if (upkeep.terms.maxValidBlocknumber != ACTIVE) revert UpkeepCancelled();
        uint96 balance = upkeep.ledger.balance;
        if (wrapped && amount != 0 && from == upkeep.admin && balance == 0 && upkeep.ledger.amountSpent == 0) {
            upkeep.paidInToken = true;
        }
        upkeep.ledger.balance = balance + amount;
        emit FundsAdded(id, from, amount);
        (bool sent,) = upkeep.terms.forwarder.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }
}
