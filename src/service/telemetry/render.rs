//! Entries as bytes: what is the same for a series is written once.

use super::points::write_value;
use super::read::Entry;
use crate::repository::entity::series;

/// What stands in every entry of a series, around what is different.
#[derive(Debug)]
pub struct Parts {
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
}

impl Parts {
    /// Of this series.
    pub fn new(series: &series::Model) -> Self {
        let mut head = b"{\"uuid\":".to_vec();
        head.extend(text(&series.gpu));
        member(&mut head, "gpu_id", &series.gpu_id);
        member(&mut head, "metric_name", &series.metric_name);
        head.extend_from_slice(b",\"timestamp\":\"");
        let mut middle = b"\"".to_vec();
        member(&mut middle, "device", &series.device);
        member(&mut middle, "model_name", &series.model_name);
        member(&mut middle, "hostname", &series.hostname);
        member(&mut middle, "container", &series.container);
        member(&mut middle, "pod", &series.pod);
        member(&mut middle, "namespace", &series.namespace);
        middle.extend_from_slice(b",\"value\":");
        let mut tail = Vec::new();
        member(&mut tail, "labels_raw", &series.labels_raw);
        tail.extend_from_slice(b",\"ingested_at\":");
        Self { head, middle, tail }
    }

    /// Writes an entry.
    pub fn write(&self, into: &mut Vec<u8>, entry: &Entry) {
        into.extend_from_slice(&self.head);
        write_time(into, entry.at);
        into.extend_from_slice(&self.middle);
        write_value(into, entry.value);
        into.extend_from_slice(&self.tail);
        match entry.ingested_at {
            Some(at) => {
                into.push(b'"');
                write_time(into, at);
                into.extend_from_slice(b"\"}");
            }
            None => into.extend_from_slice(b"null}"),
        }
    }
}

/// A text as JSON.
pub fn text(text: &str) -> Vec<u8> {
    // A text can always be written.
    serde_json::to_vec(text).unwrap_or_default()
}

fn member(into: &mut Vec<u8>, name: &str, value: &str) {
    into.extend_from_slice(b",\"");
    into.extend_from_slice(name.as_bytes());
    into.extend_from_slice(b"\":");
    match value {
        "" => into.extend_from_slice(b"null"),
        value => into.extend(text(value)),
    }
}

/// Writes a moment, in microseconds since 1970 and before the year 10000, as RFC 3339 with six digits of a second.
pub fn write_time(into: &mut Vec<u8>, micros: i64) {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The calendar repeats every 400 years; counted from a first of March, the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    digits::<4>(into, year);
    into.push(b'-');
    digits::<2>(into, month);
    into.push(b'-');
    digits::<2>(into, day);
    into.push(b'T');
    digits::<2>(into, seconds / 3_600);
    into.push(b':');
    digits::<2>(into, seconds / 60 % 60);
    into.push(b':');
    digits::<2>(into, seconds % 60);
    into.push(b'.');
    digits::<6>(into, micros);
    into.push(b'Z');
}

fn digits<const COUNT: usize>(into: &mut Vec<u8>, mut number: i64) {
    let mut text = [b'0'; COUNT];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    into.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn moments_are_written_as_everywhere_else() {
        let mut moments =
            vec![0, 1, 253_402_300_799_999_999, 951_782_400_000_000, 951_868_799_999_999, 1_709_164_800_000_000];
        moments.extend((0..20_000).map(|n| n * 12_670_115_039_123));
        for micros in moments {
            let mut text = Vec::new();
            write_time(&mut text, micros);
            let expected = crate::service::time::text(DateTime::from_timestamp_micros(micros).unwrap());
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn an_entry_has_every_member_of_its_series() {
        let series = series::Model {
            id: 1,
            workspace_id: uuid::Uuid::nil(),
            gpu: "GPU-1".into(),
            metric_name: "TEMP".into(),
            labels_key: String::new(),
            gpu_id: "0".into(),
            device: "nvidia0".into(),
            model_name: "H\"100".into(),
            hostname: "h".into(),
            container: String::new(),
            pod: "p".into(),
            namespace: String::new(),
            labels_raw: "a=\"b\"\n".into(),
        };
        let mut text = Vec::new();
        let parts = Parts::new(&series);
        parts.write(&mut text, &Entry { at: 0, value: Some(1.5), ingested_at: Some(1) });
        text.push(b'\n');
        parts.write(&mut text, &Entry { at: 0, value: None, ingested_at: None });
        let entries: Vec<Value> =
            text.split(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        let mut expected = json!({
            "uuid": "GPU-1", "gpu_id": "0", "metric_name": "TEMP", "timestamp": "1970-01-01T00:00:00.000000Z",
            "device": "nvidia0", "model_name": "H\"100", "hostname": "h", "container": null, "pod": "p",
            "namespace": null, "value": 1.5, "labels_raw": "a=\"b\"\n", "ingested_at": "1970-01-01T00:00:00.000001Z",
        });
        assert_eq!(entries[0], expected);
        expected["value"] = Value::Null;
        expected["ingested_at"] = Value::Null;
        assert_eq!(entries[1], expected);
    }
}
