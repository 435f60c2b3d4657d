// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A constant-product market between two tokens that it keeps the books of itself
/// @notice A load for the executor with several slots read and written per call. It is no exchange: anyone may draw.
contract Pool {
    event Swap(address indexed trader, uint256 paid, uint256 received, bool forward);

    error NothingReceived();

    /// Reserves of both tokens; slot 0, which the executor's benchmark sets.
    uint128 public reserve0;
    uint128 public reserve1;
    /// What each account holds of each token.
    mapping(address => uint256) public balance0;
    mapping(address => uint256) public balance1;
    /// Sums of prices times trades, as an oracle would keep them.
    uint256 public cumulativePrice;
    uint256 public trades;

    /// @notice Trades `paid` of one token for what the product of the reserves allows, less 0.3%.
    function swap(uint128 paid, bool forward) external returns (uint256 received) {
        (uint256 from, uint256 to) = forward ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 counted = uint256(paid) * 997;
        received = (counted * to) / (from * 1000 + counted);
        if (received == 0) revert NothingReceived();
        (uint256 newFrom, uint256 newTo) = (from + paid, to - received);
        (reserve0, reserve1) = forward ? (uint128(newFrom), uint128(newTo)) : (uint128(newTo), uint128(newFrom));
        unchecked {
            // Balances may wrap: who trades here holds as much as is wanted.
            if (forward) {
                balance0[msg.sender] -= paid;
                balance1[msg.sender] += received;
            } else {
                balance1[msg.sender] -= paid;
                balance0[msg.sender] += received;
            }
            cumulativePrice += (newTo << 96) / newFrom;
            ++trades;
        }
        emit Swap(msg.sender, paid, received, forward);
    }
}
