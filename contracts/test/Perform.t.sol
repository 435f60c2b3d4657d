// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Counter} from "../samples/Counter.sol";
import {Heartbeat} from "../samples/Heartbeat.sol";
import {IForwarder} from "../src/interfaces/IForwarder.sol";
import {TriggerType, UpkeepInfo} from "../src/RegistryTypes.sol";
import {GasProbe, Probe, Refuser} from "./Probe.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {Vm} from "./Vm.sol";

/// The perform path. Upkeeps are registered in `setUp`, so that a perform meets cold accounts and settled slots.
contract PerformTest is RegistryTest {
    /// What an `UpkeepPerformed` event tells.
    struct Performed {
        bool success;
        uint96 payment;
        uint256 gasUsed;
        uint256 gasOverhead;
    }

    uint256 private id;
    uint256 private otherId;
    uint256 private gasProbeId;
    Probe private otherProbe;

    function setUp() public override {
        super.setUp();
        otherProbe = new Probe();
        id = funded(address(probe), 1 ether);
        otherId = funded(address(otherProbe), 1 ether);
        gasProbeId = funded(address(new GasProbe()), 1 ether);
        vm.deal(address(probe), 1 ether);
    }

    function test_callsTheTargetThroughItsForwarder() public {
        assertTrue(performBy(LANE, id, hex"1234"), "success");
        assertEq(probe.calls(), 1, "calls");
        assertEq(probe.caller(), registry.getForwarder(id), "msg.sender");
        assertEq(probe.origin(), LANE, "tx.origin");
        assertEq(probe.dataSeen(), hex"1234", "perform data");
    }

    function test_aResolversAnswerIsTheWholeCall() public {
        bytes memory config = abi.encode(address(7), abi.encodeWithSignature("checker()"));
        uint256 resolved = register(address(probe), TriggerType.RESOLVER, config);
        registry.addFunds{value: 1 ether}(resolved, 1 ether);
        assertTrue(performBy(LANE, resolved, abi.encodeCall(probe.setFailing, (true))), "success");
        assertTrue(probe.failing(), "called as the resolver said");
        assertEq(probe.calls(), 0, "performUpkeep is not called");
        assertTrue(!performBy(LANE, resolved, hex"12345678"), "what the target does not know fails");
        assertTrue(registry.getBalance(resolved) < 1 ether, "charged");
    }

    function test_chargesTheUpkeep() public {
        vm.roll(123);
        vm.warp(1_700_000_023);
        uint256 laneBefore = LANE.balance;
        vm.recordLogs();
        performBy(LANE, id, "");
        Performed memory told = onlyPerformed(id);
        assertTrue(told.success, "success");
        assertEq(told.payment, (told.gasUsed + told.gasOverhead) * GAS_PRICE * 12 / 10, "payment");
        assertTrue(told.gasUsed < PERFORM_GAS && told.gasOverhead > 30_000, "gas figures");
        assertEq(LANE.balance, laneBefore, "a lane that has enough waits");
        assertEq(extension().getOwed(id), told.payment, "what waits for it");
        assertEq(registry.getForwarder(id).balance, 1 ether, "forwarder");
        UpkeepInfo memory info = registry.getUpkeep(id);
        assertEq(info.balance, 1 ether - told.payment, "books: balance");
        assertEq(info.amountSpent, told.payment, "books: spent");
        assertEq(info.lastPerformedBlockNumber, 123, "books: block");
        assertEq(address(registry).balance, 0, "the registry holds nothing");
    }

    function test_freeGasCostsNothing() public {
        vm.txGasPrice(0);
        assertTrue(performBy(LANE, id, ""), "success");
        assertEq(registry.getBalance(id), 1 ether, "balance");
    }

    function test_failingTargetIsPerformedAndCharged() public {
        probe.setFailing(true);
        vm.recordLogs();
        assertTrue(!performBy(LANE, id, ""), "no success");
        Performed memory told = onlyPerformed(id);
        assertTrue(!told.success && told.payment > 0, "reported and charged");
        assertEq(registry.getUpkeep(id).lastPerformedBlockNumber, block.number, "counts as performed");
    }

    function test_loopingTargetCostsItsGasAndNoMore() public {
        probe.setLooping(true);
        vm.recordLogs();
        assertTrue(!performBy(LANE, id, ""), "no success");
        Performed memory told = onlyPerformed(id);
        assertTrue(told.gasUsed >= PERFORM_GAS && told.gasUsed < PERFORM_GAS + 3_200, "gas used");
    }

    /// Whatever gas a lane gives, the target gets all of its gas or the perform does not take place.
    function test_targetGetsExactlyItsGas(uint256 gasGiven, uint16 size, uint32 performGas) public {
        performGas = 2_300 + performGas % 4_997_701;
        gasGiven = 70_000 + gasGiven % (uint256(performGas) * 11 / 10 + 100_000);
        bytes memory data = new bytes(size % 5_001);
        vm.prank(ADMIN);
        registry.setUpkeepGasLimit(gasProbeId, performGas);
        coolAll();
        vm.recordLogs();
        vm.prank(LANE, LANE);
        try registry.perform{gas: gasGiven}(gasProbeId, TRIGGER, data) returns (bool success) {
            // A stipend's gas does not pay for the probe's log.
            assertTrue(success, "success");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 2, "logs");
            assertEq(abi.decode(logs[0].data, (uint256)), performGas - 2, "gas at the second instruction");
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == InsufficientGas.selector, "reason");
            uint256 enough = uint256(performGas) + performGas / 30 + 2 * data.length + 50_000 + 25_000;
            assertTrue(gasGiven < enough, "gas that is enough by the documentation is enough");
        }
    }

    /// The same of the forwarder by itself, around the least gas with which it calls.
    function test_forwarderGivesExactlyItsGas(uint256 gasGiven, uint32 gasAmount, uint16 size) public {
        gasAmount = 2_300 + gasAmount % 4_997_701;
        gasGiven = uint256(gasAmount) * 64 / 63 + gasGiven % 15_000;
        address forwarder = registry.getForwarder(gasProbeId);
        bytes memory data = new bytes(size % 2_000);
        vm.recordLogs();
        vm.cool(forwarder);
        vm.cool(registry.getUpkeep(gasProbeId).target);
        vm.prank(address(registry));
        try IForwarder(forwarder).forward{gas: gasGiven}(gasAmount, data) returns (bool success, uint256) {
            assertTrue(success, "success");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(abi.decode(logs[0].data, (uint256)), gasAmount - 2, "gas at the second instruction");
        } catch (bytes memory reason) {
            // Without any reason where the gas did not even suffice to look.
            assertTrue(reason.length == 0 || bytes4(reason) == InsufficientGas.selector, "reason");
            assertTrue(gasGiven < uint256(gasAmount) * 64 / 63 + 12_000, "gas that is enough is enough");
        }
    }

    /// A target that uses up all of its gas leaves enough to be charged for it.
    function test_greedyTargetCannotEscapePayment(uint256 gasGiven, uint16 size) public {
        // Around the least gas with which a perform starts: 15,000 to 70,000 beside what depends on gas and data.
        size = size % 5_001;
        gasGiven = PERFORM_GAS + PERFORM_GAS / 30 + 2 * uint256(size) + 15_000 + gasGiven % 55_000;
        probe.setLooping(true);
        coolAll();
        vm.recordLogs();
        vm.prank(LANE, LANE);
        try registry.perform{gas: gasGiven}(id, TRIGGER, new bytes(size)) returns (bool success) {
            assertTrue(!success, "no success");
            assertTrue(onlyPerformed(id).payment >= PERFORM_GAS * GAS_PRICE, "charged");
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == InsufficientGas.selector, "reason");
        }
    }

    /// Calldata is charged byte by byte: 16 gas where it is not zero, 4 where it is.
    function test_calldataIsCharged(bytes calldata seed, uint16 size) public {
        bytes memory data = new bytes(size % 1_000);
        uint256 nonZero;
        for (uint256 i = 0; i < data.length && seed.length > 0; ++i) {
            data[i] = i % 3 == 0 ? bytes1(0x80) : seed[i % seed.length];
            if (data[i] != 0) ++nonZero;
        }
        uint256 state = vm.snapshotState();
        coolAll();
        vm.recordLogs();
        performBy(LANE, gasProbeId, new bytes(data.length));
        Performed memory zeros = onlyPerformed(gasProbeId);
        vm.revertToState(state);
        coolAll();
        vm.recordLogs();
        performBy(LANE, gasProbeId, data);
        Performed memory filled = onlyPerformed(gasProbeId);
        assertEq(filled.gasOverhead - zeros.gasOverhead, 12 * nonZero, "difference");
    }

    function test_largeDataPaysTheCalldataFloor() public {
        bytes memory data = new bytes(5_000);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = 0xff;
        }
        vm.recordLogs();
        performBy(LANE, gasProbeId, data);
        Performed memory told = onlyPerformed(gasProbeId);
        assertTrue(told.gasUsed + told.gasOverhead >= 21_000 + 5_000 * 40, "floor");
    }

    /// Nothing in storage that one perform writes is read or written by another.
    function test_performsOfTwoUpkeepsTouchDisjointStorage() public {
        (bytes32[] memory firstReads, bytes32[] memory firstWrites) = accessesOfPerform(LANE, id);
        (bytes32[] memory secondReads, bytes32[] memory secondWrites) = accessesOfPerform(OTHER_LANE, otherId);
        assertDisjoint(firstWrites, secondWrites);
        assertDisjoint(firstWrites, secondReads);
        assertDisjoint(secondWrites, firstReads);
        for (uint256 i = 1; i < firstWrites.length; ++i) {
            assertTrue(firstWrites[i] == firstWrites[0], "a perform writes one slot");
        }
        assertEq(firstWrites.length, 1, "and writes it once");
    }

    function test_performsNeverSendThroughTheRegistry() public {
        performBy(LANE, id, "");
        performBy(OTHER_LANE, otherId, "");
        assertEq(address(registry).balance, 0, "registry");
        assertEq(registry.getForwarder(id).balance, 1 ether, "first forwarder");
        assertEq(registry.getForwarder(otherId).balance, 1 ether, "second forwarder");
    }

    function test_onlyLanesPerform() public {
        vm.expectRevert(OnlyActiveTransmitters.selector);
        performBy(STRANGER, id, "");
        vm.expectRevert(OnlyActiveTransmitters.selector);
        performBy(OWNER, id, "");
        vm.prank(OWNER);
        registry.setLane(LANE, false);
        assertTrue(!registry.isLane(LANE) && registry.isLane(OTHER_LANE), "lanes");
        vm.expectRevert(OnlyActiveTransmitters.selector);
        performBy(LANE, id, "");
        vm.expectRevert(InvalidReport.selector);
        performBy(OTHER_LANE, id, new bytes(5_001));
    }

    function test_pausedUpkeepIsReportedStale() public {
        vm.prank(ADMIN);
        registry.pauseUpkeep(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit StaleUpkeepReport(id, TRIGGER);
        assertTrue(!performBy(LANE, id, ""), "paused");
        vm.prank(ADMIN);
        registry.unpauseUpkeep(id);
        assertTrue(performBy(LANE, id, ""), "unpaused");
        assertEq(probe.calls(), 1, "calls");
    }

    function test_pausedRegistryPerformsAndRegistersNothing() public {
        vm.prank(OWNER);
        registry.pause();
        assertTrue(registry.isPaused(), "paused");
        vm.expectEmit(true, true, true, true, address(registry));
        emit StaleUpkeepReport(id, TRIGGER);
        assertTrue(!performBy(LANE, id, ""), "nothing is performed");
        vm.expectRevert(RegistryPaused.selector);
        register(address(probe), 0, "");
        vm.prank(OWNER);
        registry.unpause();
        assertTrue(performBy(LANE, id, ""), "unpaused");
    }

    function test_cancelledAndUnknownUpkeepsAreReported() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit CancelledUpkeepReport(id + 1, TRIGGER);
        assertTrue(!performBy(LANE, id + 1, ""), "unknown");
        vm.prank(OWNER);
        registry.cancelUpkeep(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit CancelledUpkeepReport(id, TRIGGER);
        assertTrue(!performBy(LANE, id, ""), "cancelled");
        assertEq(probe.calls(), 0, "calls");
    }

    function test_underfundedUpkeepIsReported() public {
        uint256 poor = register(address(probe), 0, "");
        vm.expectEmit(true, true, true, true, address(registry));
        emit InsufficientFundsUpkeepReport(poor, TRIGGER);
        assertTrue(!performBy(LANE, poor, ""), "nothing to pay with");
        assertEq(probe.calls(), 0, "calls");
    }

    /// The balance that the view asks for is enough for the costliest perform, and not many times too much.
    function test_minimumBalanceIsEnough(bytes1 filling) public {
        bytes memory data = new bytes(5_000);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = filling;
        }
        Probe target = new Probe();
        target.setLooping(true);
        uint256 poor = register(address(target), 0, "");
        uint96 least = registry.getMinBalance(poor);
        assertEq(least, registry.getMaxPaymentForGas(0, PERFORM_GAS), "the other view");
        assertTrue(least < 2 * (PERFORM_GAS + 300_000) * GAS_PRICE, "not far too much");
        registry.addFunds{value: least}(poor, least);
        vm.recordLogs();
        performBy(LANE, poor, data);
        Performed memory told = onlyPerformed(poor);
        assertEq(told.payment, (told.gasUsed + told.gasOverhead) * GAS_PRICE * 12 / 10, "paid in full");
    }

    function test_targetMayAddFundsWhileItIsCalled() public {
        probe.setHook(address(registry), abi.encodeCall(registry.addFunds, (id, 5)), 5);
        performBy(LANE, id, "");
        assertTrue(probe.hookSucceeded(), "added");
        assertEq(registry.getForwarder(id).balance, 1 ether + 5, "forwarder");
        assertEq(registry.getBalance(id) + registry.getUpkeep(id).amountSpent, 1 ether + 5, "books");
    }

    function test_targetCannotEmptyItsUpkeepWhileItIsCalled() public {
        vm.prank(ADMIN);
        registry.transferUpkeepAdmin(id, address(probe));
        vm.prank(address(probe));
        registry.acceptUpkeepAdmin(id);
        vm.prank(ADMIN);
        probe.setHook(address(registry), abi.encodeCall(registry.withdrawFunds, (id, STRANGER)), 0);
        performBy(LANE, id, "");
        assertTrue(!probe.hookSucceeded(), "refused");
        assertTrue(bytes4(probe.hookAnswer()) == ReentrantCall.selector, "reason");
    }

    function test_targetThatPerformsItselfIsRefused() public {
        vm.prank(OWNER);
        registry.setLane(address(probe), true);
        probe.setHook(address(registry), abi.encodeCall(registry.perform, (id, TRIGGER, "")), 0);
        assertTrue(performBy(LANE, id, ""), "the outer one goes on");
        assertTrue(bytes4(probe.hookAnswer()) == ReentrantCall.selector, "reason");
    }

    function test_laneThatRefusesPaymentCannotPerform() public {
        address refuser = address(new Refuser());
        vm.prank(OWNER);
        registry.setLane(refuser, true);
        vm.expectRevert(TransferFailed.selector);
        performBy(refuser, id, "");
    }

    function test_targetWithoutCodeFails() public {
        // As after a self-destruct in the transaction that made it: registered code, then none.
        vmEtch(address(probe), "");
        assertTrue(!performBy(LANE, id, ""), "no success");
        assertEq(registry.getUpkeep(id).lastPerformedBlockNumber, block.number, "counts as performed");
    }

    function test_samplesWork() public {
        Counter counter = new Counter();
        Heartbeat heart = new Heartbeat();
        uint256 counting = funded(address(counter), 1 ether);
        uint256 beating = register(address(heart), 2, abi.encode(uint64(1), uint64(0)));
        registry.addFunds{value: 1 ether}(beating, 1 ether);
        (bool needed,) = counter.checkUpkeep("");
        assertTrue(!needed, "nothing to do");
        counter.request(12);
        for (uint256 done = 10; done <= 12; done += 2) {
            (needed,) = counter.checkUpkeep("");
            assertTrue(needed, "something to do");
            assertTrue(performBy(LANE, counting, ""), "counted");
            assertEq(counter.done(), done, "done");
        }
        (needed,) = counter.checkUpkeep("");
        assertTrue(!needed, "nothing more to do");
        assertTrue(performBy(LANE, beating, ""), "beat");
        assertEq(heart.beats(), 1, "beats");
    }

    function vmEtch(address target, bytes memory code) private {
        (bool success,) = address(vm).call(abi.encodeWithSignature("etch(address,bytes)", target, code));
        assertTrue(success, "etch");
    }

    function coolAll() private {
        vm.cool(address(registry));
        vm.cool(address(probe));
        vm.cool(registry.getUpkeep(gasProbeId).target);
        vm.cool(registry.getForwarder(id));
        vm.cool(registry.getForwarder(gasProbeId));
        vm.cool(address(registry));
    }

    /// The one perform among the recorded logs, which must be of `expected`.
    function onlyPerformed(uint256 expected) private returns (Performed memory told) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 found;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(registry) || logs[i].topics[0] != UpkeepPerformed.selector) continue;
            ++found;
            assertEq(uint256(logs[i].topics[1]), expected, "id");
            told.success = logs[i].topics[2] != 0;
            bytes memory trigger;
            (told.payment, told.gasUsed, told.gasOverhead, trigger) =
                abi.decode(logs[i].data, (uint96, uint256, uint256, bytes));
            assertEq(trigger, TRIGGER, "trigger");
        }
        assertEq(found, 1, "performs told");
    }

    function accessesOfPerform(address lane, uint256 upkeep)
        private
        returns (bytes32[] memory reads, bytes32[] memory writes)
    {
        address forwarder = registry.getForwarder(upkeep);
        vm.record();
        assertTrue(performBy(lane, upkeep, ""), "success");
        (reads, writes) = vm.accesses(address(registry));
        (, bytes32[] memory forwarderWrites) = vm.accesses(forwarder);
        assertEq(forwarderWrites.length, 0, "the forwarder's storage is only read");
    }

    function assertDisjoint(bytes32[] memory left, bytes32[] memory right) private pure {
        for (uint256 i = 0; i < left.length; ++i) {
            for (uint256 j = 0; j < right.length; ++j) {
                assertTrue(left[i] != right[j], "shared slot");
            }
        }
    }
}
