//! A small HTTP/1.1 client over a kept-alive connection.
//!
//! The load shares its machine with the node that it measures, so it must cost little: requests are
//! whole byte strings made beforehand, a thread blocks on its own connection, and of an answer only
//! the length is read.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use eyre::{Context as _, Result, bail, eyre};

/// Most headers of an answer.
const MAX_HEADERS: usize = 64;
/// Most bytes of an answer.
const MAX_RESPONSE_BYTES: usize = 256 << 20;

/// Where a node listens.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    authority: String,
    path: String,
}

impl Endpoint {
    /// Reads `http://HOST:PORT/PATH`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("{url}: only http:// addresses can be loaded");
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], &rest[slash..]),
            None => (rest, "/"),
        };
        let with_port =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let address = with_port
            .to_socket_addrs()
            .with_context(|| format!("{url}: {authority} is no address"))?
            .next()
            .ok_or_else(|| eyre!("{url}: {authority} has no address"))?;
        Ok(Self { address, authority: authority.to_owned(), path: path.to_owned() })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes of a request with this body.
    pub(crate) fn request(&self, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.path,
            self.authority,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// The bytes of a request that asks for the path itself.
    pub(crate) fn get(&self) -> Vec<u8> {
        format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", self.path, self.authority).into_bytes()
    }

    /// Opens a connection whose reads give up after `timeout`.
    pub(crate) fn connect(&self, timeout: Duration) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&self.address, timeout)
            .with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Connection { stream, buffer: vec![0; 16 << 10], filled: 0, consumed: 0 })
    }
}

/// A kept-alive connection; one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes in the buffer.
    filled: usize,
    /// Bytes of the answer that was handed out last.
    consumed: usize,
}

/// How the length of a body is told.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Sends a whole request and waits for the body of its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        self.stream.write_all(request).context("sending a request")?;
        let (head, framing) = loop {
            if let Some(found) = parse_head(&self.buffer[..self.filled])? {
                break found;
            }
            self.fill()?;
        };
        match framing {
            Framing::Length(length) => {
                let end = head + length;
                if length > MAX_RESPONSE_BYTES {
                    bail!("an answer of {length} bytes is too long");
                }
                while self.filled < end {
                    self.fill()?;
                }
                self.consumed = end;
                Ok(&self.buffer[head..end])
            }
            Framing::Chunked => self.read_chunks(head),
        }
    }

    /// Puts the chunks that begin at `head` together in place.
    fn read_chunks(&mut self, head: usize) -> Result<&[u8]> {
        let (mut body_end, mut at) = (head, head);
        loop {
            let parsed = httparse::parse_chunk_size(&self.buffer[at..self.filled])
                .map_err(|_| eyre!("the answer has a malformed chunk"))?;
            let httparse::Status::Complete((size_bytes, length)) = parsed else {
                self.fill()?;
                continue;
            };
            let length = usize::try_from(length)?;
            if body_end + length > MAX_RESPONSE_BYTES {
                bail!("an answer of more than {MAX_RESPONSE_BYTES} bytes is too long");
            }
            let start = at + size_bytes;
            // Two bytes end the chunk's line.
            while self.filled < start + length + 2 {
                self.fill()?;
            }
            at = start + length + 2;
            if length == 0 {
                self.consumed = at;
                return Ok(&self.buffer[head..body_end]);
            }
            self.buffer.copy_within(start..start + length, body_end);
            body_end += length;
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => bail!("the node closed the connection"),
                Ok(count) => {
                    self.filled += count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("waiting for an answer"),
            }
        }
    }
}

/// The length of the head, once it is whole, and how the body's length is told.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Framing)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes).context("the answer is not HTTP")? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(head) => head,
    };
    match response.code {
        Some(200) => {}
        code => bail!("the node answered with HTTP status {}", code.unwrap_or_default()),
    }
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| eyre!("the answer's content-length is no number"))?;
            return Ok(Some((head, Framing::Length(length))));
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Some((head, Framing::Chunked)));
        }
    }
    bail!("the answer does not tell its length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that reads one request per answer and sends the answer in pieces of `piece` bytes.
    fn serve(answers: Vec<&'static str>, piece: usize) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).unwrap() > 0);
                for part in answer.as_bytes().chunks(piece) {
                    stream.write_all(part).unwrap();
                    stream.flush().unwrap();
                }
            }
        });
        Endpoint::parse(&format!("http://{address}")).unwrap()
    }

    #[test]
    fn answers_are_read_whole_whatever_their_framing() {
        let answers = vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nchun\r\n3\r\nked\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nend",
        ];
        for piece in [1, 3, 1000] {
            let endpoint = serve(answers.clone(), piece);
            let mut connection = endpoint.connect(Duration::from_secs(10)).unwrap();
            let request = endpoint.request(b"{}");
            for expected in ["hello", "chunked", "end"] {
                assert_eq!(connection.exchange(&request).unwrap(), expected.as_bytes());
            }
        }
    }

    #[test]
    fn failures_are_told() {
        let endpoint = serve(vec!["HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"], 1000);
        let mut connection = endpoint.connect(Duration::from_secs(10)).unwrap();
        let error = connection.exchange(&endpoint.request(b"{}")).unwrap_err();
        assert!(error.to_string().contains("413"), "{error}");
        assert!(Endpoint::parse("https://127.0.0.1:1").is_err());
    }
}
