//! Makes fields of the tokens that the validator tells.
//!
//! Only the levels that matter are watched: a payload field is opaque, apart from the small members of metadata.

use super::PartField;
use super::collector::{Collector, Taking};
use super::fields::{Field, TAG};
use super::json::{Kind, Sink};
use super::members::{LONGEST, Members};
use super::text::{self, raw_limit};

/// The longest key that is recognised or shown.
const KEY: usize = LONGEST;

impl Sink for Collector {
    #[inline]
    fn watched(&self) -> usize {
        self.watched
    }

    fn begin(&mut self, kind: Kind, level: usize, at: usize) {
        if self.refusal.is_some() {
            return;
        }
        if kind == Kind::Key {
            return self.token.begin(at, raw_limit(KEY));
        }
        match (self.form, level - self.level) {
            (None, _) => self.begin_top(kind, at),
            (_, 0) => self.begin_run(kind, at),
            (_, 1) => self.begin_member(kind, at),
            (_, 2) => self.begin_inner(kind, at),
            _ => self.begin_scalar(kind, at),
        }
    }

    fn end_key(&mut self, level: usize, at: usize, piece: &[u8]) {
        if self.refusal.is_some() {
            return;
        }
        let (raw, whole) = self.token.end(at, piece);
        match (level - self.level, self.taking) {
            (1, _) => {
                let key = text::decode(raw);
                self.member = (whole && key.len() <= KEY).then(|| key.into_owned());
            }
            (2, Taking::Payload(PartField::Extra)) => self.in_extra_metadata = text::decode(raw) == "metadata",
            (2, _) => self.draft.metadata.set_key(raw, whole),
            _ => self.draft.extra_metadata.set_key(raw, whole),
        }
    }

    fn end(&mut self, level: usize, at: usize, piece: &[u8]) {
        if self.refusal.is_some() {
            return;
        }
        match level.checked_sub(self.level) {
            None => self.end_top(),
            Some(0) => self.end_run(at),
            Some(1) => self.end_member(at, piece),
            Some(2) => self.end_inner(at, piece),
            Some(_) => self.end_scalar(at, piece),
        }
    }
}

impl Collector {
    fn begin_member(&mut self, kind: Kind, at: usize) {
        self.taking = Taking::Nothing;
        let Some(field) = self.member.as_deref().and_then(Field::of_key) else { return };
        self.draft.forget(field);
        let shape = field.shape();
        if !shape.admits(kind) {
            if kind != Kind::Null {
                self.draft.problem(field, field.expectation());
            }
            return;
        }
        if let Some(limit) = shape.capture() {
            self.token.begin(at, limit);
        }
        self.taking = match field {
            Field::Part(part) => {
                self.payload.begin(at, self.base + at as u64);
                Taking::Payload(part)
            }
            Field::Tags => Taking::Tags,
            _ => Taking::Scalar(field),
        };
        match field {
            Field::Tags => self.draft.begin_tags(),
            Field::Part(PartField::Metadata | PartField::Extra) => {}
            _ => return,
        }
        self.watched = self.level + 2;
    }

    fn end_member(&mut self, at: usize, piece: &[u8]) {
        match self.taking {
            Taking::Scalar(field) => {
                let (raw, whole) = self.token.end(at, piece);
                self.draft.set_scalar(field, raw, whole);
            }
            Taking::Payload(part) => {
                if part == PartField::Error {
                    let (raw, whole) = self.token.end(at, piece);
                    self.draft.set_scalar(Field::Part(part), raw, whole);
                }
                let payload = self.payload.end(at, piece);
                self.draft.set_part(part, self.base + at as u64, payload);
            }
            Taking::Nothing | Taking::Tags => {}
        }
        self.taking = Taking::Nothing;
        self.member = None;
        self.watched = self.level + 1;
    }

    /// A value inside of a member starts.
    fn begin_inner(&mut self, kind: Kind, at: usize) {
        match self.taking {
            Taking::Tags if kind == Kind::Text => self.token.begin(at, raw_limit(TAG)),
            Taking::Tags => self.draft.problem(Field::Tags, Field::Tags.expectation()),
            Taking::Payload(PartField::Metadata) => self.begin_scalar(kind, at),
            Taking::Payload(PartField::Extra) if self.in_extra_metadata => {
                self.draft.extra_metadata.clear();
                if kind == Kind::Object {
                    self.watched = self.level + 3;
                }
            }
            _ => {}
        }
    }

    fn end_inner(&mut self, at: usize, piece: &[u8]) {
        match self.taking {
            Taking::Tags if self.token.is_open() => {
                let (raw, whole) = self.token.end(at, piece);
                self.draft.add_tag(raw, whole);
            }
            Taking::Payload(PartField::Metadata) => self.end_scalar(at, piece),
            // The metadata inside of `extra` may be what ended, and its members are not watched any more.
            Taking::Payload(PartField::Extra) => self.watched = self.level + 2,
            _ => {}
        }
    }

    /// A member of a metadata object starts.
    fn begin_scalar(&mut self, kind: Kind, at: usize) {
        if self.metadata().begin_value(kind) {
            self.token.begin(at, raw_limit(LONGEST));
        }
    }

    /// A member of a metadata object ended.
    fn end_scalar(&mut self, at: usize, piece: &[u8]) {
        if self.token.is_open() {
            let (raw, whole) = self.token.end(at, piece);
            if self.taking == Taking::Payload(PartField::Extra) {
                self.draft.extra_metadata.end_value(raw, whole);
            } else {
                self.draft.metadata.end_value(raw, whole);
            }
        }
    }

    /// The metadata object that is being read.
    fn metadata(&mut self) -> &mut Members {
        match self.taking {
            Taking::Payload(PartField::Extra) => &mut self.draft.extra_metadata,
            _ => &mut self.draft.metadata,
        }
    }
}
