//! A great many favorites go out and come in while the server grows by next to nothing.
//!
//! `FAVORITES=1000000` makes it as many; the usual number keeps the suite short.

use std::fs;

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::support::{Process, TestStores};

/// Bytes that a server may grow by.
const GROWTH: u64 = 16 * 1024 * 1024;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A figure in bytes of the process: `VmRSS` now, or `VmHWM` at its highest.
fn memory(process: &Process, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_great_many_favorites_come_in_and_go_out_in_constant_memory() {
    let count = setting("FAVORITES", 20_000);
    let process = Process::start(TestStores::new().await, &["--token-ttl=1d", "--upstream-timeout=60s"]).await;
    let ada = process.user("ada").await;
    let line = |n: usize| {
        json!({"type": "insight", "name": format!("insight {n}"), "description": "d".repeat(40), "content": "c".repeat(60)})
            .to_string()
            + "\n"
    };
    let pieces = stream::iter(0..count.div_ceil(1_000))
        .map(move |piece| (piece * 1_000..count.min((piece + 1) * 1_000)).map(line).collect::<String>());
    let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
    let begun = std::time::Instant::now();
    let imported = ada.post_bytes("/favorites/import", body).await.ok(200);
    assert_eq!(imported["created"], count);
    let (import, after_import) = (begun.elapsed(), memory(&process, "VmHWM"));

    // From here on its highest is that of the stream alone.
    fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
    let before = memory(&process, "VmRSS");
    let begun = std::time::Instant::now();
    let request = ada.request(reqwest::Method::GET, "/favorites").header("accept", "application/x-ndjson");
    let mut chunks = request.send().await.unwrap().bytes_stream();
    let (mut lines, mut bytes, mut last) = (0, 0, 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        bytes += chunk.len();
        last = chunk.last().copied().unwrap_or(last);
    }
    let (export, growth) = (begun.elapsed(), memory(&process, "VmHWM").saturating_sub(before));
    println!(
        "{count} favorites: in {import:?} in, {export:?} out ({bytes} bytes); \
         the server grew by {} KiB while they went out, to {} KiB (import: {} KiB)",
        growth / 1024,
        (before + growth) / 1024,
        after_import / 1024
    );
    assert_eq!((lines, last), (count, b'\n'));
    assert!(growth <= GROWTH, "it grew by {growth} bytes");
}
