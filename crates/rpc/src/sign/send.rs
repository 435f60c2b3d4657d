//! `eth_sendTransaction` and `eth_signTransaction`.

use super::{AccountsError, DevAccounts, from_accounts, kind};
use crate::{
    api::Api,
    error::{self, RpcResult},
    eth::{fill::fill, submit::wait_for_block},
    params::Arguments,
};
use alloy_consensus::{Transaction as _, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::{RpcModule, types::Params};
use parking_lot::Mutex;
use plasma_txpool::{PoolTransaction, decode_and_recover};
use std::sync::Arc;

/// Fills, signs and submits.
#[derive(Clone)]
pub(super) struct Sender(Arc<Inner>);

struct Inner {
    accounts: Arc<DevAccounts>,
    /// Held from choosing a nonce until the transaction is in the pool, so that two requests of
    /// one account get two nonces.
    choosing_nonce: Mutex<()>,
}

/// A transaction in the pool.
pub(super) struct Submitted {
    pub(super) hash: B256,
    /// The chain mines on demand, and nothing keeps the transaction from the next block.
    comes_at_once: bool,
}

impl Submitted {
    /// The hash, once the block is there with which the transaction comes at once.
    pub(super) async fn settled(self, api: &Api) -> B256 {
        if self.comes_at_once {
            wait_for_block(api, self.hash).await;
        }
        self.hash
    }
}

pub(super) fn register(module: &mut RpcModule<Api>, sender: Sender) {
    let signer = sender.clone();
    let registered =
        module.register_async_method("eth_signTransaction", move |params, api: Arc<Api>, _| {
            let (signer, submitters) = (signer.clone(), api.submitters.clone());
            let job = move || signer.sign_only(&api, Arguments::new(&params, 1)?.required(0)?);
            async move { submitters.run(job).await }
        });
    registered.expect("each method is registered once");
    let registered =
        module.register_async_method("eth_sendTransaction", move |params, api: Arc<Api>, _| {
            let sender = sender.clone();
            async move { sender.send(api, params).await }
        });
    registered.expect("each method is registered once");
}

impl Sender {
    pub(super) fn new(accounts: Arc<DevAccounts>) -> Self {
        Self(Arc::new(Inner { accounts, choosing_nonce: Mutex::default() }))
    }

    /// Submits and, while automining, answers only when the block is there: tools ask for the
    /// receipt right after.
    async fn send(&self, api: Arc<Api>, params: Params<'static>) -> RpcResult<B256> {
        let (sender, worker_api) = (self.clone(), api.clone());
        let job = move || {
            let request = Arguments::new(&params, 1)?.required(0)?;
            sender.submit(&worker_api, request)
        };
        let submitted = api.submitters.run(job).await?;
        Ok(submitted.settled(&api).await)
    }

    pub(super) fn submit(&self, api: &Api, request: TransactionRequest) -> RpcResult<Submitted> {
        let from = sender_of(&request)?;
        let has_key = self.0.accounts.contains(from);
        if !has_key && !api.chain.dev().is_some_and(|dev| dev.is_impersonated(from)) {
            return Err(from_accounts(AccountsError::Unknown(from)));
        }
        self.submit_as(api, from, has_key, request)
    }

    /// Submits for `from`, signed with its key or, without `signed`, as if it were impersonated.
    pub(super) fn submit_as(
        &self,
        api: &Api,
        from: Address,
        signed: bool,
        request: TransactionRequest,
    ) -> RpcResult<Submitted> {
        kind::check(&request)?;
        let chosen = request.nonce;
        // A call that fails is told here, with its revert data, before anything is sent.
        let mut request = fill(api, request)?;
        let _choosing = self.0.choosing_nonce.lock();
        if chosen.is_none() {
            request.nonce = Some(next_nonce(api, from)?);
        }
        let transaction = kind::build(request)?;
        let transaction =
            if signed { self.sign(from, transaction)? } else { unsigned(from, transaction)? };
        let (nonce, fee_cap) = (transaction.nonce(), transaction.transaction.max_fee_per_gas());
        let hash = api.chain.submit(transaction).map_err(error::from_pool)?;
        let base_fee = api.chain.pending().env.block_env.basefee;
        let ready = next_nonce(api, from)? > nonce && fee_cap >= u128::from(base_fee);
        let automine = match api.chain.dev() {
            Some(dev) => dev.automine(),
            None => api.chain.config().automine,
        };
        Ok(Submitted { hash, comes_at_once: ready && automine })
    }

    /// Signs as for the network and reads the bytes back, so that a transaction of the node's own
    /// accounts passes the same checks as everybody's.
    fn sign(&self, from: Address, transaction: TypedTransaction) -> RpcResult<PoolTransaction> {
        let signed = self.0.accounts.sign_transaction(from, transaction).map_err(from_accounts)?;
        decode_and_recover(&signed.encoded_2718()).map_err(error::from_pool)
    }

    /// `eth_signTransaction`: the signed transaction's EIP-2718 encoding, as the execution API
    /// specification has it. Gas, nonce and fees are filled in where they are missing.
    fn sign_only(&self, api: &Api, request: TransactionRequest) -> RpcResult<Bytes> {
        let from = sender_of(&request)?;
        if !self.0.accounts.contains(from) {
            return Err(from_accounts(AccountsError::Unknown(from)));
        }
        kind::check(&request)?;
        let transaction = kind::build(fill(api, request)?)?;
        let signed = self.0.accounts.sign_transaction(from, transaction).map_err(from_accounts)?;
        Ok(signed.encoded_2718().into())
    }
}

pub(super) fn sender_of(request: &TransactionRequest) -> RpcResult<Address> {
    request.from.ok_or_else(|| error::invalid_params("missing \"from\": whose transaction is it?"))
}

/// The nonce after everything of the account that is sealed or ready in the pool.
fn next_nonce(api: &Api, address: Address) -> RpcResult<u64> {
    let account = api.chain.pending().state.account(address).map_err(error::from_storage)?;
    Ok(api.chain.pool().next_nonce(address, account.map_or(0, |account| account.nonce)))
}

/// A transaction of an impersonated account.
fn unsigned(from: Address, transaction: TypedTransaction) -> RpcResult<PoolTransaction> {
    if matches!(transaction, TypedTransaction::Eip4844(_)) {
        return Err(error::server_error(
            "blob transactions of impersonated accounts are not supported",
        ));
    }
    Ok(PoolTransaction::unsigned(transaction.into(), from))
}
