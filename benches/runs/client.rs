//! An HTTP/1.1 client that costs next to nothing: requests are bytes made beforehand, answers are only cut off.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request that takes longer is given up, and the benchmark with it.
const PATIENCE: Duration = Duration::from_secs(120);
/// A body up to this size goes out together with its head.
const TOGETHER: usize = 64 * 1024;

/// A request, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub struct Request {
    head: Bytes,
    body: Bytes,
}

impl Request {
    /// A GET.
    pub fn get(path: &str, headers: &[(&str, &str)]) -> Self {
        Self::new("GET", path, headers, Bytes::new())
    }

    /// A POST of JSON.
    pub fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::new("POST", path, headers, body.into())
    }

    /// Any request; its body is JSON.
    pub fn new(method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Self {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" && method != "DELETE" {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        if body.len() > TOGETHER {
            return Self { head: head.into(), body };
        }
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&body);
        Self { head: whole.into(), body: Bytes::new() }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, if this is the status.
    pub fn expect(self, status: u16) -> Result<Vec<u8>> {
        let text = || String::from_utf8_lossy(&self.body);
        ensure!(self.status == status, "expected {status}, got {}: {}", self.status, text());
        Ok(self.body)
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// To this address.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(TOGETHER) })
    }

    /// Sends a request and takes the whole answer.
    pub async fn send(&mut self, request: &Request) -> Result<Answer> {
        timeout(PATIENCE, self.exchange(request)).await.context("waiting for an answer")?
    }

    async fn exchange(&mut self, request: &Request) -> Result<Answer> {
        self.stream.write_all(&request.head).await?;
        self.stream.write_all(&request.body).await?;
        self.received.clear();
        let head = loop {
            if let Some(end) = memmem::find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let (status, length) = parse(&self.received[..head])?;
        let body = match length {
            Some(length) => self.part(head, length).await?.to_vec(),
            None => self.chunks(head).await?,
        };
        Ok(Answer { status, body })
    }

    /// So many bytes from this place of what was received on.
    async fn part(&mut self, start: usize, length: usize) -> Result<&[u8]> {
        while self.received.len() < start + length {
            self.read().await?;
        }
        Ok(&self.received[start..start + length])
    }

    /// The body that comes in chunks from this place on.
    async fn chunks(&mut self, mut start: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = memmem::find(&self.received[start..], b"\r\n") {
                    break start + end;
                }
                self.read().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.received[start..end])?, 16)?;
            body.extend_from_slice(&self.part(end + 2, size + 2).await?[..size]);
            if size == 0 {
                return Ok(body);
            }
            start = end + 2 + size + 2;
        }
    }

    async fn read(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.received).await?;
        ensure!(count > 0, "the connection was closed in the middle of an answer");
        Ok(())
    }
}

/// The status and the length of the body that follows, unless it comes in chunks.
fn parse(head: &[u8]) -> Result<(u16, Option<usize>)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or_else(|| anyhow!("no status"))?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse());
    let length = if head.contains("transfer-encoding: chunked") { None } else { Some(length?) };
    Ok((status.parse()?, length))
}

/// Clients that each send one request after another.
#[derive(Debug)]
pub struct Fleet {
    connections: Vec<Connection>,
}

/// What a fleet did.
#[derive(Debug)]
pub struct Load {
    /// How long it took.
    pub elapsed: Duration,
    /// How long each request took.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

impl Fleet {
    /// So many clients of this server.
    pub async fn open(address: SocketAddr, clients: usize) -> Result<Self> {
        let connections = try_join_all((0..clients).map(|_| Connection::open(address))).await?;
        Ok(Self { connections })
    }

    /// Sends `count` requests as fast as the answers come; each must have this status.
    pub async fn run<'a>(&mut self, count: usize, status: u16, request: impl Fn(usize) -> &'a Request) -> Result<Load> {
        let next = Cell::new(0);
        let (next, request) = (&next, &request);
        let begun = Instant::now();
        let clients = self.connections.iter_mut().map(|connection| async move {
            let mut latencies = Vec::with_capacity(count);
            while next.get() < count {
                let index = next.replace(next.get() + 1);
                let sent = Instant::now();
                let answer = connection.send(request(index)).await?;
                latencies.push(sent.elapsed());
                answer.expect(status)?;
            }
            anyhow::Ok(latencies)
        });
        let latencies = try_join_all(clients).await?;
        Ok(Load { elapsed: begun.elapsed(), latencies: latencies.concat() })
    }
}
