// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PriceOracle} from "./PriceOracle.sol";

/// @title Lends dollars against ether
/// @notice A position holds ether and owes dollars, a unit that only this contract knows: borrowing makes them, repaying ends
/// them. A position whose ether is worth too little may be liquidated by anyone: ether for its debt and a penalty goes into
/// the reserve, from which holders of dollars can be paid.
/// At all times the vault holds the sum of all collateral and the reserve, and the dollars that there are equal the sum of
/// all debts and what was written off.
contract LendingVault {
    /// `collateral` in wei, `debt` in dollars with 18 decimals.
    struct Position {
        address owner;
        uint128 collateral;
        uint128 debt;
    }

    event Opened(uint256 indexed id, address indexed owner, uint256 collateral, uint256 debt);
    event Repaid(uint256 indexed id, uint256 amount, uint256 debt);
    event Withdrawn(uint256 indexed id, uint256 amount);
    /// A position lost `seized` wei and all its debt.
    event Liquidated(uint256 indexed id, uint256 price, uint256 seized, uint256 debt);
    event Redeemed(address indexed holder, uint256 dollars, uint256 amount);
    event Transfer(address indexed from, address indexed to, uint256 amount);

    error DebtTooSmall();
    error NotLiquidatable(uint256 id);
    error NotWrittenOff(uint256 available);
    error OnlyOwner();
    error TooLittleCollateral();
    error TransferFailed();

    /// Percent of its debt that a position's ether must be worth for its owner to borrow or to take ether out.
    uint256 public constant SAFE_PERCENT = 150;
    /// Percent below which it may be liquidated.
    uint256 public constant LEAST_PERCENT = 130;
    /// Percent of its debt that a liquidated position loses in ether, as far as it has that.
    uint256 public constant SEIZED_PERCENT = 110;

    /// Least debt of a position that has one: a liquidation must be worth its gas.
    uint256 public constant LEAST_DEBT = 100e18;

    PriceOracle public immutable oracle;

    Position[] public positions;
    /// Dollars of each account, with 18 decimals.
    mapping(address => uint256) public dollars;
    /// Wei out of liquidations, for those who redeem.
    uint256 public reserve;
    /// Dollars whose debt was liquidated and that were not redeemed yet.
    uint256 public writtenOff;

    constructor(PriceOracle oracle_) {
        oracle = oracle_;
    }

    /// @notice Opens a position with the value sent as collateral, and gives the caller the dollars.
    function open(uint128 debt) external payable returns (uint256 id) {
        if (debt < LEAST_DEBT) revert DebtTooSmall();
        Position memory position = Position(msg.sender, uint128(msg.value), debt);
        if (below(position, SAFE_PERCENT, oracle.price())) revert TooLittleCollateral();
        id = positions.length;
        positions.push(position);
        dollars[msg.sender] += debt;
        emit Opened(id, msg.sender, msg.value, debt);
    }

    /// @notice Pays all or a part of a position's debt, anybody's, out of the caller's dollars.
    function repay(uint256 id, uint128 amount) external {
        dollars[msg.sender] -= amount;
        uint128 debt = positions[id].debt - amount;
        if (debt != 0 && debt < LEAST_DEBT) revert DebtTooSmall();
        positions[id].debt = debt;
        emit Repaid(id, amount, debt);
    }

    /// @notice Pays collateral out to the position's owner, down to what is safe.
    function withdraw(uint256 id, uint128 amount) external {
        if (positions[id].owner != msg.sender) revert OnlyOwner();
        positions[id].collateral -= amount;
        if (below(positions[id], SAFE_PERCENT, oracle.price())) revert TooLittleCollateral();
        emit Withdrawn(id, amount);
        send(amount);
    }

    /// @notice Takes a position's debt and the ether for it, where that ether is worth too little. Anyone may call it.
    function liquidate(uint256 id) external {
        Position storage position = positions[id];
        (uint256 price, uint256 collateral, uint256 debt) = (oracle.price(), position.collateral, position.debt);
        if (!below(position, LEAST_PERCENT, price)) revert NotLiquidatable(id);
        // Rounded up: in favour of those who hold the dollars.
        uint256 seized = (debt * SEIZED_PERCENT * 1e18 + 100 * price - 1) / (100 * price);
        if (seized > collateral) seized = collateral;
        (position.collateral, position.debt) = (uint128(collateral - seized), 0);
        reserve += seized;
        writtenOff += debt;
        emit Liquidated(id, price, seized, debt);
    }

    /// @notice Ends dollars of the caller whose debt was written off, for ether out of the reserve at the oracle's price.
    function redeem(uint256 amount) external {
        if (amount > writtenOff) revert NotWrittenOff(writtenOff);
        dollars[msg.sender] -= amount;
        writtenOff -= amount;
        uint256 value = amount * 1e18 / oracle.price();
        reserve -= value;
        emit Redeemed(msg.sender, amount, value);
        send(value);
    }

    /// @notice Gives dollars of the caller to another account.
    function transfer(address to, uint256 amount) external {
        dollars[msg.sender] -= amount;
        dollars[to] += amount;
        emit Transfer(msg.sender, to, amount);
    }

    /// @notice How many positions there are; they are numbered from zero.
    function count() external view returns (uint256) {
        return positions.length;
    }

    /// @notice Whether a position's ether is worth so little that it may be liquidated.
    function isLiquidatable(uint256 id) external view returns (bool) {
        return below(positions[id], LEAST_PERCENT, oracle.price());
    }

    function below(Position memory position, uint256 percent, uint256 price) private pure returns (bool) {
        return uint256(position.collateral) * price * 100 < position.debt * percent * 1e18;
    }

    function send(uint256 amount) private {
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }
}
