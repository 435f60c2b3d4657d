// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Forwarder} from "../src/Forwarder.sol";
import {IForwarder} from "../src/interfaces/IForwarder.sol";
import {TriggerType, UpkeepInfo} from "../src/RegistryTypes.sol";
import {Refuser} from "./Probe.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// Registration, funding and administration.
contract UpkeepsTest is RegistryTest {
    function test_registersAndTellsEverything() public {
        bytes memory config = abi.encode(uint64(5), uint64(0));
        uint256 id = register(address(probe), TriggerType.INTERVAL, config);

        assertEq(uint88(id >> 136), 0, "bytes 4 to 14 of the id");
        assertEq(uint8(id >> 128), TriggerType.INTERVAL, "byte 15 of the id");
        assertEq(registry.getTriggerType(id), TriggerType.INTERVAL, "type");
        (uint8 triggerType, bytes memory triggerConfig) = registry.getUpkeepTrigger(id);
        assertEq(triggerType, TriggerType.INTERVAL, "trigger type");
        assertEq(triggerConfig, config, "trigger config");
        UpkeepInfo memory info = registry.getUpkeep(id);
        assertEq(info.target, address(probe), "target");
        assertEq(info.performGas, PERFORM_GAS, "perform gas");
        assertEq(info.checkData, hex"c0de", "check data");
        assertEq(info.admin, ADMIN, "admin");
        assertEq(info.maxValidBlocknumber, type(uint32).max, "active");
        assertEq(info.offchainConfig, hex"0ff0", "off-chain config");

        Forwarder forwarder = Forwarder(payable(registry.getForwarder(id)));
        assertEq(forwarder.getTarget(), address(probe), "forwarder's target");
        assertEq(forwarder.getRegistry(), address(registry), "forwarder's registry");
        assertEq(bytes(forwarder.typeAndVersion()), "AutomationForwarder 1.0.0", "forwarder's version");
    }

    function test_statusTellsTheSame() public {
        uint256 id = funded(address(probe), 1 ether);
        (bool success, bytes memory answer) = address(registry).call(abi.encodeCall(registry.getUpkeepStatus, (id)));
        assertTrue(success, "status");
        // The head of the answer: twelve values of fixed size, the places of three byte strings, and one value more.
        uint256[16] memory words;
        assembly {
            for { let i := 0 } lt(i, 16) { i := add(i, 1) } {
                mstore(add(words, mul(i, 32)), mload(add(answer, add(32, mul(i, 32)))))
            }
        }
        assertEq(words[0], uint160(address(probe)), "target");
        assertEq(words[1], uint160(registry.getForwarder(id)), "forwarder");
        assertEq(words[2], uint160(ADMIN), "admin");
        assertEq(words[3], TriggerType.CONDITION, "type");
        assertEq(words[4], PERFORM_GAS, "perform gas");
        assertEq(words[5], 1 ether, "balance");
        assertEq(words[6], 0, "spent");
        assertEq(words[7], 0, "paused");
        assertEq(words[8], type(uint32).max, "valid until");
        assertEq(words[11], block.number, "registered at");
        assertEq(words[15], block.timestamp, "registered when");
        vm.expectRevert(UpkeepCancelled.selector);
        registry.getUpkeepStatus(id + 1);
    }

    function test_idIsMadeOfBlockRegistryAndNonce() public {
        uint256 id = register(address(probe), TriggerType.CONDITION, "");
        uint256 digest = uint256(keccak256(abi.encodePacked(blockhash(99), address(registry), uint32(0))));
        assertEq(id, digest & ~(uint256(type(uint96).max) << 128), "id");
        assertTrue(id != register(address(probe), TriggerType.CONDITION, ""), "each has its own");
    }

    function test_olderAndNewerFormOfRegistration() public {
        uint256 id = registry.registerUpkeep(address(probe), PERFORM_GAS, ADMIN, hex"aa", hex"bb");
        assertEq(registry.getTriggerType(id), TriggerType.CONDITION, "type");
        assertEq(registry.getUpkeep(id).checkData, hex"aa", "check data");
        assertEq(registry.getUpkeep(id).offchainConfig, hex"bb", "off-chain config");
        assertEq(registry.getUpkeepTriggerConfig(id), "", "trigger config");
        registry.registerUpkeep(address(probe), PERFORM_GAS, ADMIN, 0, address(0), "", "", "");
        vm.expectRevert(InvalidToken.selector);
        registry.registerUpkeep(address(probe), PERFORM_GAS, ADMIN, 0, address(1), "", "", "");
        assertEq(registry.getNumUpkeeps(), 2, "upkeeps");
    }

    function test_refusesBadRegistrations() public {
        address target = address(probe);
        vm.expectRevert(NotAContract.selector);
        register(STRANGER, 0, "");
        vm.expectRevert(ZeroAddressNotAllowed.selector);
        registry.registerUpkeep(target, PERFORM_GAS, address(0), 0, "", "", "");
        vm.expectRevert(GasLimitOutsideRange.selector);
        registry.registerUpkeep(target, 2_299, ADMIN, 0, "", "", "");
        vm.expectRevert(GasLimitOutsideRange.selector);
        registry.registerUpkeep(target, 5_000_001, ADMIN, 0, "", "", "");
        vm.expectRevert(CheckDataExceedsLimit.selector);
        registry.registerUpkeep(target, PERFORM_GAS, ADMIN, 0, new bytes(5_001), "", "");
        vm.expectRevert(InvalidTrigger.selector);
        registry.registerUpkeep(target, PERFORM_GAS, ADMIN, 0, "", new bytes(5_001), "");
        vm.expectRevert(InvalidDataLength.selector);
        registry.registerUpkeep(target, PERFORM_GAS, ADMIN, 0, "", "", new bytes(5_001));
        for (uint8 triggerType = TriggerType.SAME_BLOCK_LOG + 1; triggerType < 9; ++triggerType) {
            vm.expectRevert(InvalidTriggerType.selector);
            register(target, triggerType, abi.encode(1, 0));
        }
        registry.registerUpkeep(target, 5_000_000, ADMIN, 0, new bytes(5_000), "", new bytes(5_000));
        registry.registerUpkeep(target, 2_300, ADMIN, 0, "", "", "");
    }

    function test_intervalConfigNamesExactlyOneUnit(uint256 everyBlocks, uint256 everyMilliseconds, bool fit) public {
        if (fit) (everyBlocks, everyMilliseconds) = (uint64(everyBlocks) % 2, uint64(everyMilliseconds) % 2);
        bool good = (everyBlocks == 0) != (everyMilliseconds == 0) && everyBlocks <= type(uint64).max
            && everyMilliseconds <= type(uint64).max;
        if (!good) vm.expectRevert(InvalidTrigger.selector);
        register(address(probe), TriggerType.INTERVAL, abi.encode(everyBlocks, everyMilliseconds));
    }

    function test_cronConfigIsAString() public {
        address target = address(probe);
        uint256 id = register(target, TriggerType.CRON, abi.encode("*/5 * * * *"));
        assertEq(registry.getTriggerType(id), TriggerType.CRON, "trigger type");
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, "");
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, abi.encode(""));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, abi.encode(uint256(64), uint256(1), bytes32("*")));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, abi.encode(uint256(32), uint256(33), bytes32("*")));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, abi.encode(uint256(32), type(uint256).max, bytes32("*")));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.CRON, abi.encode(new bytes(5_000)));
    }

    function test_resolverConfigIsAnAddressAndACall() public {
        address target = address(probe);
        bytes memory call = abi.encodeWithSignature("checker()");
        uint256 id = register(target, TriggerType.RESOLVER, abi.encode(address(7), call));
        assertEq(registry.getTriggerType(id), TriggerType.RESOLVER, "trigger type");
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.RESOLVER, abi.encode(address(0), call));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.RESOLVER, abi.encode(uint256(1) << 160, call));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.RESOLVER, abi.encode(address(7), ""));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.RESOLVER, abi.encode(address(7), uint256(32), uint256(4), bytes32(call)));
        vm.expectRevert(InvalidTrigger.selector);
        register(target, TriggerType.RESOLVER, abi.encode(address(7), uint256(64)));
    }

    function test_shortAndRandomConfigsNeverPanic(uint8 triggerType, bytes calldata config) public {
        try registry.registerUpkeep(
            address(probe), PERFORM_GAS, ADMIN, triggerType % 7, "", config, ""
        ) {} catch (bytes memory reason) {
            bool told = bytes4(reason) == InvalidTrigger.selector || bytes4(reason) == InvalidTriggerType.selector;
            assertTrue(told, "refused without a reason");
        }
    }

    function test_intervalConfigHasTwoWords() public {
        for (uint256 length = 0; length < 130; ++length) {
            if (length == 64) continue;
            bytes memory config = new bytes(length);
            if (length > 31) config[31] = 0x01;
            vm.expectRevert(InvalidTrigger.selector);
            register(address(probe), TriggerType.INTERVAL, config);
        }
    }

    function test_fundsLieInTheForwarder() public {
        uint256 id = register(address(probe), 0, "");
        vm.expectEmit(true, true, true, true, address(registry));
        emit FundsAdded(id, STRANGER, 3 ether);
        vm.prank(STRANGER);
        registry.addFunds{value: 3 ether}(id, 3 ether);
        assertEq(registry.getBalance(id), 3 ether, "books");
        assertEq(registry.getForwarder(id).balance, 3 ether, "forwarder");
        assertEq(address(registry).balance, 0, "registry");

        vm.expectRevert(abi.encodeWithSelector(AmountMismatch.selector, uint96(1), uint256(2)));
        registry.addFunds{value: 2}(id, 1);
        vm.expectRevert(UpkeepCancelled.selector);
        registry.addFunds{value: 1}(id + 1, 1);
        (bool sent,) = registry.getForwarder(id).call{value: 1}("");
        assertTrue(!sent, "the forwarder takes funds from the registry alone");
    }

    function test_adminCancelsWithDelayAndWithdraws() public {
        uint256 id = funded(address(probe), 1 ether);
        vm.expectRevert(OnlyCallableByOwnerOrAdmin.selector);
        vm.prank(STRANGER);
        registry.cancelUpkeep(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit UpkeepCanceled(id, 150);
        vm.prank(ADMIN);
        registry.cancelUpkeep(id);
        assertEq(registry.getNumUpkeeps(), 0, "active");
        vm.expectRevert(CannotCancel.selector);
        vm.prank(ADMIN);
        registry.cancelUpkeep(id);

        vm.roll(149);
        assertTrue(performBy(LANE, id, ""), "still performed during the delay");
        vm.expectRevert(UpkeepNotCanceled.selector);
        vm.prank(ADMIN);
        registry.withdrawFunds(id, ADMIN);
        vm.roll(150);
        assertTrue(!performBy(LANE, id, ""), "not performed after it");
        vm.expectRevert(OnlyCallableByAdmin.selector);
        registry.withdrawFunds(id, STRANGER);
        vm.expectRevert(InvalidRecipient.selector);
        vm.prank(ADMIN);
        registry.withdrawFunds(id, address(0));
        uint256 left = registry.getBalance(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit FundsWithdrawn(id, left, address(0xB0B));
        vm.prank(ADMIN);
        registry.withdrawFunds(id, address(0xB0B));
        assertEq(address(0xB0B).balance, left, "withdrawn");
        assertEq(registry.getBalance(id), 0, "books");
        uint256 spent = registry.getUpkeep(id).amountSpent;
        assertEq(registry.getForwarder(id).balance, spent, "what the lanes are owed stays");
    }

    function test_ownerCancelsAtOnceAndCutsADelayShort() public {
        uint256 id = funded(address(probe), 1 ether);
        vm.prank(ADMIN);
        registry.cancelUpkeep(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit UpkeepCanceled(id, 100);
        vm.prank(OWNER);
        registry.cancelUpkeep(id);
        vm.expectRevert(CannotCancel.selector);
        vm.prank(OWNER);
        registry.cancelUpkeep(id);
        vm.expectRevert(CannotCancel.selector);
        vm.prank(OWNER);
        registry.cancelUpkeep(id + 1);
        address refuser = address(new Refuser());
        vm.expectRevert(TransferFailed.selector);
        vm.prank(ADMIN);
        registry.withdrawFunds(id, refuser);
        vm.prank(ADMIN);
        registry.withdrawFunds(id, ADMIN);
        assertEq(ADMIN.balance, 1 ether, "withdrawn");
    }

    function test_administrationIsTheAdminsAndEndsWithCancellation() public {
        uint256 id = register(address(probe), 0, "");
        bytes[] memory calls = new bytes[](7);
        calls[0] = abi.encodeCall(registry.pauseUpkeep, (id));
        calls[1] = abi.encodeCall(registry.unpauseUpkeep, (id));
        calls[2] = abi.encodeCall(registry.setUpkeepCheckData, (id, hex"01"));
        calls[3] = abi.encodeCall(registry.setUpkeepGasLimit, (id, 300_000));
        calls[4] = abi.encodeCall(registry.setUpkeepOffchainConfig, (id, hex"02"));
        calls[5] = abi.encodeCall(registry.setUpkeepTriggerConfig, (id, hex"03"));
        calls[6] = abi.encodeCall(registry.transferUpkeepAdmin, (id, STRANGER));
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(STRANGER);
            (bool success, bytes memory answer) = address(registry).call(calls[i]);
            assertTrue(!success && bytes4(answer) == OnlyCallableByAdmin.selector, "a stranger may not");
            vm.prank(ADMIN);
            (success,) = address(registry).call(calls[i]);
            assertTrue(success, "the admin may");
        }
        assertEq(registry.getUpkeep(id).checkData, hex"01", "check data");
        assertEq(registry.getUpkeep(id).performGas, 300_000, "gas limit");
        assertEq(registry.getUpkeep(id).offchainConfig, hex"02", "off-chain config");
        assertEq(registry.getUpkeepTriggerConfig(id), hex"03", "trigger config");
        vm.prank(OWNER);
        registry.cancelUpkeep(id);
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(ADMIN);
            (bool success, bytes memory answer) = address(registry).call(calls[i]);
            assertTrue(!success && bytes4(answer) == UpkeepCancelled.selector, "nobody may once cancelled");
        }
    }

    function test_settersCheckTheirArguments() public {
        uint256 id = register(address(probe), TriggerType.INTERVAL, abi.encode(1, 0));
        vm.startPrank(ADMIN);
        vm.expectRevert(CheckDataExceedsLimit.selector);
        registry.setUpkeepCheckData(id, new bytes(5_001));
        vm.expectRevert(GasLimitOutsideRange.selector);
        registry.setUpkeepGasLimit(id, 5_000_001);
        vm.expectRevert(InvalidTrigger.selector);
        registry.setUpkeepTriggerConfig(id, abi.encode(1, 1));
        vm.expectRevert(InvalidDataLength.selector);
        registry.setUpkeepOffchainConfig(id, new bytes(5_001));
        vm.expectRevert(OnlyPausedUpkeep.selector);
        registry.unpauseUpkeep(id);
        registry.pauseUpkeep(id);
        vm.expectRevert(OnlyUnpausedUpkeep.selector);
        registry.pauseUpkeep(id);
        vm.expectRevert(ValueNotChanged.selector);
        registry.transferUpkeepAdmin(id, ADMIN);
        vm.stopPrank();
    }

    function test_adminIsTransferredInTwoSteps() public {
        uint256 id = register(address(probe), 0, "");
        vm.prank(ADMIN);
        registry.transferUpkeepAdmin(id, STRANGER);
        vm.expectRevert(OnlyCallableByProposedAdmin.selector);
        registry.acceptUpkeepAdmin(id);
        vm.expectEmit(true, true, true, true, address(registry));
        emit UpkeepAdminTransferred(id, ADMIN, STRANGER);
        vm.prank(STRANGER);
        registry.acceptUpkeepAdmin(id);
        assertEq(registry.getUpkeep(id).admin, STRANGER, "admin");
        vm.expectRevert(OnlyCallableByProposedAdmin.selector);
        vm.prank(STRANGER);
        registry.acceptUpkeepAdmin(id);
    }

    function test_activeUpkeepsArePaged(uint8 cancelled) public {
        uint256[] memory ids = new uint256[](5);
        for (uint256 i = 0; i < 5; ++i) {
            ids[i] = register(address(probe), 0, "");
        }
        assertEq(registry.getActiveUpkeepIDs(0, 0).length, 5, "all");
        uint256[] memory page = registry.getActiveUpkeepIDs(3, 10);
        assertEq(page.length, 2, "the last page");
        assertEq(page[1], ids[4], "in order");
        assertEq(registry.getActiveUpkeepIDs(1, 2).length, 2, "a page");
        assertEq(registry.getActiveUpkeepIDs(5, 0).length, 0, "past the last");
        vm.expectRevert(IndexOutOfRange.selector);
        registry.getActiveUpkeepIDs(6, 0);

        uint256 gone = ids[cancelled % 5];
        vm.prank(OWNER);
        registry.cancelUpkeep(gone);
        page = registry.getActiveUpkeepIDs(0, 0);
        assertEq(page.length, 4, "one less");
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            assertTrue(page[i] != gone, "the cancelled one is gone");
            unchecked {
                sum += page[i];
            }
        }
        unchecked {
            assertEq(sum + gone, ids[0] + ids[1] + ids[2] + ids[3] + ids[4], "the others are there");
        }
    }

    function test_forwarderObeysItsRegistryAlone() public {
        uint256 id = funded(address(probe), 1 ether);
        IForwarder forwarder = IForwarder(registry.getForwarder(id));
        vm.expectRevert(IForwarder.OnlyCallableByRegistry.selector);
        forwarder.forward(100_000, "");
        vm.expectRevert(IForwarder.OnlyCallableByRegistry.selector);
        forwarder.pay(payable(STRANGER), 1);
        vm.expectRevert(IForwarder.OnlyCallableByRegistry.selector);
        forwarder.updateRegistry(STRANGER);
        vm.prank(address(registry));
        vm.expectRevert(IForwarder.OnlyCallableByRegistry.selector);
        forwarder.updateRegistry(STRANGER);
        assertEq(forwarder.getRegistry(), address(registry), "registry");
    }
}
