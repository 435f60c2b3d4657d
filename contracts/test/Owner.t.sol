// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Registry} from "../src/Registry.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// What the owner may do, and what everyone may ask.
contract OwnerTest is RegistryTest {
    function test_ownershipIsTransferredInTwoSteps() public {
        vm.startPrank(OWNER);
        vm.expectRevert(ValueNotChanged.selector);
        registry.transferOwnership(OWNER);
        vm.expectRevert(ZeroAddressNotAllowed.selector);
        registry.transferOwnership(address(0));
        registry.transferOwnership(STRANGER);
        vm.stopPrank();
        assertEq(registry.owner(), OWNER, "not yet");
        vm.expectRevert(bytes("Must be proposed owner"));
        registry.acceptOwnership();
        vm.expectEmit(true, true, true, true, address(registry));
        emit OwnershipTransferred(OWNER, STRANGER);
        vm.prank(STRANGER);
        registry.acceptOwnership();
        assertEq(registry.owner(), STRANGER, "owner");
        vm.expectRevert(bytes("Must be proposed owner"));
        vm.prank(STRANGER);
        registry.acceptOwnership();
    }

    function test_onlyTheOwnerGoverns() public {
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(registry.setLane, (STRANGER, true));
        calls[1] = abi.encodeCall(registry.pause, ());
        calls[2] = abi.encodeCall(registry.unpause, ());
        calls[3] = abi.encodeCall(registry.setSettings, (1, 2, 6_000_000, 6_000, 6_000, 3));
        calls[4] = abi.encodeCall(registry.transferOwnership, (STRANGER));
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.expectRevert(bytes("Only callable by owner"));
            vm.prank(STRANGER);
            (bool reverted,) = address(registry).call(calls[i]);
            assertTrue(reverted, "expected revert");
            vm.prank(OWNER);
            (bool success,) = address(registry).call(calls[i]);
            assertTrue(success, "the owner may");
        }
        assertTrue(registry.isLane(STRANGER), "lane");
    }

    function test_settingsAreStoredAndLimitsOnlyGrow() public {
        vm.startPrank(OWNER);
        registry.pause();
        registry.setSettings(1, 2, 6_000_000, 6_001, 6_002, 3);
        (uint32 premium, uint32 flat, uint32 performGas, uint32 checkData, uint32 performData, uint64 price) =
            registry.getPaymentConfig();
        assertEq(premium, 1, "premium");
        assertEq(flat, 2, "flat overhead");
        assertEq(performGas, 6_000_000, "perform gas");
        assertEq(checkData, 6_001, "check data");
        assertEq(performData, 6_002, "perform data");
        assertEq(price, 3, "fallback price");
        assertTrue(registry.isPaused(), "settings do not unpause");
        vm.expectRevert(SettingOutsideRange.selector);
        registry.setSettings(1, 2, 5_999_999, 6_001, 6_002, 3);
        vm.expectRevert(SettingOutsideRange.selector);
        registry.setSettings(1, 2, 6_000_000, 6_000, 6_002, 3);
        vm.expectRevert(SettingOutsideRange.selector);
        registry.setSettings(1, 2, 6_000_000, 6_001, 6_001, 3);
        vm.expectRevert(ZeroAddressNotAllowed.selector);
        registry.setLane(address(0), true);
        vm.stopPrank();
    }

    function test_constructorRefusesZeroAddresses() public {
        address[] memory lanes = new address[](1);
        vm.expectRevert(ZeroAddressNotAllowed.selector);
        new Registry(OWNER, lanes, defaultSettings(), token);
        lanes[0] = LANE;
        vm.expectRevert(ZeroAddressNotAllowed.selector);
        new Registry(address(0), lanes, defaultSettings(), token);
    }

    function test_answersToolsAsTheyExpect() public {
        assertEq(bytes(registry.typeAndVersion()), "KeeperRegistry 2.1.0", "version");
        assertEq(registry.getCancellationDelay(), 50, "delay");
        assertEq(registry.getLinkAddress(), address(token), "token");
        assertEq(registry.getBillingToken(1), address(0), "billing token");
        assertEq(registry.getUpkeep(1).target, address(0), "an unknown upkeep is all zeros");
        assertEq(registry.getForwarder(1), address(0), "and has no forwarder");
    }

    function test_typeIsReadFromTheId(uint256 id) public view {
        bool native = uint88(id >> 136) == 0;
        assertEq(registry.getTriggerType(id), native ? uint8(id >> 128) : 0, "type");
        uint256 plain = id & ~(uint256(type(uint88).max) << 136);
        assertEq(registry.getTriggerType(plain), uint8(id >> 128), "type of a plain id");
    }

    /// The price at which views count: the call's, else the block's, else the registry's own.
    function test_minimumBalanceFollowsThePrice() public {
        uint256 id = register(address(probe), 0, "");
        uint96 atCallPrice = registry.getMinBalance(id);
        vm.txGasPrice(0);
        assertEq(2 * uint256(registry.getMinBalance(id)), atCallPrice, "the block's base fee is half of it");
        vm.txGasPrice(type(uint64).max);
        assertEq(registry.getMaxPaymentForGas(0, type(uint32).max), type(uint96).max, "no price overflows");
        vm.txGasPrice(0);
        vm.fee(0);
        assertEq(2 * uint256(registry.getMinBalance(id)), atCallPrice, "and so is the registry's own price");
    }
}
