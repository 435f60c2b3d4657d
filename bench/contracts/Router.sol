// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

interface IPool {
    function mint(address recipient, int24 tickLower, int24 tickUpper, uint128 amount, bytes calldata data)
        external
        returns (uint256 amount0, uint256 amount1);

    function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1);
}

interface IToken {
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// @title The least that trades in Uniswap v3 pools on behalf of its callers
/// @notice A load for the executor. It trusts whoever calls it back, so nobody should allow it to draw anything of worth.
contract Router {
    /// Who pays, and in which tokens.
    struct Payment {
        address payer;
        address token0;
        address token1;
    }

    /// The ends of the prices that pools know.
    uint160 private constant MIN_SQRT_PRICE = 4295128740;
    uint160 private constant MAX_SQRT_PRICE = 1461446703485210103287273052203988822378723970341;

    error TooLittleReceived(uint256 received, uint256 wanted);
    error PaymentFailed(address token);

    /// @notice Pays `amountIn` of one token into a pool and has the other sent to the caller.
    function exactInput(
        address pool,
        address token0,
        address token1,
        bool zeroForOne,
        uint256 amountIn,
        uint256 amountOutMinimum
    ) external returns (uint256 amountOut) {
        (int256 amount0, int256 amount1) = IPool(pool).swap(
            msg.sender,
            zeroForOne,
            int256(amountIn),
            zeroForOne ? MIN_SQRT_PRICE : MAX_SQRT_PRICE,
            abi.encode(Payment(msg.sender, token0, token1))
        );
        amountOut = uint256(-(zeroForOne ? amount1 : amount0));
        if (amountOut < amountOutMinimum) revert TooLittleReceived(amountOut, amountOutMinimum);
    }

    /// @notice Adds liquidity between two ticks, paid by the caller.
    function mint(address pool, address token0, address token1, int24 tickLower, int24 tickUpper, uint128 liquidity)
        external
    {
        IPool(pool).mint(msg.sender, tickLower, tickUpper, liquidity, abi.encode(Payment(msg.sender, token0, token1)));
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        Payment memory payment = abi.decode(data, (Payment));
        if (amount0 > 0) pay(payment.token0, payment.payer, uint256(amount0));
        if (amount1 > 0) pay(payment.token1, payment.payer, uint256(amount1));
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata data) external {
        Payment memory payment = abi.decode(data, (Payment));
        if (amount0 > 0) pay(payment.token0, payment.payer, amount0);
        if (amount1 > 0) pay(payment.token1, payment.payer, amount1);
    }

    function pay(address token, address payer, uint256 value) private {
        if (!IToken(token).transferFrom(payer, msg.sender, value)) revert PaymentFailed(token);
    }
}
