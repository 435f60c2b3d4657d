// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Code that an account may delegate to (EIP-7702)
contract Delegate {
    event Ran(address indexed account, address sender);

    receive() external payable {}

    function run() external payable {
        emit Ran(address(this), msg.sender);
    }
}
