//! JSON-RPC on a unix socket: the same methods, limits and figures as on the ports, for programs of
//! this machine that run as the node's own user.
//!
//! Messages are as geth has them: JSON values one after the other, with nothing needed between them.
//! Answers and notifications end with a newline, and come in the order in which they are ready.
//! Requests that wait when the client shuts down its side of the connection are still answered; when
//! it is gone altogether they are dropped, as on the ports.

mod frames;
mod socket;

use crate::{
    call::{self, Callable, Push},
    error,
    eth::filters::ConnectionFilters,
    middleware::{Front, FrontService},
    ports::{self, Connections},
    server::RpcError,
};
use frames::{Broken, Frames};
use jsonrpsee::{
    BoundedSubscriptions, ConnectionId, MethodSink, Methods,
    server::{ServerHandle, StopHandle, stop_channel},
};
use serde_json::value::RawValue;
use socket::SocketFile;
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc, oneshot},
};

/// Requests of one connection that are worked on at once; further ones are read when some are done.
const AT_ONCE: u32 = 256;

/// How much is read at once, in bytes.
const READ: usize = 64 << 10;

/// How often a client that sends no more is looked at, whether it is still there.
const LOOK: Duration = Duration::from_millis(100);

/// How long a client may take to read the last answers.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long to wait where the system has no room for another connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(50);

/// The first number of these connections. Those of the ports count from 0, and subscriptions are
/// told apart by them.
const FIRST_CONNECTION: usize = 1 << 48;

/// What a socket serves.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) front: Front,
    pub(crate) methods: Methods,
    pub(crate) connections: Connections,
    pub(crate) limits: Limits,
}

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: usize,
    pub(crate) subscriptions: u32,
    /// Messages that may wait for the client.
    pub(crate) buffer: usize,
}

/// The socket while it is served; its file is removed with this.
#[derive(Debug)]
pub(crate) struct Ipc {
    pub(crate) server: ServerHandle,
    file: SocketFile,
}

impl Ipc {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Starts serving at `path`.
///
/// # Errors
/// Where no socket can be made there.
pub(crate) fn open(path: &Path, served: Served) -> Result<Ipc, RpcError> {
    let (listener, file) = socket::listen(path)?;
    let (stop, server) = stop_channel();
    tokio::spawn(async move {
        let mut number = FIRST_CONNECTION;
        while let Some(stream) = accept(&listener, &stop).await {
            number += 1;
            let (served, stop) = (served.clone(), stop.clone());
            tokio::spawn(async move {
                let Some(_permit) = served.connections.admit() else {
                    turn_away(stream, served.connections.refusal()).await;
                    return;
                };
                serve(stream, served, ConnectionId(number), stop).await;
            });
        }
    });
    Ok(Ipc { server, file })
}

/// The next connection; `None` when the server is stopped.
async fn accept(listener: &UnixListener, stop: &StopHandle) -> Option<UnixStream> {
    loop {
        let accepted = tokio::select! {
            () = stop.clone().shutdown() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some(stream),
            Err(reason) => {
                tracing::debug!(target: "plasma::rpc", %reason, "an IPC connection was not accepted");
                tokio::time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
}

async fn turn_away(mut stream: UnixStream, refusal: String) {
    let tell = stream.write_all(refusal.as_bytes());
    // A client that does not listen has nothing to be told.
    let _ = tokio::time::timeout(FAREWELL, tell).await;
}

/// Why no more is read of a connection.
enum ReadEnd {
    /// The client sends no more.
    Eof,
    /// What it sends cannot be read on.
    Broken(Broken),
    /// The node stops.
    Stopped,
    /// The connection is broken.
    Gone,
}

async fn serve(stream: UnixStream, served: Served, connection: ConnectionId, stop: StopHandle) {
    // Who stops the node waits until all of these are gone.
    let _running = stop.clone();
    let (mut reader, writer) = stream.into_split();
    let Served { front, methods, limits, .. } = served;
    let (sender, messages) = mpsc::channel(limits.buffer);
    let sink = MethodSink::new(sender);
    let push = Push {
        connection,
        sink: sink.clone(),
        subscriptions: BoundedSubscriptions::new(limits.subscriptions),
    };
    let inner = Callable::new(methods, limits.response_bytes, Some(push));
    let service = FrontService {
        front: Arc::new(front),
        peer: None,
        filters: Some(ConnectionFilters::default()),
        inner,
    };
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let (done, finish) = oneshot::channel();
    let writing = tokio::spawn(write(writer, messages, finish));
    let requests = Requests { service, sink: sink.clone(), places: places.clone() };
    let end = requests.read(&mut reader, limits.request_bytes, stop).await;
    match end {
        ReadEnd::Gone => {}
        ReadEnd::Broken(broken) => {
            let reason = match broken {
                Broken::NotJson => jsonrpsee::types::ErrorCode::ParseError.into(),
                Broken::TooLarge => error::limit_exceeded(format!(
                    "the request has more than {} bytes (--rpc.max-request-size)",
                    limits.request_bytes
                )),
            };
            if let Ok(text) = RawValue::from_string(ports::refusal(reason)) {
                // Fails only where the client is gone.
                let _ = sink.send(text).await;
            }
        }
        ReadEnd::Eof | ReadEnd::Stopped => {
            tokio::select! {
                // All places are free when all requests are answered.
                _ = places.acquire_many(AT_ONCE) => {}
                () = gone(&reader) => {}
                () = sink.closed() => {}
            }
        }
    }
    // The writer goes and takes with it what is still worked on, and subscriptions.
    let _ = done.send(());
    let _ = writing.await;
}

/// Waits until the other side has closed its connection altogether.
async fn gone(reader: &OwnedReadHalf) {
    loop {
        let stream: &UnixStream = reader.as_ref();
        match stream.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => tokio::time::sleep(LOOK).await,
            _ => return,
        }
    }
}

/// The requests of one connection.
struct Requests {
    service: FrontService<Callable>,
    sink: MethodSink,
    places: Arc<Semaphore>,
}

impl Requests {
    async fn read(&self, reader: &mut OwnedReadHalf, most: usize, stop: StopHandle) -> ReadEnd {
        let stopped = stop.shutdown();
        tokio::pin!(stopped);
        let mut frames = Frames::new(most);
        let mut chunk = vec![0; READ];
        loop {
            let read = tokio::select! {
                () = &mut stopped => return ReadEnd::Stopped,
                () = self.sink.closed() => return ReadEnd::Gone,
                read = reader.read(&mut chunk) => read,
            };
            match read {
                Ok(0) => return ReadEnd::Eof,
                Ok(length) => frames.extend(&chunk[..length]),
                Err(_) => return ReadEnd::Gone,
            }
            loop {
                let message = match frames.next() {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    Err(broken) => return ReadEnd::Broken(broken),
                };
                tokio::select! {
                    () = &mut stopped => return ReadEnd::Stopped,
                    () = self.sink.closed() => return ReadEnd::Gone,
                    () = gone(reader) => return ReadEnd::Gone,
                    () = self.begin(message) => {}
                }
            }
        }
    }

    /// Begins to answer a message, as soon as there is a place.
    async fn begin(&self, message: Vec<u8>) {
        let Ok(place) = self.places.clone().acquire_owned().await else { return };
        let (service, sink) = (self.service.clone(), self.sink.clone());
        tokio::spawn(async move {
            let _place = place;
            let answer = tokio::select! {
                () = sink.closed() => return,
                answer = call::answer(&service, &message) => answer,
            };
            if answer.is_to_be_sent() {
                let (text, sent) = answer.into_parts();
                let is_success = sink.send(text).await.is_ok();
                if let Some(sent) = sent {
                    sent.notify(is_success);
                }
            }
        });
    }
}

/// Writes messages until there can be no more or `finish` says so; what is there then is written
/// still.
async fn write(
    mut writer: OwnedWriteHalf,
    mut messages: mpsc::Receiver<Box<RawValue>>,
    mut finish: oneshot::Receiver<()>,
) {
    loop {
        let message = tokio::select! {
            biased;
            _ = &mut finish => break,
            message = messages.recv() => message,
        };
        let Some(message) = message else { return };
        let written = put(&mut writer, &message);
        tokio::pin!(written);
        tokio::select! {
            written = &mut written => if written.is_err() { return },
            _ = &mut finish => match tokio::time::timeout(FAREWELL, written).await {
                Ok(Ok(())) => break,
                _ => return,
            },
        }
    }
    messages.close();
    let rest = async {
        while let Some(message) = messages.recv().await {
            put(&mut writer, &message).await?;
        }
        Ok::<_, io::Error>(())
    };
    // A client that takes no more has had its time.
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

async fn put(writer: &mut OwnedWriteHalf, message: &RawValue) -> io::Result<()> {
    writer.write_all(message.get().as_bytes()).await?;
    writer.write_all(b"\n").await
}
