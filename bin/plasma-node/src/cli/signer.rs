//! Signs the transactions of the command line.

use super::rpc_client::RpcClient;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U64, U256, hex};
use clap::Args;
use eyre::{Context as _, Result, bail};
use k256::ecdsa::SigningKey;
use plasma_rpc::DevAccounts;
use serde_json::{Value, json};

/// The variable that a key is read from.
const KEY_VARIABLE: &str = "PLASMA_PRIVATE_KEY";

/// Which key signs. A key is never an argument, since others could see it in the process list.
#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    /// Sign with this account of the test mnemonic (development chains only). Without it the key
    /// is read from the environment variable PLASMA_PRIVATE_KEY.
    #[arg(long, value_name = "INDEX")]
    dev_account: Option<usize>,
}

/// A key with its address.
pub(crate) struct Signer {
    key: SigningKey,
    pub(crate) address: Address,
}

impl SignerArgs {
    pub(crate) fn signer(&self) -> Result<Signer> {
        let secret = match self.dev_account {
            Some(index) => {
                let accounts = DevAccounts::dev();
                let Some(account) = accounts.iter().nth(index) else {
                    bail!("the test mnemonic has no account {index} here");
                };
                account.secret_key().to_string()
            }
            None => std::env::var(KEY_VARIABLE)
                .map_err(|_| eyre::eyre!("no key: set {KEY_VARIABLE}, or name a --dev-account"))?,
        };
        let bytes = hex::decode(secret.trim())
            .with_context(|| format!("{KEY_VARIABLE} is not hexadecimal"))?;
        let key = SigningKey::from_slice(&bytes)
            .with_context(|| format!("{KEY_VARIABLE} is not a secp256k1 key of 32 bytes"))?;
        let address = Address::from_private_key(&key);
        Ok(Signer { key, address })
    }
}

impl Signer {
    /// Estimates, signs and sends a call, and waits for its receipt.
    pub(crate) fn send(
        &self,
        rpc: &RpcClient,
        to: Address,
        value: U256,
        input: Bytes,
    ) -> Result<Value> {
        let chain_id: U64 = rpc.call("eth_chainId", json!([]))?;
        let nonce: U64 = rpc.call("eth_getTransactionCount", json!([self.address, "pending"]))?;
        let call = json!({ "from": self.address, "to": to, "value": value, "input": input });
        let gas: U64 = rpc.call("eth_estimateGas", json!([call]))?;
        let gas_price: U256 = rpc.call("eth_gasPrice", json!([]))?;
        let tip: U256 = rpc.call("eth_maxPriorityFeePerGas", json!([]))?;
        let transaction = TxEip1559 {
            chain_id: chain_id.to(),
            nonce: nonce.to(),
            gas_limit: gas.to::<u64>(),
            max_fee_per_gas: gas_price.saturating_to::<u128>() * 2,
            max_priority_fee_per_gas: tip.saturating_to(),
            to: TxKind::Call(to),
            value,
            access_list: AccessList::default(),
            input,
        };
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(transaction.signature_hash().as_slice())?;
        let signature = Signature::from((signature, recovery));
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        let raw = hex::encode_prefixed(envelope.encoded_2718());
        let hash: String = rpc.call("eth_sendRawTransaction", json!([raw]))?;
        rpc.receipt(&hash)
    }
}
