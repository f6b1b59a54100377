//! Steps: aligned to 1970, cut by the bounds to exactly the samples within them, page after page.

use serde_json::{Value, json};

use crate::telemetry::{DAY, app, entries, sample, store, time, told};

#[tokio::test]
async fn each_step_tells_of_the_samples_that_lie_in_it() {
    let (_app, ada) = app().await;
    let at = [(0, 10), (9, 20), (10, 30), (59, 0), (60, 5), (3_599, 7), (3_600, 9)];
    let samples: Vec<Value> =
        at.map(|(second, value)| sample("GPU-1", "TEMP", &time(DAY + second, 999_999), value)).into();
    store(&ada, &samples).await;
    let step = |step: &str, agg: &str| {
        let (ada, query) = (ada.clone(), format!("step={step}&agg={agg}"));
        async move { told(&entries(&ada, "GPU-1", &query).await) }
    };
    let expected = |list: &[(i64, Value)]| -> Vec<(String, Value)> {
        list.iter().map(|(second, value)| (time(DAY + second, 0), value.clone())).collect()
    };
    let tens = [(0, json!(15)), (10, json!(30)), (50, json!(0)), (60, json!(5)), (3_590, json!(7)), (3_600, json!(9))];
    assert_eq!(step("10s", "avg").await, expected(&tens));
    let minutes = [(0, json!(15)), (60, json!(5)), (3_540, json!(7)), (3_600, json!(9))];
    assert_eq!(step("1m", "avg").await, expected(&minutes));
    assert_eq!(step("60s", "avg").await, expected(&minutes));
    assert_eq!(step("1m", "min").await[0].1, json!(0));
    assert_eq!(step("1m", "max").await[0].1, json!(30));
    assert_eq!(step("1m", "last").await[0].1, json!(0));
    assert_eq!(step("1m", "count").await[0].1, json!(4));
    assert_eq!(step("1h", "count").await, expected(&[(0, json!(6)), (3_600, json!(1))]));
    assert_eq!(step("2h", "max").await, expected(&[(0, json!(30))]));
    assert_eq!(step("1d", "last").await, expected(&[(0, json!(9))]));
    // Seven hours do not divide a day: steps are counted from 1970.
    let seven = 7 * 3_600;
    assert_eq!(step("7h", "count").await, [(time(DAY.div_euclid(seven) * seven, 0), json!(7))]);
    let first = &entries(&ada, "GPU-1", "step=1m").await[0];
    assert_eq!(
        (&first["ingested_at"], &first["metric_name"], &first["uuid"]),
        (&Value::Null, &json!("TEMP"), &json!("GPU-1"))
    );
}

#[tokio::test]
async fn a_step_that_the_bounds_cut_tells_of_what_lies_within_them() {
    let (_app, ada) = app().await;
    // Enough that the server keeps them by the minute.
    let samples: Vec<Value> = (0..400).map(|n| sample("GPU-1", "TEMP", &time(DAY + n, 0), n)).collect();
    store(&ada, &samples).await;
    for (from, to) in [(0, 399), (30, 90), (59, 60), (60, 119), (61, 61), (119, 301), (120, 300)] {
        let bounds = format!("start_time={}&end_time={}", time(DAY + from, 0), time(DAY + to, 0));
        let found = told(&entries(&ada, "GPU-1", &format!("step=1m&agg=count&{bounds}")).await);
        let expected: Vec<(String, Value)> = (from / 60..=to / 60)
            .map(|minute| {
                let count = (to.min(minute * 60 + 59) - from.max(minute * 60) + 1).max(0);
                (time(DAY + minute * 60, 0), json!(count))
            })
            .collect();
        assert_eq!(found, expected, "{from} to {to}");
        let hour = told(&entries(&ada, "GPU-1", &format!("step=1h&agg=avg&{bounds}")).await);
        let mean = (from + to) as f64 / 2.0;
        assert_eq!(hour.len(), 1);
        assert_eq!(hour[0].1.as_f64(), Some(mean), "{from} to {to}");
    }
}

#[tokio::test]
async fn steps_come_page_by_page_for_each_metric() {
    let (_app, ada) = app().await;
    let samples: Vec<Value> =
        (0..240).flat_map(|n| ["POWER", "TEMP"].map(|metric| sample("GPU-1", metric, &time(DAY + n, 0), n))).collect();
    store(&ada, &samples).await;
    let all = entries(&ada, "GPU-1", "step=30s&agg=max").await;
    assert_eq!(all.len(), 16);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ada.get(&format!("/api/v1/gpus/GPU-1/telemetry?step=30s&agg=max&limit=3{cursor}")).await.ok(200);
        found.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, all);
    let other = format!("/api/v1/gpus/GPU-1/telemetry?step=1m&agg=max&limit=3{cursor}");
    assert_eq!(ada.get(&other).await.field(422), "cursor");
}
