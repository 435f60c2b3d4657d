// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AutoFunder} from "../examples/AutoFunder.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// The auto-funder, served as the keeper serves it: its own `checker` is asked, and what that answers is performed.
contract AutoFunderTest is RegistryTest {
    AutoFunder private funder;
    uint256 private id;
    address private constant POOR = address(0x9009);
    address private constant RICH = address(0x81c4);

    function setUp() public override {
        super.setUp();
        funder = new AutoFunder{value: 6 ether}(1 ether, 3 ether);
        bytes memory config = abi.encode(address(funder), abi.encodeCall(funder.checker, ()));
        id = register(address(funder), TriggerType.RESOLVER, config);
        registry.addFunds{value: 1 ether}(id, 1 ether);
        vm.deal(RICH, 1 ether);
        funder.watch(RICH);
        funder.watch(POOR);
    }

    function serve() private returns (bool needed) {
        bytes memory call;
        (needed, call) = funder.checker();
        if (needed) assertTrue(performBy(LANE, id, call), "what the resolver answers succeeds");
    }

    function test_fillsUpWhoHasTooLittle() public {
        assertTrue(serve(), "needed");
        assertEq(POOR.balance, 3 ether, "filled up");
        assertEq(RICH.balance, 1 ether, "left alone");
        assertTrue(!serve(), "not needed any more");
        vm.deal(RICH, 1 ether - 1);
        assertTrue(serve(), "needed again");
        assertEq(RICH.balance, 3 ether, "filled up, too");
    }

    function test_waitsWhereItHasTooLittleItself() public {
        vm.deal(address(funder), 3 ether - 1);
        assertTrue(!serve(), "nothing to give");
        vm.deal(address(funder), 3 ether);
        assertTrue(serve(), "enough");
    }

    function test_strangersCannotDrainIt() public {
        serve();
        vm.expectRevert(AutoFunder.NothingToDo.selector);
        funder.fund(1);
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(AutoFunder.OnlyOwner.selector);
        funder.watch(STRANGER);
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(AutoFunder.OnlyOwner.selector);
        funder.withdraw();
        funder.withdraw();
        assertEq(address(funder).balance, 0, "the owner has it back");
    }

    receive() external payable {}
}
