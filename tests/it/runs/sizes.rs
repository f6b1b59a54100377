//! Large bodies and the bounds of what is taken.

use std::io::Write;

use serde_json::json;

use crate::runs::{NOTHING, TRACE, id, raw, stored};
use crate::support::{TestApp, run};

#[tokio::test]
async fn bodies_of_every_size_around_the_parts_come_back_equal() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for size in [1_000, 1 << 20, (1 << 20) + 1, 3 << 20, 9 << 20, 20 << 20] {
        let text: String = (0..size).map(|index| char::from(b'a' + (index % 23) as u8)).collect();
        let inputs = format!("{{\"text\":\"{text}\"}}");
        let body = format!(
            "[{{\"trace_id\":\"{TRACE}\",\"name\":\"large\",\"inputs\":{inputs},\"outputs\":{{\"o\":{size}}}}}]"
        );
        let ids = ada.post_bytes("/runs", body).await.ok(201);
        let path = format!("/runs/{}", ids["ids"][0].as_str().unwrap());
        for _ in 0..2 {
            let found = ada.get(&path).await;
            assert_eq!(found.status, 200);
            assert!(raw(&found.text(), "inputs") == inputs, "{size} bytes");
        }
        let part = ada.get(&format!("{path}?fields=outputs")).await.text();
        assert_eq!(part, format!("{{\"outputs\":{{\"o\":{size}}}}}"));
        let etag = ada.get(&path).await.header("etag").to_owned();
        assert_eq!(ada.clone().with("if-none-match", &etag).get(&path).await.status, 304);
        ada.delete(&path).await.ok(204);
    }
}

#[tokio::test]
async fn every_bound_has_its_own_clear_answer() {
    let app = TestApp::with(&["--max-body=1MiB", "--max-run=100KiB", "--max-batch=10"]).await;
    let ada = app.user("ada").await;
    let padded = |size: usize| json!([{"trace_id": TRACE, "name": "n", "inputs": {"a": "x".repeat(size)}}]);
    ada.post("/runs", &padded(90 * 1024)).await.ok(201);
    assert_eq!(ada.post("/runs", &padded(110 * 1024)).await.field(413), "[0]");
    let many: Vec<_> = (0..11).map(|_| run(None, "n")).collect();
    ada.post("/runs", &many.into()).await.problem(413);
    let long: Vec<_> = (0..10).map(|_| padded(99 * 1024)[0].clone()).collect();
    ada.create(&long.clone().into()).await;
    let blanks = format!("{}{}", " ".repeat(1 << 20), serde_json::to_string(&long).unwrap());
    let problem = ada.post_bytes("/runs", blanks).await.problem(413);
    assert!(problem["detail"].as_str().unwrap().contains("1048576"), "{problem}");
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_grows() {
    let app = TestApp::with(&["--max-compression-ratio=100"]).await;
    let ada = app.user("ada").await;
    let blank = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..300 {
        gzip.write_all(&blank).unwrap();
    }
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    for _ in 0..300 {
        zstd.write_all(&blank).unwrap();
    }
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd.finish().unwrap())] {
        let answer = ada.clone().with("content-encoding", encoding).post_bytes("/runs", body).await;
        let problem = answer.problem(413);
        assert!(problem["detail"].as_str().unwrap().contains("100 times"), "{encoding}: {problem}");
    }
    assert_eq!(stored(&app).await, NOTHING);
}

#[tokio::test]
async fn a_batch_of_the_largest_size_is_stored_whole() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let runs: Vec<_> =
        (0..10_000).map(|index| json!({"id": id(), "trace_id": TRACE, "name": format!("n{index}")})).collect();
    let ids = ada.create(&runs.clone().into()).await;
    assert_eq!(ids.len(), 10_000);
    assert_eq!(stored(&app).await.runs, 10_000);
    // The same again is the same; one of them changed refuses them all.
    ada.create(&runs.clone().into()).await;
    let mut changed = runs;
    changed[7_777]["name"] = "other".into();
    assert_eq!(ada.post("/runs", &changed.into()).await.field(409), "[7777].id");
    assert_eq!(stored(&app).await.runs, 10_000);
}

#[tokio::test]
async fn rows_that_are_too_much_to_hold_are_refused() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let tags: Vec<String> = (0..100).map(|index| format!("{index:0>256}")).collect();
    let run = json!({"trace_id": TRACE, "name": "n".repeat(4_096), "tags": tags});
    let body = format!("[{}]", vec![run.to_string(); 1_500].join(","));
    let problem = ada.post_bytes("/runs", body).await.problem(413);
    assert!(problem["detail"].as_str().unwrap().contains("names, tags"), "{problem}");
    assert_eq!(stored(&app).await, NOTHING);
    let fewer = format!("[{}]", vec![run.to_string(); 100].join(","));
    ada.post_bytes("/runs", fewer).await.ok(201);
}
