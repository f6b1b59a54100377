//! The tests' S3 server in a process of its own, so that its threads are apart from the client's.

#[path = "../../tests/it/support/s3.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests use more of it, and a test may unwrap")]
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use hyper::Method;
use tempfile::TempDir;

use crate::children::{Child, announce};
use crate::options::Helper;
use crate::stores::fresh_folder;

use server::S3Server;

/// An S3 server without any bucket.
pub struct S3 {
    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub endpoint: String,
    counts: SocketAddr,
    // The process ends before its folder goes.
    _process: Child,
    folder: TempDir,
}

impl S3 {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let folder = fresh_folder()?;
        let (process, line) = Child::helper(Helper::S3, folder.path())?;
        let (endpoint, counts) = line.split_once(' ').ok_or_else(|| anyhow!("no two addresses: {line}"))?;
        Ok(Self { endpoint: endpoint.to_owned(), counts: counts.parse()?, _process: process, folder })
    }

    /// Where its objects are files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many PUTs it has answered.
    pub fn puts(&self) -> Result<u64> {
        let mut count = String::new();
        TcpStream::connect(self.counts)?.read_to_string(&mut count)?;
        count.parse().context("reading the count of PUTs")
    }
}

/// Is the S3 server, until the process that started it ends. On a second port everybody is told the count of PUTs.
pub fn serve(_folder: &Path) -> Result<()> {
    // It makes its own folder below the one that the environment names for temporary things.
    let server = S3Server::start();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(&format!("{} {}", server.endpoint, listener.local_addr()?))?;
    for connection in listener.incoming() {
        write!(connection?, "{}", server.requests(&Method::PUT))?;
    }
    Ok(())
}
