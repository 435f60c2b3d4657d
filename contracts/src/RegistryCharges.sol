// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IForwarder} from "./interfaces/IForwarder.sol";
import {Settings, Upkeep} from "./RegistryTypes.sol";
import {RegistryWords} from "./RegistryWords.sol";

/// @title What performs cost, and who is paid when
/// @dev A perform moves money in the upkeep's books alone. What it owes stays with the forwarder until a payment is worth its
/// gas, or the lane needs it: the forwarder holds the balance in the books and what is owed to the lanes.
abstract contract RegistryCharges is RegistryWords {
    /// Gas that the registry and the forwarder may need around the target's call, beside what grows with the data.
    uint256 internal constant PERFORM_PATH_GAS = 50_000;
    /// What a log trigger adds: its key is looked up, kept and told.
    uint256 internal constant LOG_PATH_GAS = 26_000;
    /// Calldata of a perform beside the perform data itself: selector, arguments, a trigger and padding.
    uint256 internal constant PERFORM_CALLDATA_HEAD = 400;
    /// Intrinsic gas of every transaction.
    uint256 internal constant INTRINSIC_GAS = 21_000;
    /// Gas per calldata token: a zero byte is one token, any other byte four (EIP-2028 in EIP-7623's words).
    uint256 internal constant GAS_PER_TOKEN = 4;
    /// What a transaction costs at least per calldata token (EIP-7623).
    uint256 internal constant FLOOR_GAS_PER_TOKEN = 10;
    /// Gas of a payment to a lane.
    uint256 internal constant PAYMENT_GAS = 7_747;
    /// A payment is made when so many performs' price is owed.
    uint256 internal constant PERFORMS_PER_PAYMENT = 32;
    /// A lane that cannot buy so much gas, four of the largest transactions, is paid at once.
    uint256 internal constant LANE_RESERVE_GAS = 4 << 24;

    /// @dev Most that one perform with `performGas` may cost at `gasPrice`: the largest perform data, no zero byte in it.
    function worstPayment(bool byLog, uint256 performGas, uint256 gasPrice) internal view returns (uint96) {
        Settings memory config = settings;
        uint256 tokens = 4 * (config.maxPerformDataSize + PERFORM_CALLDATA_HEAD);
        uint256 execution = performGas + PERFORM_PATH_GAS + 2 * uint256(config.maxPerformDataSize);
        if (byLog) execution += LOG_PATH_GAS;
        uint256 standard = config.flatGasOverhead + tokens * GAS_PER_TOKEN + execution;
        uint256 floor = INTRINSIC_GAS + tokens * FLOOR_GAS_PER_TOKEN;
        uint256 price = priceOf(standard > floor ? standard : floor, gasPrice, config.premiumPPB);
        // A call may name any gas price; no balance covers more than this.
        return price < type(uint96).max ? uint96(price) : type(uint96).max;
    }

    /// @dev Wei per gas that the views reckon with.
    function presentGasPrice() internal view returns (uint256 price) {
        price = tx.gasprice > block.basefee ? tx.gasprice : block.basefee;
        // A call without a price sees neither.
        if (price == 0) price = settings.fallbackGasPrice;
    }

    function priceOf(uint256 gasAmount, uint256 gasPrice, uint256 premiumPPB) internal pure returns (uint256) {
        return gasAmount * gasPrice * (PPB + premiumPPB) / PPB;
    }

    /// @dev Calldata tokens of this call, which is the whole transaction when a lane calls.
    function calldataTokens() internal pure returns (uint256) {
        uint256 nonZero;
        assembly ("memory-safe") {
            let low := 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f
            let high := 0x8080808080808080808080808080808080808080808080808080808080808080
            let even := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let end := calldatasize()
            for { let i := 0 } lt(i, end) {} {
                // How often each of 32 bytes was not zero. A byte counts up to 255, and so many words are taken at most.
                let counts := 0
                let until := add(i, 8064)
                if gt(until, end) { until := end }
                for {} lt(i, until) { i := add(i, 128) } {
                    // Past its end calldata reads as zeros, which are not counted. The top bit of each byte that is not zero:
                    let word := calldataload(i)
                    let marks := shr(7, and(or(add(and(word, low), low), word), high))
                    word := calldataload(add(i, 32))
                    marks := add(marks, shr(7, and(or(add(and(word, low), low), word), high)))
                    word := calldataload(add(i, 64))
                    marks := add(marks, shr(7, and(or(add(and(word, low), low), word), high)))
                    word := calldataload(add(i, 96))
                    counts := add(counts, add(marks, shr(7, and(or(add(and(word, low), low), word), high))))
                }
                // Summed up by twos, so that the sum of all fits.
                counts := add(and(counts, even), and(shr(8, counts), even))
                nonZero := add(nonZero, shr(240, mul(counts, 0x0001000100010001000100010001000100010001000100010001000100010001)))
            }
        }
        return msg.data.length + 3 * nonZero;
    }
}
