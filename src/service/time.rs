//! How a moment is written on the wire: RFC 3339 in UTC with exactly six digits of a second.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// The moment as text.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// For `#[serde(serialize_with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// For `#[serde(serialize_with)]` of what may be missing.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_option<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// The moment without what is finer than a microsecond, as the databases keep it.
pub fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

/// This moment, as the databases keep it.
pub fn now() -> DateTime<Utc> {
    to_micros(Utc::now())
}

/// The moment of so many microseconds since 1970.
pub fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
