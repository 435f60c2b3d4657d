// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IRegistryEvents} from "../src/interfaces/IRegistryEvents.sol";
import {Registry} from "../src/Registry.sol";
import {RegistryExtension} from "../src/RegistryExtension.sol";
import {WrappedNative} from "../src/WrappedNative.sol";
import {Settings, TriggerType} from "../src/RegistryTypes.sol";
import {Probe} from "./Probe.sol";
import {Vm} from "./Vm.sol";

/// A registry with one owner and two lanes, and what the tests share.
abstract contract RegistryTest is IRegistryEvents {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address internal constant OWNER = address(0xA11CE);
    address internal constant ADMIN = address(0xAD);
    address internal constant STRANGER = address(0x5712A);
    address internal constant LANE = address(0x1A1);
    address internal constant OTHER_LANE = address(0x1A2);
    uint32 internal constant PERFORM_GAS = 200_000;
    uint256 internal constant GAS_PRICE = 2 gwei;
    bytes internal constant TRIGGER = abi.encode(uint32(99), bytes32(uint256(7)));

    WrappedNative internal token;
    Registry internal registry;
    Probe internal probe;

    function setUp() public virtual {
        vm.roll(100);
        vm.warp(1_700_000_000);
        vm.fee(1 gwei);
        vm.txGasPrice(GAS_PRICE);
        address[] memory lanes = new address[](2);
        (lanes[0], lanes[1]) = (LANE, OTHER_LANE);
        token = new WrappedNative();
        registry = new Registry(OWNER, lanes, defaultSettings(), token);
        probe = new Probe();
        vm.deal(LANE, 100 ether);
        vm.deal(OTHER_LANE, 100 ether);
        vm.deal(STRANGER, 100 ether);
        vm.deal(address(this), 1_000 ether);
    }

    function defaultSettings() internal pure returns (Settings memory) {
        return Settings({
            paused: false,
            premiumPPB: 200_000_000,
            flatGasOverhead: 28_681,
            maxPerformGas: 5_000_000,
            maxCheckDataSize: 5_000,
            maxPerformDataSize: 5_000,
            fallbackGasPrice: 1 gwei
        });
    }

    function register(address target, uint8 triggerType, bytes memory triggerConfig) internal returns (uint256) {
        return registry.registerUpkeep(target, PERFORM_GAS, ADMIN, triggerType, hex"c0de", triggerConfig, hex"0ff0");
    }

    /// The registry, as what answers beside its own functions.
    function extension() internal view returns (RegistryExtension) {
        return RegistryExtension(address(registry));
    }

    /// A conditional upkeep of `target` with `funds` wei.
    function funded(address target, uint96 funds) internal returns (uint256 id) {
        id = register(target, TriggerType.CONDITION, "");
        registry.addFunds{value: funds}(id, funds);
    }

    function performBy(address lane, uint256 id, bytes memory data) internal returns (bool) {
        vm.prank(lane, lane);
        return registry.perform(id, TRIGGER, data);
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert(string.concat(what, ": ", text(left), " is not ", text(right)));
    }

    function assertEq(address left, address right, string memory what) internal pure {
        assertEq(uint160(left), uint160(right), what);
    }

    function assertEq(bytes memory left, bytes memory right, string memory what) internal pure {
        require(keccak256(left) == keccak256(right), what);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        require(condition, what);
    }

    function text(uint256 number) internal pure returns (string memory) {
        if (number == 0) return "0";
        bytes memory digits;
        while (number != 0) {
            digits = bytes.concat(bytes1(uint8(48 + number % 10)), digits);
            number /= 10;
        }
        return string(digits);
    }
}
