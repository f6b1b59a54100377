//! The message that samples travel in: one sample as an object, or up to 500 of them under `samples`.
//!
//! A message is good as a whole or not at all; what is wrong with it names the sample and the field.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

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

/// The samples of a message.
///
/// # Errors
/// What is wrong with it, as `samples[3].timestamp: must be …`.
pub fn read(payload: &str) -> Result<Vec<Sample<'_>>, String> {
    let Element(message) = serde_json::from_str(payload).map_err(|error| format!("cannot be read: {error}"))?;
    let Some(samples) = message.samples else { return Ok(vec![message.check("")?]) };
    if samples.len() > MAX_SAMPLES {
        return Err(format!("samples: must be at most {MAX_SAMPLES}, not {}", samples.len()));
    }
    let checked = samples.into_iter().enumerate().map(|(index, Element(sample))| {
        if sample.samples.is_some() {
            return Err(format!("samples[{index}].samples: must not be in a sample"));
        }
        sample.check(&format!("samples[{index}]."))
    });
    checked.collect()
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

/// A message, or a sample in it, before it is checked.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    timestamp: Field<'a>,
    #[serde(borrow, default)]
    metric_name: Field<'a>,
    #[serde(borrow, default)]
    gpu_id: Field<'a>,
    #[serde(borrow, default)]
    device: Field<'a>,
    #[serde(borrow, default)]
    uuid: Field<'a>,
    #[serde(borrow, default)]
    model_name: Field<'a>,
    #[serde(borrow, default)]
    hostname: Field<'a>,
    #[serde(borrow, default)]
    container: Field<'a>,
    #[serde(borrow, default)]
    pod: Field<'a>,
    #[serde(borrow, default)]
    namespace: Field<'a>,
    // As it was written: the parser of JSON is off by a last digit now and then.
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    labels_raw: Field<'a>,
    #[serde(borrow, default)]
    samples: Option<Vec<Element<'a>>>,
}

impl<'a> Raw<'a> {
    fn check(self, place: &str) -> Result<Sample<'a>, String> {
        let check = || {
            Ok(Sample {
                timestamp: moment(&self.timestamp)?,
                metric_name: required("metric_name", self.metric_name)?,
                gpu_id: text("gpu_id", self.gpu_id, MAX_TEXT)?,
                device: text("device", self.device, MAX_TEXT)?,
                uuid: required("uuid", self.uuid)?,
                model_name: text("model_name", self.model_name, MAX_TEXT)?,
                hostname: text("hostname", self.hostname, MAX_TEXT)?,
                container: text("container", self.container, MAX_TEXT)?,
                pod: text("pod", self.pod, MAX_TEXT)?,
                namespace: text("namespace", self.namespace, MAX_TEXT)?,
                value: self.value.map_or(Ok(None), number)?,
                labels_raw: text("labels_raw", self.labels_raw, MAX_LABELS)?,
            })
        };
        check().map_err(|error: String| format!("{place}{error}"))
    }
}

fn moment(field: &Field<'_>) -> Result<DateTime<Utc>, String> {
    let read = match field {
        Field::Text(text) => DateTime::parse_from_rfc3339(text).ok(),
        _ => None,
    };
    let time = read.map(|time| time::to_micros(time.to_utc()));
    // What PostgreSQL and JavaScript take for a date as well.
    time.filter(|time| (1970..=9999).contains(&time.year()))
        .ok_or_else(|| "timestamp: must be an RFC 3339 time from 1970 on".to_owned())
}

fn required<'a>(name: &str, field: Field<'a>) -> Result<Cow<'a, str>, String> {
    let found = text(name, field, MAX_TEXT)?;
    if found.is_empty() { Err(format!("{name}: must be there")) } else { Ok(found) }
}

fn text<'a>(name: &str, field: Field<'a>, max: usize) -> Result<Cow<'a, str>, String> {
    let found = match field {
        Field::Missing => Cow::Borrowed(""),
        Field::Text(text) => text,
        // The number of a GPU on its host is written either way.
        Field::Number(number) if name == "gpu_id" && number.fract() == 0.0 => Cow::Owned(number.to_string()),
        Field::Number(_) | Field::Other => return Err(format!("{name}: must be a text or null")),
    };
    if found.len() > max {
        return Err(format!("{name}: must have at most {max} bytes"));
    }
    if found.contains('\0') {
        return Err(format!("{name}: must not contain U+0000"));
    }
    Ok(found)
}

fn number(raw: &RawValue) -> Result<Option<f64>, String> {
    let wrong = || "value: must be a number, its text, or null".to_owned();
    let text: Cow<'_, str> = match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(raw.get()).map_err(|_| wrong())?.into(),
        Some(b'-' | b'0'..=b'9') => raw.get().into(),
        _ => return Err(wrong()),
    };
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(measured).map_err(|_| wrong()),
    }
}

/// A value of any type, of which only texts and numbers are kept.
#[derive(Default)]
enum Field<'a> {
    /// Absent or null.
    #[default]
    Missing,
    Text(Cow<'a, str>),
    Number(f64),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Field<'de>, E> {
                Ok(Field::Number(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
                Ok(Field::Number(number as f64))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
                Ok(Field::Number(number as f64))
            }
            fn visit_unit<E>(self) -> Result<Field<'de>, E> {
                Ok(Field::Missing)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
                Ok(Field::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Field<'de>, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

/// An object; the parser would fill one from an array as well, value by value.
struct Element<'a>(Raw<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Element<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Element<'de>, A::Error> {
                Raw::deserialize(MapAccessDeserializer::new(members)).map(Element)
            }
        }
        deserializer.deserialize_map(Object)
    }
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
