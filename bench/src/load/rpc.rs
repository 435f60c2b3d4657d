//! JSON-RPC calls outside of what is timed.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};

use super::http::{Connection, Endpoint};

/// Code of an answer for a method that the node does not have.
const METHOD_NOT_FOUND: i64 = -32601;
/// Calls that are put into one request.
const BATCH: usize = 100;
/// How often a receipt is asked for during set-up.
const SETUP_POLL: Duration = Duration::from_millis(20);

/// A connection for calls that need no speed.
#[derive(Debug)]
pub(crate) struct Rpc {
    endpoint: Endpoint,
    connection: Connection,
    timeout: Duration,
}

impl Rpc {
    pub(crate) fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Self> {
        let connection = endpoint.connect(timeout)?;
        Ok(Self { endpoint: endpoint.clone(), connection, timeout })
    }

    fn send(&mut self, body: &Value) -> Result<Value> {
        let request = self.endpoint.request(body.to_string().as_bytes());
        let answer = match self.connection.exchange(&request) {
            Ok(body) => serde_json::from_slice(body),
            // The node may have closed an idle connection.
            Err(_) => {
                self.connection = self.endpoint.connect(self.timeout)?;
                serde_json::from_slice(self.connection.exchange(&request)?)
            }
        };
        answer.map_err(|error| eyre!("the node's answer is not JSON: {error}"))
    }

    /// Calls a method.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let answer = self.send(&request(method, params))?;
        result(answer).map_err(|error| eyre!("{method}: {error}"))
    }

    /// Whether the node has a method.
    pub(crate) fn has(&mut self, method: &str) -> Result<bool> {
        let answer = self.send(&request(method, json!([])))?;
        let code = answer.pointer("/error/code").and_then(Value::as_i64);
        Ok(code != Some(METHOD_NOT_FOUND))
    }

    /// Calls one method with many parameters.
    pub(crate) fn call_all(&mut self, method: &str, params: &[Value]) -> Result<Vec<Value>> {
        self.call_each(method, params)?
            .into_iter()
            .map(|answer| answer.map_err(|error| eyre!("{method}: {error}")))
            .collect()
    }

    /// Calls one method with many parameters; what became of each call.
    pub(crate) fn call_each(
        &mut self,
        method: &str,
        params: &[Value],
    ) -> Result<Vec<Result<Value>>> {
        let mut results = Vec::with_capacity(params.len());
        for part in params.chunks(BATCH) {
            let calls: Vec<Value> = part
                .iter()
                .enumerate()
                .map(|(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
                .collect();
            let Value::Array(mut answers) = self.send(&Value::Array(calls))? else {
                bail!("{method}: the node did not answer a batch with a batch");
            };
            answers.sort_by_key(|answer| answer["id"].as_u64());
            if answers.len() != part.len() {
                bail!("{method}: {} answers to {} calls", answers.len(), part.len());
            }
            results.extend(answers.into_iter().map(result));
        }
        Ok(results)
    }

    /// Transactions of each account up to the latest block.
    pub(crate) fn nonces(&mut self, addresses: &[Address]) -> Result<Vec<u64>> {
        let params: Vec<Value> = addresses.iter().map(|of| json!([of, "latest"])).collect();
        self.call_all("eth_getTransactionCount", &params)?.iter().map(quantity).collect()
    }

    /// Number of the latest block.
    pub(crate) fn block_number(&mut self) -> Result<u64> {
        quantity(&self.call("eth_blockNumber", json!([]))?)
    }

    /// The balance of an account in wei.
    pub(crate) fn balance(&mut self, address: Address) -> Result<U256> {
        let value = self.call("eth_getBalance", json!([address, "latest"]))?;
        Ok(serde_json::from_value(value)?)
    }

    /// Waits for the receipt of a transaction and demands that it succeeded.
    pub(crate) fn receipt(&mut self, hash: B256) -> Result<Value> {
        let started = Instant::now();
        loop {
            let receipt = self.call("eth_getTransactionReceipt", json!([hash]))?;
            if !receipt.is_null() {
                if receipt["status"] != "0x1" {
                    bail!("transaction {hash} failed");
                }
                return Ok(receipt);
            }
            if started.elapsed() > self.timeout {
                bail!("transaction {hash} was not mined within {:?}", self.timeout);
            }
            std::thread::sleep(SETUP_POLL);
        }
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn result(mut answer: Value) -> Result<Value> {
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        bail!("{}", error["message"].as_str().unwrap_or("error without a message"));
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => bail!("the answer has neither a result nor an error: {answer}"),
    }
}

/// Reads a quantity such as `"0x1f"`.
pub(crate) fn quantity(value: &Value) -> Result<u64> {
    value
        .as_str()
        .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok())
        .ok_or_else(|| eyre!("{value} is no quantity"))
}

/// Whether a piece of text occurs in an answer.
pub(crate) fn contains(answer: &[u8], text: &[u8]) -> bool {
    answer.windows(text.len()).any(|window| window == text)
}

/// How often a piece of text occurs in an answer.
pub(crate) fn occurrences(answer: &[u8], text: &[u8]) -> usize {
    answer.windows(text.len()).filter(|window| *window == text).count()
}
