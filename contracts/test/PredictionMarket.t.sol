// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PredictionMarket} from "../examples/PredictionMarket.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// The market, settled through a registry as the keeper does it, and what it pays to whom.
contract PredictionMarketTest is RegistryTest {
    PredictionMarket private market;
    uint256 private id;
    uint256 private closing;
    uint256 private deadline;
    address private constant ORACLE = address(0x04AC1E);

    function setUp() public override {
        super.setUp();
        (closing, deadline) = (block.timestamp + 100, block.timestamp + 200);
        market = new PredictionMarket(ORACLE, closing, deadline);
        id = register(address(market), TriggerType.CONDITION, "");
        registry.addFunds{value: 1 ether}(id, 1 ether);
    }

    function player(uint256 index) private pure returns (address) {
        return address(uint160(0x10000 + index));
    }

    function bet(uint256 index, bool yes, uint256 amount) private {
        vm.deal(player(index), amount);
        vm.prank(player(index));
        market.bet{value: amount}(yes);
    }

    function report(bool yes) private {
        vm.warp(closing);
        vm.prank(ORACLE);
        market.report(yes);
    }

    function serve() private returns (bool needed) {
        bytes memory data;
        (needed, data) = market.checkUpkeep("");
        if (needed) assertTrue(performBy(LANE, id, data), "a perform that is due succeeds");
    }

    function claim(uint256 index) private returns (uint256 paid) {
        uint256 before = player(index).balance;
        vm.prank(player(index));
        market.claim();
        return player(index).balance - before;
    }

    function assertOutcome(PredictionMarket.Outcome outcome) private view {
        assertEq(uint256(market.outcome()), uint256(outcome), "outcome");
    }

    function test_settlesAtItsDeadlineAndNotBefore() public {
        bet(0, true, 3 ether);
        bet(1, false, 1 ether);
        report(true);
        vm.warp(deadline - 1);
        assertTrue(!serve(), "not due before");
        vm.prank(STRANGER);
        vm.expectRevert(PredictionMarket.NotDue.selector);
        market.performUpkeep("");
        vm.warp(deadline);
        assertTrue(serve(), "due");
        assertOutcome(PredictionMarket.Outcome.Yes);
        assertTrue(!serve(), "not due any more");
        vm.expectRevert(PredictionMarket.NotDue.selector);
        market.performUpkeep("");
        assertEq(claim(0), 4 ether, "all of it");
        vm.prank(player(1));
        vm.expectRevert(PredictionMarket.NothingToClaim.selector);
        market.claim();
        vm.prank(player(0));
        vm.expectRevert(PredictionMarket.NothingToClaim.selector);
        market.claim();
    }

    function test_theLastReportCounts() public {
        bet(0, true, 1 ether);
        bet(1, false, 1 ether);
        report(true);
        report(false);
        vm.warp(deadline);
        vm.prank(ORACLE);
        vm.expectRevert(PredictionMarket.NotReportable.selector);
        market.report(true);
        serve();
        assertOutcome(PredictionMarket.Outcome.No);
        assertEq(claim(1), 2 ether, "who was right after all");
    }

    function test_isVoidWithoutAReport() public {
        bet(0, true, 3 ether);
        bet(0, false, 2 ether);
        bet(1, false, 1 ether);
        vm.warp(deadline + 50);
        serve();
        assertOutcome(PredictionMarket.Outcome.Void);
        assertEq(claim(0), 5 ether, "both bets");
        assertEq(claim(1), 1 ether, "its bet");
        assertEq(address(market).balance, 0, "nothing stays");
    }

    function test_isVoidWhereNobodyWasRight() public {
        bet(0, true, 3 ether);
        report(false);
        vm.warp(deadline);
        serve();
        assertOutcome(PredictionMarket.Outcome.Void);
        assertEq(claim(0), 3 ether, "its bet");
    }

    function test_takesNothingOutOfTime() public {
        vm.expectRevert(PredictionMarket.ZeroAmount.selector);
        market.bet(true);
        vm.prank(ORACLE);
        vm.expectRevert(PredictionMarket.NotReportable.selector);
        market.report(true);
        vm.expectRevert(PredictionMarket.NotSettled.selector);
        market.claim();
        vm.warp(closing);
        vm.expectRevert(PredictionMarket.BettingClosed.selector);
        market.bet{value: 1}(true);
        vm.expectRevert(PredictionMarket.OnlyOracle.selector);
        market.report(true);
        vm.expectRevert(PredictionMarket.BadTimes.selector);
        new PredictionMarket(ORACLE, closing, deadline);
        vm.expectRevert(PredictionMarket.BadTimes.selector);
        new PredictionMarket(ORACLE, closing + 1, closing + 1);
    }

    /// Once settled, a check reads one slot and not the clock: it answers the same at any time.
    function test_aSettledMarketReadsOneSlot() public {
        vm.warp(deadline);
        serve();
        vm.record();
        market.checkUpkeep("");
        (bytes32[] memory reads,) = vm.accesses(address(market));
        assertEq(reads.length, 1, "slots");
    }

    /// Whatever is bet and reported, all of it is paid out, in whatever order players come, and nobody gets less than its
    /// share rounded down.
    function testFuzz_paysOutExactlyWhatWasBet(uint96[7] memory yes, uint96[7] memory no, uint8 reported, uint256 order)
        public
    {
        uint256 yesPool;
        uint256 noPool;
        for (uint256 index = 0; index < yes.length; ++index) {
            if (yes[index] > 0) bet(index, true, yes[index]);
            if (no[index] > 0) bet(index, false, no[index]);
            (yesPool, noPool) = (yesPool + yes[index], noPool + no[index]);
        }
        if (reported % 3 > 0) report(reported % 3 == 1);
        vm.warp(deadline);
        serve();
        uint256 paid;
        for (uint256 turn = 0; turn < yes.length; ++turn) {
            uint256 index = (order % yes.length + turn * (1 + order / 7 % 6)) % yes.length;
            PredictionMarket.Outcome outcome = market.outcome();
            uint256 least;
            if (outcome == PredictionMarket.Outcome.Void) least = uint256(yes[index]) + no[index];
            else if (outcome == PredictionMarket.Outcome.Yes) least = yes[index] * (yesPool + noPool) / yesPool;
            else least = no[index] * (yesPool + noPool) / noPool;
            if (least == 0) {
                vm.prank(player(index));
                vm.expectRevert(PredictionMarket.NothingToClaim.selector);
                market.claim();
                continue;
            }
            uint256 got = claim(index);
            assertTrue(got >= least, "at least its share");
            assertTrue(got < least + yes.length, "and at most a few wei of others' fractions more");
            paid += got;
        }
        assertEq(paid, yesPool + noPool, "paid out");
        assertEq(address(market).balance, 0, "left");
    }
}
