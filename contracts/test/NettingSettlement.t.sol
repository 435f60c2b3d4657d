// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {NettingSettlement} from "../examples/NettingSettlement.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// The clearing house, served through a registry, and that no wei comes or goes.
contract NettingSettlementTest is RegistryTest {
    NettingSettlement private house;
    uint256 private id;
    uint256 private constant MEMBERS = 7;
    uint32 private constant GAS = 500_000;

    function setUp() public override {
        super.setUp();
        house = new NettingSettlement(10 ether);
        id = registry.registerUpkeep(address(house), GAS, ADMIN, TriggerType.CONDITION, "", "", "");
        registry.addFunds{value: 10 ether}(id, 10 ether);
        for (uint256 index = 0; index < MEMBERS; ++index) {
            house.admit(member(index));
            vm.deal(member(index), 5 ether);
            vm.prank(member(index));
            house.deposit{value: 5 ether}();
        }
    }

    function member(uint256 index) private pure returns (address) {
        return address(uint160(0x30000 + index));
    }

    function owe(uint256 debtor, uint256 creditor, uint96 amount) private {
        vm.prank(member(debtor));
        house.owe(member(creditor), amount);
    }

    function depositOf(uint256 index) private view returns (int256 deposit) {
        (, deposit,) = house.members(member(index));
    }

    function positionOf(uint256 index) private view returns (int256 position) {
        (,, position) = house.members(member(index));
    }

    function serve() private returns (bool needed) {
        bytes memory data;
        (needed, data) = house.checkUpkeep("");
        if (needed) assertTrue(performBy(LANE, id, data), "a perform that is due succeeds");
    }

    function assertEq(int256 left, int256 right, string memory what) private pure {
        require(left == right, what);
    }

    function assertSums(uint256 held) private view {
        assertEq(address(house).balance, held, "ether held");
        (int256 deposits, int256 positions) = (0, 0);
        for (uint256 index = 0; index < MEMBERS; ++index) {
            (deposits, positions) = (deposits + depositOf(index), positions + positionOf(index));
            assertTrue(depositOf(index) + positionOf(index) >= 0, "every member is covered");
        }
        assertEq(deposits, int256(held), "deposits");
        assertEq(positions, 0, "positions");
    }

    function test_clearsOnceTheThresholdIsReached() public {
        owe(0, 1, 4 ether);
        owe(1, 0, 3 ether);
        owe(2, 1, 3 ether - 1);
        assertTrue(!serve(), "a wei is missing");
        vm.expectRevert(NettingSettlement.NothingToClear.selector);
        house.performUpkeep("");
        owe(2, 1, 1);
        assertEq(house.outstanding(), 10 ether, "gross");
        assertTrue(serve(), "due");
        assertEq(depositOf(0), 4 ether, "only the difference moved");
        assertEq(depositOf(1), 9 ether, "one from each");
        assertEq(depositOf(2), 2 ether, "it owed only");
        assertEq(house.outstanding(), 0, "all cleared");
        assertTrue(!serve(), "not due any more");
        assertSums(35 ether);
    }

    /// All 21 pairs of 7 members: three performs, of 10, 10 and 1 pairs.
    function test_goesOnInTheNextPerform() public {
        for (uint256 one = 0; one < MEMBERS; ++one) {
            for (uint256 other = one + 1; other < MEMBERS; ++other) {
                owe(other, one, 0.48 ether);
            }
        }
        assertTrue(serve(), "first");
        assertEq(uint256(house.first()), 10, "pairs of the first perform");
        assertSums(35 ether);
        assertTrue(serve(), "second, though what is left is below the threshold");
        // A debt that is noted during a round waits for the next one, unless its pair is still in line.
        owe(0, 1, 1);
        assertTrue(serve(), "third");
        assertEq(uint256(house.first()), 21, "pairs of all three");
        assertEq(house.outstanding(), 1, "left for the next round");
        assertTrue(!serve(), "the round is over");
        for (uint256 index = 0; index < MEMBERS; ++index) {
            assertEq(depositOf(index), 5 ether + 0.48 ether * (6 - 2 * int256(index)), "deposit");
        }
        assertSums(35 ether);
    }

    function test_claimsCoverDebts() public {
        owe(0, 1, 5 ether);
        vm.prank(member(0));
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotCovered.selector, 1));
        house.owe(member(2), 1);
        owe(1, 2, 10 ether);
        serve();
        assertEq(depositOf(0), 0, "paid all");
        assertEq(depositOf(1), 0, "passed on all that it got and had");
        assertEq(depositOf(2), 15 ether, "has it");
        assertSums(35 ether);
    }

    function test_moneyThatIsOwedStays() public {
        owe(0, 1, 3 ether);
        vm.prank(member(0));
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotCovered.selector, 1));
        house.withdraw(2 ether + 1);
        vm.prank(member(0));
        house.withdraw(2 ether);
        vm.prank(member(1));
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotCovered.selector, 1));
        house.withdraw(5 ether + 1);
        assertSums(33 ether);
    }

    function test_isForMembersOnly() public {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotAdmitted.selector, STRANGER));
        house.deposit{value: 1}();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotAdmitted.selector, STRANGER));
        house.owe(member(0), 1);
        vm.prank(member(0));
        vm.expectRevert(abi.encodeWithSelector(NettingSettlement.NotAdmitted.selector, STRANGER));
        house.owe(STRANGER, 1);
        vm.prank(STRANGER);
        vm.expectRevert(NettingSettlement.OnlyOwner.selector);
        house.admit(STRANGER);
        vm.prank(member(0));
        vm.expectRevert(NettingSettlement.OwesItself.selector);
        house.owe(member(0), 1);
        vm.prank(member(0));
        vm.expectRevert(NettingSettlement.ZeroAmount.selector);
        house.owe(member(1), 0);
        vm.expectRevert(NettingSettlement.ZeroAmount.selector);
        new NettingSettlement(0);
    }

    /// Debts, payments in, payments out and performs in any order: the money stays whole after each, everybody is covered,
    /// and in the end everybody has what all the debts, added up, leave it.
    function testFuzz_noWeiComesOrGoes(uint64[48] memory steps) public {
        int256[MEMBERS] memory worth;
        for (uint256 index = 0; index < MEMBERS; ++index) {
            worth[index] = 5 ether;
        }
        uint256 held = 35 ether;
        for (uint256 step = 0; step < steps.length; ++step) {
            (uint256 one, uint256 other) = (steps[step] % MEMBERS, steps[step] / 8 % MEMBERS);
            uint96 amount = uint96(steps[step] / 512 % 4 ether + 1);
            uint256 what = steps[step] / 64 % 8;
            if (what == 0) {
                vm.deal(member(one), amount);
                vm.prank(member(one));
                house.deposit{value: amount}();
                (worth[one], held) = (worth[one] + int256(uint256(amount)), held + amount);
            } else if (what == 1) {
                bool free = depositOf(one) >= int256(uint256(amount)) && worth[one] >= int256(uint256(amount));
                if (!free) vm.expectRevert();
                vm.prank(member(one));
                house.withdraw(amount);
                if (free) (worth[one], held) = (worth[one] - int256(uint256(amount)), held - amount);
            } else if (what == 2) {
                serve();
            } else if (one != other) {
                bool covered = worth[one] >= int256(uint256(amount));
                if (!covered) vm.expectRevert();
                owe(one, other, amount);
                if (covered) worth[one] -= int256(uint256(amount));
                if (covered) worth[other] += int256(uint256(amount));
            }
            assertSums(held);
        }
        // A last debt and its return reach the threshold, so that everything is cleared.
        vm.deal(member(0), 100 ether);
        vm.prank(member(0));
        house.deposit{value: 100 ether}();
        worth[0] += 100 ether;
        owe(0, 1, 10 ether);
        owe(1, 0, 10 ether);
        for (uint256 round = 0; round < 10 && serve(); ++round) {}
        assertTrue(house.first() == house.end() || house.outstanding() < house.threshold(), "served");
        for (uint256 index = 0; index < MEMBERS; ++index) {
            assertEq(depositOf(index) + positionOf(index), worth[index], "worth");
        }
        assertSums(held + 100 ether);
    }
}
