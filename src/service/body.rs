//! The body of a request as a stream of decoded chunks, within every bound: size, growth, pauses.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::config::Limits;
use crate::error::{Error, FieldError, Result};

/// Bytes that a decoder gives at once.
const CHUNK: usize = 64 * 1024;
/// Log2 of the largest window that a zstd frame may ask for; a decoder holds that much memory.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes beyond the largest body that are still read, and thrown away, so that its sender hears why it is refused.
const COURTESY: u64 = 64 * 1024 * 1024;
/// A body may grow to this size whatever its ratio, since small bodies compress extremely.
const FREE_GROWTH: u64 = 4 * 1024 * 1024;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Encoding {
    /// From a `Content-Encoding`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for any other.
    pub fn parse(header: Option<&str>) -> Result<Self> {
        match header.map(str::trim).map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(_) => Err(Error::Unsupported("Content-Encoding must be identity, gzip or zstd".to_owned())),
        }
    }
}

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A body that is being read.
pub struct Body {
    chunks: Chunks,
    encoded: Arc<AtomicU64>,
    decoded: u64,
    max_decoded: u64,
    /// How much it may grow; nothing for a body that is not compressed.
    max_ratio: Option<u64>,
    pause: Duration,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("decoded", &self.decoded).finish_non_exhaustive()
    }
}

impl Body {
    /// Decodes `raw` within the limits.
    pub fn new(
        encoding: Encoding,
        raw: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        limits: &Limits,
    ) -> Self {
        let encoded = Arc::new(AtomicU64::new(0));
        let chunks: Chunks = match encoding {
            Encoding::Identity => Box::pin(raw),
            Encoding::Gzip => {
                let mut decoder = GzipDecoder::new(StreamReader::new(counted(raw, &encoded)));
                decoder.multiple_members(true);
                read(decoder)
            }
            Encoding::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
                let mut decoder = ZstdDecoder::with_params(StreamReader::new(counted(raw, &encoded)), &window);
                decoder.multiple_members(true);
                read(decoder)
            }
        };
        let max_ratio = (encoding != Encoding::Identity).then_some(limits.max_compression_ratio);
        let max_decoded = limits.max_body.as_u64();
        Self { chunks, encoded, decoded: 0, max_decoded, max_ratio, pause: limits.body_timeout.0 }
    }

    /// The next bytes, or nothing at the end.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Slow`] and, when it breaks off or cannot be decoded, [`Error::Malformed`].
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let chunk = match tokio::time::timeout(self.pause, self.chunks.next()).await {
            Err(_) => return Err(Error::Slow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                return Err(Error::Malformed(FieldError::new("", format!("the body cannot be read: {error}"))));
            }
            Ok(Some(Ok(chunk))) => chunk,
        };
        self.decoded += chunk.len() as u64;
        if self.decoded > self.max_decoded {
            return Err(Error::too_large("", format!("a body has at most {} bytes, decoded", self.max_decoded)));
        }
        if let Some(ratio) = self.max_ratio {
            let allowed = self.encoded.load(Ordering::Relaxed).saturating_mul(ratio).max(FREE_GROWTH);
            if self.decoded > allowed {
                return Err(Error::too_large("", format!("a compressed body grows at most {ratio} times")));
            }
        }
        Ok(Some(chunk))
    }

    /// Reads on for a while without looking, after a refusal: an answer is lost on a client who is still sending
    /// when the connection closes.
    pub async fn drain(mut self) {
        let mut left = self.max_decoded.saturating_sub(self.decoded).max(COURTESY);
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(self.pause, self.chunks.next()).await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                return;
            }
        }
    }
}

fn counted<S>(raw: S, count: &Arc<AtomicU64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let count = Arc::clone(count);
    Box::pin(raw.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    }))
}

fn read(decoder: impl AsyncRead + Send + 'static) -> Chunks {
    Box::pin(ReaderStream::with_capacity(decoder, CHUNK))
}
