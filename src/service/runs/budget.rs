//! Bounds the bytes of bodies that are held in memory at once, over all requests.
//!
//! What is held is what has arrived: a `Content-Length` holds nothing. The permit travels inside the chunk and comes
//! back when its last clone is dropped, wherever that happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Bytes that one permit stands for.
const UNIT: u64 = 1024;

/// The room for bodies.
#[derive(Debug, Clone)]
pub struct Budget {
    room: Arc<Semaphore>,
    units: u32,
    patience: Duration,
}

struct Held {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Budget {
    /// Room for so many bytes; who waits longer than `patience` is sent away.
    pub fn new(bytes: u64, patience: Duration) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { room: Arc::new(Semaphore::new(units as usize)), units, patience }
    }

    /// The same bytes, counted until they are dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there was no room for as long as the patience lasts.
    pub async fn hold(&self, bytes: Bytes) -> Result<Bytes> {
        let units = u32::try_from((bytes.len() as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let wait = Arc::clone(&self.room).acquire_many_owned(units);
        match tokio::time::timeout(self.patience, wait).await {
            Ok(Ok(permit)) => Ok(Bytes::from_owner(Held { bytes, _permit: permit })),
            _ => Err(Error::unavailable(anyhow!("bodies in flight fill MAX_INFLIGHT_BYTES"))),
        }
    }
}
