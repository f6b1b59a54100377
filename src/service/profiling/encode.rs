//! The form that pprof reads: its protobuf message, compressed.
//!
//! Only what is written is declared; field numbers are those of pprof's `profile.proto`.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::profile::{Frame, Profile};
use crate::error::Result;

#[derive(Clone, PartialEq, Message)]
struct ProfileMessage {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<LocationMessage>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "3")]
    memory_limit: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    has_inline_frames: bool,
}

#[derive(Clone, PartialEq, Message)]
struct LocationMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// The profile as pprof's tools take it.
///
/// # Errors
/// None that anybody could cause: it is written to memory.
pub fn encode(profile: &Profile) -> Result<Vec<u8>> {
    let mut tables = Tables::default();
    tables.text("");
    let mut message = ProfileMessage {
        sample_type: profile.kinds.iter().map(|kind| tables.kind(*kind)).collect(),
        time_nanos: profile.taken_at.timestamp_nanos_opt().unwrap_or_default(),
        duration_nanos: i64::try_from(profile.duration.as_nanos()).unwrap_or(i64::MAX),
        period_type: profile.period.map(|(kind, _)| tables.kind(kind)),
        period: profile.period.map_or(0, |(_, period)| period),
        default_sample_type: profile.kinds.get(profile.shown).map_or(0, |(kind, _)| tables.text(kind)),
        ..ProfileMessage::default()
    };
    for stack in &profile.stacks {
        let location_id = stack.frames.iter().map(|frame| tables.location(frame)).collect();
        let label = stack.thread.iter().map(|thread| Label { key: tables.text("thread"), text: tables.text(thread) });
        message.sample.push(Sample { location_id, value: stack.values.clone(), label: label.collect() });
    }
    // Names are in the profile: there is nothing for the tool to look up in a program of this name.
    message.mapping.push(Mapping {
        id: MAPPING,
        memory_limit: u64::MAX,
        filename: tables.text(env!("CARGO_PKG_NAME")),
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
    });
    (message.location, message.function, message.string_table) = (tables.locations, tables.functions, tables.texts);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let written = gzip.write_all(&message.encode_to_vec()).and_then(|()| gzip.finish());
    Ok(written.map_err(anyhow::Error::from)?)
}

/// The one mapping that there is.
const MAPPING: u64 = 1;

/// What stands in the message once and is meant by its number.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    text_ids: HashMap<String, i64>,
    functions: Vec<Function>,
    function_ids: HashMap<(String, String), u64>,
    locations: Vec<LocationMessage>,
    location_ids: HashMap<Frame, u64>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(id) = self.text_ids.get(text) {
            return *id;
        }
        let id = i64::try_from(self.texts.len()).unwrap_or_default();
        self.texts.push(text.to_owned());
        self.text_ids.insert(text.to_owned(), id);
        id
    }

    fn kind(&mut self, (kind, unit): (&str, &str)) -> ValueType {
        ValueType { kind: self.text(kind), unit: self.text(unit) }
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let key = (frame.function.clone(), frame.file.clone());
        if let Some(id) = self.function_ids.get(&key) {
            return *id;
        }
        let id = self.functions.len() as u64 + 1;
        let (name, filename) = (self.text(&frame.function), self.text(&frame.file));
        // The tool takes a name that is also the system's for one of C++, and cuts all that is in brackets out of it.
        self.functions.push(Function { id, name, system_name: 0, filename });
        self.function_ids.insert(key, id);
        id
    }

    /// A place for each line of a function, or the tool would show all of its time at one.
    fn location(&mut self, frame: &Frame) -> u64 {
        if let Some(id) = self.location_ids.get(frame) {
            return *id;
        }
        let id = self.locations.len() as u64 + 1;
        let line = Line { function_id: self.function(frame), line: i64::from(frame.line) };
        self.locations.push(LocationMessage { id, mapping_id: MAPPING, line: vec![line] });
        self.location_ids.insert(frame.clone(), id);
        id
    }
}
