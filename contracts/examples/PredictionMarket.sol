// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IUpkeepTarget} from "../src/interfaces/IUpkeepTarget.sol";

/// @title A market on one yes-or-no question that settles itself
/// @notice Bets are taken until `closing`. The oracle reports between `closing` and `deadline`, and its last report counts.
/// In the first block at or after `deadline` a conditional upkeep settles: whoever was right shares everything in
/// proportion to what they bet. Without a report, or where nobody was right, everybody gets their bets back.
contract PredictionMarket is IUpkeepTarget {
    /// What became of the market. `Open` until it is settled.
    enum Outcome {
        Open,
        Yes,
        No,
        Void
    }

    /// What one player bet on either side, in wei.
    struct Stake {
        uint128 yes;
        uint128 no;
    }

    /// A player bet on a side.
    event BetPlaced(address indexed player, bool yes, uint256 amount);
    /// The oracle reported, or corrected itself.
    event Reported(bool yes);
    /// The market was settled.
    event Settled(Outcome outcome, uint256 yesPool, uint256 noPool);
    /// A player was paid.
    event Claimed(address indexed player, uint256 amount);

    error BadTimes();
    error BettingClosed();
    error NothingToClaim();
    error NotReportable();
    error NotSettled();
    error OnlyOracle();
    error NotDue();
    error TransferFailed();
    error ZeroAmount();

    /// Who reports the result.
    address public immutable oracle;
    /// Second since 1970 from which on no bets are taken and the oracle may report.
    uint256 public immutable closing;
    /// Second since 1970 from which on the market is settled and reports are refused.
    uint256 public immutable deadline;

    /// What became of the market.
    Outcome public outcome;
    /// What the oracle reported last; `Open` where it has not.
    Outcome public reported;

    /// Wei bet on either side.
    uint128 public yesPool;
    uint128 public noPool;
    /// Once settled: wei that are still to be paid out, and the stakes that share them.
    uint128 public unpaid;
    uint128 public unclaimedStakes;

    /// What each player bet and has not claimed yet.
    mapping(address => Stake) public stakes;

    constructor(address oracle_, uint256 closing_, uint256 deadline_) {
        if (closing_ <= block.timestamp || deadline_ <= closing_) revert BadTimes();
        oracle = oracle_;
        closing = closing_;
        deadline = deadline_;
    }

    /// @notice Bets the value sent on a side.
    function bet(bool yes) external payable {
        if (block.timestamp >= closing) revert BettingClosed();
        if (msg.value == 0) revert ZeroAmount();
        // All ether there is fits into 128 bits.
        uint128 amount = uint128(msg.value);
        if (yes) {
            stakes[msg.sender].yes += amount;
            yesPool += amount;
        } else {
            stakes[msg.sender].no += amount;
            noPool += amount;
        }
        emit BetPlaced(msg.sender, yes, amount);
    }

    /// @notice Tells the result, and again where it was told wrongly. For the oracle, from `closing` until `deadline`.
    function report(bool yes) external {
        if (msg.sender != oracle) revert OnlyOracle();
        if (block.timestamp < closing || block.timestamp >= deadline) revert NotReportable();
        reported = yes ? Outcome.Yes : Outcome.No;
        emit Reported(yes);
    }

    /// @inheritdoc IUpkeepTarget
    function checkUpkeep(bytes calldata) external view returns (bool upkeepNeeded, bytes memory performData) {
        return (due(), "");
    }

    /// @inheritdoc IUpkeepTarget
    /// @dev Anyone may call it: when it succeeds and what it decides follows from the state and the clock alone.
    function performUpkeep(bytes calldata) external {
        if (!due()) revert NotDue();
        (uint128 yes, uint128 no, Outcome result) = (yesPool, noPool, reported);
        uint128 winning = result == Outcome.Yes ? yes : no;
        if (result == Outcome.Open || winning == 0) (result, winning) = (Outcome.Void, yes + no);
        outcome = result;
        unpaid = yes + no;
        unclaimedStakes = winning;
        emit Settled(result, yes, no);
    }

    /// @notice Pays the caller what it won, or its bets back where the market is void.
    function claim() external {
        if (outcome == Outcome.Open) revert NotSettled();
        uint128 stake = countedStake(msg.sender);
        if (stake == 0) revert NothingToClaim();
        // A share of what is left rather than of the whole: what rounding down keeps back falls to those who come later, and
        // the last takes all the rest, so that no wei stays behind.
        uint128 amount = uint128(uint256(stake) * unpaid / unclaimedStakes);
        delete stakes[msg.sender];
        unpaid -= amount;
        unclaimedStakes -= stake;
        emit Claimed(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }

    /// The part of a player's bets that shares what is paid out.
    function countedStake(address player) private view returns (uint128) {
        Stake memory stake = stakes[player];
        if (outcome == Outcome.Void) return stake.yes + stake.no;
        return outcome == Outcome.Yes ? stake.yes : stake.no;
    }

    /// The clock comes last: once settled, a check does not look at it, and the keeper need not check again.
    function due() private view returns (bool) {
        return outcome == Outcome.Open && block.timestamp >= deadline;
    }
}
