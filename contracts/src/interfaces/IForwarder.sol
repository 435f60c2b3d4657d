// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The stable address from which one upkeep's target is called
/// @notice A target may remember this address and accept `performUpkeep` from it alone. The forwarder also holds the
/// upkeep's native balance, so that no two upkeeps share an account.
interface IForwarder {
    /// Thrown when anyone but the registry calls a function that is the registry's alone.
    error OnlyCallableByRegistry();
    /// Thrown when the gas left cannot give the target all of `gasAmount`.
    error InsufficientGas(uint256 available, uint256 required);
    /// Thrown when the recipient of a payment refuses it.
    error TransferFailed();

    /// @notice Calls the target with exactly `gasAmount` gas and no value. A revert of the target is reported, not raised.
    /// @return success Whether the target returned normally; false where it has no code.
    /// @return gasUsed Gas that reaching and calling the target took; zero where it has no code.
    function forward(uint256 gasAmount, bytes calldata data) external returns (bool success, uint256 gasUsed);

    /// @notice Always refused: a forwarder has one registry for ever. Tools know the function.
    function updateRegistry(address newRegistry) external;

    /// @notice Pays `amount` wei of the upkeep's balance to `to`.
    function pay(address payable to, uint256 amount) external;

    function getRegistry() external view returns (address);

    function getTarget() external view returns (address);

    function typeAndVersion() external pure returns (string memory);
}
