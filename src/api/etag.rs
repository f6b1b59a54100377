//! Entity tags: what a caller says that it has, and what it says that it has seen.

use poem::http::{HeaderMap, HeaderValue, header};
use poem_openapi::registry::MetaHeader;
use poem_openapi::types::Type;

/// Whether an `If-None-Match` or an `If-Match` holds this tag.
///
/// Compared weakly, as the one must be; for the other too, because a tag becomes weak when its answer is compressed.
pub fn holds(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag)
}

/// Puts the tag of an answer that its caller may keep, but has to ask for again.
pub fn insert(headers: &mut HeaderMap, etag: &str) {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// Documents the tag.
pub fn documented() -> MetaHeader {
    MetaHeader {
        name: "ETag".to_owned(),
        description: Some("For `If-None-Match` and, where it is taken, `If-Match`".to_owned()),
        required: true,
        deprecated: false,
        schema: String::schema_ref(),
    }
}
