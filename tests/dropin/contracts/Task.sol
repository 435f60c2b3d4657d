// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.19;

/// What calendars call.
contract Task {
    event Ran(uint256 job, uint256 time, address caller);

    function run(uint256 job) external {
        emit Ran(job, block.timestamp, msg.sender);
    }

    function fail() external pure {
        revert("this one fails");
    }
}
