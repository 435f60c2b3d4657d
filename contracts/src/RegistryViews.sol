// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryPerform} from "./RegistryPerform.sol";
import {Settings, TriggerType, Upkeep, UpkeepInfo} from "./RegistryTypes.sol";

/// @title Everything that can be asked of the registry without changing it
abstract contract RegistryViews is RegistryPerform {
    /// @notice All that the node keeps of an upkeep, in one call.
    function getUpkeepStatus(uint256 id)
        external
        view
        returns (
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
            bytes memory checkData,
            bytes memory triggerConfig,
            bytes memory offchainConfig,
            uint40 registeredTimestamp
        )
    {
        Upkeep storage upkeep = upkeeps[id];
        forwarder = upkeep.terms.forwarder;
        if (forwarder == address(0)) revert UpkeepCancelled();
        target = upkeep.target;
        admin = upkeep.admin;
        triggerType = triggerTypeOf(id);
        performGas = upkeep.terms.performGas;
        balance = upkeep.ledger.balance;
        amountSpent = upkeep.ledger.amountSpent;
        paused = upkeep.terms.paused;
        maxValidBlocknumber = upkeep.terms.maxValidBlocknumber;
        lastPerformedBlock = upkeep.ledger.lastPerformedBlock;
        lastPerformedTimestamp = upkeep.ledger.lastPerformedTimestamp;
        registeredBlock = upkeep.registeredBlock;
        registeredTimestamp = upkeep.registeredTimestamp;
        checkData = upkeep.checkData;
        triggerConfig = upkeep.triggerConfig;
        offchainConfig = upkeep.offchainConfig;
    }

    /// @notice An upkeep as automation tools decode it; zeros for an unknown one.
    function getUpkeep(uint256 id) external view returns (UpkeepInfo memory) {
        Upkeep storage upkeep = upkeeps[id];
        return UpkeepInfo({
            target: upkeep.target,
            performGas: upkeep.terms.performGas,
            checkData: upkeep.checkData,
            balance: upkeep.ledger.balance,
            admin: upkeep.admin,
            maxValidBlocknumber: upkeep.terms.maxValidBlocknumber,
            lastPerformedBlockNumber: upkeep.ledger.lastPerformedBlock,
            amountSpent: upkeep.ledger.amountSpent,
            paused: upkeep.terms.paused,
            offchainConfig: upkeep.offchainConfig
        });
    }

    function getUpkeepTrigger(uint256 id) external view returns (uint8 triggerType, bytes memory triggerConfig) {
        return (triggerTypeOf(id), upkeeps[id].triggerConfig);
    }

    function getUpkeepTriggerConfig(uint256 id) external view returns (bytes memory) {
        return upkeeps[id].triggerConfig;
    }

    function getTriggerType(uint256 id) external pure returns (uint8) {
        return triggerTypeOf(id);
    }

    function getForwarder(uint256 id) external view returns (address) {
        return upkeeps[id].terms.forwarder;
    }

    /// @return Wei that the upkeep can still spend.
    function getBalance(uint256 id) external view returns (uint96) {
        return upkeeps[id].ledger.balance;
    }

    /// @return Wei with which a perform cannot fail for want of funds at the present gas price.
    function getMinBalance(uint256 id) external view returns (uint96) {
        return worstPayment(isLogTrigger(id), upkeeps[id].terms.performGas, presentGasPrice());
    }

    /// @notice The same as `getMinBalance`, under its older name.
    function getMinBalanceForUpkeep(uint256 id) external view returns (uint96) {
        return worstPayment(isLogTrigger(id), upkeeps[id].terms.performGas, presentGasPrice());
    }

    /// @return Most that a perform with `gasLimit` of an upkeep with this trigger costs at the present gas price, in wei.
    function getMaxPaymentForGas(uint8 triggerType, uint32 gasLimit) external view returns (uint96) {
        bool byLog = triggerType == TriggerType.LOG || triggerType == TriggerType.SAME_BLOCK_LOG;
        return worstPayment(byLog, gasLimit, presentGasPrice());
    }

    /// @notice Ids of upkeeps that are not cancelled, a page at a time; cancellations change their order.
    /// @param start Place of the first one, from zero.
    /// @param max Most ids to answer; zero for all from `start` on.
    function getActiveUpkeepIDs(uint256 start, uint256 max) external view returns (uint256[] memory ids) {
        uint256 total = activeIds.length;
        if (start > total) revert IndexOutOfRange();
        uint256 count = total - start;
        if (max != 0 && max < count) count = max;
        ids = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = activeIds[start + i];
        }
    }

    /// @return Number of upkeeps that are not cancelled.
    function getNumUpkeeps() external view returns (uint256) {
        return activeIds.length;
    }

    function isLane(address lane) external view returns (bool) {
        return lanes[lane];
    }

    function getPaymentConfig()
        external
        view
        returns (
            uint32 premiumPPB,
            uint32 flatGasOverhead,
            uint32 maxPerformGas,
            uint32 maxCheckDataSize,
            uint32 maxPerformDataSize,
            uint64 fallbackGasPrice
        )
    {
        Settings memory config = settings;
        return (
            config.premiumPPB,
            config.flatGasOverhead,
            config.maxPerformGas,
            config.maxCheckDataSize,
            config.maxPerformDataSize,
            config.fallbackGasPrice
        );
    }

    /// @return Whether the whole registry is paused.
    function isPaused() external view returns (bool) {
        return settings.paused;
    }

    function getCancellationDelay() external pure returns (uint256) {
        return CANCELLATION_DELAY;
    }

    /// @return Zero: upkeeps are paid for in the native token.
    function getBillingToken(uint256) external pure returns (address) {
        return address(0);
    }

    /// @return The token that upkeeps may be funded with: the wrapped native one.
    function getLinkAddress() external view returns (address) {
        return address(TOKEN);
    }

    /// @return The registry version whose interface this one speaks.
    function typeAndVersion() external pure returns (string memory) {
        return "KeeperRegistry 2.1.0";
    }
}
