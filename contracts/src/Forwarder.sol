// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";

/// @title Forwarder of one upkeep
/// @dev Deployed whole rather than as a proxy: a proxy would cost every perform a second account access and a copy of
/// the call data. Target and registry are part of the code, so that a perform reads no slot of this contract.
contract Forwarder is IForwarder {
    /// What the CALL to a warm target may cost beside the gas handed over: 100, another 2,600 where the target delegates
    /// its code (EIP-7702), and the instructions around it.
    uint256 private constant CALL_RESERVE = 3_500;

    address private immutable TARGET;
    address private immutable REGISTRY;

    modifier onlyRegistry() {
        if (msg.sender != REGISTRY) revert OnlyCallableByRegistry();
        _;
    }

    /// @param target Contract that this forwarder calls for ever; the deployer becomes its registry.
    constructor(address target) {
        TARGET = target;
        REGISTRY = msg.sender;
    }

    /// Funds come from the registry alone: it keeps the books.
    receive() external payable onlyRegistry {}

    /// @inheritdoc IForwarder
    function forward(uint256 gasAmount, bytes calldata data)
        external
        onlyRegistry
        returns (bool success, uint256 gasUsed)
    {
        address target = TARGET;
        uint256 available;
        bool enough = true;
        assembly ("memory-safe") {
            let gasBefore := gas()
            // Also makes the account warm, so that the reserve below need not count a cold access.
            if extcodesize(target) {
                let input := mload(0x40)
                calldatacopy(input, data.offset, data.length)
                let left := gas()
                enough := gt(left, CALL_RESERVE)
                if enough {
                    // A call hands over at most 63/64 of what is left (EIP-150), and silently less than was asked for.
                    left := sub(left, CALL_RESERVE)
                    available := sub(left, div(left, 64))
                    enough := iszero(lt(available, gasAmount))
                }
                if enough {
                    // The target's return data is not copied: it could be made large at the caller's expense.
                    success := call(gasAmount, target, 0, input, data.length, 0, 0)
                }
                gasUsed := sub(gasBefore, gas())
            }
        }
        if (!enough) revert InsufficientGas(available, gasAmount);
    }

    /// @inheritdoc IForwarder
    function updateRegistry(address) external pure {
        // The registry hands no forwarder over, and nobody else may.
        revert OnlyCallableByRegistry();
    }

    /// @inheritdoc IForwarder
    function pay(address payable to, uint256 amount) external onlyRegistry {
        bool paid;
        assembly ("memory-safe") {
            paid := call(gas(), to, amount, 0, 0, 0, 0)
        }
        if (!paid) revert TransferFailed();
    }

    /// @inheritdoc IForwarder
    function getRegistry() external view returns (address) {
        return REGISTRY;
    }

    /// @inheritdoc IForwarder
    function getTarget() external view returns (address) {
        return TARGET;
    }

    /// @inheritdoc IForwarder
    function typeAndVersion() external pure returns (string memory) {
        return "AutomationForwarder 1.0.0";
    }
}
