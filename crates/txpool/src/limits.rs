//! Every limit of the pool, in one place. Those that an operator may want to change are the defaults
//! of [`crate::PoolConfig`]; the others are part of the rules.

/// Most transactions in the pool.
pub const POOL_TRANSACTIONS: usize = 65_536;

/// Most bytes of encoded transactions in the pool, blobs and proofs included.
pub const POOL_BYTES: usize = 512 * 1024 * 1024;

/// Most transactions of one sender.
pub const ACCOUNT_TRANSACTIONS: usize = 16_384;

/// Most transactions of one sender behind a gap in its nonces.
pub const ACCOUNT_QUEUED: usize = 4_096;

/// Most transactions of a sender that is delegated (EIP-7702), and none behind a gap: whoever the
/// delegate lets act can spend its balance, and with it void all that waits.
pub const DELEGATED_ACCOUNT_TRANSACTIONS: usize = 16;

/// Most blob transactions in the pool.
pub const BLOB_TRANSACTIONS: usize = 256;

/// Most blob transactions of one sender.
pub const ACCOUNT_BLOB_TRANSACTIONS: usize = 16;

/// By how many percent both fees of a replacement must exceed those that it replaces.
pub const PRICE_BUMP_PERCENT: u64 = 10;

/// The same where one of the two is a blob transaction, for the blob fee too.
pub const BLOB_PRICE_BUMP_PERCENT: u64 = 100;

/// Largest encoded transaction (bytes) that carries no blobs.
pub const TRANSACTION_BYTES: usize = 128 * 1024;

/// Largest encoded blob transaction (bytes), its sidecar not counted.
pub const BLOB_TRANSACTION_BYTES: usize = 1024 * 1024;

/// Largest init code (bytes) since Shanghai (EIP-3860).
pub const INIT_CODE_BYTES: usize = 49_152;

/// Largest gas limit of a transaction since Osaka (EIP-7825): 2^24.
pub const TRANSACTION_GAS: u64 = 1 << 24;

/// Most blobs of one transaction since Osaka (EIP-7594).
pub const TRANSACTION_BLOBS: u64 = 6;

/// Largest fee (wei) of a transaction that the pool takes: 1 ether. It catches slips of the decimal
/// point.
pub const FEE_CAP_WEI: u128 = 1_000_000_000_000_000_000;

/// Announcements of pending transactions that a slow subscriber may fall behind before it loses some.
pub const ANNOUNCEMENTS: usize = 16_384;
