// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ILogTarget, Log} from "../src/interfaces/IUpkeepTarget.sol";
import {LogTrigger, LogTriggerConfig, TriggerType} from "../src/RegistryTypes.sol";
import {GasProbe} from "./Probe.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {Vm} from "./Vm.sol";

interface ITools {
    function checkUpkeep(uint256 id, bytes calldata triggerData)
        external
        returns (bool needed, bytes memory data, uint8 reason, uint256 used, uint256 limit, uint256 price, uint256 rate);
    function checkUpkeep(uint256 id)
        external
        returns (bool needed, bytes memory data, uint8 reason, uint256 used, uint256 limit, uint256 price, uint256 rate);
    function hasDedupKey(bytes32 key) external view returns (bool);
    function getLogGasOverhead() external view returns (uint256);
    function getConditionalGasOverhead() external view returns (uint256);
}

/// Wants every log with data, and is performed with all that it was told.
contract Listener is ILogTarget {
    bytes public performedWith;
    uint256 public performs;

    function checkLog(Log calldata log, bytes calldata checkData) external pure returns (bool, bytes memory) {
        return (log.data.length != 0, abi.encode(log, checkData));
    }

    function performUpkeep(bytes calldata data) external {
        performedWith = data;
        ++performs;
    }
}

/// Upkeeps with log triggers: what the registry takes, checks and performs.
contract LogsTest is RegistryTest {
    Listener private listener;
    ITools private tools;
    uint256 private id;
    address private constant SOURCE = address(0x50);
    bytes32 private constant TOPIC = keccak256("Happened(uint256)");

    function setUp() public override {
        super.setUp();
        listener = new Listener();
        tools = ITools(address(registry));
        id = register(address(listener), TriggerType.LOG, config(SOURCE, 0, TOPIC));
        registry.addFunds{value: 1 ether}(id, 1 ether);
    }

    function config(address source, uint8 selector, bytes32 topic0) private pure returns (bytes memory) {
        return abi.encode(LogTriggerConfig(source, selector, topic0, 0, 0, 0));
    }

    function trigger(bytes32 blockHash, bytes32 txHash, uint32 index) private pure returns (bytes memory) {
        return abi.encode(LogTrigger(blockHash, txHash, index, 99, bytes32(uint256(7))));
    }

    function performLog(uint256 upkeep, bytes memory with) private returns (bool) {
        vm.prank(LANE, LANE);
        return registry.perform(upkeep, with, hex"1234");
    }

    function test_oneLogIsPerformedOnce() public {
        bytes memory first = trigger(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        bytes32 key = keccak256(abi.encodePacked(id, bytes32(uint256(1)), bytes32(uint256(2)), uint32(3)));
        assertTrue(!tools.hasDedupKey(key), "not yet");
        vm.expectEmit(true, true, true, true, address(registry));
        emit DedupKeyAdded(key);
        assertTrue(performLog(id, first), "performed");
        assertTrue(tools.hasDedupKey(key), "noted");
        uint256 balance = registry.getBalance(id);

        vm.expectEmit(true, true, true, true, address(registry));
        emit StaleUpkeepReport(id, first);
        assertTrue(!performLog(id, first), "not again");
        assertEq(listener.performs(), 1, "once");
        assertEq(registry.getBalance(id), balance, "nothing is charged for what is not performed");
        // The block at which it was checked is no part of the log.
        bytes memory later = abi.encode(LogTrigger(bytes32(uint256(1)), bytes32(uint256(2)), 3, 104, 0));
        assertTrue(!performLog(id, later), "nor from another block");
    }

    function test_otherLogsAndUpkeepsAreOthers(bytes32 blockHash, bytes32 txHash, uint32 index) public {
        uint256 other = register(address(listener), TriggerType.SAME_BLOCK_LOG, config(SOURCE, 7, TOPIC));
        registry.addFunds{value: 1 ether}(other, 1 ether);
        assertTrue(performLog(id, trigger(blockHash, txHash, index)), "the log");
        assertTrue(performLog(other, trigger(blockHash, txHash, index)), "another upkeep");
        assertTrue(performLog(id, trigger(~blockHash, txHash, index)), "another block");
        assertTrue(performLog(id, trigger(blockHash, ~txHash, index)), "another transaction");
        assertTrue(performLog(id, trigger(blockHash, txHash, ~index)), "another place");
        assertEq(listener.performs(), 5, "each once");
    }

    function test_aFailingPerformIsNotRepeated() public {
        uint256 failing = register(address(probe), TriggerType.LOG, config(SOURCE, 0, TOPIC));
        registry.addFunds{value: 1 ether}(failing, 1 ether);
        probe.setFailing(true);
        bytes memory with = trigger(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        vm.recordLogs();
        assertTrue(!performLog(failing, with), "failed");
        probe.setFailing(false);
        assertTrue(!performLog(failing, with), "counts as performed");
        assertEq(probe.calls(), 0, "not called again");
    }

    function test_underfundedLogsAreNotNoted() public {
        uint256 poor = register(address(listener), TriggerType.LOG, config(SOURCE, 0, TOPIC));
        bytes memory with = trigger(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        assertTrue(!performLog(poor, with), "no money");
        registry.addFunds{value: 1 ether}(poor, 1 ether);
        assertTrue(performLog(poor, with), "performed once there is");
    }

    function test_refusesTriggersThatAreNone() public {
        bytes memory whole = trigger(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        vm.expectRevert(InvalidReport.selector);
        performLog(id, TRIGGER);
        vm.expectRevert(InvalidReport.selector);
        performLog(id, abi.encodePacked(whole, uint8(0)));
        assertEq(listener.performs(), 0, "none");
    }

    function test_refusesBadConfigurations() public {
        bytes memory good = config(SOURCE, 7, TOPIC);
        register(address(listener), TriggerType.LOG, good);
        register(address(listener), TriggerType.SAME_BLOCK_LOG, good);
        bytes[5] memory bad = [
            bytes(""),
            abi.encodePacked(good, uint8(0)),
            config(address(0), 0, TOPIC),
            config(SOURCE, 8, TOPIC),
            config(SOURCE, 0, 0)
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(InvalidTrigger.selector);
            register(address(listener), TriggerType.LOG, bad[i]);
        }
        assembly {
            // An address of more than 20 bytes.
            mstore(add(good, 32), not(0))
        }
        vm.expectRevert(InvalidTrigger.selector);
        register(address(listener), TriggerType.LOG, good);
    }

    function test_toolsCheckTheLogThatTheyAreGiven() public {
        bytes32[] memory topics = new bytes32[](1);
        topics[0] = TOPIC;
        Log memory log = Log(5, 6, bytes32(uint256(7)), 8, bytes32(uint256(9)), SOURCE, topics, hex"aa");
        vm.prank(STRANGER, address(0));
        (bool needed, bytes memory data, uint8 reason,,,,) = tools.checkUpkeep(id, abi.encode(log));
        assertTrue(needed, "needed");
        assertEq(reason, 0, "no reason against it");
        assertEq(data, abi.encode(log, hex"c0de"), "the log and the check data");
        log.data = "";
        vm.prank(STRANGER, address(0));
        (needed,, reason,,,,) = tools.checkUpkeep(id, abi.encode(log));
        assertTrue(!needed, "not needed");
        assertEq(reason, 4, "UPKEEP_NOT_NEEDED");
        vm.expectRevert(InvalidTriggerType.selector);
        vm.prank(STRANGER, address(0));
        tools.checkUpkeep(id);
    }

    /// The charge covers the keeping of the key: what a log perform costs beside its target's gas.
    function test_logsCostMore() public {
        assertEq(tools.getLogGasOverhead(), tools.getConditionalGasOverhead() + 26_000, "overhead");
        uint96 byCondition = registry.getMaxPaymentForGas(0, 100_000);
        assertTrue(registry.getMaxPaymentForGas(1, 100_000) > byCondition, "by log");
        assertEq(registry.getMaxPaymentForGas(5, 100_000), registry.getMaxPaymentForGas(1, 100_000), "either kind");
        bytes memory with = trigger(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        vm.recordLogs();
        performLog(id, with);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (,, uint256 overhead,) = abi.decode(logs[logs.length - 1].data, (uint96, uint256, uint256, bytes));
        assertTrue(overhead > 38_000 + 22_100, "with the new slot");
        assertTrue(overhead < 38_000 + 60_000 + 26_000, "within what is demanded");
    }

    /// The gas limit that the node gives is enough in every case, and never leaves the target short.
    function test_theGasThatIsDemandedIsEnough(bytes calldata data, uint16 more) public {
        vm.assume(data.length <= 1_000);
        uint256 required = uint256(PERFORM_GAS) + PERFORM_GAS / 30 + 2 * data.length + 60_000 + 26_000;
        uint256 gasProbe = register(address(new GasProbe()), TriggerType.LOG, config(SOURCE, 0, TOPIC));
        registry.addFunds{value: 1 ether}(gasProbe, 1 ether);
        vm.cool(address(registry));
        vm.prank(LANE, LANE);
        bytes memory with = trigger(0, bytes32(uint256(more)), 1);
        assertTrue(registry.perform{gas: required + more}(gasProbe, with, data), "called with all of its gas");
    }
}
