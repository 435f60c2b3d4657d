// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Cost and size settings, changed by the owner and read by every perform: one slot.
struct Settings {
    /// The whole registry is paused: nothing is registered and nothing performed.
    bool paused;
    /// Premium on the gas cost, in parts per billion.
    uint32 premiumPPB;
    /// Gas of a perform transaction that the registry cannot measure itself: the intrinsic gas, what runs before the
    /// first and after the last measurement.
    uint32 flatGasOverhead;
    /// Largest gas limit that an upkeep may register.
    uint32 maxPerformGas;
    /// Largest check data, trigger configuration and off-chain configuration, in bytes.
    uint32 maxCheckDataSize;
    /// Largest perform data, in bytes.
    uint32 maxPerformDataSize;
    /// Wei per gas assumed by the views where neither the call nor the block names a price.
    uint64 fallbackGasPrice;
}

/// What a perform must know of an upkeep before it runs; written by its administration only: one slot.
struct Terms {
    address forwarder;
    uint32 performGas;
    /// Block from which on the upkeep is cancelled; the largest value while it is active; zero for an unknown upkeep.
    uint32 maxValidBlocknumber;
    bool paused;
}

/// An upkeep's books, the one slot that its performs write.
struct Ledger {
    /// Wei that the forwarder holds for this upkeep.
    uint96 balance;
    /// Wei paid for all performs so far.
    uint96 amountSpent;
    uint32 lastPerformedBlock;
    /// Seconds; enough until the year 2106.
    uint32 lastPerformedTimestamp;
}

/// All that is kept of one upkeep.
struct Upkeep {
    Terms terms;
    Ledger ledger;
    address admin;
    uint32 registeredBlock;
    /// Seconds; enough until the year 2106.
    uint32 registeredTimestamp;
    /// Whether it is paid out in the token: it was registered for it, or its admin's first money came so.
    bool paidInToken;
    address proposedAdmin;
    address target;
    bytes checkData;
    bytes triggerConfig;
    bytes offchainConfig;
}

/// What `getUpkeep` answers, in the order that automation tools decode.
struct UpkeepInfo {
    address target;
    uint32 performGas;
    bytes checkData;
    uint96 balance;
    address admin;
    uint64 maxValidBlocknumber;
    uint32 lastPerformedBlockNumber;
    uint96 amountSpent;
    bool paused;
    bytes offchainConfig;
}

/// The first part of what `getState` answers, in the order that automation tools decode.
struct LegacyState {
    uint32 nonce;
    uint96 ownerLinkBalance;
    uint256 expectedLinkBalance;
    uint96 totalPremium;
    uint256 numUpkeeps;
    uint32 configCount;
    uint32 latestConfigBlockNumber;
    bytes32 latestConfigDigest;
    uint32 latestEpoch;
    bool paused;
}

/// Its second part.
struct LegacyConfig {
    uint32 paymentPremiumPPB;
    uint32 flatFeeMicroLink;
    uint32 checkGasLimit;
    uint24 stalenessSeconds;
    uint16 gasCeilingMultiplier;
    uint96 minUpkeepSpend;
    uint32 maxPerformGas;
    uint32 maxCheckDataSize;
    uint32 maxPerformDataSize;
    uint32 maxRevertDataSize;
    uint256 fallbackGasPrice;
    uint256 fallbackLinkPrice;
    address transcoder;
    address[] registrars;
    address upkeepPrivilegeManager;
}

/// The trigger configuration of a log upkeep: which logs make it due.
struct LogTriggerConfig {
    /// Contract that emits them.
    address contractAddress;
    /// Bits 0 to 2: whether the topics 1 to 3 are compared.
    uint8 filterSelector;
    /// Always compared.
    bytes32 topic0;
    bytes32 topic1;
    bytes32 topic2;
    bytes32 topic3;
}

/// What made a log upkeep due, as `perform` gets it: the log and the block at whose state it was checked.
struct LogTrigger {
    /// Zero for a log of the perform's own block, whose hash is not known yet.
    bytes32 logBlockHash;
    bytes32 txHash;
    /// Place of the log in its block.
    uint32 logIndex;
    uint32 blockNum;
    bytes32 blockHash;
}

/// How an upkeep becomes due. The number is byte 15 of its id.
library TriggerType {
    /// `checkUpkeep` of the target answers true.
    uint8 internal constant CONDITION = 0;
    /// A matching log was emitted in a block before.
    uint8 internal constant LOG = 1;
    /// A number of blocks or milliseconds went by.
    uint8 internal constant INTERVAL = 2;
    /// A point of a calendar schedule was reached.
    uint8 internal constant CRON = 3;
    /// A separate resolver contract answers true.
    uint8 internal constant RESOLVER = 4;
    /// A matching log was emitted, be it in the same block.
    uint8 internal constant SAME_BLOCK_LOG = 5;
}
