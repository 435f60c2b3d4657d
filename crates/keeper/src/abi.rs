//! The registry's and the upkeeps' interfaces, as far as the node speaks them.
//!
//! Signatures and topics are those of the automation interface that contracts already know
//! (registry version 2.1), plus the registry's own lane functions.
#![allow(missing_docs)] // generated items carry the names of the Solidity interface

use alloy_sol_types::sol;

sol! {
    #[derive(Debug)]
    interface Registry {
        event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);
        event UpkeepCanceled(uint256 indexed id, uint64 indexed atBlockHeight);
        event UpkeepPaused(uint256 indexed id);
        event UpkeepUnpaused(uint256 indexed id);
        event UpkeepCheckDataSet(uint256 indexed id, bytes newCheckData);
        event UpkeepGasLimitSet(uint256 indexed id, uint96 gasLimit);
        event UpkeepOffchainConfigSet(uint256 indexed id, bytes offchainConfig);
        event UpkeepTriggerConfigSet(uint256 indexed id, bytes triggerConfig);
        event UpkeepAdminTransferRequested(uint256 indexed id, address indexed from, address indexed to);
        event UpkeepAdminTransferred(uint256 indexed id, address indexed from, address indexed to);
        event FundsAdded(uint256 indexed id, address indexed from, uint96 amount);
        event FundsWithdrawn(uint256 indexed id, uint256 amount, address to);
        event UpkeepPerformed(uint256 indexed id, bool indexed success, uint96 totalPayment, uint256 gasUsed, uint256 gasOverhead, bytes trigger);
        event DedupKeyAdded(bytes32 indexed dedupKey);
        event CancelledUpkeepReport(uint256 indexed id, bytes trigger);
        event InsufficientFundsUpkeepReport(uint256 indexed id, bytes trigger);
        event ReorgedUpkeepReport(uint256 indexed id, bytes trigger);
        event StaleUpkeepReport(uint256 indexed id, bytes trigger);
        event LaneSet(address indexed lane, bool active);
        event Paused(address account);
        event Unpaused(address account);

        function performDue(uint256 id, bytes performData) external returns (bool success);
        function perform(uint256 id, bytes trigger, bytes performData) external returns (bool success);
        function performMany(uint256[] ids, bytes[] performDatas) external;
        function isLane(address lane) external view returns (bool);
        function getNumUpkeeps() external view returns (uint256);
        function getActiveUpkeepIDs(uint256 startIndex, uint256 maxCount) external view returns (uint256[] ids);
        function getMinBalance(uint256 id) external view returns (uint96);
        function hasDedupKey(bytes32 key) external view returns (bool);
        function getPaymentConfig() external view returns (uint32 premiumPPB, uint32 flatGasOverhead, uint32 maxPerformGas,
            uint32 maxCheckDataSize, uint32 maxPerformDataSize, uint64 fallbackGasPrice);
        function checkUpkeep(uint256 id) external returns (bool upkeepNeeded, bytes performData, uint8 reason,
            uint256 gasUsed, uint256 gasLimit, uint256 fastGasWei, uint256 linkNative);
        function executeCallback(uint256 id, bytes payload) external returns (bool upkeepNeeded, bytes performData,
            uint8 reason, uint256 gasUsed);
        function simulatePerformUpkeep(uint256 id, bytes performData) external returns (bool success, uint256 gasUsed);
        function getUpkeepStatus(uint256 id) external view returns (
            address target,
            address forwarder,
            address admin,
            uint8 triggerType,
            uint32 performGas,
            uint96 balance,
            uint96 amountSpent,
            bool paused,
            uint64 maxValidBlocknumber,
            uint32 lastPerformedBlock,
            uint40 lastPerformedTimestamp,
            uint32 registeredBlock,
            bytes checkData,
            bytes triggerConfig,
            bytes offchainConfig,
            uint40 registeredTimestamp
        );
    }
}

sol! {
    /// The form of `checkUpkeep` that is told the log: `abi.encode(Automation.Log)`.
    interface RegistryLogs {
        function checkUpkeep(uint256 id, bytes triggerData) external returns (bool upkeepNeeded, bytes performData,
            uint8 reason, uint256 gasUsed, uint256 gasLimit, uint256 fastGasWei, uint256 linkNative);
    }
}

sol! {
    #[derive(Debug)]
    interface RegistryError {
        error InsufficientGas(uint256 available, uint256 required);
        error InvalidReport();
        error OnlyActiveTransmitters();
        error OnlyCallableByAdmin();
        error OnlyUnpausedUpkeep();
        error ReentrantCall();
        error RegistryPaused();
        error TransferFailed();
        error UpkeepCancelled();
    }
}

sol! {
    /// What a target contract implements.
    interface Automation {
        #[derive(Debug, PartialEq, Eq)]
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

        function checkUpkeep(bytes checkData) external returns (bool upkeepNeeded, bytes performData);
        function performUpkeep(bytes performData) external;
        function checkLog(Log log, bytes checkData) external returns (bool upkeepNeeded, bytes performData);
        function checkErrorHandler(uint256 errCode, bytes extraData) external view returns (bool upkeepNeeded, bytes performData);

        /// A check's request for data from elsewhere.
        #[derive(Debug, PartialEq, Eq)]
        error StreamsLookup(string feedParamKey, string[] feeds, string timeParamKey, uint256 time, bytes extraData);
    }
}

sol! {
    /// What a log upkeep is performed for: the log, and the check block, which is the parent of the perform's.
    #[derive(Debug, PartialEq, Eq)]
    struct LogTrigger {
        bytes32 logBlockHash;
        bytes32 txHash;
        uint32 logIndex;
        uint32 blockNum;
        bytes32 blockHash;
    }
}
