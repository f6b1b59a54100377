//! A JSON merge patch (RFC 7396) on a favorite: what it does not touch stays byte for byte.

use std::fmt::Write;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::form::{self, Draft};
use crate::error::{Error, Result};
use crate::repository::entity::favorite;
use crate::service::json::parse;

/// The favorite as the patch makes it, checked as a whole.
///
/// # Errors
/// [`Error::Malformed`] when the patch is not JSON; [`Error::Invalid`] when it is no object, names another type, or
/// what it makes is no favorite.
pub fn merge(row: &favorite::Model, patch: &[u8]) -> Result<Draft> {
    let patch: Members = parse("the body", patch)?;
    let payload: Members = parse("a row", row.payload.as_bytes())?;
    let mut whole = Object::default();
    whole.put("type", &quoted(&row.kind));
    whole.put("name", &quoted(&row.name));
    whole.put("description", &quoted(&row.description));
    for (name, value) in &payload.0 {
        whole.put(name, value.get());
    }
    for (name, value) in &patch.0 {
        let merged = match (name.as_str(), whole.get(name)) {
            ("type", Some(kind)) if value.get() != kind => {
                return Err(Error::invalid("type", format!("is {} and cannot be changed", row.kind)));
            }
            // Nulls stay until the whole is checked: then they count as missing, and unknown ones are noticed.
            ("rules", Some(rules)) if is_object(value.get()) => put_members(rules, value)?,
            ("data", Some(data)) if value.get() != "null" => merged(Some(data), value)?,
            _ => value.get().to_owned(),
        };
        whole.put(name, &merged);
    }
    form::read_new(whole.text().as_bytes())
}

/// The members of an object as they stand there.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// An object that is put together; a member keeps the place in which it came first.
#[derive(Default)]
struct Object(Vec<(String, String)>);

impl Object {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn put(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("{");
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}{}:{value}", quoted(name));
        }
        text.push('}');
        text
    }
}

/// The object with the members of the patch put into it, nulls too.
fn put_members(target: &str, patch: &RawValue) -> Result<String> {
    let mut object = Object::default();
    if is_object(target) {
        for (name, value) in members(target)?.0 {
            object.put(&name, value.get());
        }
    }
    for (name, value) in members(patch.get())?.0 {
        object.put(&name, value.get());
    }
    Ok(object.text())
}

/// `MergePatch` of the RFC. An object that is not touched keeps its bytes; one that is loses the white space between
/// its members, and of a repeated one all but the last.
fn merged(target: Option<&str>, patch: &RawValue) -> Result<String> {
    if !is_object(patch.get()) {
        return Ok(patch.get().to_owned());
    }
    let target = target.filter(|target| is_object(target)).unwrap_or("{}");
    let mut object = Object::default();
    for (name, value) in members(target)?.0 {
        object.put(&name, value.get());
    }
    for (name, value) in members(patch.get())?.0 {
        if value.get() == "null" {
            object.0.retain(|(known, _)| *known != name);
        } else {
            let merged = merged(object.get(&name), value)?;
            object.put(&name, &merged);
        }
    }
    Ok(object.text())
}

fn members(object: &str) -> Result<Members<'_>> {
    parse("an object", object.as_bytes())
}

fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(target: &str, patch: &str) -> String {
        merged(Some(target), serde_json::from_str(patch).unwrap()).unwrap()
    }

    /// The table of RFC 7396, appendix A.
    #[test]
    fn a_patch_does_what_the_rfc_says() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(apply(target, patch), result, "{target} {patch}");
        }
    }

    #[test]
    fn what_a_patch_does_not_touch_keeps_its_bytes() {
        let target = r#"{"keep": { "n" : 1e400, "twice":1, "twice":2 },"change":1}"#;
        assert_eq!(
            apply(target, r#"{"change":2.50}"#),
            r#"{"keep":{ "n" : 1e400, "twice":1, "twice":2 },"change":2.50}"#
        );
    }
}
