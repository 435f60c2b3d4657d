// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Rings, and is called for what rang.
contract Ear {
    event Rang(address indexed who, uint256 indexed bell, uint256 word);

    struct Log {
        uint256 index;
        uint256 timestamp;
        bytes32 txHash;
        uint256 blockNumber;
        bytes32 blockHash;
        address source;
        bytes32[] topics;
        bytes data;
    }

    Log[] private logs;
    bytes public lastCheckData;
    bool public deaf;

    function ring(uint256 bell, uint256 word, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) emit Rang(msg.sender, bell, word + i);
    }

    function setDeaf(bool value) external {
        deaf = value;
    }

    /// Does not care for the word 5.
    function checkLog(Log calldata log, bytes calldata checkData) external pure returns (bool, bytes memory) {
        return (abi.decode(log.data, (uint256)) != 5, abi.encode(log, checkData));
    }

    function performUpkeep(bytes calldata data) external {
        require(!deaf, "it hears nothing");
        Log memory log;
        (log, lastCheckData) = abi.decode(data, (Log, bytes));
        logs.push(log);
    }

    function heard() external view returns (Log[] memory) {
        return logs;
    }
}
