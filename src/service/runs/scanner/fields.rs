//! The fields of a run: their names, what JSON each may be, and the messages when it is something else.

use super::PartField;
use super::json::Kind;
use super::text::raw_limit;

/// How much of an error is kept to be shown in lists.
pub(super) const ERROR_PREVIEW: usize = 1000;
/// The most tags that a run may have, and the longest one in bytes.
pub(super) const TAGS: usize = 100;
pub(super) const TAG: usize = 256;

/// A field of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The run's own id.
    Id,
    /// The trace that it belongs to.
    TraceId,
    /// The run that caused it.
    ParentRunId,
    /// What it is called.
    Name,
    /// What sort of step it is.
    RunType,
    /// How it ended, or that it has not.
    Status,
    /// Its place in the tree, as a text that sorts.
    DottedOrder,
    /// The project's id.
    SessionId,
    /// The project's name.
    SessionName,
    /// When it started.
    StartTime,
    /// When it ended.
    EndTime,
    /// The example that it was run on.
    ReferenceExampleId,
    /// Its tags.
    Tags,
    /// A field whose bytes are kept as they came.
    Part(PartField),
}

/// What a field may be, other than null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string whose decoded text has so many bytes at most.
    Text(usize),
    /// A string that names a UUID.
    Uuid,
    /// A string or a number that names a time.
    Time,
    /// An array of strings.
    Tags,
    /// A payload that is an object.
    Object,
    /// A payload that is an array.
    Array,
    /// A payload that is a string.
    Error,
}

impl Field {
    /// The field of a decoded key; every other key is ignored.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "id" => Self::Id,
            "trace_id" => Self::TraceId,
            "parent_run_id" => Self::ParentRunId,
            "name" => Self::Name,
            "run_type" => Self::RunType,
            "status" => Self::Status,
            "dotted_order" => Self::DottedOrder,
            "session_id" => Self::SessionId,
            "session_name" => Self::SessionName,
            "start_time" => Self::StartTime,
            "end_time" => Self::EndTime,
            "reference_example_id" => Self::ReferenceExampleId,
            "tags" => Self::Tags,
            "inputs" => Self::Part(PartField::Inputs),
            "outputs" => Self::Part(PartField::Outputs),
            "metadata" => Self::Part(PartField::Metadata),
            "extra" => Self::Part(PartField::Extra),
            "events" => Self::Part(PartField::Events),
            "serialized" => Self::Part(PartField::Serialized),
            "error" => Self::Part(PartField::Error),
            _ => return None,
        })
    }

    /// The key of the field.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::TraceId => "trace_id",
            Self::ParentRunId => "parent_run_id",
            Self::Name => "name",
            Self::RunType => "run_type",
            Self::Status => "status",
            Self::DottedOrder => "dotted_order",
            Self::SessionId => "session_id",
            Self::SessionName => "session_name",
            Self::StartTime => "start_time",
            Self::EndTime => "end_time",
            Self::ReferenceExampleId => "reference_example_id",
            Self::Tags => "tags",
            Self::Part(PartField::Inputs) => "inputs",
            Self::Part(PartField::Outputs) => "outputs",
            Self::Part(PartField::Metadata) => "metadata",
            Self::Part(PartField::Extra) => "extra",
            Self::Part(PartField::Events) => "events",
            Self::Part(PartField::Serialized) => "serialized",
            Self::Part(PartField::Error) => "error",
        }
    }

    /// The tag of the field in a digest, which is stored, so no number here may ever change.
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Id => 0,
            Self::TraceId => 1,
            Self::ParentRunId => 2,
            Self::Name => 3,
            Self::RunType => 4,
            Self::Status => 5,
            Self::DottedOrder => 6,
            Self::SessionId => 7,
            Self::SessionName => 8,
            Self::StartTime => 9,
            Self::EndTime => 10,
            Self::ReferenceExampleId => 11,
            Self::Tags => 12,
            Self::Part(part) => 32 + part as u8,
        }
    }

    /// What the field may be.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Name => Shape::Text(4096),
            Self::RunType => Shape::Text(255),
            Self::Status => Shape::Text(7),
            Self::DottedOrder => Shape::Text(16_384),
            Self::SessionName => Shape::Text(1024),
            Self::StartTime | Self::EndTime => Shape::Time,
            Self::Tags => Shape::Tags,
            Self::Part(PartField::Events) => Shape::Array,
            Self::Part(PartField::Error) => Shape::Error,
            Self::Part(_) => Shape::Object,
            _ => Shape::Uuid,
        }
    }

    /// The message about a value of the wrong kind.
    pub(super) fn expectation(self) -> &'static str {
        match (self, self.shape()) {
            (Self::Name, _) => "must be a string",
            (Self::TraceId, _) => "must be a UUID",
            (Self::Status, _) => "must be `pending`, `success`, `error` or null",
            (_, Shape::Text(_) | Shape::Error) => "must be a string or null",
            (_, Shape::Uuid) => "must be a UUID or null",
            (_, Shape::Time) => "must be an RFC 3339 time, milliseconds since 1970, or null",
            (_, Shape::Tags) => "must be an array of strings or null",
            (_, Shape::Object) => "must be an object or null",
            (_, Shape::Array) => "must be an array or null",
        }
    }
}

impl Shape {
    /// Whether a value of the kind may be right.
    pub(super) fn admits(self, kind: Kind) -> bool {
        match self {
            Self::Text(_) | Self::Uuid | Self::Error => kind == Kind::Text,
            Self::Time => matches!(kind, Kind::Text | Kind::Number),
            Self::Tags | Self::Array => kind == Kind::Array,
            Self::Object => kind == Kind::Object,
        }
    }

    /// How many bytes of the value are needed to judge or show it; `None` when they are not looked at.
    pub(super) fn capture(self) -> Option<usize> {
        match self {
            Self::Text(limit) => Some(raw_limit(limit)),
            Self::Uuid => Some(raw_limit(36)),
            Self::Time => Some(raw_limit(128)),
            // An escape that the limit cuts lies behind what is shown.
            Self::Error => Some(raw_limit(ERROR_PREVIEW + 2)),
            Self::Tags | Self::Object | Self::Array => None,
        }
    }
}
