//! The message that samples travel in: one sample as an object, or up to 500 of them under `samples`.
//!
//! A message is good as a whole or not at all; what is wrong with it names the sample and the field.

mod field;
mod read;

pub use read::read;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::service::time;

/// The topic that samples are published on.
pub const TOPIC: &str = "telemetry";
/// Samples in one message at most.
pub const MAX_SAMPLES: usize = 500;
/// Bytes of every text but the raw labels.
pub const MAX_TEXT: usize = 256;
/// Bytes of the raw labels.
pub const MAX_LABELS: usize = 16 * 1024;

/// One value of one metric of one GPU at one moment. A text that is not known is empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample<'a> {
    /// When it was measured, to the microsecond.
    #[serde(serialize_with = "time::serialize")]
    pub timestamp: DateTime<Utc>,
    /// What was measured, such as `DCGM_FI_DEV_GPU_TEMP`.
    pub metric_name: Cow<'a, str>,
    /// The GPU's number on its host.
    #[serde(serialize_with = "known")]
    pub gpu_id: Cow<'a, str>,
    /// The GPU's device on its host.
    #[serde(serialize_with = "known")]
    pub device: Cow<'a, str>,
    /// The GPU's own id, `GPU-…`.
    pub uuid: Cow<'a, str>,
    /// The GPU's model.
    #[serde(serialize_with = "known")]
    pub model_name: Cow<'a, str>,
    /// The host.
    #[serde(serialize_with = "known")]
    pub hostname: Cow<'a, str>,
    /// The container that had the GPU.
    #[serde(serialize_with = "known")]
    pub container: Cow<'a, str>,
    /// The pod that had the GPU.
    #[serde(serialize_with = "known")]
    pub pod: Cow<'a, str>,
    /// The pod's namespace.
    #[serde(serialize_with = "known")]
    pub namespace: Cow<'a, str>,
    /// What it was; nothing when DCGM did not know.
    pub value: Option<f64>,
    /// Every label as the exporter gave it.
    #[serde(serialize_with = "known")]
    pub labels_raw: Cow<'a, str>,
}

/// The message of these samples.
pub fn write(samples: &[Sample<'_>]) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        samples: &'a [Sample<'a>],
    }
    // Texts and numbers can always be written; a float that is none becomes null.
    serde_json::to_string(&Message { samples }).unwrap_or_default()
}

/// The value, unless it is one of those by which DCGM says that it has none (not found, not supported, not
/// permitted), in any of its types, or no number at all.
pub fn measured(value: f64) -> Option<f64> {
    const BLANKS: f64 = 15.0;
    const INT32: f64 = 0x7fff_fff0_u32 as f64;
    const INT64: f64 = 0x7fff_ffff_ffff_fff0_u64 as f64;
    const FP64: f64 = 140_737_488_355_328.0;
    let blank = |first: f64| (first..=first + BLANKS).contains(&value);
    if !value.is_finite() || blank(INT32) || blank(FP64) || value == INT64 {
        return None;
    }
    // There is one zero.
    Some(value + 0.0)
}

fn known<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        json!({
            "timestamp": "2026-11-21T20:42:34.123456Z", "metric_name": "DCGM_FI_DEV_GPU_TEMP", "gpu_id": "3",
            "device": "nvidia3", "uuid": "GPU-1", "model_name": "NVIDIA H100", "hostname": "h1", "container": "",
            "pod": null, "value": "45.5", "labels_raw": "a=\"b\\\"\"",
        })
    }

    #[test]
    fn one_sample_and_many_are_read_and_written() {
        let text = sample().to_string();
        let one = read(&text).unwrap();
        assert_eq!(one[0].timestamp.timestamp_micros() % 1_000_000, 123_456);
        assert_eq!((one[0].value, one[0].gpu_id.as_ref(), one[0].container.as_ref()), (Some(45.5), "3", ""));
        assert_eq!((one[0].labels_raw.as_ref(), one[0].namespace.as_ref()), ("a=\"b\\\"\"", ""));
        let many = json!({"samples": [sample(), sample()]}).to_string();
        let many = read(&many).unwrap();
        assert_eq!(many, [one[0].clone(), one[0].clone()]);
        assert_eq!(read(&write(&many)).unwrap(), many);
        assert_eq!(read("{\"samples\":[]}").unwrap(), []);
    }

    #[test]
    fn what_dcgm_does_not_know_is_null() {
        let blanks = ["2147483632", "2147483634", "9223372036854775794", "140737488355328.0", "140737488355331"];
        for text in
            blanks.iter().chain(&["\"NaN\"", "\"inf\"", "\"-Infinity\"", "1e999", "null", "\"\"", "\"2147483635\""])
        {
            let message = sample().to_string().replace("\"45.5\"", text);
            assert_eq!(read(&message).unwrap()[0].value, None, "{text}");
        }
        for (text, value) in [
            ("2147483631", 2_147_483_631.0),
            ("-1e3", -1000.0),
            ("\" 7 \"", 7.0),
            ("-0.0", 0.0),
            ("123.08333333333333", 123.083_333_333_333_33),
        ] {
            let message = sample().to_string().replace("\"45.5\"", text);
            let read = read(&message).unwrap()[0].value.unwrap();
            assert_eq!((read, read.is_sign_negative()), (value, value < 0.0), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_sample_and_the_field() {
        let long = "x".repeat(MAX_TEXT + 1);
        let wrong = [
            ("timestamp", json!("yesterday")),
            ("timestamp", json!(1_795_000_000)),
            ("timestamp", json!("1969-12-31T23:59:59Z")),
            ("timestamp", Value::Null),
            ("uuid", json!("")),
            ("uuid", json!(7)),
            ("uuid", json!("GPU-\u{0}")),
            ("metric_name", Value::Null),
            ("metric_name", json!(long)),
            ("hostname", json!(["a"])),
            ("pod", json!({"a": 1})),
            ("value", json!("warm")),
            ("value", json!(true)),
            ("labels_raw", json!("x".repeat(MAX_LABELS + 1))),
            ("samples", json!([])),
        ];
        for (field, value) in wrong {
            let mut bad = sample();
            bad[field] = value;
            let error = read(&json!({"samples": [sample(), bad.clone()]}).to_string()).unwrap_err();
            assert!(error.starts_with(&format!("samples[1].{field}: must ")), "{error}");
            if field != "samples" {
                let error = read(&bad.to_string()).unwrap_err();
                assert!(error.starts_with(&format!("{field}: must ")), "{error}");
            }
        }
        for payload in ["[]", "7", "null", "\"x\"", "{\"samples\":{}}", "{\"samples\":[[]]}", "{\"value\":1e}"] {
            assert!(read(payload).unwrap_err().starts_with("cannot be read: "), "{payload}");
        }
        let many = json!({"samples": vec![sample(); MAX_SAMPLES + 1]}).to_string();
        assert_eq!(read(&many).unwrap_err(), "samples: must be at most 500, not 501");
        let mut counted = sample();
        counted["gpu_id"] = json!(7);
        assert_eq!(read(&counted.to_string()).unwrap()[0].gpu_id, "7");
    }
}
