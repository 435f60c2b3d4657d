//! A JSON-RPC client for the commands that talk to a running node.

use eyre::{Context as _, Result, bail, eyre};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a transaction may take to be included.
const INCLUSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks a node over HTTP.
#[derive(Debug)]
pub(crate) struct RpcClient {
    url: String,
    agent: ureq::Agent,
}

impl RpcClient {
    pub(crate) fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        Self { url: url.to_owned(), agent }
    }

    /// Calls `method`; errors of the node keep their message.
    pub(crate) fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut response =
            self.agent.post(&self.url).send_json(&request).with_context(|| {
                format!("no answer from {}; is a node running there?", self.url)
            })?;
        let answer: Value = response
            .body_mut()
            .read_json()
            .with_context(|| format!("{} does not speak JSON-RPC", self.url))?;
        if let Some(error) = answer.get("error") {
            let message = error["message"].as_str().unwrap_or("no message").to_owned();
            bail!("{method}: {message}");
        }
        let result = answer.get("result").cloned().unwrap_or(Value::Null);
        serde_json::from_value(result)
            .with_context(|| format!("{method}: the answer has an unexpected form"))
    }

    /// Waits for the receipt of a transaction; fails where it was reverted.
    pub(crate) fn receipt(&self, hash: &str) -> Result<Value> {
        let deadline = Instant::now() + INCLUSION_TIMEOUT;
        loop {
            let receipt: Value = self.call("eth_getTransactionReceipt", json!([hash]))?;
            if !receipt.is_null() {
                if receipt["status"] != "0x1" {
                    bail!("transaction {hash} was reverted");
                }
                return Ok(receipt);
            }
            if Instant::now() >= deadline {
                return Err(eyre!("transaction {hash} is not included yet; look again later"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
