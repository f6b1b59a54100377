//! Reads a message, and says which field of which sample is wrong.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::field::Field;
use super::{MAX_LABELS, MAX_SAMPLES, MAX_TEXT, Sample, measured};
use crate::service::time;

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
