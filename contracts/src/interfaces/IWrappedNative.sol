// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The wrapped native token: ERC-20 with ERC-677's `transferAndCall`
interface IWrappedNative {
    event Transfer(address indexed from, address indexed to, uint256 value);
    /// ERC-677: a transfer of which the recipient is told.
    event Transfer(address indexed from, address indexed to, uint256 value, bytes data);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Deposit(address indexed account, uint256 amount);
    event Withdrawal(address indexed account, uint256 amount);

    error InsufficientAllowance(address spender, uint256 allowed, uint256 needed);
    error InsufficientBalance(address account, uint256 held, uint256 needed);
    error InvalidRecipient();
    error TransferFailed();

    function deposit() external payable;

    function withdraw(uint256 amount) external;

    function transfer(address to, uint256 amount) external returns (bool);

    function transferAndCall(address to, uint256 amount, bytes calldata data) external returns (bool);

    function transferFrom(address from, address to, uint256 amount) external returns (bool);

    function approve(address spender, uint256 amount) external returns (bool);

    function balanceOf(address account) external view returns (uint256);
}

/// @title What a contract implements that is to be told of tokens (ERC-677)
interface ITokenReceiver {
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data) external;
}
