//! A client of the unix socket.

use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// A connection to the unix socket.
pub struct Pipe {
    pub stream: BufReader<UnixStream>,
}

impl Pipe {
    pub async fn connect(path: &Path) -> Self {
        Self { stream: BufReader::new(UnixStream::connect(path).await.unwrap()) }
    }

    /// Sends text as it is.
    pub async fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends no more.
    pub async fn finish(&mut self) {
        self.stream.get_mut().shutdown().await.unwrap();
    }

    /// The next line, which is one message.
    pub async fn receive(&mut self) -> Value {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        let length = tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
        assert!(length > 0 && line.ends_with('\n'), "the connection is closed: {line:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// Everything until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = self.stream.read_to_string(&mut rest);
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
        rest
    }

    /// Sends a request and answers its result.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send(&request.to_string()).await;
        let mut response = self.receive().await;
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].take()
    }
}
