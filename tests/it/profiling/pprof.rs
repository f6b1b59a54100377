//! A profile as pprof's tools read it: declared here once more, from `profile.proto`, so that what the server writes
//! is not read by what has written it.

use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

/// The message.
#[derive(Clone, PartialEq, Message)]
pub struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Mapping {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

/// A function on a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Its name.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line in it.
    pub line: i64,
}

impl Profile {
    /// The profile of an answer. Whatever is referred to must be there, as `go tool pprof` checks it.
    pub fn read(bytes: &[u8]) -> Self {
        let mut message = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut message).unwrap();
        let profile = Self::decode(message.as_slice()).unwrap();
        assert_eq!(profile.string_table[0], "");
        for sample in &profile.sample {
            assert_eq!(sample.value.len(), profile.sample_type.len());
            assert!(!sample.location_id.is_empty());
            assert!(!profile.frames(sample).is_empty());
        }
        for (place, location) in profile.location.iter().enumerate() {
            assert_eq!(location.id, place as u64 + 1);
            assert!(profile.mapping.iter().any(|mapping| mapping.id == location.mapping_id && mapping.has_functions));
        }
        profile
    }

    fn text(&self, id: i64) -> &str {
        &self.string_table[usize::try_from(id).unwrap()]
    }

    /// What its values are, as `type/unit`.
    pub fn kinds(&self) -> Vec<String> {
        self.sample_type.iter().map(|kind| format!("{}/{}", self.text(kind.r#type), self.text(kind.unit))).collect()
    }

    /// The kind that is shown first.
    pub fn shown(&self) -> &str {
        self.text(self.default_sample_type)
    }

    /// The sum of the values of this kind.
    pub fn total(&self, kind: usize) -> i64 {
        self.sample.iter().map(|sample| sample.value[kind]).sum()
    }

    /// The stack of a sample, the innermost function first.
    pub fn frames(&self, sample: &Sample) -> Vec<Frame> {
        let locations = sample.location_id.iter().map(|id| &self.location[usize::try_from(*id - 1).unwrap()]);
        let lines = locations.flat_map(|location| &location.line);
        let frame = |line: &Line| {
            let function = &self.function[usize::try_from(line.function_id - 1).unwrap()];
            let (function, file) = (self.text(function.name).to_owned(), self.text(function.filename).to_owned());
            Frame { function, file, line: line.line }
        };
        lines.map(frame).collect()
    }

    /// Every frame of every stack.
    pub fn all_frames(&self) -> Vec<Frame> {
        self.sample.iter().flat_map(|sample| self.frames(sample)).collect()
    }
}
