//! A run while its object is being read: the fields so far, what is wrong with them, and at the end its digest.
//!
//! A key that comes again replaces what it gave before, the problem with it included.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::capture::PayloadEnd;
use super::fields::{ERROR_PREVIEW, Field, Shape, TAG, TAGS};
use super::members::Members;
use super::{Part, PartField, RunStatus, ScannedRun, text, time};

/// What is wrong with a field.
pub(super) type Problem = (Field, Cow<'static, str>);

/// The run that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Where in the body its object starts.
    pub start: u64,
    /// What is wrong with it, by field.
    pub problems: Vec<Problem>,
    /// The small members of its `metadata`.
    pub metadata: Members,
    /// The small members of the `metadata` inside its `extra`.
    pub extra_metadata: Members,
    ids: [Option<Uuid>; 5],
    texts: [Option<String>; 4],
    times: [Option<DateTime<Utc>>; 2],
    status: Option<RunStatus>,
    tags: Option<Vec<String>>,
    parts: [Option<KeptPart>; 7],
    error_preview: Option<String>,
}

/// A payload field that the run has.
#[derive(Clone, Debug)]
struct KeptPart {
    part: Part,
    digest: u128,
    preview: String,
}

impl Draft {
    /// A run whose object starts at `start`.
    pub(super) fn new(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Notes what is wrong with a field; the first word stays.
    pub(super) fn problem(&mut self, field: Field, message: impl Into<Cow<'static, str>>) {
        if self.problems.iter().all(|(known, _)| *known != field) {
            self.problems.push((field, message.into()));
        }
    }

    /// Makes the field as if it had never been given.
    pub(super) fn forget(&mut self, field: Field) {
        self.problems.retain(|(known, _)| *known != field);
        match field {
            Field::Status => self.status = None,
            Field::Tags => self.tags = None,
            Field::StartTime => self.times[0] = None,
            Field::EndTime => self.times[1] = None,
            Field::Part(part) => self.forget_part(part),
            _ => {
                if let Some(id) = self.id_mut(field) {
                    *id = None;
                } else if let Some(text) = self.text_mut(field) {
                    *text = None;
                }
            }
        }
    }

    fn forget_part(&mut self, part: PartField) {
        self.parts[part as usize] = None;
        match part {
            PartField::Metadata => self.metadata.clear(),
            PartField::Extra => self.extra_metadata.clear(),
            PartField::Error => self.error_preview = None,
            _ => {}
        }
    }

    /// Sets a field from the bytes of its scalar, which `whole` says to be all of them.
    pub(super) fn set_scalar(&mut self, field: Field, raw: &[u8], whole: bool) {
        if let Err(message) = self.try_scalar(field, raw, whole) {
            self.problem(field, message);
        }
    }

    fn try_scalar(&mut self, field: Field, raw: &[u8], whole: bool) -> Result<(), Cow<'static, str>> {
        let wrong = || Cow::Borrowed(field.expectation());
        let decoded = text::decode(raw);
        match (field, field.shape()) {
            (Field::Part(_), _) => {
                self.error_preview = Some(text::shorten(&decoded, ERROR_PREVIEW).to_owned());
            }
            (Field::Status, _) => {
                let status = whole.then(|| RunStatus::of_text(&decoded)).flatten();
                self.status = Some(status.ok_or_else(wrong)?);
            }
            (_, Shape::Time) => {
                let number = raw.first() != Some(&b'"');
                let time = if number { time::from_millis(&decoded) } else { time::from_text(&decoded) };
                self.times[usize::from(field == Field::EndTime)] = Some(time.filter(|_| whole).ok_or_else(wrong)?);
            }
            (_, Shape::Text(limit)) => {
                if !whole || decoded.len() > limit {
                    return Err(format!("must be at most {limit} bytes long").into());
                }
                if field == Field::Name && decoded.is_empty() {
                    return Err("must not be empty".into());
                }
                if let Some(text) = self.text_mut(field) {
                    *text = Some(decoded.into_owned());
                }
            }
            _ => {
                let parsed = uuid(&decoded).filter(|_| whole).ok_or_else(wrong)?;
                if let Some(id) = self.id_mut(field) {
                    *id = Some(parsed);
                }
            }
        }
        Ok(())
    }

    /// Starts the list of tags.
    pub(super) fn begin_tags(&mut self) {
        self.tags = Some(Vec::new());
    }

    /// Adds a tag from the bytes of its string, which `whole` says to be all of them.
    pub(super) fn add_tag(&mut self, raw: &[u8], whole: bool) {
        let tag = text::decode(raw);
        let room = self.tags.as_ref().is_some_and(|tags| tags.len() < TAGS);
        if !room {
            self.problem(Field::Tags, format!("must be at most {TAGS} tags"));
        } else if !whole || tag.len() > TAG {
            self.problem(Field::Tags, format!("must be tags of at most {TAG} bytes"));
        } else if let Some(tags) = &mut self.tags {
            tags.push(tag.into_owned());
        }
    }

    /// Sets a payload field that ended at `end` in the body.
    pub(super) fn set_part(&mut self, field: PartField, end: u64, payload: PayloadEnd) {
        let part = Part { field, range: payload.start..end };
        self.parts[field as usize] = Some(KeptPart { part, digest: payload.digest, preview: payload.preview });
    }

    /// The finished run, whose object ended at `end`, or what is wrong with it.
    pub(super) fn finish(mut self, end: u64) -> Result<ScannedRun, Vec<Problem>> {
        let digest = self.digest();
        let [id, trace_id, parent_run_id, session_id, reference_example_id] = self.ids;
        let [name, run_type, dotted_order, session_name] = std::mem::take(&mut self.texts);
        for (field, missing) in [(Field::TraceId, trace_id.is_none()), (Field::Name, name.is_none())] {
            if missing {
                self.problem(field, "is required");
            }
        }
        let (Some(trace_id), Some(name), true) = (trace_id, name, self.problems.is_empty()) else {
            return Err(self.problems);
        };
        let own_metadata = self.parts[PartField::Metadata as usize].is_some();
        let metadata = if own_metadata { self.metadata } else { self.extra_metadata };
        let [start_time, end_time] = self.times;
        let mut run = ScannedRun {
            range: self.start..end,
            id,
            trace_id,
            parent_run_id,
            name,
            run_type,
            status: self.status,
            dotted_order,
            session_id,
            session_name,
            start_time,
            end_time,
            reference_example_id,
            tags: self.tags.unwrap_or_default(),
            has_error: self.error_preview.is_some(),
            error_preview: self.error_preview,
            parts: Vec::new(),
            inputs_preview: String::new(),
            outputs_preview: String::new(),
            metadata: metadata.into_map(),
            digest,
        };
        for kept in self.parts.into_iter().flatten() {
            match kept.part.field {
                PartField::Inputs => run.inputs_preview = kept.preview,
                PartField::Outputs => run.outputs_preview = kept.preview,
                _ => {}
            }
            run.parts.push(kept.part);
        }
        Ok(run)
    }

    fn id_mut(&mut self, field: Field) -> Option<&mut Option<Uuid>> {
        ID_FIELDS.iter().position(|known| *known == field).map(|at| &mut self.ids[at])
    }

    fn text_mut(&mut self, field: Field) -> Option<&mut Option<String>> {
        TEXT_FIELDS.iter().position(|known| *known == field).map(|at| &mut self.texts[at])
    }

    /// The digest of the fields that were given: the same for the same values in another order.
    fn digest(&self) -> u128 {
        let mut bytes = Vec::with_capacity(512);
        // The id is what digests are compared under, so it does not count itself.
        for (field, id) in ID_FIELDS.iter().zip(&self.ids).skip(1) {
            put(&mut bytes, *field, id.as_ref().map(|id| id.as_bytes().as_slice()));
        }
        for (field, text) in TEXT_FIELDS.iter().zip(&self.texts) {
            put(&mut bytes, *field, text.as_deref().map(str::as_bytes));
        }
        for (field, time) in [Field::StartTime, Field::EndTime].iter().zip(&self.times) {
            let micros = time.map(|time| time.timestamp_micros().to_le_bytes());
            put(&mut bytes, *field, micros.as_ref().map(<[u8; 8]>::as_slice));
        }
        put(&mut bytes, Field::Status, self.status.map(|status| [status as u8]).as_ref().map(<[u8; 1]>::as_slice));
        put(
            &mut bytes,
            Field::Tags,
            self.tags.as_ref().map(|tags| (tags.len() as u64).to_le_bytes()).as_ref().map(<[u8; 8]>::as_slice),
        );
        for tag in self.tags.iter().flatten() {
            put(&mut bytes, Field::Tags, Some(tag.as_bytes()));
        }
        for (field, part) in PartField::ALL.iter().zip(&self.parts) {
            let digest = part.as_ref().map(|part| part.digest).or_else(|| default_digest(*field));
            put(&mut bytes, Field::Part(*field), digest.map(u128::to_le_bytes).as_ref().map(<[u8; 16]>::as_slice));
        }
        xxh3_128(&bytes)
    }
}

const ID_FIELDS: [Field; 5] =
    [Field::Id, Field::TraceId, Field::ParentRunId, Field::SessionId, Field::ReferenceExampleId];
const TEXT_FIELDS: [Field; 4] = [Field::Name, Field::RunType, Field::DottedOrder, Field::SessionName];

/// What stands in a digest for a payload field that was not given: three of them read as `{}` then.
fn default_digest(field: PartField) -> Option<u128> {
    matches!(field, PartField::Inputs | PartField::Outputs | PartField::Metadata).then(|| xxh3_128(b"{}"))
}

/// Adds one value to the canonical encoding: tag, length, bytes.
fn put(bytes: &mut Vec<u8>, field: Field, value: Option<&[u8]>) {
    if let Some(value) = value {
        bytes.push(field.tag());
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value);
    }
}

/// A UUID as 32 hexadecimal digits, or with hyphens at their places, and in no other way.
fn uuid(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}
