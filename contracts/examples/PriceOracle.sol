// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A price that one account sets
/// @notice As small as an oracle can be: enough to show how a change of its slot wakes the upkeeps that read it.
contract PriceOracle {
    /// The price has changed.
    event PriceSet(uint256 price);

    error OnlyOwner();
    error BadPrice();

    /// Who sets the price.
    address public immutable owner;
    /// Dollars for one ether, with 18 decimals. Never zero.
    uint256 public price;

    constructor(uint256 price_) {
        owner = msg.sender;
        set(price_);
    }

    /// @notice Sets the price. For the owner.
    function setPrice(uint256 price_) external {
        if (msg.sender != owner) revert OnlyOwner();
        set(price_);
    }

    function set(uint256 price_) private {
        // Above 128 bits the vault's products could overflow.
        if (price_ == 0 || price_ > type(uint128).max) revert BadPrice();
        price = price_;
        emit PriceSet(price_);
    }
}
