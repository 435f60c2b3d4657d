// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RegistryExtension} from "../src/RegistryExtension.sol";
import {LegacyConfig, LegacyState, TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// Answers checks as the test that made it says.
contract Answerer {
    enum Mode {
        No,
        Yes,
        Reverts,
        RevertsLong,
        Nothing,
        LongData,
        Writes,
        Environment
    }

    Mode public mode;
    uint256 public written;
    address private immutable REGISTRY;

    constructor(address registry) {
        REGISTRY = registry;
    }

    function set(Mode next) external {
        mode = next;
    }

    function checkUpkeep(bytes calldata data) external returns (bool, bytes memory) {
        return answer(data);
    }

    function checker(bytes calldata data) external returns (bool, bytes memory) {
        return answer(data);
    }

    function checkCallback(bytes[] calldata values, bytes calldata extraData)
        external
        view
        returns (bool, bytes memory)
    {
        require(mode != Mode.Reverts, "no");
        return (mode == Mode.Yes, bytes.concat(values[1], extraData));
    }

    function performUpkeep(bytes calldata) external {
        ++written;
    }

    function answer(bytes calldata data) private returns (bool, bytes memory) {
        if (mode == Mode.Reverts) revert("no");
        if (mode == Mode.RevertsLong) revert(string(new bytes(6_000)));
        if (mode == Mode.Nothing) assembly { return(0, 0) }
        if (mode == Mode.LongData) return (true, new bytes(5_001));
        if (mode == Mode.Writes) return (++written == 1, data);
        if (mode == Mode.Environment) {
            require(msg.sender == REGISTRY && tx.origin == address(0), "caller");
            require(gasleft() < 10_000_000 && gasleft() > 9_990_000, "gas");
            return (true, data);
        }
        return (mode == Mode.Yes, data);
    }
}

/// What tools simulate.
contract ToolsTest is RegistryTest {
    Answerer private target;
    /// The registry, as tools see it.
    RegistryExtension private tools;
    uint256 private id;

    function setUp() public override {
        super.setUp();
        tools = RegistryExtension(address(registry));
        target = new Answerer(address(registry));
        id = funded(address(target), 1 ether);
    }

    function check(uint256 which) private returns (bool needed, bytes memory data, uint8 reason) {
        uint256 gasLimit;
        uint256 gasPrice;
        uint256 linkNative;
        vm.prank(STRANGER, address(0));
        (needed, data, reason,, gasLimit, gasPrice, linkNative) = tools.checkUpkeep(which);
        assertEq(gasLimit, PERFORM_GAS, "gas limit");
        assertTrue(gasPrice > 0 && linkNative == 1 ether, "prices");
        assertTrue(needed == (reason == 0), "needed without a failure reason, and the other way round");
    }

    function reasonOf(uint256 which) private returns (uint8 reason) {
        (,, reason) = check(which);
    }

    function test_aCheckAnswersWhatTheTargetDoes() public {
        assertEq(reasonOf(id), 4, "not needed");
        target.set(Answerer.Mode.Yes);
        (bool needed, bytes memory data,) = check(id);
        assertTrue(needed, "needed");
        assertEq(data, hex"c0de", "the check data, as the target answers it");
        target.set(Answerer.Mode.Environment);
        assertEq(reasonOf(id), 0, "caller, origin and gas");
        target.set(Answerer.Mode.Writes);
        assertEq(reasonOf(id), 0, "a check may write");
    }

    function test_failuresHaveTheirNumbers() public {
        target.set(Answerer.Mode.Reverts);
        (, bytes memory data, uint8 reason) = check(id);
        assertEq(reason, 3, "reverted");
        assertEq(data, abi.encodeWithSignature("Error(string)", "no"), "with the target's reason");
        target.set(Answerer.Mode.Nothing);
        assertEq(reasonOf(id), 3, "no answer");
        target.set(Answerer.Mode.LongData);
        assertEq(reasonOf(id), 5, "perform data too long");
        target.set(Answerer.Mode.RevertsLong);
        assertEq(reasonOf(id), 8, "revert data too long");
        target.set(Answerer.Mode.Yes);
        uint256 poor = register(address(target), TriggerType.CONDITION, "");
        assertEq(reasonOf(poor), 6, "no money");
        vm.prank(ADMIN, ADMIN);
        registry.pauseUpkeep(id);
        assertEq(reasonOf(id), 2, "paused");
        vm.prank(ADMIN, ADMIN);
        registry.cancelUpkeep(id);
        assertEq(reasonOf(id), 1, "cancelled");
        vm.prank(OWNER, OWNER);
        registry.pause();
        assertEq(reasonOf(id), 9, "registry paused");
    }

    function test_resolversAreAsked() public {
        bytes memory call = abi.encodeCall(target.checker, (hex"beef"));
        uint256 resolved = register(address(probe), TriggerType.RESOLVER, abi.encode(address(target), call));
        registry.addFunds{value: 1 ether}(resolved, 1 ether);
        assertEq(reasonOf(resolved), 4, "not needed");
        target.set(Answerer.Mode.Environment);
        (, bytes memory data,) = check(resolved);
        assertEq(data, hex"beef", "the resolver's answer");
    }

    function test_intervalsOfBlocksCountFromTheLastPerform() public {
        uint256 every = register(address(probe), TriggerType.INTERVAL, abi.encode(5, 0));
        registry.addFunds{value: 1 ether}(every, 1 ether);
        vm.roll(104);
        assertEq(reasonOf(every), 4, "too early");
        vm.roll(105);
        assertEq(reasonOf(every), 0, "due");
        performBy(LANE, every, "");
        assertEq(reasonOf(every), 4, "just done");
        vm.roll(110);
        assertEq(reasonOf(every), 0, "due again");
    }

    function test_intervalsOfTimeFireOncePerPeriod() public {
        uint256 every = register(address(probe), TriggerType.INTERVAL, abi.encode(0, 2_500));
        registry.addFunds{value: 1 ether}(every, 1 ether);
        assertEq(reasonOf(every), 0, "due at once");
        performBy(LANE, every, "");
        vm.warp(1_700_000_001);
        assertEq(reasonOf(every), 4, "the same period");
        vm.warp(1_700_000_002);
        assertEq(reasonOf(every), 0, "2.5 s are over within this second");
        performBy(LANE, every, "");
        vm.warp(1_700_000_004);
        assertEq(reasonOf(every), 4, "the same period, still");
        vm.warp(1_700_000_005);
        assertEq(reasonOf(every), 0, "the next one");
    }

    function test_calendarsAreReadByTheNodeAlone() public {
        uint256 cron = register(address(probe), TriggerType.CRON, abi.encode("* * * * *"));
        registry.addFunds{value: 1 ether}(cron, 1 ether);
        vm.expectRevert(InvalidTriggerType.selector);
        vm.prank(STRANGER, address(0));
        tools.checkUpkeep(cron);
    }

    function test_callbacksAreReadAsChecks() public {
        bytes[] memory values = new bytes[](2);
        values[1] = hex"0102";
        target.set(Answerer.Mode.Yes);
        vm.prank(STRANGER, address(0));
        (bool needed, bytes memory data, uint8 reason,) = tools.checkCallback(id, values, hex"03");
        assertTrue(needed && reason == 0, "needed");
        assertEq(data, hex"010203", "values and extra data");
        target.set(Answerer.Mode.Reverts);
        vm.prank(STRANGER, address(0));
        (,, reason,) = tools.checkCallback(id, values, "");
        assertEq(reason, 7, "reverted");
    }

    function test_aSimulatedPerformCallsTheTargetAndChargesNobody() public {
        vm.prank(STRANGER, address(0));
        (bool success, uint256 gasUsed) = tools.simulatePerformUpkeep(id, hex"01");
        assertTrue(success && gasUsed > 2_000 && gasUsed < PERFORM_GAS, "performed");
        assertEq(target.written(), 1, "called");
        assertEq(registry.getBalance(id), 1 ether, "not charged");
        vm.expectRevert(UpkeepCancelled.selector);
        vm.prank(STRANGER, address(0));
        tools.simulatePerformUpkeep(id + 1, "");
    }

    function test_transactionsMayNotSimulate() public {
        vm.expectRevert(OnlySimulatedBackend.selector);
        tools.checkUpkeep(id);
        vm.expectRevert(OnlySimulatedBackend.selector);
        tools.checkUpkeep(id, "");
        vm.expectRevert(OnlySimulatedBackend.selector);
        tools.simulatePerformUpkeep(id, "");
        vm.expectRevert(OnlySimulatedBackend.selector);
        tools.executeCallback(id, "");
        vm.expectRevert(OnlySimulatedBackend.selector);
        tools.checkCallback(id, new bytes[](0), "");
    }

    function test_whatNobodyKnowsIsRefused() public {
        (bool success,) = address(registry).call(hex"deadbeef");
        assertTrue(!success, "unknown selector");
        (success,) = address(registry).call("");
        assertTrue(!success, "no selector");
        (success,) = address(registry).call{value: 1}(abi.encodeCall(tools.getState, ()));
        assertTrue(!success, "money");
    }

    function test_theExtensionByItselfIsEmpty() public {
        RegistryExtension alone = new RegistryExtension(token);
        assertEq(alone.owner(), address(0), "owner");
        vm.expectRevert("Must be proposed owner");
        alone.acceptOwnership();
        vm.expectRevert("Only callable by owner");
        alone.transferOwnership(LANE);
    }

    function test_stateAndConfigurationAreTold() public {
        (LegacyState memory state, LegacyConfig memory config,, address[] memory transmitters, uint8 f) =
            tools.getState();
        assertEq(state.nonce, 1, "registrations");
        assertEq(state.numUpkeeps, 1, "upkeeps");
        assertTrue(!state.paused, "not paused");
        assertEq(config.paymentPremiumPPB, 200_000_000, "premium");
        assertEq(config.checkGasLimit, 10_000_000, "check gas");
        assertEq(config.maxPerformGas, 5_000_000, "perform gas");
        assertEq(config.maxCheckDataSize + config.maxPerformDataSize + config.maxRevertDataSize, 15_000, "sizes");
        assertEq(transmitters.length + f, 0, "no oracles");
        vm.prank(OWNER, OWNER);
        registry.pause();
        (state,,,,) = tools.getState();
        assertTrue(state.paused, "paused");
    }
}
