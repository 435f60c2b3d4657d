//! A WebSocket client.

use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A WebSocket connection (RFC 6455, text frames only).
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, "").await.unwrap_or_else(|head| panic!("{head}"))
    }

    /// Shakes hands with further header lines, each with its line end; the head of the answer where
    /// the server refuses.
    pub async fn try_connect(address: SocketAddr, headers: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n{headers}\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&head).into_owned());
        }
        Ok(Self { stream })
    }

    pub async fn send(&mut self, request: &Value) {
        let payload = request.to_string().into_bytes();
        // Text, final; masked with zeros, which changes nothing.
        let mut frame = vec![0x81];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next message; pings are skipped.
    pub async fn receive(&mut self) -> Value {
        tokio::time::timeout(Duration::from_secs(30), self.next_text()).await.unwrap()
    }

    async fn next_text(&mut self) -> Value {
        loop {
            let kind = self.stream.read_u8().await.unwrap() & 0x0f;
            let length = match self.stream.read_u8().await.unwrap() {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            if kind == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// Sends a request and answers its result; notifications in between are an error.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        let mut response = self.receive().await;
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].take()
    }

    /// The result of the next notification, which must belong to `subscription`.
    pub async fn notified(&mut self, subscription: &Value) -> Value {
        let mut message = self.receive().await;
        let method = message["method"].as_str().unwrap_or_default();
        assert!(method.ends_with("_subscription"), "{message}");
        assert_eq!(&message["params"]["subscription"], subscription);
        message["params"]["result"].take()
    }
}
