// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";
import {IUpkeepTarget} from "./interfaces/IUpkeepTarget.sol";
import {RegistryCharges} from "./RegistryCharges.sol";
import {LogTrigger, TriggerType, Upkeep} from "./RegistryTypes.sol";
import {UpkeepLock} from "./UpkeepLock.sol";

/// @title The perform path: upkeeps called and charged, one in a transaction or several
abstract contract RegistryPerform is RegistryCharges {
    /// What of `LOG_PATH_GAS` is used up once the key is looked up.
    uint256 private constant LOG_LOOKUP_GAS = 3_000;
    /// What telling a log trigger costs after the last measurement: 96 bytes more than the shortest trigger.
    uint256 private constant LOG_EVENT_GAS = 777;
    /// Bytes that an `UpkeepPerformed` with the longest trigger of ours takes, without the last word.
    uint256 private constant TELLING_MEMORY = 320;
    /// Length of an encoded `LogTrigger`.
    uint256 private constant LOG_TRIGGER_LENGTH = 160;
    /// What a bundle costs before its first perform and after its last one beside what a perform alone does.
    uint256 private constant BUNDLE_GAS = 258;
    /// What `perform` costs before its first measurement, and telling its trigger, beside what `performDue` does.
    uint256 private constant TRIGGER_GAS = 1_079;
    /// Longest perform data in a bundle, in bytes. With more, the calldata floor (EIP-7623) might be what counts, which is one
    /// for the whole transaction.
    uint256 private constant MAX_BUNDLED_DATA = 512;

    /// What the performs of one transaction share.
    struct Run {
        /// What events repeat as the trigger.
        bytes trigger;
        /// Gas left when the part of the present perform began.
        uint256 mark;
        /// Gas that each perform bears beside what is measured.
        uint256 flat;
        /// Least gas of a perform that is alone in its transaction; zero in a bundle.
        uint256 floor;
        /// What gas is charged at, with the premium: billionths of a wei.
        uint256 rate;
        bool registryPaused;
        /// Whether the lane is to be paid at once.
        bool payAtOnce;
    }

    /// @notice Calls the target of an upkeep through its forwarder and charges the upkeep for it. Lanes only. An upkeep with a
    /// log trigger needs `perform`.
    /// @dev One that cannot be performed is reported by an event, not by a revert, so that the record stays. The
    /// transaction's gas limit has to leave `performGas` + `performGas` / 30 + 2 * `performData.length` + 50,000 when
    /// this function starts. The name makes the selector the lowest of all, and calls are compared with the selectors in order.
    /// @return success Whether the target was called and returned normally.
    function performDue(uint256 id, bytes calldata performData) external returns (bool success) {
        Run memory run;
        run.mark = gasleft();
        beginAlone(run, performData.length);
        if (isLogTrigger(id)) revert InvalidReport();
        return performOne(run, id, performData, 0, 0);
    }

    /// @notice The same with a trigger, which the event repeats.
    /// @dev 26,000 gas more are needed for an upkeep with a log trigger.
    /// @param trigger For an upkeep with a log trigger an encoded `LogTrigger`: no log is performed twice for one upkeep. For
    /// others it is not read.
    function perform(uint256 id, bytes calldata trigger, bytes calldata performData) external returns (bool success) {
        Run memory run;
        run.mark = gasleft();
        beginAlone(run, performData.length);
        run.trigger = trigger;
        run.flat += TRIGGER_GAS;
        if (!isLogTrigger(id)) return performOne(run, id, performData, 0, 0);
        run.flat += LOG_EVENT_GAS;
        return performOne(run, id, performData, LOG_PATH_GAS, dedupKey(id, trigger));
    }

    /// @notice Performs several upkeeps, each as if it were alone, but that they share what the transaction costs by itself. Lanes
    /// only. Upkeeps with a log trigger, and performs with more than 512 bytes of data, cannot be among them.
    /// @dev The gas limit has to leave the sum of what each would need alone. Whatever a target does, the ones after it get what
    /// they need then.
    function performMany(uint256[] calldata ids, bytes[] calldata performDatas) external {
        Run memory run;
        run.mark = gasleft();
        uint256 config = settingsForLane();
        begin(run, config);
        uint256 count = ids.length;
        if (count == 0 || count != performDatas.length) revert InvalidReport();
        uint256 shared = flatGasOverheadOf(config) + BUNDLE_GAS + calldataTokens() * GAS_PER_TOKEN;
        run.flat = shared / count;
        // The first one bears what the division leaves.
        run.mark += shared % count;
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata performData = performDatas[i];
            if (performData.length > MAX_BUNDLED_DATA || isLogTrigger(ids[i])) revert InvalidReport();
            performOne(run, ids[i], performData, 0, 0);
        }
    }

    /// @dev Under which the perform of an upkeep for a log is noted.
    function dedupKey(uint256 id, bytes calldata trigger) internal pure returns (bytes32) {
        if (trigger.length != LOG_TRIGGER_LENGTH) revert InvalidReport();
        LogTrigger memory log = abi.decode(trigger, (LogTrigger));
        return keccak256(abi.encodePacked(id, log.logBlockHash, log.txHash, log.logIndex));
    }

    /// @dev The settings, for a lane alone.
    function settingsForLane() private view returns (uint256 config) {
        if (!lanes[msg.sender]) revert OnlyActiveTransmitters();
        return settingsWord();
    }

    function begin(Run memory run, uint256 config) private view {
        run.trigger = abi.encode(uint32(block.number - 1), blockhash(block.number - 1));
        // No account could pay more; what follows cannot overflow.
        if (tx.gasprice > type(uint96).max) revert InvalidReport();
        unchecked {
            run.rate = tx.gasprice * (PPB + premiumPPBOf(config));
            run.payAtOnce = msg.sender.balance < LANE_RESERVE_GAS * tx.gasprice;
        }
        run.registryPaused = isPausedIn(config);
    }

    function beginAlone(Run memory run, uint256 dataLength) private view {
        uint256 config = settingsForLane();
        if (dataLength > maxPerformDataSizeOf(config)) revert InvalidReport();
        begin(run, config);
        unchecked {
            uint256 tokens = calldataTokens();
            run.flat = flatGasOverheadOf(config) + tokens * GAS_PER_TOKEN;
            run.floor = INTRINSIC_GAS + tokens * FLOOR_GAS_PER_TOKEN;
        }
    }

    /// @param extraGas What the registry needs beside `PERFORM_PATH_GAS`.
    /// @param key Under which a perform for a log is noted; zero for others.
    function performOne(Run memory run, uint256 id, bytes calldata performData, uint256 extraGas, bytes32 key)
        private
        returns (bool success)
    {
        if (UpkeepLock.isHeld(id)) revert ReentrantCall();
        Upkeep storage upkeep = upkeeps[id];
        uint256 terms = termsWord(upkeep);
        if (maxValidBlocknumberOf(terms) <= block.number) {
            emit CancelledUpkeepReport(id, run.trigger);
            return notPerformed(run);
        }
        if (run.registryPaused || isPausedBy(terms) || (key != 0 && dedupKeys[key])) {
            emit StaleUpkeepReport(id, run.trigger);
            return notPerformed(run);
        }
        uint256 performGas = performGasOf(terms);
        unchecked {
            uint256 pathGas = PERFORM_PATH_GAS + extraGas + 2 * performData.length;
            uint256 worstGas = run.flat + performGas + pathGas;
            if (worstGas < run.floor) worstGas = run.floor;
            if (balanceOf(ledgerWord(upkeep)) < priceAt(run.rate, worstGas)) {
                emit InsufficientFundsUpkeepReport(id, run.trigger);
                return notPerformed(run);
            }
            requireGasFor(performGas, key == 0 ? pathGas : pathGas - LOG_LOOKUP_GAS);
        }
        if (key != 0) {
            dedupKeys[key] = true;
            emit DedupKeyAdded(key);
        }
        assembly ("memory-safe") {
            // As much memory as telling a perform takes: what is taken after the last measurement would not be charged.
            mstore(add(mload(0x40), TELLING_MEMORY), 0)
        }
        address forwarder = forwarderOf(terms);
        uint256 gasUsed;
        UpkeepLock.hold(id);
        (success, gasUsed) = forward(forwarder, performGas, performData, triggerTypeOf(id) == TriggerType.RESOLVER);
        UpkeepLock.release(id);
        charge(run, upkeep, id, forwarder, success, gasUsed);
    }

    /// @dev What reporting cost is nobody's: the lane bears it.
    function notPerformed(Run memory run) private view returns (bool) {
        run.mark = gasleft();
        return false;
    }

    /// @dev Takes the price of a perform out of the upkeep's books, notes it there and tells it. The books are read again here
    /// because the target may have added funds while it was called.
    function charge(Run memory run, Upkeep storage upkeep, uint256 id, address forwarder, bool success, uint256 gasUsed)
        private
    {
        unchecked {
            uint256 left = gasleft();
            uint256 totalGas = run.flat + run.mark - left;
            run.mark = left;
            if (totalGas < run.floor) totalGas = run.floor;
            uint256 ledger = ledgerWord(upkeep);
            uint256 balance = balanceOf(ledger);
            uint256 owed = forwarder.balance - balance;
            uint256 price = priceAt(run.rate, totalGas);
            bool pays = run.payAtOnce || owed >= (PERFORMS_PER_PAYMENT - 1) * price;
            if (pays) {
                totalGas += PAYMENT_GAS;
                // It is measured as part of the perform after this one, too.
                run.mark -= PAYMENT_GAS;
                price = priceAt(run.rate, totalGas);
            }
            if (price > balance) price = balance;
            noteCharge(upkeep, ledger, price);
            owed += price;
            if (pays && owed != 0) IForwarder(forwarder).pay(payable(msg.sender), owed);
            tell(run.trigger, id, success, price, gasUsed, totalGas - gasUsed);
        }
    }

    /// @dev Emits `UpkeepPerformed`.
    function tell(bytes memory trigger, uint256 id, bool success, uint256 payment, uint256 gasUsed, uint256 gasOverhead)
        private
    {
        bytes32 topic = UpkeepPerformed.selector;
        assembly ("memory-safe") {
            let length := mload(trigger)
            let free := mload(0x40)
            mstore(free, payment)
            mstore(add(free, 32), gasUsed)
            mstore(add(free, 64), gasOverhead)
            mstore(add(free, 96), 128)
            mstore(add(free, 128), length)
            // The padding, which the data may cover in part.
            mstore(add(add(free, 160), length), 0)
            mcopy(add(free, 160), add(trigger, 32), length)
            log3(free, add(160, and(add(length, 31), not(31))), topic, id, success)
        }
    }

    /// @dev `IForwarder.forward`, written out: the perform data would be copied three times over.
    /// @param whole Whether `performData` is the whole call of the target, rather than what `performUpkeep` gets.
    function forward(address forwarder, uint256 gasAmount, bytes calldata performData, bool whole)
        private
        returns (bool success, uint256 gasUsed)
    {
        bytes32 forwardSelector = IForwarder.forward.selector;
        bytes32 performSelector = IUpkeepTarget.performUpkeep.selector;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let call_ := add(free, 100)
            let length := performData.length
            mstore(free, forwardSelector)
            mstore(add(free, 4), gasAmount)
            mstore(add(free, 36), 64)
            switch whole
            case 0 {
                mstore(call_, performSelector)
                mstore(add(call_, 4), 32)
                mstore(add(call_, 36), length)
                mstore(add(add(call_, 68), length), 0)
                calldatacopy(add(call_, 68), performData.offset, length)
                length := add(68, and(add(length, 31), not(31)))
            }
            default { calldatacopy(call_, performData.offset, length) }
            mstore(add(free, 68), length)
            let size := add(100, and(add(length, 31), not(31)))
            if iszero(call(gas(), forwarder, 0, free, size, 0, 64)) {
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
            success := mload(0)
            gasUsed := mload(32)
        }
    }

    /// @dev Refuses to start a perform whose target would be given less than its gas, or which could not be paid after.
    function requireGasFor(uint256 performGas, uint256 pathGas) private view {
        // Two nested calls each keep back one 64th (EIP-150): (64/63)^2 is a little less than 1 + 1/30.
        uint256 required;
        unchecked {
            required = performGas + performGas / 30 + pathGas - 15_000;
        }
        uint256 available = gasleft();
        if (available < required) revert InsufficientGas(available, required);
    }

    function priceAt(uint256 rate, uint256 gasAmount) private pure returns (uint256) {
        unchecked {
            return gasAmount * rate / PPB;
        }
    }
}
