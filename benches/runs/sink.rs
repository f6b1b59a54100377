//! The bare sink that ingest is compared with: an HTTP server that writes each body to a file and syncs it before it
//! answers, and knows nothing of runs.
//!
//! A thread writes while the next bytes are received, which is the fastest of the simple ways.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::children::{Child, announce};
use crate::options::Helper;
use crate::stores::fresh_folder;

/// Chunks of a body that may wait to be written.
const WAITING: usize = 16;

/// A sink in a process of its own.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    // The process ends before its folder goes.
    _process: Child,
    folder: TempDir,
}

impl Sink {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let folder = fresh_folder()?;
        let (process, line) = Child::helper(Helper::Sink, folder.path())?;
        Ok(Self { address: line.parse()?, _process: process, folder })
    }

    /// Removes what was received.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(self.folder.path())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// Is the sink, until the process that started it ends.
pub fn serve(folder: &Path) -> Result<()> {
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&listener.local_addr()?.to_string())?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let folder = folder.to_owned();
            tokio::spawn(async move {
                let answer = service_fn(|request| receive(folder.clone(), request));
                // Whoever measures notices when a connection breaks.
                drop(http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await);
            });
        }
    })
}

async fn receive(folder: PathBuf, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let (chunks, waiting) = mpsc::channel(WAITING);
    let writing = spawn_blocking(move || write(&folder, waiting));
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame?.into_data() {
            chunks.send(chunk).await?;
        }
    }
    drop(chunks);
    let size = writing.await??;
    Ok(Response::new(Full::from(size.to_string())))
}

fn write(folder: &Path, mut chunks: mpsc::Receiver<Bytes>) -> io::Result<usize> {
    let mut file = File::create_new(folder.join(Uuid::new_v4().to_string()))?;
    let mut size = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        size += chunk.len();
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    Ok(size)
}
