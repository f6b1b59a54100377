//! Where the columns of a DCGM file are: found by their names, in any order, with what else there is left out.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use csv::ByteRecord;

use super::reading::{check, value};
use crate::service::telemetry::message::Sample;

/// The places of the columns in each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    metric_name: usize,
    uuid: usize,
    value: usize,
    gpu_id: Option<usize>,
    device: Option<usize>,
    model_name: Option<usize>,
    hostname: Option<usize>,
    container: Option<usize>,
    pod: Option<usize>,
    namespace: Option<usize>,
    labels_raw: Option<usize>,
    /// How many a row has, the unknown ones included.
    count: usize,
}

impl Columns {
    /// What a header names. Upper and lower case and underscores do not count: `modelName` is `model_name`.
    ///
    /// # Errors
    /// The reason why rows under it could not be read, for the log.
    pub fn new(header: &ByteRecord) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(name).collect();
        let find = |wanted: &str| match names.iter().filter(|name| *name == wanted).count() {
            0 => Ok(None),
            1 => Ok(names.iter().position(|name| name == wanted)),
            count => Err(format!("the header has {count} columns named {wanted}")),
        };
        let need = |wanted: &str, written: &str| {
            find(wanted)?.ok_or_else(|| format!("the header has no column {written}; is it a file of a DCGM exporter?"))
        };
        Ok(Self {
            metric_name: need("metricname", "metric_name")?,
            uuid: need("uuid", "uuid")?,
            value: need("value", "value")?,
            gpu_id: find("gpuid")?,
            device: find("device")?,
            model_name: find("modelname")?,
            hostname: find("hostname")?,
            container: find("container")?,
            pod: find("pod")?,
            namespace: find("namespace")?,
            labels_raw: find("labelsraw")?,
            count: names.len(),
        })
    }

    /// What a row says, as of this moment.
    ///
    /// # Errors
    /// The reason why it says nothing, for the log.
    pub fn read(&self, row: &ByteRecord, timestamp: DateTime<Utc>) -> Result<Sample<'static>, String> {
        if row.len() != self.count {
            return Err(format!("the row has {} columns instead of {}", row.len(), self.count));
        }
        let text = |at: usize| {
            let text = std::str::from_utf8(row.get(at).unwrap_or_default());
            text.map(|text| Cow::Owned(text.to_owned())).map_err(|_| format!("column {} is not UTF-8", at + 1))
        };
        let optional = |at: Option<usize>| at.map_or(Ok(Cow::Borrowed("")), text);
        let sample = Sample {
            timestamp,
            metric_name: text(self.metric_name)?,
            gpu_id: optional(self.gpu_id)?,
            device: optional(self.device)?,
            uuid: text(self.uuid)?,
            model_name: optional(self.model_name)?,
            hostname: optional(self.hostname)?,
            container: optional(self.container)?,
            pod: optional(self.pod)?,
            namespace: optional(self.namespace)?,
            value: value(&text(self.value)?)?,
            labels_raw: optional(self.labels_raw)?,
        };
        check(&sample)?;
        Ok(sample)
    }
}

/// A name as it is compared.
fn name(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    text.trim().chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn record(fields: &[&str]) -> ByteRecord {
        ByteRecord::from(fields.to_vec())
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    const NAMES: [&str; 12] = [
        "timestamp",
        "metric_name",
        "gpu_id",
        "device",
        "uuid",
        "modelName",
        "Hostname",
        "container",
        "pod",
        "namespace",
        "value",
        "labels_raw",
    ];

    #[test]
    fn columns_are_found_by_name_in_any_order_and_unknown_ones_are_left_out() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let mut names: Vec<&str> = NAMES.to_vec();
            names.extend(["extra", "note"].iter().take(rng.random_range(0..=2)));
            names.shuffle(&mut rng);
            // The text of each column says which one it is.
            let row: Vec<&str> = names.iter().map(|name| if *name == "value" { "1.5" } else { *name }).collect();
            let (header, row) = (record(&names), record(&row));
            let sample = Columns::new(&header).unwrap().read(&row, NOW).unwrap();
            assert_eq!(
                serde_json::to_value(&sample).unwrap(),
                serde_json::json!({
                    "timestamp": "1970-01-01T00:00:00.000000Z", "metric_name": "metric_name", "gpu_id": "gpu_id", "device": "device", "uuid": "uuid",
                    "model_name": "modelName", "hostname": "Hostname", "container": "container", "pod": "pod",
                    "namespace": "namespace", "value": 1.5, "labels_raw": "labels_raw",
                })
            );
        }
    }

    #[test]
    fn names_may_be_written_as_snake_case_and_in_any_case() {
        let header = record(&["METRIC_NAME", " uuid ", "Value", "model_name", "hostname", "gpuId"]);
        let columns = Columns::new(&header).unwrap();
        let row = record(&["m", "GPU-1", "2", "A80", "node", "3"]);
        let sample = columns.read(&row, NOW).unwrap();
        assert!(sample.labels_raw.is_empty());
        assert_eq!([sample.model_name, sample.hostname, sample.gpu_id], ["A80", "node", "3"]);
    }

    #[test]
    fn a_header_without_what_is_needed_is_refused_with_its_name() {
        for (header, reason) in [
            (&["a", "b"][..], "metric_name"),
            (&["metric_name", "uuid"], "value"),
            (&["metric_name", "value"], "uuid"),
            (&["metric_name", "value", "uuid", "VALUE"], "2 columns named value"),
            (&["metric_name", "value", "uuid", "modelName", "model_name"], "2 columns named modelname"),
        ] {
            let refused = Columns::new(&record(header)).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_bad_row_says_why() {
        let columns = Columns::new(&record(&["metric_name", "uuid", "value"])).unwrap();
        let long = "x".repeat(600);
        for (row, reason) in [
            (&["m", "GPU-1"][..], "2 columns instead of 3"),
            (&["m", "GPU-1", "1", "2"], "4 columns instead of 3"),
            (&["m", "GPU-1", "many"], "not a number"),
            (&["m", "", "1"], "uuid is missing"),
            (&[" ", "GPU-1", "1"], "metric_name is missing"),
            (&["m", "GPU\0", "1"], "U+0000"),
            (&[&long, "GPU-1", "1"], "600 bytes"),
        ] {
            let refused = columns.read(&record(row), NOW).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        let binary = ByteRecord::from(vec![&b"m"[..], b"\xff", b"1"]);
        assert!(columns.read(&binary, NOW).unwrap_err().contains("UTF-8"));
        assert_eq!(columns.read(&record(&["m", "GPU-1", ""]), NOW).unwrap().value, None);
    }
}
