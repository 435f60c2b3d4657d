//! Traces as JSON text, within a bound that holds while they are made.

use crate::{
    api::Api,
    error::{self, RpcResult},
};
use serde::Serialize;
use serde_json::value::RawValue;

/// A finished trace as JSON text: it may be large, and is written once.
pub(super) type Json = Box<RawValue>;

/// A list that grows by one trace after the other.
#[derive(Debug)]
pub(super) struct Traces {
    written: Vec<Json>,
    bytes: usize,
    most: usize,
    flag: &'static str,
}

impl Traces {
    /// An empty list, within the limits of this node.
    pub(super) fn new(api: &Api) -> Self {
        let (trace, response) =
            (api.config.max_trace_bytes, api.config.max_response_bytes as usize);
        let (most, flag) = if trace < response {
            (trace, "--rpc.max-trace-size")
        } else {
            (response, "--rpc.max-response-size")
        };
        Self { written: Vec::new(), bytes: 0, most, flag }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    /// Adds `trace`.
    ///
    /// # Errors
    /// -32005 where the list would be larger than an answer may be.
    pub(super) fn push<T: Serialize>(&mut self, trace: &T) -> RpcResult<()> {
        let text = serde_json::value::to_raw_value(trace).map_err(unwritable)?;
        self.bytes += text.get().len() + 1;
        if self.bytes > self.most {
            return Err(error::limit_exceeded(format!(
                "the answer is larger than {} bytes ({}): ask for one transaction, for fewer blocks, \
                 or for a tracer that records less",
                self.most, self.flag
            )));
        }
        self.written.push(text);
        Ok(())
    }

    /// The list as JSON.
    ///
    /// # Errors
    /// -32603 where it cannot be written.
    pub(super) fn finish(self) -> RpcResult<Json> {
        serde_json::value::to_raw_value(&self.written).map_err(unwritable)
    }
}

/// One trace alone, within the same bound.
pub(super) fn json<T: Serialize>(api: &Api, trace: &T) -> RpcResult<Json> {
    let mut traces = Traces::new(api);
    traces.push(trace)?;
    traces.written.pop().ok_or_else(|| error::internal("a trace that was written is gone"))
}

fn unwritable(failure: serde_json::Error) -> jsonrpsee::types::ErrorObjectOwned {
    error::internal(format!("a trace cannot be written as JSON: {failure}"))
}
