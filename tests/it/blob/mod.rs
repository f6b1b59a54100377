//! The blob store keeps the same promises on disk and in S3: every test here runs on both unless its name says not.

mod contents;
mod places;
mod uploads;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use runyard::config::BlobUrl;
use runyard::error::{Error, Result};
use runyard::repository::blob::{BlobKey, BlobStore};
use tempfile::TempDir;
use uuid::{Builder, Uuid};

use crate::support::s3::S3Server;

const TIMEOUT: Duration = Duration::from_secs(10);
const MIB: usize = 1024 * 1024;

/// What a store keeps its blobs in.
enum Home {
    Disk(TempDir),
    S3(S3Server),
}

/// A store with nothing in it.
struct Lab {
    store: BlobStore,
    home: Home,
}

impl Lab {
    async fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = BlobUrl::Disk(folder.path().join("made/by/the store"));
        let store = BlobStore::open(&url, &S3Server::start().aws(), TIMEOUT).await.unwrap();
        Self { store, home: Home::Disk(folder) }
    }

    async fn s3() -> Self {
        let server = S3Server::start();
        let store = BlobStore::open(&server.url("bucket", "a/prefix"), &server.aws(), TIMEOUT).await.unwrap();
        Self { store, home: Home::S3(server) }
    }

    async fn both() -> [Self; 2] {
        [Self::disk().await, Self::s3().await]
    }

    /// The folder below which the paths of keys are files.
    fn root(&self) -> PathBuf {
        match &self.home {
            Home::Disk(folder) => folder.path().join("made/by/the store"),
            Home::S3(server) => server.folder().join("bucket/a/prefix"),
        }
    }

    /// Every file that belongs to a blob, whole or not.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        collect(&self.root(), &mut found);
        if let Home::S3(server) = &self.home {
            found.extend(server.unfinished());
        }
        found
    }

    /// Takes the store away.
    fn take_away(&mut self) {
        let root = self.root();
        match &mut self.home {
            Home::Disk(_) => fs::rename(&root, root.with_extension("away")).unwrap(),
            Home::S3(server) => server.stop(),
        }
    }

    /// Brings it back as it was.
    fn bring_back(&mut self) {
        let root = self.root();
        match &mut self.home {
            Home::Disk(_) => fs::rename(root.with_extension("away"), &root).unwrap(),
            Home::S3(server) => server.restart(),
        }
    }

    async fn put(&self, bytes: &[u8]) -> BlobKey {
        let key = key();
        self.store.put(key, vec![Bytes::copy_from_slice(bytes)]).await.unwrap();
        key
    }
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.insert(path);
        }
    }
}

fn key() -> BlobKey {
    BlobKey { workspace: Uuid::now_v7(), segment: Uuid::now_v7() }
}

/// A key whose place in the order is known.
fn key_of(workspace: u8, day: u64, number: u8) -> BlobKey {
    let mut tail = [0; 10];
    tail[9] = number;
    let segment = Builder::from_unix_timestamp_millis(1_700_000_000_000 + day * 86_400_000, &tail);
    BlobKey { workspace: Uuid::from_bytes([workspace; 16]), segment: segment.into_uuid() }
}

/// Bytes in which no stretch looks like another.
fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Cuts into pieces of sizes that fit nothing.
fn pieces(mut bytes: Bytes) -> Vec<Bytes> {
    let sizes = [1, 65_537, 0, 4_095, MIB + 3, 17, 9 * MIB + 1, 262_144];
    let mut pieces = Vec::new();
    for size in sizes.into_iter().cycle() {
        pieces.push(bytes.split_to(size.min(bytes.len())));
        if bytes.is_empty() {
            return pieces;
        }
    }
    unreachable!("a cycle does not end")
}

async fn upload(store: &BlobStore, bytes: &Bytes) -> Result<BlobKey> {
    let key = key();
    let mut writer = store.writer(key).await?;
    for piece in pieces(bytes.clone()) {
        writer.write(piece).await?;
    }
    assert_eq!(writer.finish().await?, bytes.len() as u64);
    Ok(key)
}

/// Waits for what another task is about to do.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.expect("it did not happen");
}

fn is_unavailable<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Unavailable(_)))
}
