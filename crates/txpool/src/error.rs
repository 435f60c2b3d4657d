//! Why the pool refused a transaction, in geth's words.

use alloy_consensus::crypto::RecoveryError;
use alloy_primitives::{Address, U256};
use plasma_storage::StorageError;
use thiserror::Error;

/// JSON-RPC code of a refused transaction, as geth answers it.
const SERVER_ERROR: i32 = -32000;

/// JSON-RPC code of a failure that is not the transaction's.
const INTERNAL_ERROR: i32 = -32603;

/// Why the pool refused a transaction. The texts are those of go-ethereum, on which wallets and
/// libraries match.
#[derive(Clone, Debug, Error)]
pub enum PoolError {
    /// The bytes are no transaction.
    #[error("rlp: {0}")]
    Decode(String),
    /// There are fewer bytes than any typed transaction has.
    #[error("typed transaction too short")]
    TooShort,
    /// The type is unknown, or not active yet on this chain.
    #[error("transaction type not supported{0}")]
    TypeNotSupported(String),
    /// The same transaction waits already.
    #[error("already known")]
    AlreadyKnown,
    /// The signature belongs to nobody.
    #[error("invalid sender: invalid transaction v, r, s values")]
    InvalidSignature,
    /// The transaction is signed for another chain.
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// Chain id of the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// The signature names no chain (EIP-155), and the node takes only those that do.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// Gas limit times price is beyond the configured cap.
    #[error("tx fee ({} ether) exceeds the configured cap ({} ether)", ether(.fee), ether(.cap))]
    FeeCapExceeded {
        /// Largest fee that the transaction allows, in wei.
        fee: U256,
        /// The cap, in wei.
        cap: U256,
    },
    /// The encoded transaction is too large.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Encoded size in bytes, without a blob sidecar.
        size: usize,
        /// Largest size in bytes.
        limit: usize,
    },
    /// The init code is too large (EIP-3860).
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Size in bytes.
        size: usize,
        /// Largest size in bytes.
        limit: usize,
    },
    /// The gas limit is beyond what one transaction may have (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// The cap.
        cap: u64,
        /// The transaction's gas limit.
        gas: u64,
    },
    /// The gas limit is beyond the block's.
    #[error("exceeds block gas limit")]
    BlockGasLimit,
    /// The tip is larger than the whole fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The nonce is 2^64-1, which no account can pass (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The gas limit does not even pay for the transaction's own data.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// What it needs at least.
        needed: u64,
    },
    /// The gas limit is below the floor for its data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// The transaction's gas limit.
        gas: u64,
        /// What it needs at least.
        needed: u64,
    },
    /// The tip is below the pool's minimum.
    #[error("transaction gas price below minimum: gas tip cap {tip}, minimum needed {minimum}")]
    TipBelowMinimum {
        /// The transaction's priority fee per gas, in wei.
        tip: u128,
        /// The pool's minimum, in wei.
        minimum: u128,
    },
    /// The fee cap is below the next block's base fee.
    #[error(
        "max fee per gas less than block base fee: address {address}, maxFeePerGas: {fee}, baseFee: {base_fee}"
    )]
    FeeBelowBaseFee {
        /// The sender.
        address: Address,
        /// The transaction's fee cap per gas, in wei.
        fee: u128,
        /// The base fee, in wei.
        base_fee: u64,
    },
    /// The blob fee cap is below one wei.
    #[error("transaction gas price below minimum: blob fee cap {fee}, minimum needed {minimum}")]
    BlobFeeBelowMinimum {
        /// The transaction's fee cap per blob gas, in wei.
        fee: u128,
        /// The least blob fee, in wei.
        minimum: u128,
    },
    /// The blob fee cap is below the next block's blob base fee.
    #[error(
        "max fee per blob gas less than block blob gas fee: address {address} blobGasFeeCap: {fee}, blobBaseFee: {base_fee}"
    )]
    BlobFeeBelowBaseFee {
        /// The sender.
        address: Address,
        /// The transaction's fee cap per blob gas, in wei.
        fee: u128,
        /// The blob base fee, in wei.
        base_fee: u128,
    },
    /// A set-code transaction authorises nothing (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    /// A blob transaction came without its blobs.
    #[error("missing sidecar in blob transaction")]
    MissingSidecar,
    /// A blob transaction has no blobs.
    #[error("blobless blob transaction")]
    NoBlobs,
    /// A blob transaction has more blobs than one may have.
    #[error("transaction blob limit exceeded: blob count {count}, limit {limit}")]
    TooManyBlobs {
        /// Blobs of the transaction.
        count: u64,
        /// Most blobs of a transaction.
        limit: u64,
    },
    /// The sidecar has the other fork's proofs (EIP-4844 before Osaka, EIP-7594 since).
    #[error("unexpected sidecar version, want: {want}, got: {got}")]
    SidecarVersion {
        /// The version that the fork demands: 0 blob proofs, 1 cell proofs.
        want: u8,
        /// The version that came.
        got: u8,
    },
    /// The sidecar has more or fewer blobs than the transaction names.
    #[error("invalid number of {blobs} blobs compared to {hashes} blob hashes")]
    BlobCount {
        /// Blobs in the sidecar.
        blobs: usize,
        /// Hashes in the transaction.
        hashes: usize,
    },
    /// The proofs do not prove the blobs, or the commitments are not those of the transaction.
    #[error("invalid blob sidecar: {0}")]
    InvalidSidecar(String),
    /// The nonce was used already.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// The transaction's nonce.
        nonce: u64,
    },
    /// The balance does not cover the transaction.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}", .cost.saturating_sub(*.balance))]
    InsufficientFunds {
        /// The sender's balance, in wei.
        balance: U256,
        /// The most that the transaction can cost, in wei.
        cost: U256,
    },
    /// The balance does not cover the transaction beside the sender's others in the pool.
    #[error("insufficient funds for gas * price + value: {0}")]
    InsufficientFundsForAll(Box<Overdraft>),
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {address}, len(code): {code_length}")]
    SenderIsContract {
        /// The sender.
        address: Address,
        /// Length of its code in bytes.
        code_length: usize,
    },
    /// A transaction with the same sender and nonce waits, and this one does not pay enough more.
    #[error("replacement transaction underpriced{0}")]
    ReplacementUnderpriced(String),
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: pooled {pooled} txs")]
    AccountLimit {
        /// How many it has.
        pooled: usize,
    },
    /// A delegated sender has too many transactions in the pool (EIP-7702).
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedLimit,
    /// A delegated sender may not leave a gap in its nonces (EIP-7702).
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    /// The pool is full of transactions that pay more.
    #[error("transaction underpriced")]
    Underpriced,
    /// The pool is full, and a transaction that cannot run yet may not push out one that can.
    #[error("future transaction tries to replace pending")]
    FutureReplacesPending,
    /// The pool is full and nothing in it may be dropped for this transaction.
    #[error("txpool is full")]
    Full,
    /// State could not be read.
    #[error("the state could not be read: {0}")]
    State(#[from] StorageError),
}

/// How a transaction and the sender's others in the pool go beyond the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("balance {balance}, queued cost {queued}, tx {} {added}, overshot {overshot}", if *.replaces { "bumped" } else { "cost" })]
pub struct Overdraft {
    /// The sender's balance, in wei.
    pub balance: U256,
    /// The most that the sender's pooled transactions can cost, in wei.
    pub queued: U256,
    /// What this one adds to that, in wei.
    pub added: U256,
    /// By how much that is too much, in wei.
    pub overshot: U256,
    /// It replaces one of them.
    pub replaces: bool,
}

impl PoolError {
    /// JSON-RPC error code: -32000, as geth; -32603 where the node itself failed.
    pub fn code(&self) -> i32 {
        match self {
            Self::State(_) => INTERNAL_ERROR,
            _ => SERVER_ERROR,
        }
    }
}

impl From<RecoveryError> for PoolError {
    fn from(_: RecoveryError) -> Self {
        Self::InvalidSignature
    }
}

/// Wei as ether with two digits after the point, rounded, as geth prints fees.
fn ether(wei: &U256) -> String {
    let hundredth = U256::from(10u64).pow(U256::from(16u64));
    let hundredths = wei.saturating_add(hundredth / U256::from(2u64)) / hundredth;
    let (whole, rest) = hundredths.div_rem(U256::from(100u64));
    format!("{whole}.{rest:0>2}")
}
