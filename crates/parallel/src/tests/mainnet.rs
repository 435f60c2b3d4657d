//! Ethereum mainnet blocks: the fixtures in `$PLASMA_FIXTURES/mainnet-blocks`.
