// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ITokenReceiver, IWrappedNative} from "./interfaces/IWrappedNative.sol";

/// @title The native token as an ERC-20 and ERC-677 token, one to one
/// @notice For contracts that fund their upkeeps with a token: `getLinkAddress()` of the registry names this one.
contract WrappedNative is IWrappedNative {
    string public constant name = "Wrapped Ether";
    string public constant symbol = "WETH";
    uint8 public constant decimals = 18;

    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    /// Wraps what is sent.
    receive() external payable {
        deposit();
    }

    /// @notice Every token is backed by the native token that this contract holds. What is forced into it without being
    /// wrapped counts as supply that nobody owns.
    function totalSupply() external view returns (uint256) {
        return address(this).balance;
    }

    /// @notice Wraps what is sent, for the sender.
    function deposit() public payable {
        balanceOf[msg.sender] += msg.value;
        emit Deposit(msg.sender, msg.value);
        emit Transfer(address(0), msg.sender, msg.value);
    }

    /// @notice Unwraps `amount` of the sender's.
    function withdraw(uint256 amount) external {
        take(msg.sender, amount);
        emit Withdrawal(msg.sender, amount);
        emit Transfer(msg.sender, address(0), amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }

    function transfer(address to, uint256 amount) public returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    /// @notice A transfer after which `to` is called: `onTokenTransfer(sender, amount, data)`, where it has code.
    function transferAndCall(address to, uint256 amount, bytes calldata data) external returns (bool) {
        transfer(to, amount);
        emit Transfer(msg.sender, to, amount, data);
        if (to.code.length != 0) ITokenReceiver(to).onTokenTransfer(msg.sender, amount, data);
        return true;
    }

    /// @notice An allowance of the largest number is not used up.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < amount) revert InsufficientAllowance(msg.sender, allowed, amount);
            allowance[from][msg.sender] = allowed - amount;
        }
        move(from, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        setAllowance(spender, amount);
        return true;
    }

    function increaseApproval(address spender, uint256 more) external returns (bool) {
        setAllowance(spender, allowance[msg.sender][spender] + more);
        return true;
    }

    /// @notice Less than nothing is nothing.
    function decreaseApproval(address spender, uint256 less) external returns (bool) {
        uint256 allowed = allowance[msg.sender][spender];
        setAllowance(spender, allowed < less ? 0 : allowed - less);
        return true;
    }

    function setAllowance(address spender, uint256 amount) private {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    function move(address from, address to, uint256 amount) private {
        // What is sent to either of them is lost.
        if (to == address(0) || to == address(this)) revert InvalidRecipient();
        take(from, amount);
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    function take(address from, uint256 amount) private {
        uint256 held = balanceOf[from];
        if (held < amount) revert InsufficientBalance(from, held, amount);
        balanceOf[from] = held - amount;
    }
}
