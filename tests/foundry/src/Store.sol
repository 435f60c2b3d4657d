// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A number, and every way of failing
contract Store {
    event Stored(address indexed by, uint256 value);

    error TooLarge(uint256 value, uint256 limit);

    uint256 public value;
    address public lastSender;

    function store(uint256 newValue) external payable {
        value = newValue;
        lastSender = msg.sender;
        emit Stored(msg.sender, newValue);
    }

    function failWithReason() external pure {
        require(false, "not today");
    }

    function failWithError(uint256 given) external pure {
        revert TooLarge(given, 10);
    }

    function failWithPanic(uint256 divisor) external pure returns (uint256) {
        return 1 / divisor;
    }

    function failWithoutReason() external pure {
        assembly {
            revert(0, 0)
        }
    }

    function loop() external view {
        while (gasleft() > 0) {}
    }
}
