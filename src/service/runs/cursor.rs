//! Cursors: opaque to callers, bound to the workspace and the filter that they came from, and refused when forged.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::repository::runs::RunPosition;

/// The position as a cursor of the list that `binding` describes.
pub fn encode(position: RunPosition, binding: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(position.start_time.timestamp_micros().to_be_bytes());
    bytes.extend(position.id.as_bytes());
    let seal = seal(&bytes, binding);
    bytes.extend(seal.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor.
///
/// # Errors
/// [`Error::Invalid`] for a cursor that was cut, changed, or belongs to another list.
pub fn decode(cursor: &str, binding: &[u8]) -> Result<RunPosition> {
    let position = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let given: [u8; 8] = rest.try_into().ok()?;
        if u64::from_be_bytes(given) != seal(&bytes[..24], binding) {
            return None;
        }
        let start_time = DateTime::from_timestamp_micros(i64::from_be_bytes(*time))?;
        Some(RunPosition { start_time, id: Uuid::from_bytes(*id) })
    };
    position().ok_or_else(|| Error::invalid("cursor", "must be the next_cursor of the same list"))
}

/// Not a secret: a position reveals and opens nothing that the list does not; it tells a cursor of this list from
/// anything else.
fn seal(position: &[u8], binding: &[u8]) -> u64 {
    xxh3_64(&[b"runs cursor v1".as_slice(), position, binding].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_changed_one_does_not() {
        let id = Uuid::now_v7();
        let start_time = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let cursor = encode(RunPosition { start_time, id }, b"list");
        assert_eq!(decode(&cursor, b"list").unwrap(), RunPosition { start_time, id });
        assert!(decode(&cursor, b"other list").is_err());
        for cut in 0..cursor.len() {
            assert!(decode(&cursor[..cut], b"list").is_err(), "{cut}");
        }
        for place in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert!(decode(std::str::from_utf8(&forged).unwrap(), b"list").is_err(), "{place}");
        }
    }
}
