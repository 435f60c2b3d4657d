// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Money that its owner may take out after a time
contract Vault {
    event Withdrawn(address indexed owner, uint256 amount);

    error TooEarly(uint256 now_, uint256 unlockTime);
    error NotOwner(address caller);

    uint256 public immutable unlockTime;
    address public immutable owner;
    uint256 public note;

    constructor(uint256 unlocksAt) payable {
        require(unlocksAt > block.timestamp, "unlock time must lie ahead");
        unlockTime = unlocksAt;
        owner = msg.sender;
    }

    function setNote(uint256 value) external {
        note = value;
    }

    function withdraw() external {
        if (block.timestamp < unlockTime) revert TooEarly(block.timestamp, unlockTime);
        if (msg.sender != owner) revert NotOwner(msg.sender);
        emit Withdrawn(owner, address(this).balance);
        (bool sent,) = owner.call{value: address(this).balance}("");
        require(sent, "not sent");
    }
}
