//! A segment that is missing or cut short is an error, and never an empty object.

use bytes::Bytes;
use reqwest::Method;

use super::*;
use crate::support::TestApp;

/// What may have happened to the bytes of a run.
#[derive(Clone, Copy, PartialEq)]
enum Damage {
    Missing,
    Short,
}

/// A server with a batch of runs whose segment is damaged, and their ids. `filler` makes each run larger.
async fn damaged(damage: Damage, filler: usize) -> (TestApp, Client, Uuid, Vec<String>) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let trace = Uuid::new_v4();
    let mut runs = batch(trace);
    for run in runs.as_array_mut().unwrap() {
        run["inputs"]["filler"] = json!("x".repeat(filler));
    }
    let ids = ada.create(&runs).await;
    let blobs = app.stores.open().await.blobs;
    let keys = blobs.list(None, 10).await.unwrap();
    assert_eq!(keys.len(), 1);
    blobs.delete(keys[0]).await.unwrap();
    if damage == Damage::Short {
        blobs.put(keys[0], vec![Bytes::from_static(b"[{")]).await.unwrap();
    }
    (app, ada, trace, ids)
}

#[tokio::test]
async fn a_run_whose_segment_is_missing_or_short_is_an_error() {
    for damage in [Damage::Missing, Damage::Short] {
        let (_app, ada, _, ids) = damaged(damage, 0).await;
        for path in [format!("/runs/{}", ids[0]), format!("/runs/{}?fields=name,outputs", ids[1])] {
            let problem = ada.get(&path).await.problem(500);
            assert_eq!(problem["code"], "internal");
            assert!(!problem["detail"].as_str().unwrap().contains("segment"), "{problem}");
        }
        // What needs no payload is still there.
        assert_eq!(ada.get(&format!("/runs/{}?fields=name", ids[2])).await.ok(200)["name"], "run 2");
    }
}

#[tokio::test]
async fn a_large_run_whose_segment_is_missing_or_short_is_an_error_before_the_first_byte() {
    for damage in [Damage::Missing, Damage::Short] {
        let (_app, ada, _, ids) = damaged(damage, 700_000).await;
        ada.get(&format!("/runs/{}", ids[0])).await.problem(500);
    }
}

#[tokio::test]
async fn a_trace_with_a_damaged_segment_breaks_off_and_is_not_taken_for_a_whole_one() {
    for damage in [Damage::Missing, Damage::Short] {
        let (_app, ada, trace, _) = damaged(damage, 0).await;
        let asked = ada.request(Method::GET, &format!("/traces/{trace}?payload=true")).send().await;
        // The connection may end before the first bytes are under way.
        if let Ok(answer) = asked {
            assert!(answer.status().is_server_error() || answer.bytes().await.is_err());
        }
        ada.get("/runs").await.ok(200);
    }
}
