//! Samples in any order, any number of times and in any batches are the same samples, and the same steps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::Client;
use crate::telemetry::{Chance, DAY, app, assert_told, collected, entries, publish, sample, time, told};

/// What is measured: values by their times in microseconds after [`DAY`].
type Measured = BTreeMap<i64, Option<f64>>;

/// The buckets of some samples, told as the server tells them.
pub fn model(measured: &Measured, step: i64, agg: &str, from: i64, to: i64) -> Vec<(String, Value)> {
    let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in measured.range(from..=to) {
        let at = DAY * 1_000_000 + at;
        buckets.entry(at.div_euclid(step) * step).or_default().extend(value);
    }
    let one = |values: Vec<f64>| match agg {
        "count" => json!(values.len()),
        _ if values.is_empty() => Value::Null,
        "min" => number(values.iter().copied().fold(f64::INFINITY, f64::min)),
        "max" => number(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        "last" => number(values[values.len() - 1]),
        _ => number(values.iter().sum::<f64>() / values.len() as f64),
    };
    buckets.into_iter().map(|(start, values)| (time(0, start), one(values))).collect()
}

/// A whole number stands without a fraction.
pub fn number(number: f64) -> Value {
    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}

/// Publishes samples in messages of these sizes, some of which come together and some alone.
async fn publish_all(client: &Client, samples: &[Value], chance: &mut Chance) {
    let mut rest = samples;
    while !rest.is_empty() {
        let mut payloads = Vec::new();
        for _ in 0..=chance.below(4) {
            let size = (1 + chance.below(120) as usize).min(rest.len());
            let (some, others) = rest.split_at(size);
            rest = others;
            payloads.push(if size == 1 { some[0].clone() } else { json!({"samples": some}) });
            if rest.is_empty() {
                break;
            }
        }
        publish(client, &payloads).await;
        if chance.below(2) == 0 {
            collected(client).await;
        }
    }
    collected(client).await;
}

#[tokio::test]
async fn any_order_any_repetition_and_any_batches_are_the_same_samples_and_the_same_steps() {
    let (_app, ada) = app().await;
    for round in 1..=3_u64 {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(round));
        let gpu = format!("GPU-{round}");
        // Dense at first, so that samples by the minute are worth keeping, and then thin.
        let mut measured = Measured::new();
        for n in 0..1_500_i64 {
            let gap = if n < 1_000 { 900_000 } else { 20_000_000 };
            let at = n.min(1_000) * 900_000 + (n - 1_000).max(0) * gap + chance.below(800_000) as i64;
            // Quarters, of which any sum is exact.
            let value = (chance.below(20) > 0).then(|| chance.below(4_000) as f64 / 4.0 - 100.0);
            measured.insert(at, value);
        }
        let mut samples: Vec<Value> = measured
            .iter()
            .map(|(at, value)| sample(&gpu, "TEMP", &time(DAY, *at), value.map_or(Value::Null, number)))
            .collect();
        for _ in 0..200 {
            let again = samples[chance.below(measured.len() as u64) as usize].clone();
            samples.push(again);
        }
        match round {
            1 => {}
            2 => samples.reverse(),
            _ => chance.shuffle(&mut samples),
        }
        publish_all(&ada, &samples, &mut chance).await;
        let expected: Vec<_> =
            measured.iter().map(|(at, value)| (time(DAY, *at), value.map_or(Value::Null, number))).collect();
        assert_eq!(told(&entries(&ada, &gpu, "limit=100000").await), expected, "round {round}");
        for (step, micros) in [("10s", 10_000_000), ("1m", 60_000_000), ("5m", 300_000_000), ("1h", 3_600_000_000)] {
            for agg in ["avg", "min", "max", "last", "count"] {
                let found = entries(&ada, &gpu, &format!("limit=100000&step={step}&agg={agg}")).await;
                let expected = model(&measured, micros, agg, i64::MIN, i64::MAX);
                assert_told(&found, &expected, &format!("round {round}, {agg} of {step}"));
            }
            let (from, to) = (chance.below(600_000_000) as i64, 700_000_000 + chance.below(2_000_000_000) as i64);
            let bounds = format!("start_time={}&end_time={}", time(DAY, from), time(DAY, to));
            let found = entries(&ada, &gpu, &format!("limit=100000&step={step}&agg=avg&{bounds}")).await;
            let expected = model(&measured, micros, "avg", from, to);
            assert_told(&found, &expected, &format!("round {round}, {step} of {bounds}"));
        }
    }
}

#[tokio::test]
async fn of_two_values_of_one_moment_the_later_one_counts() {
    let (_app, ada) = app().await;
    for value in [1, 2, 3] {
        let samples: Vec<Value> =
            (0..100).map(|n| sample("GPU-1", "TEMP", &time(DAY + n, 0), value * 100 + n)).collect();
        publish(&ada, &[json!({"samples": samples})]).await;
        collected(&ada).await;
        let found = told(&entries(&ada, "GPU-1", "").await);
        assert_eq!(found.len(), 100);
        assert!((0..).zip(&found).all(|(n, (_, told))| *told == json!(value * 100 + n)), "{value}");
        let counted = told(&entries(&ada, "GPU-1", "step=1m&agg=count").await);
        assert_eq!(counted, [(time(DAY, 0), json!(60)), (time(DAY + 60, 0), json!(40))]);
        let least = told(&entries(&ada, "GPU-1", "step=1h&agg=min").await);
        assert_eq!(least, [(time(DAY, 0), json!(value * 100))]);
    }
}
