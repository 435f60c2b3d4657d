//! The rules that a transaction must meet whatever else waits in the pool, in geth's order.

use crate::{
    PoolConfig, PoolError, PoolHead, PoolTransaction,
    blobs::{check_sidecar, most_blobs},
    intrinsic::{floor_data_gas, intrinsic_gas},
    limits::{BLOB_TRANSACTION_BYTES, INIT_CODE_BYTES, TRANSACTION_BYTES, TRANSACTION_GAS},
};
use alloy_consensus::{Transaction as _, TxType};
use alloy_eips::{Encodable2718, eip7702::constants::EIP7702_DELEGATION_DESIGNATOR};
use alloy_primitives::{B256, Bytes, U256};
use plasma_chainspec::{ChainSpec, EthereumHardfork};
use plasma_storage::{Account, StateReader};

/// Length of the code of a delegated account: designator and address (EIP-7702).
const DELEGATION_LENGTH: usize = 23;

/// Checks everything that needs no state.
pub(crate) fn check_transaction(
    pooled: &PoolTransaction,
    head: &PoolHead,
    spec: &ChainSpec,
    config: &PoolConfig,
) -> Result<(), PoolError> {
    let transaction = &pooled.transaction;
    let fork = spec.fork_at(head.number, head.timestamp);
    check_submission(pooled, config)?;

    let blobs = pooled.blob_count();
    let block_blobs = spec.blob_params_at(head.timestamp).map_or(0, |params| params.max_blob_count);
    let limit = most_blobs(fork, block_blobs);
    if transaction.is_eip4844() && fork >= EthereumHardfork::Cancun && blobs > limit {
        return Err(PoolError::TooManyBlobs { count: blobs, limit });
    }
    let (size, limit) = if transaction.is_eip4844() {
        (transaction.encode_2718_len(), BLOB_TRANSACTION_BYTES)
    } else {
        (pooled.encoded_length, TRANSACTION_BYTES)
    };
    if size > limit {
        return Err(PoolError::Oversized { size, limit });
    }
    check_type(transaction.tx_type(), fork)?;
    if fork >= EthereumHardfork::Shanghai
        && transaction.is_create()
        && transaction.input().len() > INIT_CODE_BYTES
    {
        let size = transaction.input().len();
        return Err(PoolError::InitCodeSize { size, limit: INIT_CODE_BYTES });
    }
    let gas = transaction.gas_limit();
    if fork >= EthereumHardfork::Osaka && gas > TRANSACTION_GAS {
        return Err(PoolError::GasLimitTooHigh { cap: TRANSACTION_GAS, gas });
    }
    if gas > head.gas_limit {
        return Err(PoolError::BlockGasLimit);
    }
    if pooled.tip_cap() > transaction.max_fee_per_gas() {
        return Err(PoolError::TipAboveFeeCap);
    }
    // Before EIP-155 a `v` that names a chain is no signature at all.
    if transaction.chain_id().is_some() && fork < EthereumHardfork::SpuriousDragon {
        return Err(PoolError::InvalidSignature);
    }
    if let Some(have) = transaction.chain_id()
        && have != spec.chain_id()
    {
        return Err(PoolError::ChainId { have, want: spec.chain_id() });
    }
    if transaction.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    let needed = intrinsic_gas(transaction, fork);
    if gas < needed {
        return Err(PoolError::IntrinsicGas { gas, needed });
    }
    let floor = floor_data_gas(transaction.input());
    if fork >= EthereumHardfork::Prague && gas < floor {
        return Err(PoolError::FloorDataGas { gas, needed: floor });
    }
    check_fees(pooled, head, config)?;
    if transaction.is_eip4844() {
        check_sidecar(pooled, fork)?;
    }
    if transaction.is_eip7702() && transaction.authorization_count() == Some(0) {
        return Err(PoolError::NoAuthorizations);
    }
    Ok(())
}

/// What geth checks before a transaction reaches its pool.
fn check_submission(pooled: &PoolTransaction, config: &PoolConfig) -> Result<(), PoolError> {
    if let Some(cap) = config.fee_cap {
        let cap = U256::from(cap);
        let fee = U256::from(pooled.transaction.gas_limit())
            * U256::from(pooled.transaction.max_fee_per_gas());
        if fee > cap {
            return Err(PoolError::FeeCapExceeded { fee, cap });
        }
    }
    let unprotected = pooled.signed && pooled.transaction.chain_id().is_none();
    if unprotected && !config.allow_unprotected {
        return Err(PoolError::Unprotected);
    }
    Ok(())
}

fn check_type(kind: TxType, fork: EthereumHardfork) -> Result<(), PoolError> {
    let needed = match kind {
        TxType::Legacy => return Ok(()),
        TxType::Eip2930 => EthereumHardfork::Berlin,
        TxType::Eip1559 => EthereumHardfork::London,
        TxType::Eip4844 => EthereumHardfork::Cancun,
        TxType::Eip7702 => EthereumHardfork::Prague,
    };
    if fork >= needed {
        return Ok(());
    }
    let missing = if fork < EthereumHardfork::Berlin { EthereumHardfork::Berlin } else { needed };
    Err(PoolError::TypeNotSupported(format!(
        ": type {} rejected, pool not yet in {missing}",
        u8::from(kind)
    )))
}

fn check_fees(
    pooled: &PoolTransaction,
    head: &PoolHead,
    config: &PoolConfig,
) -> Result<(), PoolError> {
    let tip = pooled.tip_cap();
    if tip < config.min_priority_fee {
        return Err(PoolError::TipBelowMinimum { tip, minimum: config.min_priority_fee });
    }
    if !config.require_base_fee {
        return Ok(());
    }
    let fee = pooled.transaction.max_fee_per_gas();
    if fee < u128::from(head.base_fee) {
        let base_fee = head.base_fee;
        return Err(PoolError::FeeBelowBaseFee { address: pooled.sender, fee, base_fee });
    }
    if let Some(fee) = pooled.transaction.max_fee_per_blob_gas()
        && fee < head.blob_base_fee
    {
        let base_fee = head.blob_base_fee;
        return Err(PoolError::BlobFeeBelowBaseFee { address: pooled.sender, fee, base_fee });
    }
    Ok(())
}

/// What the state says of a sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// Its next nonce.
    pub(crate) nonce: u64,
    /// Its balance in wei.
    pub(crate) balance: U256,
    /// It is delegated (EIP-7702).
    pub(crate) delegated: bool,
}

/// Reads the sender and checks nonce, own funds and that it may send at all.
pub(crate) fn check_sender(
    pooled: &PoolTransaction,
    state: &dyn StateReader,
) -> Result<Sender, PoolError> {
    let account = state.account(pooled.sender)?.unwrap_or(Account {
        nonce: 0,
        balance: U256::ZERO,
        bytecode_hash: None,
    });
    if pooled.nonce() < account.nonce {
        return Err(PoolError::NonceTooLow { next: account.nonce, nonce: pooled.nonce() });
    }
    let cost = pooled.cost();
    if account.balance < cost {
        return Err(PoolError::InsufficientFunds { balance: account.balance, cost });
    }
    let code = read_code(account.bytecode_hash, state)?;
    let delegated =
        code.len() == DELEGATION_LENGTH && code.starts_with(&EIP7702_DELEGATION_DESIGNATOR);
    // An impersonated contract sends by the developer's will.
    if !code.is_empty() && !delegated && pooled.signed {
        return Err(PoolError::SenderIsContract {
            address: pooled.sender,
            code_length: code.len(),
        });
    }
    Ok(Sender { nonce: account.nonce, balance: account.balance, delegated })
}

fn read_code(hash: Option<B256>, state: &dyn StateReader) -> Result<Bytes, PoolError> {
    let Some(hash) = hash else {
        return Ok(Bytes::new());
    };
    Ok(state.code(hash)?.unwrap_or_default())
}
