//! The methods of the authenticated port without the port.

use crate::{RpcConfig, RpcError, api::Api, auth, live::Live};
use jsonrpsee::Methods;
use plasma_chain::Chain;
use serde_json::Value;

/// Calls the methods of the authenticated port in this process: for conformance tests.
#[derive(Clone, Debug)]
pub struct EngineCaller(Methods);

impl EngineCaller {
    /// The methods over `chain`.
    ///
    /// # Errors
    /// [`RpcError::Conflict`] where a method is registered twice.
    pub fn new(config: RpcConfig, chain: Chain) -> Result<Self, RpcError> {
        Ok(Self(auth::methods(&Api::new(config, chain), &Live::new())?))
    }

    /// The whole JSON-RPC response to a call, whose parameters are an array.
    ///
    /// # Errors
    /// Where the response is not JSON, which would be a defect.
    pub async fn call(&self, method: &str, params: &Value) -> serde_json::Result<Value> {
        let request = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": method, "params": params,
        });
        let (response, _) = self.0.raw_json_request(&request.to_string(), 1).await?;
        serde_json::from_str(response.get())
    }
}
