//! Pages and lines: each sample exactly once, and in one order.

use serde_json::{Value, json};

use crate::support::Client;
use crate::telemetry::{DAY, app, collected, entries, publish, sample, store, time};

/// The whole list, page by page.
async fn walk(client: &Client, gpu: &str, query: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10_000 {
        let page = client.get(&format!("/api/v1/gpus/{gpu}/telemetry?{query}{cursor}")).await.ok(200);
        found.extend(page["entries"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("a list without end");
}

/// All of it as lines.
async fn lines(client: &Client, gpu: &str, query: &str) -> Vec<Value> {
    let lines = client.clone().with("accept", "application/x-ndjson");
    let reply = lines.get(&format!("/api/v1/gpus/{gpu}/telemetry?{query}")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/x-ndjson"), "{}", reply.text());
    reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_sample_comes_exactly_once_over_all_pages() {
    let (_app, ada) = app().await;
    // Several series of the same moments, in several batches that overlap.
    for batch in 0..4 {
        let samples: Vec<Value> = (0..60)
            .flat_map(|n| {
                ["A", "B", "C"]
                    .map(|metric| sample("GPU-1", metric, &time(DAY + (n * 4 + batch) / 3, 0), n * 4 + batch))
            })
            .collect();
        store(&ada, &samples).await;
    }
    let all = entries(&ada, "GPU-1", "limit=100000").await;
    assert_eq!(all.len(), 3 * 80);
    let order = |entry: &Value| (entry["timestamp"].as_str().unwrap().to_owned(), entry["metric_name"].to_string());
    let mut seen: Vec<_> = all.iter().map(order).collect();
    assert!(seen.is_sorted_by_key(|(time, _)| time.clone()));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all.len());
    for limit in [1, 2, 7, 80, 239, 240, 241] {
        assert_eq!(walk(&ada, "GPU-1", &format!("limit={limit}")).await, all, "{limit}");
    }
    let bounded = format!("start_time={}&end_time={}&metric_name=B", time(DAY + 10, 0), time(DAY + 50, 0));
    let part = entries(&ada, "GPU-1", &bounded).await;
    assert_eq!(part.len(), 41);
    assert_eq!(walk(&ada, "GPU-1", &format!("{bounded}&limit=10")).await, part);
    assert_eq!(lines(&ada, "GPU-1", "").await, all);
    assert_eq!(lines(&ada, "GPU-1", &bounded).await, part);
    assert_eq!(lines(&ada, "GPU-1", "limit=1").await.len(), 240);
    assert_eq!(lines(&ada, "GPU-1", "metric_name=NOISE").await, Vec::<Value>::new());
    assert_eq!(lines(&ada, "GPU-1", "step=10s&agg=count").await, entries(&ada, "GPU-1", "step=10s&agg=count").await);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let (_app, ada) = app().await;
    let both: Vec<Value> = ["GPU-1", "GPU-2"]
        .into_iter()
        .flat_map(|gpu| (0..5).map(move |n| sample(gpu, "TEMP", &time(DAY + n, 0), n)))
        .collect();
    store(&ada, &both).await;
    let page = ada.get("/api/v1/gpus/GPU-1/telemetry?limit=2").await.ok(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = ada.get(&format!("/api/v1/gpus/GPU-1/telemetry?limit=4&cursor={cursor}")).await.ok(200);
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["next_cursor"]), (3, &Value::Null));
    let forged = format!("{}A", &cursor[..cursor.len() - 1]);
    for path in [
        format!("GPU-2/telemetry?cursor={cursor}"),
        format!("GPU-1/telemetry?metric_name=TEMP&cursor={cursor}"),
        format!("GPU-1/telemetry?end_time={}&cursor={cursor}", time(DAY + 3, 0)),
        format!("GPU-1/telemetry?step=1m&cursor={cursor}"),
        format!("GPU-1/telemetry?cursor={forged}"),
    ] {
        let reply = ada.get(&format!("/api/v1/gpus/{path}")).await;
        if path.contains(&forged) && forged == cursor {
            continue;
        }
        assert_eq!(reply.field(422), "cursor", "{path}");
    }
}

#[tokio::test]
async fn more_than_a_piece_is_whole_as_a_page_and_as_lines() {
    let (_app, ada) = app().await;
    let count = 12_000;
    for part in 0..3 {
        let messages: Vec<Value> = (0..8)
            .map(|message| {
                let first = part * 4_000 + message * 500;
                let samples = first..first + 500;
                json!({"samples": samples.map(|n| sample("GPU-1", "TEMP", &time(DAY + n, 0), n)).collect::<Vec<_>>()})
            })
            .collect();
        publish(&ada, &messages).await;
        collected(&ada).await;
    }
    let seconds =
        |entries: &[Value]| -> Vec<i64> { entries.iter().map(|entry| entry["value"].as_i64().unwrap()).collect() };
    let expected: Vec<i64> = (0..count).collect();
    assert_eq!(seconds(&entries(&ada, "GPU-1", "limit=100000").await), expected);
    assert_eq!(seconds(&lines(&ada, "GPU-1", "").await), expected);
    assert_eq!(seconds(&walk(&ada, "GPU-1", "limit=5000").await), expected);
    let minutes = entries(&ada, "GPU-1", "step=1m&agg=count").await;
    assert!(minutes.len() == 200 && minutes.iter().all(|entry| entry["value"] == 60));
    let hours = entries(&ada, "GPU-1", "step=1h&agg=last").await;
    assert_eq!(seconds(&hours), [3_599, 7_199, 10_799, 11_999]);
}
