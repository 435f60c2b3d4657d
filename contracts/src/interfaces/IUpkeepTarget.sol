// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What a contract implements to be called by itself
/// @notice The node simulates `checkUpkeep` with the registry as caller and a zero `tx.origin`; whatever it writes is
/// thrown away. Where it answers true, `performUpkeep` is called through the upkeep's own forwarder.
interface IUpkeepTarget {
    /// @param checkData The bytes stored with the upkeep at registration.
    /// @return upkeepNeeded Whether the work is due.
    /// @return performData What `performUpkeep` is to be given.
    function checkUpkeep(bytes calldata checkData) external returns (bool upkeepNeeded, bytes memory performData);

    /// @param performData What `checkUpkeep` answered; for an interval or cron upkeep, the stored check data.
    function performUpkeep(bytes calldata performData) external;
}

/// @title What a contract implements that asks for data from elsewhere during its check
interface IStreamsTarget {
    /// @param values The data that was asked for.
    /// @param extraData What the check handed over.
    function checkCallback(bytes[] calldata values, bytes calldata extraData)
        external
        view
        returns (bool upkeepNeeded, bytes memory performData);
}

/// A log and where it stands.
struct Log {
    /// Place of the log in its block.
    uint256 index;
    /// Of the block, in seconds.
    uint256 timestamp;
    bytes32 txHash;
    uint256 blockNumber;
    /// Zero where the log is delivered within its own block.
    bytes32 blockHash;
    /// The contract that emitted it.
    address source;
    bytes32[] topics;
    bytes data;
}

/// @title What a contract implements to be called when a log is emitted
/// @notice It implements `performUpkeep` of `IUpkeepTarget` beside it.
interface ILogTarget {
    /// @param log The log that makes the upkeep due.
    /// @param checkData The bytes stored with the upkeep at registration.
    /// @return upkeepNeeded Whether the work is due.
    /// @return performData What `performUpkeep` is to be given.
    function checkLog(Log calldata log, bytes calldata checkData)
        external
        returns (bool upkeepNeeded, bytes memory performData);
}
