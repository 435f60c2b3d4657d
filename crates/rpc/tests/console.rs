//! What contracts say with `console.log` stands in the node's log.
//!
//! The one test of this program: the log belongs to the whole process.

mod node;

use alloy_primitives::Address;
use node::Node;
use serde_json::json;
use std::{
    io,
    sync::{Arc, Mutex},
};

/// Hands its input to the console.
const SPEAKER: &str = "0x365f5f375f5f365f6a636f6e736f6c652e6c6f675afa00";

/// Hands its input to the console, and reverts with it.
const FAILING: &str = "0x365f5f375f5f365f6a636f6e736f6c652e6c6f675afa365ffd";

/// `log(uint256)` with 7.
const SEVEN: &str = "0xf82c50f10000000000000000000000000000000000000000000000000000000000000007";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines since the last time that tell of calls and of what they said.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let of_calls = |line: &&str| line.contains("console.log") || line.contains("method=");
        text.lines().filter(of_calls).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_estimates_tell_once_what_they_said() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let node = Node::start().await;
    let (speaker, failing) = (Address::repeat_byte(0x61), Address::repeat_byte(0x62));
    node.call("hardhat_setCode", json!([speaker, SPEAKER])).await;
    node.call("hardhat_setCode", json!([failing, FAILING])).await;
    assert_eq!(log.take(), Vec::<String>::new());
    for method in ["eth_call", "eth_estimateGas"] {
        node.call(method, json!([{"to": speaker, "data": SEVEN}])).await;
        let lines = log.take();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains(&format!("method=\"{method}\"")), "{lines:?}");
        assert!(lines[1].ends_with("console.log: 7"), "{lines:?}");
        // What fails says why.
        node.fail(method, json!([{"to": failing, "data": SEVEN}])).await;
        assert_eq!(log.take().len(), 2, "{method}");
        // Who says nothing is not told of.
        let accounts = node.accounts.addresses();
        node.call(method, json!([{"from": accounts[0], "to": accounts[1], "value": "0x1"}])).await;
        assert_eq!(log.take(), Vec::<String>::new());
    }
    node.call("hardhat_setLoggingEnabled", json!([false])).await;
    node.call("eth_estimateGas", json!([{"to": speaker, "data": SEVEN}])).await;
    assert_eq!(log.take(), Vec::<String>::new());
    node.stop().await;
}
