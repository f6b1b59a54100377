//! What the collector makes of messages: values that DCGM does not know, and messages that cannot be stored.

use serde_json::{Value, json};

use crate::telemetry::{DAY, app, collected, entries, publish, sample, time, told};

#[tokio::test]
async fn what_dcgm_does_not_know_is_null() {
    let (_app, ada) = app().await;
    let values = [
        json!(2_147_483_632_i64),
        json!(9_223_372_036_854_775_794_i64),
        json!(140_737_488_355_330.0),
        json!("NaN"),
        json!("-inf"),
        Value::Null,
        json!("7.5"),
        json!(0),
    ];
    let samples: Vec<Value> =
        (0..).zip(values).map(|(n, value)| sample("GPU-1", "TEMP", &time(DAY + n, 0), value)).collect();
    publish(&ada, &[json!({"samples": samples})]).await;
    collected(&ada).await;
    let found = told(&entries(&ada, "GPU-1", "").await);
    let values: Vec<Value> = found.into_iter().map(|(_, value)| value).collect();
    assert_eq!(json!(values), json!([null, null, null, null, null, null, 7.5, 0]));
    // They are no values of a step either, but a step that has nothing else is there.
    let step = |agg: &str| format!("step=1h&agg={agg}");
    assert_eq!(told(&entries(&ada, "GPU-1", &step("count")).await), [(time(DAY, 0), json!(2))]);
    assert_eq!(told(&entries(&ada, "GPU-1", &step("min")).await), [(time(DAY, 0), json!(0))]);
    let empty = format!("step=1s&agg=avg&end_time={}", time(DAY, 0));
    assert_eq!(told(&entries(&ada, "GPU-1", &empty).await), [(time(DAY, 0), Value::Null)]);
    let empty = format!("step=1m&agg=count&end_time={}", time(DAY, 0));
    assert_eq!(told(&entries(&ada, "GPU-1", &empty).await), [(time(DAY, 0), json!(0))]);
}

#[tokio::test]
async fn a_poisoned_message_is_buried_with_its_reason_and_the_others_are_stored() {
    let (_app, ada) = app().await;
    let good = |second: i64| sample("GPU-1", "TEMP", &time(DAY + second, 0), second);
    let bad = |field: &str, value: Value| {
        let mut sample = good(100);
        sample[field] = value;
        sample
    };
    let payloads = [
        json!({"samples": [good(1), good(2)]}),
        json!({"samples": [good(3), bad("timestamp", json!("never"))]}),
        good(4),
        bad("uuid", Value::Null),
        json!("what"),
        json!([good(5)]),
        json!({"samples": [good(6), good(7), bad("value", json!("hot"))]}),
        json!({"samples": [bad("labels_raw", json!("x".repeat(20_000)))]}),
        json!({"samples": [bad("pod", json!("a\u{0}b"))]}),
        json!({"samples": []}),
        good(8),
    ];
    let ids = publish(&ada, &payloads).await;
    collected(&ada).await;
    let seconds: Vec<Value> = told(&entries(&ada, "GPU-1", "").await).into_iter().map(|(_, value)| value).collect();
    assert_eq!(json!(seconds), json!([1, 2, 4, 8]));
    let letters = ada.get("/api/v1/topics/telemetry/dead-letters?limit=100").await.ok(200);
    let mut buried: Vec<(usize, String)> = letters["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| {
            let place = ids.iter().position(|id| letter["msg_uuid"] == id.as_str()).unwrap();
            (place, letter["reason"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    buried.sort();
    let expected = [
        (1, "samples[1].timestamp: "),
        (3, "uuid: "),
        (4, "cannot be read: "),
        (5, "cannot be read: "),
        (6, "samples[2].value: "),
        (7, "samples[0].labels_raw: "),
        (8, "samples[0].pod: "),
    ];
    assert_eq!(buried.len(), expected.len(), "{buried:?}");
    for ((place, reason), (expected_place, beginning)) in buried.iter().zip(expected) {
        assert!(*place == expected_place && reason.starts_with(beginning), "{place} {reason}");
    }
    let topic = ada.get("/api/v1/topics/telemetry").await.ok(200);
    assert_eq!((&topic["dead"], &topic["acked"]), (&json!(7), &json!(4)), "{topic}");
}
