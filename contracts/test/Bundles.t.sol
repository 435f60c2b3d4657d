// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TriggerType, UpkeepInfo} from "../src/RegistryTypes.sol";
import {Probe} from "./Probe.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {Vm} from "./Vm.sol";

/// Several performs in one transaction, and when lanes are paid.
contract BundlesTest is RegistryTest {
    uint256 private constant UPKEEPS = 6;
    uint256 private constant FUNDS = 1 ether;

    Probe[] private probes;
    uint256[] private ids;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            probes.push(new Probe());
            ids.push(funded(address(probes[i]), uint96(FUNDS)));
        }
    }

    function test_eachIsPerformedAsIfAlone() public {
        bytes[] memory datas = emptyDatas();
        datas[2] = hex"1234";
        vm.recordLogs();
        performMany(LANE, ids, datas);
        Vm.Log[] memory told = performs(vm.getRecordedLogs());
        assertEq(told.length, UPKEEPS, "performs told");
        bytes memory parent = abi.encode(uint32(block.number - 1), blockhash(block.number - 1));
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            assertEq(uint256(told[i].topics[1]), ids[i], "in order");
            assertEq(uint256(told[i].topics[2]), 1, "success");
            (uint96 payment, uint256 gasUsed, uint256 gasOverhead, bytes memory trigger) =
                abi.decode(told[i].data, (uint96, uint256, uint256, bytes));
            assertEq(payment, (gasUsed + gasOverhead) * GAS_PRICE * 12 / 10, "payment");
            assertEq(trigger, parent, "trigger");
            assertEq(probes[i].calls(), 1, "called once");
            assertEq(probes[i].caller(), registry.getForwarder(ids[i]), "by its forwarder");
            UpkeepInfo memory info = registry.getUpkeep(ids[i]);
            assertEq(info.amountSpent, payment, "spent");
            assertEq(info.balance, FUNDS - payment, "balance");
            assertEq(info.lastPerformedBlockNumber, block.number, "block");
        }
        assertEq(probes[2].dataSeen(), hex"1234", "perform data");
    }

    /// Whatever the neighbours are like, an upkeep's outcome and its target's state are those of a perform alone.
    function test_neighboursChangeNothing(uint256 kinds) public {
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            make(i, (kinds >> (3 * i)) % 7);
        }
        uint256 state = vm.snapshotState();
        bool[] memory alone = new bool[](UPKEEPS);
        uint256[] memory calls = new uint256[](UPKEEPS);
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            vm.prank(LANE, LANE);
            alone[i] = registry.performDue(ids[i], "");
            calls[i] = probes[i].calls();
        }
        vm.revertToState(state);
        vm.recordLogs();
        performMany(LANE, ids, emptyDatas());
        Vm.Log[] memory told = performs(vm.getRecordedLogs());
        uint256 next;
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            assertEq(probes[i].calls(), calls[i], "calls");
            bool performed = next < told.length && uint256(told[next].topics[1]) == ids[i];
            assertTrue(performed == (registry.getUpkeep(ids[i]).lastPerformedBlockNumber == block.number), "told");
            assertTrue(alone[i] == (performed && told[next].topics[2] != 0), "outcome");
            if (performed) ++next;
        }
        assertEq(next, told.length, "nothing else is told");
    }

    /// With the gas that the documentation asks for every target gets all of its own, even where each uses it up.
    function test_gasIsEnoughForGreedyTargets(uint32 performGas) public {
        performGas = 2_300 + performGas % 900_000;
        uint256 needed;
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            vm.prank(ADMIN);
            registry.setUpkeepGasLimit(ids[i], performGas);
            probes[i].setLooping(true);
            needed += uint256(performGas) + performGas / 30 + 50_000;
        }
        probes[UPKEEPS - 1].setLooping(false);
        coolAll();
        vm.recordLogs();
        vm.prank(LANE, LANE);
        registry.performMany{gas: needed}(ids, emptyDatas());
        Vm.Log[] memory told = performs(vm.getRecordedLogs());
        assertEq(told.length, UPKEEPS, "performs told");
        for (uint256 i = 0; i + 1 < UPKEEPS; ++i) {
            (, uint256 gasUsed,,) = abi.decode(told[i].data, (uint96, uint256, uint256, bytes));
            assertTrue(gasUsed >= performGas, "all of its gas");
        }
    }

    function test_reportingANeighbourIsNotCharged() public {
        uint256[] memory two = new uint256[](2);
        (two[0], two[1]) = (ids[0], ids[1]);
        uint256 state = vm.snapshotState();
        coolAll();
        vm.recordLogs();
        performMany(LANE, two, new bytes[](2));
        (, uint256 plainUsed, uint256 plain,) =
            abi.decode(performs(vm.getRecordedLogs())[1].data, (uint96, uint256, uint256, bytes));
        vm.revertToState(state);
        vm.prank(ADMIN);
        registry.pauseUpkeep(ids[0]);
        coolAll();
        vm.recordLogs();
        performMany(LANE, two, new bytes[](2));
        (, uint256 used, uint256 overhead,) =
            abi.decode(performs(vm.getRecordedLogs())[0].data, (uint96, uint256, uint256, bytes));
        assertEq(used, plainUsed, "the target's gas");
        assertTrue(overhead <= plain, "no more than beside one that is performed");
    }

    function test_whatCannotBeInABundleIsRefused() public {
        vm.expectRevert(OnlyActiveTransmitters.selector);
        performMany(STRANGER, ids, emptyDatas());
        vm.expectRevert(InvalidReport.selector);
        performMany(LANE, new uint256[](0), new bytes[](0));
        vm.expectRevert(InvalidReport.selector);
        performMany(LANE, ids, new bytes[](UPKEEPS - 1));
        bytes[] memory datas = emptyDatas();
        datas[1] = new bytes(513);
        vm.expectRevert(InvalidReport.selector);
        performMany(LANE, ids, datas);
        bytes memory config = abi.encode(address(probe), uint8(0), bytes32(uint256(1)), bytes32(0), bytes32(0), bytes32(0));
        ids[3] = register(address(probe), TriggerType.LOG, config);
        vm.expectRevert(InvalidReport.selector);
        performMany(LANE, ids, emptyDatas());
        vm.expectRevert(InvalidReport.selector);
        vm.prank(LANE, LANE);
        registry.performDue(ids[3], "");
    }

    function test_theSameUpkeepTwiceIsPerformedTwice() public {
        ids[1] = ids[0];
        performMany(LANE, ids, emptyDatas());
        assertEq(probes[0].calls(), 2, "calls");
    }

    function test_aLaneWithEnoughIsPaidOnceInAWhile() public {
        uint256 before = LANE.balance;
        uint256 performed;
        while (LANE.balance == before) {
            performMany(LANE, ids, emptyDatas());
            assertTrue(++performed < 40, "paid at some time");
        }
        // The first performs wrote fresh slots and cost more.
        assertTrue(performed >= 24, "not every time");
        while (extension().getOwed(ids[0]) != 0) {
            performMany(LANE, ids, emptyDatas());
        }
        assertEq(registry.getForwarder(ids[0]).balance, registry.getBalance(ids[0]), "paid whole");
    }

    function test_aLaneThatRunsLowIsPaidAtOnce() public {
        vm.deal(OTHER_LANE, 0.1 ether);
        performMany(LANE, ids, emptyDatas());
        uint256 owed = extension().getOwed(ids[0]);
        assertTrue(owed != 0, "owed");
        uint256 before = OTHER_LANE.balance;
        vm.recordLogs();
        performMany(OTHER_LANE, ids, emptyDatas());
        Vm.Log[] memory told = performs(vm.getRecordedLogs());
        uint256 paid;
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            assertEq(extension().getOwed(ids[i]), 0, "nothing is owed any more");
            paid += registry.getUpkeep(ids[i]).amountSpent;
        }
        assertEq(told.length, UPKEEPS, "performed");
        assertEq(OTHER_LANE.balance - before, paid, "paid for all performs so far, whoever made them");
    }

    function test_anybodyMayHaveALanePaid() public {
        performMany(LANE, ids, emptyDatas());
        uint256 owed;
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            owed += extension().getOwed(ids[i]);
        }
        uint256 before = OTHER_LANE.balance;
        vm.prank(STRANGER);
        extension().collect(ids, OTHER_LANE);
        assertEq(OTHER_LANE.balance - before, owed, "paid");
        extension().collect(ids, OTHER_LANE);
        assertEq(OTHER_LANE.balance - before, owed, "and not again");
        assertEq(registry.getForwarder(ids[0]).balance, registry.getBalance(ids[0]), "the balance is not touched");
        vm.expectRevert(OnlyActiveTransmitters.selector);
        extension().collect(ids, STRANGER);
        assertEq(extension().getOwed(12345), 0, "nothing is owed of an unknown upkeep");
    }

    /// What is owed cannot be taken by the admin, nor the balance by the lanes, not even while the target is called.
    function test_owedAndBalanceStayApart() public {
        uint256[] memory one = new uint256[](1);
        one[0] = ids[0];
        performMany(LANE, one, new bytes[](1));
        probes[0].setHook(address(registry), abi.encodeCall(extension().collect, (one, LANE)), 0);
        performMany(LANE, one, new bytes[](1));
        assertTrue(!probes[0].hookSucceeded(), "refused while it is performed");
        uint256 owed = extension().getOwed(ids[0]);
        vm.prank(OWNER);
        registry.cancelUpkeep(ids[0]);
        vm.prank(ADMIN);
        registry.withdrawFunds(ids[0], address(0xB0B));
        assertEq(address(0xB0B).balance, FUNDS - owed, "the balance");
        assertEq(registry.getForwarder(ids[0]).balance, owed, "what is owed");
    }

    function make(uint256 index, uint256 kind) private {
        uint256 id = ids[index];
        if (kind == 1) probes[index].setFailing(true);
        if (kind == 2) probes[index].setLooping(true);
        if (kind == 3) {
            vm.prank(ADMIN);
            registry.pauseUpkeep(id);
        }
        if (kind == 4) {
            vm.prank(OWNER);
            registry.cancelUpkeep(id);
        }
        if (kind == 5) ids[index] = register(address(probes[index]), TriggerType.CONDITION, "");
        // Calls another contract while it is performed.
        if (kind == 6) probes[index].setHook(address(this), "", 0);
    }

    receive() external payable {}

    function performMany(address lane, uint256[] memory upkeeps, bytes[] memory datas) private {
        vm.prank(lane, lane);
        registry.performMany(upkeeps, datas);
    }

    function emptyDatas() private pure returns (bytes[] memory) {
        return new bytes[](UPKEEPS);
    }

    function performs(Vm.Log[] memory logs) private view returns (Vm.Log[] memory told) {
        uint256 found;
        told = new Vm.Log[](logs.length);
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(registry) || logs[i].topics[0] != UpkeepPerformed.selector) continue;
            told[found++] = logs[i];
        }
        assembly {
            mstore(told, found)
        }
    }

    function coolAll() private {
        for (uint256 i = 0; i < UPKEEPS; ++i) {
            vm.cool(address(probes[i]));
            vm.cool(registry.getForwarder(ids[i]));
        }
        vm.cool(address(registry));
    }
}
