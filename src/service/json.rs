//! Reads JSON into a form, and says where in it something is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;

use crate::error::{Error, FieldError, Result};

/// The form that stands in `bytes`; `what` is what they are, for the message.
///
/// # Errors
/// [`Error::Malformed`] when it is not JSON, [`Error::Invalid`] with the place of a value that does not fit.
pub fn parse<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // What does not fit may stand before what is not even JSON, which is the greater fault.
        if let Err(broken) = serde_json::from_slice::<IgnoredAny>(bytes) {
            return malformed(what, &broken);
        }
        let path = error.path().iter().fold(String::new(), join);
        misfit(path, error.inner())
    })?;
    deserializer.end().map_err(|error| malformed(what, &error))?;
    Ok(value)
}

/// The form that stands in `bytes` as an object: the parser would fill one from an array as well, value by value.
///
/// # Errors
/// As [`parse`].
pub fn parse_object<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        let _: IgnoredAny = parse(what, bytes)?;
        return Err(Error::invalid("", "must be an object"));
    }
    parse(what, bytes)
}

/// How many objects and arrays stand in one another at most.
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What must stand as an object: the parser would fill a struct from an array as well, value by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Named)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

fn join(path: String, segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("{path}[{index}]"),
        Segment::Map { key } if path.is_empty() => key.clone(),
        Segment::Map { key } => format!("{path}.{key}"),
        Segment::Enum { .. } | Segment::Unknown => path,
    }
}

fn malformed(what: &str, error: &serde_json::Error) -> Error {
    Error::Malformed(FieldError::new("", format!("{what} is not JSON: {error}")))
}

/// The error of a value that is JSON and does not fit.
fn misfit(path: String, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
    // What is missing or unknown has its name in the message and not in the path.
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match named {
        Some(name) if path.is_empty() || path == name || path.ends_with(&format!(".{name}")) => {
            if path.is_empty() {
                name.to_owned()
            } else {
                path
            }
        }
        Some(name) => format!("{path}.{name}"),
        None => path,
    };
    Error::invalid(field, message)
}
