//! Writes a favorite from its row: the same bytes alone, on a page and, as one line, in a stream.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::repository::entity::favorite;
use crate::service::time;

/// The favorite as JSON.
pub fn object(row: &favorite::Model) -> Bytes {
    let mut text = String::with_capacity(row.payload.len() + row.name.len() + row.description.len() + 256);
    write(&mut text, row, &row.payload);
    text.into()
}

/// The favorite as a line of its own. Between the tokens of a chart's data a line break becomes a space; in a string
/// of JSON there is none.
pub fn line(text: &mut String, row: &favorite::Model) {
    if row.payload.contains(['\n', '\r']) {
        write(text, row, &row.payload.replace(['\n', '\r'], " "));
    } else {
        write(text, row, &row.payload);
    }
    text.push('\n');
}

/// The entity tag of these bytes.
pub fn etag(object: &[u8]) -> String {
    format!("{:032x}", xxh3_128(object))
}

fn write(text: &mut String, row: &favorite::Model, payload: &str) {
    let mut member = |name: &str, value: &str| {
        text.push_str(name);
        text.push_str(value);
    };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    member("{\"id\":\"", &row.id.to_string());
    member("\",\"type\":\"", &row.kind);
    member("\",\"name\":", &quoted(&row.name));
    member(",\"description\":", &quoted(&row.description));
    // The own fields of the type are an object; here its members stand among the others.
    member(",", payload.trim_start_matches('{').strip_suffix('}').unwrap_or_default());
    member(",\"created_at\":\"", &time::text(row.created_at));
    member("\",\"updated_at\":\"", &time::text(row.updated_at));
    text.push_str("\"}");
}
