// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";

/// @title Forwarder of one upkeep
/// @dev Deployed whole rather than as a proxy: a proxy would cost every perform a second account access and a copy of
/// the call data. The target is part of the code, so that a perform reads one slot of this contract only.
contract Forwarder is IForwarder {
    /// What the CALL to a warm target may cost beside the gas handed over: 100, another 2,600 where the target delegates
    /// its code (EIP-7702), and the instructions around it.
    uint256 private constant CALL_RESERVE = 3_500;

    address private immutable TARGET;
    address private registry;

    modifier onlyRegistry() {
        if (msg.sender != registry) revert OnlyCallableByRegistry();
        _;
    }

    /// @param target Contract that this forwarder calls for ever; the deployer becomes its registry.
    constructor(address target) {
        TARGET = target;
        registry = msg.sender;
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
        // Also makes the account warm, so that the reserve below need not count a cold access.
        if (target.code.length == 0) return (false, 0);

        uint256 available;
        bool enough;
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, data.offset, data.length)
            let gasBefore := gas()
            if gt(gasBefore, CALL_RESERVE) {
                // A call hands over at most 63/64 of what is left (EIP-150), and silently less than was asked for.
                let left := sub(gasBefore, CALL_RESERVE)
                available := sub(left, div(left, 64))
                enough := iszero(lt(available, gasAmount))
            }
            if enough {
                // The target's return data is not copied: it could be made large at the caller's expense.
                success := call(gasAmount, target, 0, input, data.length, 0, 0)
                gasUsed := sub(gasBefore, gas())
            }
        }
        if (!enough) revert InsufficientGas(available, gasAmount);
    }

    /// @inheritdoc IForwarder
    function updateRegistry(address newRegistry) external onlyRegistry {
        registry = newRegistry;
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
        return registry;
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
