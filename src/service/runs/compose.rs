//! Puts a run together from its row and its ranges, as bytes: a payload is never parsed or written anew.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, anyhow};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::vocabulary::RunField;
use crate::error::{Error, Result};
use crate::repository::entity::run;
use crate::repository::entity::run::PayloadRef;
use crate::repository::{BlobKey, BlobStore};
use crate::service::time;

/// Ranges of one segment that are closer than this are read as one.
const GAP: u64 = 64 * 1024;

/// A run as what is known of it and what has to be read.
#[derive(Debug)]
pub struct Composition {
    workspace: Uuid,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Bytes),
    Range(PayloadRef),
}

/// The run of a row, with these fields, as one JSON object; `more` are members that stand before its end.
pub fn compose(run: &run::Model, project: &str, fields: &[RunField], more: &[(&str, Value)]) -> Result<Composition> {
    let mut pieces = Vec::new();
    let mut text = String::from("{");
    for field in fields {
        text.push_str(if text == "{" && pieces.is_empty() { "\"" } else { ",\"" });
        text.push_str(field.name());
        text.push_str("\":");
        match field {
            RunField::Column(name) => text.push_str(&column(run, project, name).to_string()),
            RunField::Payload(name, missing) => match run.payload.0.get(*name) {
                Some(range) => {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    pieces.push(Piece::Range(*range));
                }
                None => text.push_str(missing),
            },
        }
    }
    for (name, value) in more {
        text.push_str(&format!(",\"{name}\":{value}"));
    }
    text.push('}');
    pieces.push(Piece::Text(text.into()));
    Ok(Composition { workspace: run.workspace_id, pieces })
}

fn column(run: &run::Model, project: &str, name: &str) -> Value {
    match name {
        "id" => json!(run.id),
        "trace_id" => json!(run.trace_id),
        "name" => json!(run.name),
        "parent_run_id" => json!(run.parent_run_id),
        "run_type" => json!(run.run_type),
        "status" => json!(run.status),
        "start_time" => json!(time::text(run.start_time)),
        "end_time" => json!(run.end_time.map(time::text)),
        "tags" => run.tags.clone(),
        "project_id" => json!(run.project_id),
        "project" => json!(project),
        "dotted_order" => json!(run.dotted_order),
        "reference_example_id" => json!(run.reference_example_id),
        "created_at" => json!(time::text(run.created_at)),
        _ => Value::Null,
    }
}

impl Composition {
    /// Bytes of the whole.
    pub fn size(&self) -> u64 {
        let sizes = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len() as u64,
            Piece::Range(PayloadRef(_, start, end)) => end - start,
        });
        sizes.sum()
    }

    /// The whole in memory: one ranged read for ranges that lie together. Nothing when a segment is gone.
    ///
    /// # Errors
    /// Those of the blob store.
    pub async fn read(self, blobs: &BlobStore) -> Result<Option<Bytes>> {
        let mut whole = BytesMut::with_capacity(usize::try_from(self.size()).context("sizing a run")?);
        let mut reads = BTreeMap::new();
        for span in self.spans() {
            let key = BlobKey { workspace: self.workspace, segment: span.0 };
            let Some(bytes) = blobs.read(key, span.1.clone()).await? else { return Ok(None) };
            reads.insert((span.0, span.1.start), bytes);
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => whole.extend_from_slice(text),
                Piece::Range(PayloadRef(segment, start, end)) => {
                    let before = reads.range(..=(*segment, *start)).next_back();
                    let slice = before.and_then(|((_, from), bytes)| {
                        bytes.get(usize::try_from(start - from).ok()?..usize::try_from(end - from).ok()?)
                    });
                    whole.extend_from_slice(slice.ok_or_else(|| anyhow!("a range outside what was read"))?);
                }
            }
        }
        Ok(Some(whole.freeze()))
    }

    /// The whole as a stream, in memory that does not grow with it.
    pub fn stream(self, blobs: BlobStore) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let workspace = self.workspace;
        stream::iter(self.pieces)
            .map(Ok::<_, Error>)
            .and_then(move |piece| {
                let blobs = blobs.clone();
                async move {
                    Ok(match piece {
                        Piece::Text(text) => stream::once(async { Ok(text) }).left_stream(),
                        Piece::Range(PayloadRef(segment, start, end)) => {
                            blobs.stream(BlobKey { workspace, segment }, start..end).right_stream()
                        }
                    })
                }
            })
            .try_flatten()
    }

    /// What to read: the ranges, with neighbours joined.
    fn spans(&self) -> Vec<(Uuid, Range<u64>)> {
        let mut ranges: Vec<(Uuid, Range<u64>)> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Range(PayloadRef(segment, start, end)) => Some((*segment, *start..*end)),
                Piece::Text(_) => None,
            })
            .collect();
        ranges.sort_by_key(|(segment, range)| (*segment, range.start));
        let mut spans: Vec<(Uuid, Range<u64>)> = Vec::new();
        for (segment, range) in ranges {
            match spans.last_mut() {
                Some((last, span)) if *last == segment && range.start <= span.end + GAP => {
                    span.end = span.end.max(range.end);
                }
                _ => spans.push((segment, range)),
            }
        }
        spans
    }
}
