//! From messages to rows: samples are read and gathered by their series, and what cannot be read is told apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::blocks::{Union, cut};
use super::message::{Sample, read};
use super::points::Point;
use crate::error::Result;
use crate::repository::entity::{gpu, sample_block, series};
use crate::repository::telemetry::{Dead, FRESH};

/// Numbers of series by digests of what they are.
pub type Known = HashMap<u128, i64>;

/// What messages hold.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Messages that can be stored.
    pub done: Vec<Uuid>,
    /// Messages that cannot, and why.
    pub dead: Vec<Dead>,
    /// The GPUs of the samples, by their ids.
    pub gpus: BTreeMap<String, gpu::Model>,
    /// The samples of each series, by its digest.
    pub series: HashMap<u128, Union>,
    /// Series whose numbers are not known, by their digests.
    pub unknown: HashMap<u128, series::Model>,
}

/// Gathers the samples of messages, given what is known of series.
pub fn gather<'a>(
    messages: impl Iterator<Item = (Uuid, &'a str)>,
    workspace: Uuid,
    known: &Known,
    now: DateTime<Utc>,
) -> Gathered {
    let mut gathered = Gathered::default();
    let mut places: HashMap<u128, Place<'_>> = HashMap::new();
    let mut digest = Vec::new();
    let ingested_at = now.timestamp_micros();
    for (id, payload) in messages {
        let samples = match read(payload) {
            Ok(samples) => samples,
            Err(reason) => {
                gathered.dead.push((id, reason));
                continue;
            }
        };
        gathered.done.push(id);
        for sample in samples {
            let at = sample.timestamp.timestamp_micros();
            let key = digested(&sample, &mut digest);
            let point = Point { at, value: sample.value, ingested_at };
            let place = places.entry(key).or_insert_with(|| Place { union: Union::new(), first: at, latest: None });
            place.union.add(point);
            place.first = place.first.min(at);
            if place.latest.as_ref().is_none_or(|latest| latest.timestamp <= sample.timestamp) {
                place.latest = Some(sample);
            }
        }
    }
    for (key, place) in places {
        let Some(sample) = place.latest else { continue };
        if !known.contains_key(&key) {
            gathered.unknown.insert(key, series_of(&sample, workspace, &mut digest));
        }
        see(&mut gathered.gpus, &sample, place.first, workspace);
        gathered.series.insert(key, place.union);
    }
    gathered
}

/// The samples as blocks, by the numbers of their series.
///
/// # Errors
/// [`crate::error::Error::Internal`] when a number is not known.
pub fn blocks(series: HashMap<u128, Union>, known: &Known) -> Result<Vec<sample_block::Model>> {
    let mut unions: Vec<(i64, Union)> = Vec::with_capacity(series.len());
    for (key, union) in series {
        unions.push((*known.get(&key).context("a series has no number")?, union));
    }
    unions.sort_unstable_by_key(|(series, _)| *series);
    Ok(unions.into_iter().flat_map(|(series, union)| cut(series, FRESH, &union.finish())).collect())
}

/// The samples of a series while they are gathered.
struct Place<'a> {
    union: Union,
    first: i64,
    latest: Option<Sample<'a>>,
}

fn labels<'s>(sample: &'s Sample<'_>) -> [&'s str; 8] {
    [
        &sample.gpu_id,
        &sample.device,
        &sample.model_name,
        &sample.hostname,
        &sample.container,
        &sample.pod,
        &sample.namespace,
        &sample.labels_raw,
    ]
}

/// A digest of the series of a sample; `bytes` is where it is put together. No text has U+0000, which parts them.
fn digested(sample: &Sample<'_>, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    let texts: [&str; 2] = [&sample.uuid, &sample.metric_name];
    for text in texts.into_iter().chain(labels(sample)) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    xxh3_128(bytes)
}

fn series_of(sample: &Sample<'_>, workspace: Uuid, bytes: &mut Vec<u8>) -> series::Model {
    bytes.clear();
    for text in labels(sample) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    let owned = |text: &Cow<'_, str>| text.clone().into_owned();
    series::Model {
        id: 0,
        workspace_id: workspace,
        gpu: owned(&sample.uuid),
        metric_name: owned(&sample.metric_name),
        labels_key: format!("{:032x}", xxh3_128(bytes)),
        gpu_id: owned(&sample.gpu_id),
        device: owned(&sample.device),
        model_name: owned(&sample.model_name),
        hostname: owned(&sample.hostname),
        container: owned(&sample.container),
        pod: owned(&sample.pod),
        namespace: owned(&sample.namespace),
        labels_raw: owned(&sample.labels_raw),
    }
}

/// Brings a GPU up to its latest sample, and back to the first one.
fn see(gpus: &mut BTreeMap<String, gpu::Model>, sample: &Sample<'_>, first: i64, workspace: Uuid) {
    let first = crate::service::time::from_micros(first);
    let first_seen = gpus.get(sample.uuid.as_ref()).map_or(first, |known| known.first_seen.min(first));
    match gpus.get_mut(sample.uuid.as_ref()) {
        Some(known) if known.last_seen > sample.timestamp => known.first_seen = first_seen,
        _ => {
            let row = gpu::Model {
                workspace_id: workspace,
                id: sample.uuid.clone().into_owned(),
                gpu_id: sample.gpu_id.clone().into_owned(),
                device: sample.device.clone().into_owned(),
                model_name: sample.model_name.clone().into_owned(),
                hostname: sample.hostname.clone().into_owned(),
                first_seen,
                last_seen: sample.timestamp,
            };
            gpus.insert(row.id.clone(), row);
        }
    }
}
