//! Decodes the inside of JSON strings that the validator has already found to be well-formed.
//!
//! A surrogate escape without its partner becomes U+FFFD, because it has no character of its own.

use std::borrow::Cow;

/// The bytes that a text of `limit` decoded bytes can take between its quotes and with them: each may be `\u00XX`.
pub(super) const fn raw_limit(limit: usize) -> usize {
    limit * 6 + 2
}

/// The decoded text of a string in quotes, of which `raw` may be only the beginning: an escape that is cut is then left out.
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    let inside = raw.strip_prefix(b"\"").unwrap_or(raw);
    let inside = inside.strip_suffix(b"\"").unwrap_or(inside);
    let Some(escape) = memchr::memchr(b'\\', inside) else { return Cow::Borrowed(prefix(inside)) };
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    let mut next = Some(escape);
    while let Some(at) = next {
        text.push_str(prefix(&rest[..at]));
        let Some((letter, length)) = unescape(&rest[at..]) else { return Cow::Owned(text) };
        text.push(letter);
        rest = &rest[at + length..];
        next = memchr::memchr(b'\\', rest);
    }
    text.push_str(prefix(rest));
    Cow::Owned(text)
}

/// The longest start of the bytes that is whole characters.
pub(super) fn prefix(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// The start of a text that is at most `limit` bytes long and ends between two characters.
pub(super) fn shorten(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The character of the escape that the bytes start with, and the escape's length; `None` when it was cut.
fn unescape(bytes: &[u8]) -> Option<(char, usize)> {
    let letter = match bytes.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unit(bytes),
        byte => char::from(*byte),
    };
    Some((letter, 2))
}

fn unescape_unit(bytes: &[u8]) -> Option<(char, usize)> {
    let first = unit(bytes)?;
    let second = match bytes.get(6..) {
        Some([b'\\', b'u', ..]) if matches!(first, 0xd800..=0xdbff) => unit(&bytes[6..])?,
        _ => 0,
    };
    if matches!(second, 0xdc00..=0xdfff) {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
}

fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(2..6)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}
