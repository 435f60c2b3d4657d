// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";
import {IUpkeepTarget} from "./interfaces/IUpkeepTarget.sol";
import {RegistryBase} from "./RegistryBase.sol";
import {Ledger, LogTrigger, Settings, Terms, TriggerType} from "./RegistryTypes.sol";
import {UpkeepLock} from "./UpkeepLock.sol";

/// @title The perform path: one upkeep called, charged and its lane repaid
abstract contract RegistryPerform is RegistryBase {
    /// Gas that the registry and the forwarder may need around the target's call, beside what grows with the data.
    uint256 internal constant PERFORM_PATH_GAS = 60_000;
    /// What a log trigger adds: its key is looked up, kept and told.
    uint256 internal constant LOG_PATH_GAS = 26_000;
    /// What of it is used up once the key is looked up.
    uint256 private constant LOG_LOOKUP_GAS = 3_000;
    /// Calldata of a perform beside the perform data itself: selector, arguments, a trigger and padding.
    uint256 internal constant PERFORM_CALLDATA_HEAD = 400;
    /// What telling it costs after the last measurement: 96 bytes more than the shortest trigger.
    uint256 private constant LOG_EVENT_GAS = 800;
    /// Length of an encoded `LogTrigger`.
    uint256 private constant LOG_TRIGGER_LENGTH = 160;
    /// Intrinsic gas of every transaction.
    uint256 private constant INTRINSIC_GAS = 21_000;
    /// Gas per calldata token: a zero byte is one token, any other byte four (EIP-2028 in EIP-7623's words).
    uint256 private constant GAS_PER_TOKEN = 4;
    /// What a transaction costs at least per calldata token (EIP-7623).
    uint256 private constant FLOOR_GAS_PER_TOKEN = 10;

    /// @notice Calls the target of an upkeep through its forwarder and charges the upkeep for it. Lanes only.
    /// @dev An upkeep that cannot be performed is reported by an event, not by a revert, so that the record stays. The
    /// transaction's gas limit has to leave `performGas` + `performGas` / 30 + 2 * `performData.length` + 60,000 when
    /// this function starts, and 26,000 more for an upkeep with a log trigger.
    /// @param trigger What made the upkeep due; repeated in the event. Read here only for log triggers, where it is an
    /// encoded `LogTrigger`: no log is performed twice for one upkeep.
    /// @return success Whether the target was called and returned normally.
    function perform(uint256 id, bytes calldata trigger, bytes calldata performData) external returns (bool success) {
        uint256 gasAtStart = gasleft();
        if (!lanes[msg.sender]) revert OnlyActiveTransmitters();
        if (UpkeepLock.isHeld(id)) revert ReentrantCall();
        Settings memory config = settings;
        if (performData.length > config.maxPerformDataSize) revert InvalidReport();
        Terms memory terms = upkeeps[id].terms;

        if (!isLive(terms)) {
            emit CancelledUpkeepReport(id, trigger);
            return false;
        }
        if (config.paused || terms.paused) {
            emit StaleUpkeepReport(id, trigger);
            return false;
        }
        bytes32 key = isLogTrigger(id) ? dedupKey(id, trigger) : bytes32(0);
        if (key != 0 && dedupKeys[key]) {
            emit StaleUpkeepReport(id, trigger);
            return false;
        }
        uint256 pathGas = PERFORM_PATH_GAS + (key == 0 ? 0 : LOG_PATH_GAS) + 2 * performData.length;
        uint256 tokens = calldataTokens();
        uint256 worstGas = transactionGas(config.flatGasOverhead, tokens, terms.performGas + pathGas);
        if (upkeeps[id].ledger.balance < priceOf(worstGas, tx.gasprice, config.premiumPPB)) {
            emit InsufficientFundsUpkeepReport(id, trigger);
            return false;
        }
        requireGasFor(terms.performGas, key == 0 ? pathGas : pathGas - LOG_LOOKUP_GAS);
        if (key != 0) {
            dedupKeys[key] = true;
            emit DedupKeyAdded(key);
        }

        UpkeepLock.hold(id);
        uint256 gasUsed;
        (success, gasUsed) = IForwarder(terms.forwarder).forward(terms.performGas, targetCall(id, performData));
        UpkeepLock.release(id);

        uint256 flat = config.flatGasOverhead + (key == 0 ? 0 : LOG_EVENT_GAS);
        uint256 totalGas = transactionGas(flat, tokens, gasAtStart - gasleft());
        uint96 payment = charge(id, priceOf(totalGas, tx.gasprice, config.premiumPPB));
        if (payment != 0) IForwarder(terms.forwarder).pay(payable(msg.sender), payment);
        emit UpkeepPerformed(id, success, payment, gasUsed, totalGas - gasUsed, trigger);
    }

    /// @notice Authorises an account to perform upkeeps, or withdraws that.
    function setLane(address lane, bool active) external onlyOwner {
        if (lane == address(0)) revert ZeroAddressNotAllowed();
        lanes[lane] = active;
        emit LaneSet(lane, active);
    }

    /// @notice Stops registration and performs of all upkeeps.
    function pause() external onlyOwner {
        settings.paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external onlyOwner {
        settings.paused = false;
        emit Unpaused(msg.sender);
    }

    /// @notice Changes what performs cost and how large they may be. The limits never shrink below what is registered.
    function setSettings(
        uint32 premiumPPB,
        uint32 flatGasOverhead,
        uint32 maxPerformGas,
        uint32 maxCheckDataSize,
        uint32 maxPerformDataSize,
        uint64 fallbackGasPrice
    ) external onlyOwner {
        Settings memory old = settings;
        if (maxPerformGas < old.maxPerformGas || maxCheckDataSize < old.maxCheckDataSize) revert SettingOutsideRange();
        if (maxPerformDataSize < old.maxPerformDataSize) revert SettingOutsideRange();
        storeSettings(
            Settings({
                paused: old.paused,
                premiumPPB: premiumPPB,
                flatGasOverhead: flatGasOverhead,
                maxPerformGas: maxPerformGas,
                maxCheckDataSize: maxCheckDataSize,
                maxPerformDataSize: maxPerformDataSize,
                fallbackGasPrice: fallbackGasPrice
            })
        );
    }

    function storeSettings(Settings memory next) internal {
        settings = next;
        emit SettingsSet(
            next.premiumPPB,
            next.flatGasOverhead,
            next.maxPerformGas,
            next.maxCheckDataSize,
            next.maxPerformDataSize,
            next.fallbackGasPrice
        );
    }

    /// @dev Under which the perform of an upkeep for a log is noted.
    function dedupKey(uint256 id, bytes calldata trigger) internal pure returns (bytes32) {
        if (trigger.length != LOG_TRIGGER_LENGTH) revert InvalidReport();
        LogTrigger memory log = abi.decode(trigger, (LogTrigger));
        return keccak256(abi.encodePacked(id, log.logBlockHash, log.txHash, log.logIndex));
    }

    /// @dev Most that one perform with `performGas` may cost at `gasPrice`: the largest perform data, no zero byte in it.
    function worstPayment(bool byLog, uint256 performGas, uint256 gasPrice) internal view returns (uint96) {
        Settings memory config = settings;
        uint256 tokens = 4 * (config.maxPerformDataSize + PERFORM_CALLDATA_HEAD);
        uint256 execution = performGas + PERFORM_PATH_GAS + 2 * uint256(config.maxPerformDataSize);
        if (byLog) execution += LOG_PATH_GAS;
        uint256 price = priceOf(transactionGas(config.flatGasOverhead, tokens, execution), gasPrice, config.premiumPPB);
        // A call may name any gas price; no balance covers more than this.
        return price < type(uint96).max ? uint96(price) : type(uint96).max;
    }

    /// @dev Wei per gas that the views reckon with.
    function presentGasPrice() internal view returns (uint256 price) {
        price = tx.gasprice > block.basefee ? tx.gasprice : block.basefee;
        // A call without a price sees neither.
        if (price == 0) price = settings.fallbackGasPrice;
    }

    /// @dev What the target is called with. A resolver answers the whole call; all others answer what `performUpkeep` gets.
    function targetCall(uint256 id, bytes calldata performData) internal pure returns (bytes memory) {
        if (triggerTypeOf(id) == TriggerType.RESOLVER) return performData;
        return abi.encodeCall(IUpkeepTarget.performUpkeep, (performData));
    }

    /// @dev Takes a payment out of the upkeep's books and notes the perform. The books are read again here because the
    /// target may have added funds while it was called.
    function charge(uint256 id, uint256 price) private returns (uint96 payment) {
        Ledger storage ledger = upkeeps[id].ledger;
        Ledger memory books = ledger;
        payment = price < books.balance ? uint96(price) : books.balance;
        // Packed by hand, in the order of `Ledger`: the compiler would store the slot once for each of its fields.
        uint256 word = uint256(books.balance - payment) | (uint256(books.amountSpent + payment) << 96)
            | (uint256(uint32(block.number)) << 192) | (uint256(uint32(block.timestamp)) << 224);
        assembly ("memory-safe") {
            sstore(ledger.slot, word)
        }
    }

    /// @dev Refuses to start a perform whose target would be given less than its gas, or which could not be paid after.
    function requireGasFor(uint256 performGas, uint256 pathGas) private view {
        // Two nested calls each keep back one 64th (EIP-150): (64/63)^2 is a little less than 1 + 1/30.
        uint256 required = performGas + performGas / 30 + pathGas - 15_000;
        uint256 available = gasleft();
        if (available < required) revert InsufficientGas(available, required);
    }

    /// @dev Gas that the whole transaction uses: its execution and calldata, or the calldata floor where that is more.
    function transactionGas(uint256 flat, uint256 tokens, uint256 execution) private pure returns (uint256) {
        uint256 standard = flat + tokens * GAS_PER_TOKEN + execution;
        uint256 floor = INTRINSIC_GAS + tokens * FLOOR_GAS_PER_TOKEN;
        return standard > floor ? standard : floor;
    }

    function priceOf(uint256 gasAmount, uint256 gasPrice, uint256 premiumPPB) private pure returns (uint256) {
        return gasAmount * gasPrice * (PPB + premiumPPB) / PPB;
    }

    /// @dev Calldata tokens of this call, which is the whole transaction when a lane calls.
    function calldataTokens() private pure returns (uint256) {
        uint256 nonZero;
        assembly ("memory-safe") {
            let low := 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f
            let ones := 0x0101010101010101010101010101010101010101010101010101010101010101
            for { let i := 0 } lt(i, calldatasize()) { i := add(i, 32) } {
                // Past its end calldata reads as zeros, which are not counted.
                let word := calldataload(i)
                // The top bit of each byte that is not zero, moved to the bottom and summed up in the top byte.
                let marks := and(shr(7, or(add(and(word, low), low), word)), ones)
                nonZero := add(nonZero, shr(248, mul(marks, ones)))
            }
        }
        return msg.data.length + 3 * nonZero;
    }
}
