//! What a scan yields: the runs of a body with the places of their payloads, or why the body cannot be taken.
//!
//! All ranges count bytes of the decoded body, from its start.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How the body presents its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An array of runs.
    Array,
    /// One run on its own.
    Object,
}

/// A body that can be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// How the runs were presented.
    pub form: Form,
    /// The runs, in the order of the body.
    pub runs: Vec<ScannedRun>,
}

/// One run of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct ScannedRun {
    /// Where its whole object lies.
    pub range: Range<u64>,
    /// Its own id.
    pub id: Option<Uuid>,
    /// The trace that it belongs to.
    pub trace_id: Uuid,
    /// The run that caused it.
    pub parent_run_id: Option<Uuid>,
    /// What it is called.
    pub name: String,
    /// What sort of step it is.
    pub run_type: Option<String>,
    /// How it ended, or that it has not.
    pub status: Option<RunStatus>,
    /// Its place in the tree, as a text that sorts.
    pub dotted_order: Option<String>,
    /// The id of its project.
    pub session_id: Option<Uuid>,
    /// The name of its project.
    pub session_name: Option<String>,
    /// When it started.
    pub start_time: Option<DateTime<Utc>>,
    /// When it ended.
    pub end_time: Option<DateTime<Utc>>,
    /// The example that it was run on.
    pub reference_example_id: Option<Uuid>,
    /// Its tags, in their order.
    pub tags: Vec<String>,
    /// Whether it has an error.
    pub has_error: bool,
    /// The first 1000 bytes of the error's text.
    pub error_preview: Option<String>,
    /// The payload fields that are present and not null, in the order of [`PartField`].
    pub parts: Vec<Part>,
    /// The first 200 bytes of the inputs as they came; empty when there are none.
    pub inputs_preview: String,
    /// The first 200 bytes of the outputs as they came; empty when there are none.
    pub outputs_preview: String,
    /// The small scalars of its metadata; of the metadata inside `extra` when it has none of its own.
    pub metadata: BTreeMap<String, String>,
    /// The same for the same field values and payload bytes, in whatever order; the id does not count.
    pub digest: u128,
}

impl ScannedRun {
    /// About how many bytes its row takes.
    pub(super) fn row_size(&self) -> usize {
        let texts = [Some(&self.name), self.run_type.as_ref(), self.dotted_order.as_ref(), self.session_name.as_ref()];
        let more = [self.error_preview.as_ref(), Some(&self.inputs_preview), Some(&self.outputs_preview)];
        let texts: usize = texts.into_iter().chain(more).flatten().map(String::len).sum();
        let tags: usize = self.tags.iter().map(String::len).sum();
        let metadata: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        texts + tags + metadata
    }
}

/// Where a payload field lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which field it is.
    pub field: PartField,
    /// Where its value lies in the body.
    pub range: Range<u64>,
}

/// The fields that are kept as the bytes that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartField {
    /// `inputs`, an object.
    Inputs,
    /// `outputs`, an object.
    Outputs,
    /// `metadata`, an object.
    Metadata,
    /// `extra`, an object.
    Extra,
    /// `events`, an array.
    Events,
    /// `serialized`, an object.
    Serialized,
    /// `error`, a string.
    Error,
}

impl PartField {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Inputs, Self::Outputs, Self::Metadata, Self::Extra, Self::Events, Self::Serialized, Self::Error];
}

/// How a run ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It has not ended.
    Pending,
    /// It ended well.
    Success,
    /// It failed.
    Error,
}

impl RunStatus {
    /// The status of that name.
    pub fn of_text(text: &str) -> Option<Self> {
        match text {
            "pending" => Some(Self::Pending),
            "success" => Some(Self::Success),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// A value of the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The path of the value, like `[3].trace_id`; empty for the whole body.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why a body cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is not JSON.
    Syntax {
        /// The offset of the byte that cannot stand where it is; the body's length when it is cut off.
        offset: u64,
        /// The path of the value that is being read there; empty outside of runs.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// It is JSON of the wrong shape, or nested too deeply; at most 20 problems are told.
    Invalid(Vec<FieldProblem>),
    /// A run is too long, or there are too many of them.
    TooLarge {
        /// The path of the run; empty for the whole body.
        field: String,
        /// What the limit is.
        message: String,
    },
}
