//! Accounts whose keys the node holds: listing them, signing, and sending for them.
//!
//! Outside of development the node holds no key: `eth_accounts` is empty and every request to sign
//! or send is answered "unknown account", as geth does.

mod accounts;
mod kind;
mod send;
mod send_dev;

#[cfg(test)]
mod tests;

pub use accounts::{AccountsError, DEV_ACCOUNTS, DEV_MNEMONIC, DevAccount, DevAccounts};

use crate::{
    api::Api,
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, Bytes};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use send::Sender;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Adds the methods to `module`, with `accounts` as the keys that the node holds.
pub(crate) fn register(module: &mut RpcModule<Api>, api: &Api, accounts: Arc<DevAccounts>) {
    let keys = Keys(accounts.clone());
    for name in ["eth_accounts", "eth_requestAccounts"] {
        let keys = keys.clone();
        quick(module, name, 0, move |_| Ok(keys.0.addresses()));
    }
    let signer = keys.clone();
    quick(module, "eth_sign", 2, move |arguments| {
        signer.sign_message(arguments.required(0)?, arguments.required(1)?)
    });
    // The first is EIP-712's own name; where the third version takes the data, it hashes it as the
    // fourth does.
    for name in ["eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4"] {
        let signer = keys.clone();
        quick(module, name, 2, move |arguments| signer.sign_typed_data(&arguments));
    }
    if api.chain.dev().is_some() {
        let signer = keys;
        // The password of other nodes' personal_sign is accepted and not needed.
        quick(module, "personal_sign", 3, move |arguments| {
            signer.sign_message(arguments.required(1)?, arguments.required(0)?)
        });
    }
    let sender = Sender::new(accounts);
    send::register(module, sender.clone());
    if api.chain.dev().is_some() {
        send_dev::register(module, sender);
    }
}

/// Registers a method that needs the keys alone.
fn quick<T, F>(module: &mut RpcModule<Api>, name: &'static str, most: usize, answer: F)
where
    T: Serialize + Clone + Send + 'static,
    F: Fn(Arguments<'_>) -> RpcResult<T> + Send + Sync + 'static,
{
    let registered =
        module.register_method(name, move |params, _, _| answer(Arguments::new(&params, most)?));
    registered.expect("each method is registered once");
}

#[derive(Clone)]
struct Keys(Arc<DevAccounts>);

impl Keys {
    fn sign_message(&self, address: Address, message: Bytes) -> RpcResult<Bytes> {
        let signature = self.0.sign_message(address, &message).map_err(from_accounts)?;
        Ok(Bytes::from(signature.as_bytes()))
    }

    fn sign_typed_data(&self, arguments: &Arguments<'_>) -> RpcResult<Bytes> {
        let address: Address = arguments.required(0)?;
        let TypedDataArgument(data) = arguments.required(1)?;
        let signature = self.0.sign_typed_data(address, &data).map_err(from_accounts)?;
        Ok(Bytes::from(signature.as_bytes()))
    }
}

/// Typed data as an object, or, as some wallets send it, as the object's JSON text.
struct TypedDataArgument(TypedData);

impl<'de> Deserialize<'de> for TypedDataArgument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let data = match value {
            serde_json::Value::String(text) => serde_json::from_str(&text),
            other => serde_json::from_value(other),
        };
        data.map(Self).map_err(|failure| {
            serde::de::Error::custom(format!("not typed data (EIP-712): {failure}"))
        })
    }
}

fn from_accounts(failure: AccountsError) -> ErrorObjectOwned {
    match failure {
        AccountsError::TypedData(_) => error::invalid_params(failure.to_string()),
        _ => error::server_error(failure.to_string()),
    }
}
