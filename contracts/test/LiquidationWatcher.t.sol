// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {LendingVault} from "../examples/LendingVault.sol";
import {LiquidationWatcher} from "../examples/LiquidationWatcher.sol";
import {PriceOracle} from "../examples/PriceOracle.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// The vault under a watcher that is served through a registry, and that no wei and no dollar comes or goes.
contract LiquidationWatcherTest is RegistryTest {
    PriceOracle private oracle;
    LendingVault private vault;
    LiquidationWatcher private watcher;
    uint256 private id;
    uint256 private constant BORROWERS = 5;

    function setUp() public override {
        super.setUp();
        oracle = new PriceOracle(2_000e18);
        vault = new LendingVault(oracle);
        watcher = new LiquidationWatcher(vault);
        id = registry.registerUpkeep(address(watcher), 1_000_000, ADMIN, TriggerType.CONDITION, range(0, 100), "", "");
        registry.addFunds{value: 10 ether}(id, 10 ether);
        for (uint256 index = 0; index < BORROWERS; ++index) {
            vm.deal(borrower(index), 1_000 ether);
        }
    }

    function range(uint256 from, uint256 to) private pure returns (bytes memory) {
        return abi.encode(from, to);
    }

    function borrower(uint256 index) private pure returns (address) {
        return address(uint160(0x40000 + index));
    }

    function open(uint256 index, uint256 collateral, uint128 debt) private returns (uint256) {
        vm.prank(borrower(index));
        return vault.open{value: collateral}(debt);
    }

    function serve() private returns (bool needed) {
        bytes memory data;
        (needed, data) = watcher.checkUpkeep(range(0, 100));
        if (needed) assertTrue(performBy(LANE, id, data), "a perform that is due succeeds");
    }

    function one(uint256 position) private pure returns (bytes memory) {
        uint256[] memory ids = new uint256[](1);
        ids[0] = position;
        return abi.encode(ids);
    }

    /// The vault holds what positions and the reserve add up to, and there are as many dollars as there are debts and losses.
    function assertSums() private view {
        (uint256 held, uint256 owed) = (vault.reserve(), vault.writtenOff());
        for (uint256 position = 0; position < vault.count(); ++position) {
            (, uint128 collateral, uint128 debt) = vault.positions(position);
            (held, owed) = (held + collateral, owed + debt);
        }
        assertEq(address(vault).balance, held, "ether");
        uint256 dollars;
        for (uint256 index = 0; index < BORROWERS; ++index) {
            dollars += vault.dollars(borrower(index));
        }
        assertEq(dollars, owed, "dollars");
    }

    function test_liquidatesWhatIsWorthTooLittle() public {
        open(0, 1 ether, 1_000e18);
        open(1, 2 ether, 1_000e18);
        oracle.setPrice(1_300e18);
        assertTrue(!serve(), "130 percent are enough");
        vm.expectRevert(abi.encodeWithSelector(LendingVault.NotLiquidatable.selector, 0));
        vault.liquidate(0);
        vm.expectRevert(LiquidationWatcher.NothingToLiquidate.selector);
        watcher.performUpkeep(one(0));
        oracle.setPrice(1_250e18);
        assertTrue(serve(), "125 are not");
        (, uint128 collateral, uint128 debt) = vault.positions(0);
        assertEq(collateral, 0.12 ether, "1,100 dollars' worth is gone");
        assertEq(debt, 0, "and so is the debt");
        assertEq(vault.reserve(), 0.88 ether, "reserve");
        (, collateral,) = vault.positions(1);
        assertEq(collateral, 2 ether, "the other is untouched");
        assertTrue(!serve(), "nothing left to do");
        vm.prank(borrower(0));
        vault.withdraw(0, 0.12 ether);
        assertSums();
    }

    function test_takesAllWhereThatIsTooLittle() public {
        open(0, 1 ether, 1_000e18);
        oracle.setPrice(500e18);
        serve();
        assertEq(vault.reserve(), 1 ether, "all of it");
        assertSums();
    }

    function test_leavesTheRestForTheNextBlock() public {
        for (uint256 position = 0; position < 23; ++position) {
            open(position % BORROWERS, 1 ether, 1_000e18);
        }
        oracle.setPrice(1_200e18);
        uint256 performs;
        while (serve()) ++performs;
        assertEq(performs, 3, "10, 10 and 3 positions");
        assertEq(vault.writtenOff(), 23_000e18, "all of them");
        assertSums();
    }

    function test_passesOverWhatWasRepaidInBetween() public {
        open(0, 1 ether, 1_000e18);
        open(1, 1 ether, 1_000e18);
        oracle.setPrice(1_200e18);
        (, bytes memory data) = watcher.checkUpkeep(range(0, 100));
        vm.prank(borrower(0));
        vault.repay(0, 500e18);
        assertTrue(performBy(LANE, id, data), "the other one is worth it");
        assertEq(vault.writtenOff(), 1_000e18, "only the other one");
        assertSums();
    }

    function test_redeemsWhatWasWrittenOff() public {
        open(0, 1 ether, 1_000e18);
        open(1, 9 ether, 1_000e18);
        oracle.setPrice(1_250e18);
        serve();
        vm.prank(borrower(0));
        vault.transfer(borrower(1), 1_000e18);
        vm.prank(borrower(1));
        vm.expectRevert(abi.encodeWithSelector(LendingVault.NotWrittenOff.selector, 1_000e18));
        vault.redeem(1_001e18);
        uint256 before = borrower(1).balance;
        vm.prank(borrower(1));
        vault.redeem(1_000e18);
        assertEq(borrower(1).balance - before, 0.8 ether, "at 1,250 dollars");
        assertEq(vault.reserve(), 0.08 ether, "the penalty stays");
        assertSums();
    }

    function test_refusesWhatIsNotSafe() public {
        vm.prank(borrower(0));
        vm.expectRevert(LendingVault.TooLittleCollateral.selector);
        vault.open{value: 0.75 ether - 1}(1_000e18);
        vm.prank(borrower(0));
        vm.expectRevert(LendingVault.DebtTooSmall.selector);
        vault.open{value: 1 ether}(100e18 - 1);
        open(0, 0.8 ether, 1_000e18);
        vm.prank(borrower(0));
        vm.expectRevert(LendingVault.TooLittleCollateral.selector);
        vault.withdraw(0, 0.05 ether + 1);
        vm.prank(STRANGER);
        vm.expectRevert(LendingVault.OnlyOwner.selector);
        vault.withdraw(0, 1);
        vm.prank(borrower(0));
        vm.expectRevert(LendingVault.DebtTooSmall.selector);
        vault.repay(0, 950e18);
        vm.prank(STRANGER);
        vm.expectRevert(PriceOracle.OnlyOwner.selector);
        oracle.setPrice(1);
        vm.expectRevert(PriceOracle.BadPrice.selector);
        oracle.setPrice(0);
        vm.expectRevert(abi.encodeWithSelector(LiquidationWatcher.RangeTooLong.selector, 1000));
        watcher.checkUpkeep(range(0, 1001));
    }

    /// A check of as many positions as an upkeep may have, all cold, with the last ones due.
    function test_aCheckOfTheLongestRangeFitsItsGas() public {
        for (uint256 position = 0; position < 1000; ++position) {
            open(position % BORROWERS, 1 ether, position < 990 ? 100e18 : 1_000e18);
        }
        oracle.setPrice(1_200e18);
        vm.cool(address(vault));
        vm.cool(address(oracle));
        vm.cool(address(watcher));
        uint256 before = gasleft();
        (bool needed, bytes memory data) = watcher.checkUpkeep(range(0, 1000));
        uint256 used = before - gasleft();
        assertTrue(needed && abi.decode(data, (uint256[])).length == 10, "finds the last ten");
        assertTrue(used > 4_000_000 && used < 9_000_000, string.concat("gas: ", text(used)));
    }

    /// Borrowing, repaying, prices, liquidations by the upkeep and by strangers, in any order: nothing comes or goes, and who
    /// has collateral for its debt keeps it.
    function testFuzz_noWeiAndNoDollarComesOrGoes(uint64[40] memory steps) public {
        for (uint256 step = 0; step < steps.length; ++step) {
            (uint256 what, uint256 index) = (steps[step] % 8, steps[step] / 8 % BORROWERS);
            uint256 number = steps[step] / 64;
            uint256 count = vault.count();
            if (what < 2 || count == 0) {
                uint128 debt = uint128(100e18 + number % 2_000e18);
                // From just enough to twice as much.
                uint256 least = (uint256(debt) * 150 * 1e18 + oracle.price() * 100 - 1) / (oracle.price() * 100);
                vm.deal(borrower(index), 2 * least);
                open(index, least + number % (least + 1), debt);
            } else if (what == 2) {
                oracle.setPrice(500e18 + number % 3_000e18);
            } else if (what == 3) {
                (,, uint128 debt) = vault.positions(number % count);
                if (vault.dollars(borrower(index)) < debt) continue;
                vm.prank(borrower(index));
                vault.repay(number % count, debt);
            } else if (what == 4) {
                (address owner, uint128 collateral, uint128 debt) = vault.positions(number % count);
                uint128 amount = uint128(number % (uint256(collateral) + 1));
                bool safe = (collateral - amount) * oracle.price() * 100 >= debt * uint256(150e18);
                vm.prank(owner);
                if (!safe) vm.expectRevert(LendingVault.TooLittleCollateral.selector);
                vault.withdraw(number % count, amount);
            } else if (what == 5) {
                liquidateOrNot(number % count);
            } else if (what == 6) {
                serve();
            } else {
                uint256 most = vault.dollars(borrower(index));
                if (most > vault.writtenOff()) most = vault.writtenOff();
                uint256 value = most * 1e18 / oracle.price();
                if (value > vault.reserve()) vm.expectRevert();
                vm.prank(borrower(index));
                vault.redeem(most);
            }
            assertSums();
        }
    }

    function liquidateOrNot(uint256 position) private {
        (, uint128 collateral, uint128 debt) = vault.positions(position);
        bool enough = collateral * oracle.price() * 100 >= debt * uint256(130e18);
        assertTrue(vault.isLiquidatable(position) != enough, "says so");
        if (enough) vm.expectRevert(abi.encodeWithSelector(LendingVault.NotLiquidatable.selector, position));
        vm.prank(STRANGER);
        vault.liquidate(position);
    }
}
