//! One look at an exporter over HTTP, of which nothing is trusted: neither that it ends nor that it is small.

use std::pin::Pin;

use anyhow::{Context, bail, ensure};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_ENCODING, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::exposition::Exposition;

/// Samples that one answer may have.
const MAX_SAMPLES: usize = 50_000;
/// Bytes of the answer's head.
const MAX_HEAD: usize = 64 * 1024;

/// Reads an exporter's answer of at most `most` bytes into `exposition`. It takes as long as the exporter likes; the
/// caller gives it its time.
///
/// # Errors
/// When nobody answers, the answer is none of an exporter, or it is too large.
pub async fn scrape(address: &Uri, most: u64, exposition: &mut Exposition) -> anyhow::Result<()> {
    let host = address.host().context("the address has no host")?;
    let stream = TcpStream::connect(format!("{host}:{}", address.port_u16().unwrap_or(80))).await;
    let io = TokioIo::new(stream.context("connecting to the exporter")?);
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(io).await?;
    // The connection ends when this is left, be it in the middle of an answer.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, address.authority().map_or(host, |authority| authority.as_str()))
        .header(USER_AGENT, concat!("runyard/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "text/plain;version=0.0.4")
        .body(String::new())
        .context("asking the exporter")?;
    let response = sender.send_request(request).await.context("asking the exporter")?;
    ensure!(response.status().as_u16() == 200, "the exporter answers {}", response.status().as_u16());
    ensure!(!response.headers().contains_key(CONTENT_ENCODING), "the exporter compresses without being asked to");
    take(response.into_body(), most, exposition).await
}

async fn take(mut body: Incoming, most: u64, exposition: &mut Exposition) -> anyhow::Result<()> {
    let mut size = 0;
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.context("reading the exporter's answer")?.into_data() else { continue };
        size += data.len() as u64;
        if size > most {
            bail!("the exporter's answer has more than {most} bytes; raise STREAMER_MAX_SCRAPE if it is right");
        }
        exposition.push(&data);
        ensure!(exposition.samples.len() <= MAX_SAMPLES, "the exporter gives more than {MAX_SAMPLES} samples");
    }
    exposition.finish();
    Ok(())
}
