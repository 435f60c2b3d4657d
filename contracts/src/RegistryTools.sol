// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";
import {ILogTarget, IStreamsTarget, IUpkeepTarget, Log} from "./interfaces/IUpkeepTarget.sol";
import {RegistryPerform} from "./RegistryPerform.sol";
import {LegacyConfig, LegacyState, Settings, Terms, TriggerType, Upkeep} from "./RegistryTypes.sol";

/// @title What command lines and dashboards simulate: whether an upkeep is due, and what performing it would do
/// @dev These functions run foreign code that may change state. They are for calls without a sender alone, whose changes
/// nobody keeps; a transaction is refused.
abstract contract RegistryTools is RegistryPerform {
    /// Gas of a check.
    uint256 internal constant CHECK_GAS = 10_000_000;
    /// Longest revert data that a check's answer repeats, in bytes.
    uint256 internal constant MAX_REVERT_DATA = 5_000;

    /// Why an upkeep is not due: the numbers that automation tools know.
    uint8 private constant NONE = 0;
    uint8 private constant UPKEEP_CANCELLED = 1;
    uint8 private constant UPKEEP_PAUSED = 2;
    uint8 private constant TARGET_CHECK_REVERTED = 3;
    uint8 private constant UPKEEP_NOT_NEEDED = 4;
    uint8 private constant PERFORM_DATA_EXCEEDS_LIMIT = 5;
    uint8 private constant INSUFFICIENT_BALANCE = 6;
    uint8 private constant CALLBACK_REVERTED = 7;
    uint8 private constant REVERT_DATA_EXCEEDS_LIMIT = 8;
    uint8 private constant REGISTRY_PAUSED = 9;

    modifier onlySimulated() {
        if (tx.origin != address(0)) revert OnlySimulatedBackend();
        _;
    }

    /// @notice Whether an upkeep is due in this block. One with a log trigger cannot be asked without a log.
    /// @return upkeepNeeded Whether it is.
    /// @return performData What it would be performed with; where the check failed, how it did.
    /// @return upkeepFailureReason Why it is not, from 0 (it is due) to 9.
    /// @return gasUsed Gas of the check.
    /// @return gasLimit Gas of a perform.
    /// @return fastGasWei Gas price that was reckoned with, in wei.
    /// @return linkNative Price of the token that upkeeps pay in, in native tokens with 18 decimals: one.
    function checkUpkeep(uint256 id)
        external
        returns (
            bool upkeepNeeded,
            bytes memory performData,
            uint8 upkeepFailureReason,
            uint256 gasUsed,
            uint256 gasLimit,
            uint256 fastGasWei,
            uint256 linkNative
        )
    {
        return checkUpkeep(id, msg.data[0:0]);
    }

    /// @notice The same for a log trigger, which needs the log that makes the upkeep due; other triggers do not read it.
    /// @param triggerData For a log trigger, the encoded `Log`.
    function checkUpkeep(uint256 id, bytes calldata triggerData)
        public
        onlySimulated
        returns (
            bool upkeepNeeded,
            bytes memory performData,
            uint8 upkeepFailureReason,
            uint256 gasUsed,
            uint256 gasLimit,
            uint256 fastGasWei,
            uint256 linkNative
        )
    {
        Terms memory terms = upkeeps[id].terms;
        (gasLimit, fastGasWei, linkNative) = (terms.performGas, presentGasPrice(), 1e18);
        upkeepFailureReason = obstacle(id, terms, fastGasWei);
        if (upkeepFailureReason == NONE) {
            (upkeepNeeded, performData, upkeepFailureReason, gasUsed) = checkTrigger(id, triggerData);
        }
    }

    /// @notice What an upkeep that asked for data from elsewhere makes of `values`.
    function checkCallback(uint256 id, bytes[] calldata values, bytes calldata extraData)
        external
        returns (bool upkeepNeeded, bytes memory performData, uint8 upkeepFailureReason, uint256 gasUsed)
    {
        return executeCallback(id, abi.encodeCall(IStreamsTarget.checkCallback, (values, extraData)));
    }

    /// @notice Calls an upkeep's target with `payload` and reads the answer as a check's.
    function executeCallback(uint256 id, bytes memory payload)
        public
        onlySimulated
        returns (bool upkeepNeeded, bytes memory performData, uint8 upkeepFailureReason, uint256 gasUsed)
    {
        upkeepFailureReason = obstacle(id, upkeeps[id].terms, 0);
        if (upkeepFailureReason != NONE) return (false, "", upkeepFailureReason, 0);
        return ask(upkeeps[id].target, payload, CALLBACK_REVERTED);
    }

    /// @notice Calls an upkeep's target as a perform does, and charges nobody.
    function simulatePerformUpkeep(uint256 id, bytes calldata performData)
        external
        onlySimulated
        returns (bool success, uint256 gasUsed)
    {
        Terms memory terms = upkeeps[id].terms;
        if (settings.paused) revert RegistryPaused();
        if (!isLive(terms)) revert UpkeepCancelled();
        return IForwarder(terms.forwarder).forward(terms.performGas, targetCall(id, performData));
    }

    /// @notice State and configuration in the form that automation tools decode. What this registry has not is zero or empty.
    function getState()
        external
        view
        returns (
            LegacyState memory state,
            LegacyConfig memory config,
            address[] memory signers,
            address[] memory transmitters,
            uint8 f
        )
    {
        Settings memory current = settings;
        state.nonce = nonce;
        state.numUpkeeps = activeIds.length;
        state.paused = current.paused;
        config.paymentPremiumPPB = current.premiumPPB;
        config.checkGasLimit = uint32(CHECK_GAS);
        config.gasCeilingMultiplier = 1;
        config.maxPerformGas = current.maxPerformGas;
        config.maxCheckDataSize = current.maxCheckDataSize;
        config.maxPerformDataSize = current.maxPerformDataSize;
        config.maxRevertDataSize = uint32(MAX_REVERT_DATA);
        config.fallbackGasPrice = current.fallbackGasPrice;
        config.fallbackLinkPrice = 1e18;
        (signers, transmitters, f) = (new address[](0), new address[](0), 0);
    }

    /// @return Gas of a perform beside its target's that does not grow with the data.
    function getConditionalGasOverhead() external view returns (uint256) {
        return settings.flatGasOverhead;
    }

    /// @return The same for an upkeep with a log trigger.
    function getLogGasOverhead() external view returns (uint256) {
        return settings.flatGasOverhead + LOG_PATH_GAS;
    }

    /// @return Whether an upkeep was performed for a log: `key` is the hash of its id, the hash of the log's block, that of
    /// its transaction (32 bytes each) and the log's place in the block (4 bytes).
    function hasDedupKey(bytes32 key) external view returns (bool) {
        return dedupKeys[key];
    }

    /// @return The sender with which checks and performs are to be simulated.
    function getAllowedReadOnlyAddress() external pure returns (address) {
        return address(0);
    }

    /// @dev What the target is called with. A resolver answers the whole call; all others answer what `performUpkeep` gets.
    function targetCall(uint256 id, bytes calldata performData) private pure returns (bytes memory) {
        if (triggerTypeOf(id) == TriggerType.RESOLVER) return performData;
        return abi.encodeCall(IUpkeepTarget.performUpkeep, (performData));
    }

    /// @dev What stands in the way of a perform before the target is asked. At a gas price of zero money does not.
    function obstacle(uint256 id, Terms memory terms, uint256 gasPrice) private view returns (uint8) {
        if (settings.paused) return REGISTRY_PAUSED;
        if (terms.maxValidBlocknumber != ACTIVE) return UPKEEP_CANCELLED;
        if (terms.paused) return UPKEEP_PAUSED;
        if (upkeeps[id].ledger.balance < worstPayment(isLogTrigger(id), terms.performGas, gasPrice)) return INSUFFICIENT_BALANCE;
        return NONE;
    }

    /// @dev Whether the trigger holds.
    function checkTrigger(uint256 id, bytes calldata triggerData) private returns (bool, bytes memory, uint8, uint256) {
        Upkeep storage upkeep = upkeeps[id];
        uint8 triggerType = triggerTypeOf(id);
        if (triggerType == TriggerType.CONDITION) {
            bytes memory call = abi.encodeCall(IUpkeepTarget.checkUpkeep, (upkeep.checkData));
            return ask(upkeep.target, call, TARGET_CHECK_REVERTED);
        }
        if (triggerType == TriggerType.RESOLVER) {
            (address resolver, bytes memory call) = abi.decode(upkeep.triggerConfig, (address, bytes));
            return ask(resolver, call, TARGET_CHECK_REVERTED);
        }
        if (isLogTrigger(id) && triggerData.length != 0) {
            Log memory log = abi.decode(triggerData, (Log));
            bytes memory call = abi.encodeCall(ILogTarget.checkLog, (log, upkeep.checkData));
            return ask(upkeep.target, call, TARGET_CHECK_REVERTED);
        }
        // Calendars are read by the node alone.
        if (triggerType != TriggerType.INTERVAL) revert InvalidTriggerType();
        if (!intervalIsOver(upkeep)) return (false, "", UPKEEP_NOT_NEEDED, 0);
        return (true, upkeep.checkData, NONE, 0);
    }

    /// @dev Whether an interval upkeep is due in this block. Periods are counted from the Unix epoch.
    function intervalIsOver(Upkeep storage upkeep) private view returns (bool) {
        (uint256 everyBlocks, uint256 everyMilliseconds) = abi.decode(upkeep.triggerConfig, (uint256, uint256));
        uint256 last = upkeep.ledger.lastPerformedBlock;
        if (everyBlocks != 0) {
            if (last < upkeep.registeredBlock) last = upkeep.registeredBlock;
            return block.number >= last + everyBlocks;
        }
        if (last == 0) return true;
        uint256 latest = uint256(upkeep.ledger.lastPerformedTimestamp) * 1_000 + 999;
        return (block.timestamp * 1_000 + 999) / everyMilliseconds > latest / everyMilliseconds;
    }

    /// @dev Calls `target` and reads its answer as `(bool, bytes)`. What is too short for that counts as a failure.
    function ask(address target, bytes memory call, uint8 onRevert)
        private
        returns (bool needed, bytes memory performData, uint8 reason, uint256 gasUsed)
    {
        uint256 gasBefore = gasleft();
        (bool success, bytes memory answer) = target.call{gas: CHECK_GAS}(call);
        gasUsed = gasBefore - gasleft();
        if (!success) {
            if (answer.length > MAX_REVERT_DATA) return (false, "", REVERT_DATA_EXCEEDS_LIMIT, gasUsed);
            return (false, answer, onRevert, gasUsed);
        }
        if (answer.length < 96 || uint256(bytes32(answer)) > 1) return (false, "", onRevert, gasUsed);
        (needed, performData) = abi.decode(answer, (bool, bytes));
        if (!needed) return (false, "", UPKEEP_NOT_NEEDED, gasUsed);
        if (performData.length > settings.maxPerformDataSize) {
            return (false, "", PERFORM_DATA_EXCEEDS_LIMIT, gasUsed);
        }
    }
}
