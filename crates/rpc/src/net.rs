//! The `net` and `web3` namespaces.

use crate::api::{Api, quick};
use alloy_primitives::{Bytes, U64, keccak256};
use jsonrpsee::RpcModule;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    // The network id is the chain id, as everywhere since EIP-155.
    quick(module, "net_version", 0, |api, _| Ok(api.chain.spec().chain_id().to_string()));
    quick(module, "net_listening", 0, |_, _| Ok(true));
    // There is no peer-to-peer network: one sequencer makes the chain.
    quick(module, "net_peerCount", 0, |_, _| Ok(U64::ZERO));
    quick(module, "web3_clientVersion", 0, |api, _| Ok(api.config.client_version.clone()));
    quick(module, "web3_sha3", 1, |_, arguments| {
        let data: Bytes = arguments.required(0)?;
        Ok(keccak256(data))
    });
}
