//! A receiver of traces: an HTTP server that reads what comes and forgets it, so that the server that is measured has
//! somebody to send its spans to.

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::children::{Child, announce};
use crate::options::Helper;
use crate::stores::fresh_folder;

/// One in a process of its own.
pub struct Receiver {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to say.
    pub endpoint: String,
    // The process ends before its folder goes.
    _process: Child,
    _folder: TempDir,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let folder = fresh_folder()?;
        let (process, address) = Child::helper(Helper::Receiver, folder.path())?;
        Ok(Self { endpoint: format!("http://{address}"), _process: process, _folder: folder })
    }
}

/// Is the receiver, until the process that started it ends.
pub fn serve(_folder: &Path) -> Result<()> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&listener.local_addr()?.to_string())?;
        loop {
            let (socket, _) = listener.accept().await?;
            let answer = service_fn(forget);
            tokio::spawn(async move {
                // The exporter notices when a connection breaks, and says so.
                drop(http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await);
            });
        }
    })
}

async fn forget(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(Response::new(Empty::new()))
}
