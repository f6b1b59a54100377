//! What is told of a GPU's samples, and to whom.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::telemetry::{DAY, app, collected, entries, publish, sample, store, time, told};

#[tokio::test]
async fn a_sample_comes_back_with_everything_that_it_said() {
    let (_app, ada) = app().await;
    let mut full = sample("GPU-1", "TEMP", &time(DAY, 123_456), 45.5);
    full["container"] = json!("trainer");
    full["pod"] = json!("pod-7");
    full["namespace"] = json!("ml");
    full["labels_raw"] = json!("a=\"b\\\"\",ü=\"😀\"");
    // One sample alone, as the seed publishes it.
    publish(&ada, &[full.clone()]).await;
    collected(&ada).await;
    let found = entries(&ada, "GPU-1", "").await;
    let mut expected = full;
    expected["ingested_at"] = found[0]["ingested_at"].clone();
    assert_eq!(found, [expected]);
    let stored: chrono::DateTime<chrono::Utc> = found[0]["ingested_at"].as_str().unwrap().parse().unwrap();
    assert!((chrono::Utc::now() - stored).num_seconds() < 600);
    let gpus = ada.get("/api/v1/gpus").await.ok(200);
    let gpu = json!({
        "id": "GPU-1", "gpu_id": "0", "device": "nvidia0", "model_name": "NVIDIA H100 80GB HBM3",
        "hostname": "host-1", "first_seen": time(DAY, 123_456), "last_seen": time(DAY, 123_456),
    });
    assert_eq!(gpus, json!({"gpus": [gpu]}));
    assert_eq!(ada.get("/api/v1/gpus/GPU-1").await.ok(200), gpu);
    let bare = json!({"timestamp": time(DAY, 0), "metric_name": "TEMP", "uuid": "GPU-0", "value": null});
    store(&ada, &[bare]).await;
    let found = entries(&ada, "GPU-0", "").await;
    for absent in ["gpu_id", "device", "model_name", "hostname", "container", "pod", "namespace", "value", "labels_raw"]
    {
        assert_eq!(found[0][absent], Value::Null, "{absent}");
    }
}

#[tokio::test]
async fn a_fresh_server_has_no_gpus_and_collects_once_there_is_somebody() {
    let app = TestApp::with(&["--collect-interval=20ms"]).await;
    let ada = app.user("ada").await;
    assert_eq!(ada.get("/api/v1/gpus").await.ok(200), json!({"gpus": []}));
    assert_eq!(ada.get("/api/v1/metrics").await.ok(200), json!({"metrics": []}));
    ada.get("/api/v1/gpus/GPU-1").await.problem(404);
    ada.get("/api/v1/gpus/GPU-1/telemetry").await.problem(404);
    store(&ada, &[sample("GPU-1", "TEMP", &time(DAY, 0), 1)]).await;
    assert_eq!(entries(&ada, "GPU-1", "").await.len(), 1);
}

#[tokio::test]
async fn gpus_are_told_apart_by_their_own_ids_and_listed_by_them() {
    let (_app, ada) = app().await;
    let mut samples = Vec::new();
    for (host, gpu) in [("b", "GPU-3"), ("a", "GPU-1"), ("b", "GPU-2"), ("a", "gpu-0")] {
        for (metric, value) in [("TEMP", 40), ("POWER", 300)] {
            let mut one = sample(gpu, metric, &time(DAY, 0), value);
            one["hostname"] = json!(host);
            samples.push(one);
        }
    }
    store(&ada, &samples).await;
    let ids = |list: &Value| -> Vec<String> {
        list["gpus"].as_array().unwrap().iter().map(|gpu| gpu["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&ada.get("/api/v1/gpus").await.ok(200)), ["GPU-1", "GPU-2", "GPU-3", "gpu-0"]);
    assert_eq!(ids(&ada.get("/api/v1/gpus?hostname=b").await.ok(200)), ["GPU-2", "GPU-3"]);
    assert_eq!(ids(&ada.get("/api/v1/gpus?model_name=A100").await.ok(200)), Vec::<String>::new());
    assert_eq!(ada.get("/api/v1/gpus?host=b").await.field(422), "host");
    let metrics = json!({"metrics": [{"metric_name": "POWER", "series": 4}, {"metric_name": "TEMP", "series": 4}]});
    assert_eq!(ada.get("/api/v1/metrics").await.ok(200), metrics);
}

#[tokio::test]
async fn entries_are_in_the_order_of_time_and_bounds_are_included() {
    let (_app, ada) = app().await;
    let samples: Vec<Value> = [7, 3, 9, 5, 1]
        .into_iter()
        .flat_map(|second| ["POWER", "TEMP"].map(|metric| sample("GPU-1", metric, &time(DAY + second, 5), second)))
        .collect();
    store(&ada, &samples).await;
    let all = told(&entries(&ada, "GPU-1", "").await);
    let expected: Vec<_> = [1, 1, 3, 3, 5, 5, 7, 7, 9, 9].map(|n| (time(DAY + n, 5), json!(n))).to_vec();
    assert_eq!(all, expected);
    let temperature = |query: String| {
        let ada = ada.clone();
        async move { told(&entries(&ada, "GPU-1", &format!("metric_name=TEMP&{query}")).await).len() }
    };
    assert_eq!(temperature(String::new()).await, 5);
    let bounds = |from: String, to: String| format!("start_time={from}&end_time={to}");
    assert_eq!(temperature(bounds(time(DAY + 3, 5), time(DAY + 7, 5))).await, 3);
    assert_eq!(temperature(bounds(time(DAY + 3, 6), time(DAY + 7, 4))).await, 1);
    assert_eq!(temperature(bounds(time(DAY + 5, 5), time(DAY + 5, 5))).await, 1);
    assert_eq!(temperature(format!("end_time={}", time(DAY + 1, 4))).await, 0);
    assert_eq!(temperature(format!("start_time={}", time(DAY + 9, 5))).await, 1);
    assert_eq!(temperature("start_time=2026-11-06T02:00:00%2B02:00".to_owned()).await, 5);
    assert_eq!(entries(&ada, "GPU-1", "metric_name=NOISE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_by_its_field() {
    let (_app, ada) = app().await;
    store(&ada, &[sample("GPU-1", "TEMP", &time(DAY, 0), 1)]).await;
    let reversed = format!("start_time={}&end_time={}", time(DAY, 1), time(DAY, 0));
    for (query, field) in [
        ("start_time=yesterday", "start_time"),
        ("end_time=2026-13-01T00:00:00Z", "end_time"),
        (reversed.as_str(), "start_time"),
        ("step=0s", "step"),
        ("step=-1m", "step"),
        ("step=fast", "step"),
        ("step=1ns", "step"),
        ("step=400d", "step"),
        ("agg=max", "agg"),
        ("step=1m&agg=median", "agg"),
        ("limit=0", "limit"),
        ("limit=100001", "limit"),
        ("cursor=x", "cursor"),
        ("metric=TEMP", "metric"),
    ] {
        assert_eq!(ada.get(&format!("/api/v1/gpus/GPU-1/telemetry?{query}")).await.field(422), field, "{query}");
    }
    ada.get("/api/v1/gpus/GPU-9/telemetry?step=1m").await.problem(404);
}

#[tokio::test]
async fn another_workspace_sees_nothing_of_it() {
    let (_app, ada) = app().await;
    let bob = _app.user("bob").await;
    store(&ada, &[sample("GPU-1", "TEMP", &time(DAY, 0), 1)]).await;
    assert_eq!(bob.get("/api/v1/gpus").await.ok(200), json!({"gpus": []}));
    assert_eq!(bob.get("/api/v1/metrics").await.ok(200), json!({"metrics": []}));
    bob.get("/api/v1/gpus/GPU-1").await.problem(404);
    bob.get("/api/v1/gpus/GPU-1/telemetry").await.problem(404);
    // As a member they do, also as a viewer.
    ada.post("/api/members", &json!({"email": "bob@example.com", "role": "viewer"})).await.ok(201);
    let guest = bob.with("x-workspace-id", &ada.workspace_id);
    assert_eq!(entries(&guest, "GPU-1", "").await.len(), 1);
}

#[tokio::test]
async fn a_workspace_that_is_named_gets_the_telemetry() {
    let app = TestApp::spawn().await;
    let _first = app.user("ada").await;
    let bob = app.user("bob").await;
    let named = TestApp::over(app.stop().await, &[&format!("--telemetry-workspace={}", bob.workspace_id)]).await;
    let bob = bob.at(named.address);
    store(&bob, &[sample("GPU-1", "TEMP", &time(DAY, 0), 1)]).await;
    assert_eq!(entries(&bob, "GPU-1", "").await.len(), 1);
}

#[tokio::test]
async fn other_labels_are_another_series_and_the_gpu_is_described_by_its_latest_sample() {
    let (_app, ada) = app().await;
    let moved = |second: i64, host: &str, pod: &str| {
        let mut one = sample("GPU-1", "TEMP", &time(DAY + second, 0), second);
        one["hostname"] = json!(host);
        one["pod"] = json!(pod);
        one
    };
    store(&ada, &[moved(2, "b", "p"), moved(1, "a", "p")]).await;
    store(&ada, &[moved(0, "c", "q")]).await;
    let found = entries(&ada, "GPU-1", "").await;
    let hosts: Vec<_> = found.iter().map(|entry| entry["hostname"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["c", "a", "b"]);
    let gpu = ada.get("/api/v1/gpus/GPU-1").await.ok(200);
    assert_eq!((gpu["hostname"].as_str(), gpu["first_seen"].as_str()), (Some("b"), Some(time(DAY, 0).as_str())));
    assert_eq!(gpu["last_seen"], time(DAY + 2, 0));
    assert_eq!(ada.get("/api/v1/metrics").await.ok(200)["metrics"][0]["series"], 3);
}
