//! Many WebSocket connections that wait for the same events: how long from the first that is told to the last.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use eyre::{Context as _, Result, bail, ensure, eyre};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::mpsc,
};

use super::{
    burst::{self, Payload},
    queries::make_event,
    rpc::quantity,
    target::{Meter, Target},
};
use crate::{machine, report::Row, statistics::quantile_ms};

/// Connections that are opened at once.
const OPENING: usize = 50;
/// How long an event may take to reach everybody.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the largest message.
const MAX_MESSAGE_BYTES: u64 = 16 << 20;
const TEXT: u8 = 1;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a subscription is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Heads,
    Logs,
}

/// A delivery of the event of one block.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    kind: Kind,
    block: u64,
    at: Instant,
}

/// Subscribers to new heads and to logs, each on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscribers {
    pub(crate) connections: usize,
    /// Transactions with one log, each in a block of its own.
    pub(crate) events: usize,
}

impl Subscribers {
    /// Runs on a node that mines on demand.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signed = burst::sign(target, Payload::Token, self.events)?;
        let delivered = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let sockets = runtime.block_on(self.open(target))?;
        let meter = Meter::start(target);
        for socket in sockets {
            runtime.spawn(listen(socket, sender.clone(), Arc::clone(&delivered)));
        }
        drop(sender);
        // The events come from a thread of their own, since its calls block.
        let events = {
            let (mut rpc, connections) = (target.rpc()?, self.connections);
            std::thread::spawn(move || -> Result<Vec<(u64, Instant)>> {
                let mut made = Vec::new();
                for (index, signed) in signed.iter().enumerate() {
                    let sent = Instant::now();
                    let block = make_event(&mut rpc, &signed.raw, signed.hash)?;
                    made.push((block.saturating_to(), sent));
                    let wanted = 2 * connections * (index + 1);
                    // Relaxed: only how many there are matters.
                    while delivered.load(Ordering::Relaxed) < wanted && sent.elapsed() < PATIENCE {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                Ok(made)
            })
        };
        let mut deliveries = Vec::new();
        runtime.block_on(async {
            while !events.is_finished() {
                let more = receiver.recv_many(&mut deliveries, 1024);
                // Looks again whether the events are over.
                let _ = tokio::time::timeout(Duration::from_millis(20), more).await;
            }
        });
        let events = events.join().map_err(|_| eyre!("the thread of the events panicked"))??;
        Ok(meter.stop(target, self.row(&events, &deliveries)))
    }

    fn row(&self, events: &[(u64, Instant)], deliveries: &[Delivery]) -> Row {
        let mut told: BTreeMap<(Kind, u64), Vec<Instant>> = BTreeMap::new();
        for delivery in deliveries {
            told.entry((delivery.kind, delivery.block)).or_default().push(delivery.at);
        }
        let mut row = Row::new("subscribers", machine::cores());
        let mut missed = 0;
        for (kind, name) in [(Kind::Heads, "heads"), (Kind::Logs, "logs")] {
            let (mut spread, mut first) = (Vec::new(), Vec::new());
            for (block, sent) in events {
                let times = told.get(&(kind, *block)).map_or(&[][..], Vec::as_slice);
                missed += self.connections.saturating_sub(times.len());
                if let (Some(earliest), Some(latest)) = (times.iter().min(), times.iter().max()) {
                    spread.push(*latest - *earliest);
                    first.push(earliest.saturating_duration_since(*sent));
                }
            }
            row = row
                .figure(&format!("{name}_first_to_last_p50_ms"), quantile_ms(&mut spread, 0.5))
                .figure(&format!("{name}_first_to_last_max_ms"), quantile_ms(&mut spread, 1.0))
                .figure(&format!("{name}_sent_to_first_p50_ms"), quantile_ms(&mut first, 0.5));
        }
        row.figure("connections", self.connections)
            .figure("events", events.len())
            .figure("missed", missed)
    }

    async fn open(&self, target: &Target) -> Result<Vec<(Socket, [String; 2])>> {
        let mut sockets = Vec::with_capacity(self.connections);
        while sockets.len() < self.connections {
            let part = OPENING.min(self.connections - sockets.len());
            let opening: Vec<_> = (0..part)
                .map(|_| tokio::spawn(subscribe(target.endpoint.address(), json!(target.token))))
                .collect();
            for opening in opening {
                sockets.push(opening.await??);
            }
        }
        Ok(sockets)
    }
}

/// Connects and subscribes to heads and to the token's logs; the ids of both subscriptions.
async fn subscribe(address: SocketAddr, token: Value) -> Result<(Socket, [String; 2])> {
    let mut socket = Socket::connect(address).await?;
    let mut ids = [String::new(), String::new()];
    for (index, params) in
        [json!(["newHeads"]), json!(["logs", {"address": token}])].iter().enumerate()
    {
        let call =
            json!({"jsonrpc": "2.0", "id": index, "method": "eth_subscribe", "params": params});
        socket.send(TEXT, call.to_string().as_bytes()).await?;
        loop {
            let answer: Value = serde_json::from_slice(&socket.receive().await?)?;
            if answer["id"] == index {
                let Some(id) = answer["result"].as_str() else {
                    bail!("eth_subscribe answered {answer}");
                };
                id.clone_into(&mut ids[index]);
                break;
            }
        }
    }
    Ok((socket, ids))
}

/// Notes when events arrive, until the connection or the listener's other end is gone.
async fn listen(
    (mut socket, [heads, _]): (Socket, [String; 2]),
    deliveries: mpsc::UnboundedSender<Delivery>,
    delivered: Arc<AtomicUsize>,
) {
    while let Ok(message) = socket.receive().await {
        let at = Instant::now();
        let Ok(message) = serde_json::from_slice::<Value>(&message) else { return };
        let (kind, number) = if message["params"]["subscription"] == heads.as_str() {
            (Kind::Heads, &message["params"]["result"]["number"])
        } else {
            (Kind::Logs, &message["params"]["result"]["blockNumber"])
        };
        let Ok(block) = quantity(number) else { return };
        delivered.fetch_add(1, Ordering::Relaxed);
        if deliveries.send(Delivery { kind, block, at }).is_err() {
            return;
        }
    }
}

/// The client's end of a WebSocket connection (RFC 6455), as little as a measurement needs.
struct Socket(BufReader<TcpStream>);

impl Socket {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await.context("opening a WebSocket")?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self(BufReader::with_capacity(4 << 10, stream));
        let mut line = String::new();
        socket.0.read_line(&mut line).await?;
        ensure!(line.contains(" 101 "), "the node refused a WebSocket: {line}");
        while line != "\r\n" {
            line.clear();
            ensure!(socket.0.read_line(&mut line).await? > 0, "the connection ended in its head");
        }
        Ok(socket)
    }

    /// Sends one frame of a kind. Clients must mask; zeros are a mask, too.
    async fn send(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(payload.len())?.to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        Ok(self.0.write_all(&frame).await?)
    }

    /// The next message; pings are answered on the way.
    async fn receive(&mut self) -> Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let head = self.0.read_u16().await?.to_be_bytes();
            let length = match head[1] & 0x7f {
                126 => u64::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await?,
                length => u64::from(length),
            };
            ensure!(length <= MAX_MESSAGE_BYTES, "a message of {length} bytes is too long");
            let mut payload = vec![0; usize::try_from(length)?];
            self.0.read_exact(&mut payload).await?;
            match head[0] & 0x0f {
                PING => self.send(PONG, &payload).await?,
                CLOSE => bail!("the node closed a WebSocket"),
                TEXT | CONTINUATION => {
                    message.extend_from_slice(&payload);
                    if head[0] & 0x80 != 0 {
                        return Ok(message);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn messages_are_put_together_and_pings_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let mut bytes =
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n".to_vec();
            // "hel", a ping, "lo", and a message of 300 bytes.
            bytes.extend_from_slice(&[TEXT, 3, b'h', b'e', b'l', 0x80 | PING, 1, 7]);
            bytes.extend_from_slice(&[0x80 | CONTINUATION, 2, b'l', b'o', 0x80 | TEXT, 126, 1, 44]);
            bytes.extend_from_slice(&[b'x'; 300]);
            bytes.extend_from_slice(&[0x80 | CLOSE, 0]);
            stream.write_all(&bytes).await.unwrap();
            let mut pong = [0; 7];
            stream.read_exact(&mut pong).await.unwrap();
            pong
        });
        let mut socket = Socket::connect(address).await.unwrap();
        assert_eq!(socket.receive().await.unwrap(), b"hello");
        assert_eq!(socket.receive().await.unwrap(), [b'x'; 300]);
        assert!(socket.receive().await.is_err());
        assert_eq!(server.await.unwrap(), [0x80 | PONG, 0x81, 0, 0, 0, 0, 7]);
    }
}
