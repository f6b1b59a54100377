//! Keeps any text in a column: PostgreSQL refuses U+0000, so it is written as an escape that nothing else uses.
//!
//! U+10FFFF is no character and stands for nothing in real text; it introduces the escape and escapes itself, so
//! that `decode(encode(text)) == text` for every text, and equal texts have equal columns.

use std::borrow::Cow;

use serde_json::Value;

const ESCAPE: char = '\u{10ffff}';

/// The text as it stands in a column.
pub fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut column = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => column.extend([ESCAPE, '0']),
            ESCAPE => column.extend([ESCAPE, '1']),
            other => column.push(other),
        }
    }
    Cow::Owned(column)
}

/// The text that a column stands for.
pub fn decode(column: String) -> String {
    if !column.contains(ESCAPE) {
        return column;
    }
    let mut text = String::with_capacity(column.len());
    let mut characters = column.chars();
    while let Some(character) = characters.next() {
        match (character == ESCAPE).then(|| characters.next()).flatten() {
            Some('0') => text.push('\0'),
            Some(_) => text.push(ESCAPE),
            None => text.push(character),
        }
    }
    text
}

/// The JSON value with every text in it, keys included, put through `change`; texts deeper than one level are not
/// kept in columns.
pub fn map_json(value: Value, change: impl Fn(String) -> String) -> Value {
    let text = |value| match value {
        Value::String(text) => Value::String(change(text)),
        other => other,
    };
    match value {
        Value::Array(items) => items.into_iter().map(text).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (change(key), text(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_no_column_holds_a_nul() {
        for text in ["", "plain", "a\0b", "\0", "\u{10ffff}", "\u{10ffff}0", "\0\u{10ffff}1\0", "ä\0€"] {
            let column = encode(text);
            assert!(!column.contains('\0'), "{text:?}");
            assert_eq!(decode(column.into_owned()), text);
        }
        assert_ne!(encode("\0"), encode("\u{10ffff}0"));
    }
}
