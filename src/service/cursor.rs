//! Cursors: opaque to callers, bound to the list and the filter that they came from, and refused when forged.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// A place in a list that is ordered by a time and, where that is the same, by an id.
pub type Position = (DateTime<Utc>, Uuid);

/// The position as a cursor of this list, of which `binding` says whose it is and how it is filtered.
pub fn encode(list: &str, binding: &str, (time, id): Position) -> String {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(time.timestamp_micros().to_be_bytes());
    bytes.extend(id.as_bytes());
    let seal = seal(list, binding, &bytes);
    bytes.extend(seal.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor.
///
/// # Errors
/// [`Error::Invalid`] for a cursor that was cut, changed, or belongs to another list.
pub fn decode(list: &str, binding: &str, cursor: &str) -> Result<Position> {
    let position = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let given: [u8; 8] = rest.try_into().ok()?;
        if u64::from_be_bytes(given) != seal(list, binding, &bytes[..24]) {
            return None;
        }
        Some((DateTime::from_timestamp_micros(i64::from_be_bytes(*time))?, Uuid::from_bytes(*id)))
    };
    position().ok_or_else(|| Error::invalid("cursor", "must be the next_cursor of the same list"))
}

/// Not a secret: a position reveals and opens nothing that the list does not; it tells a cursor of this list from
/// anything else.
fn seal(list: &str, binding: &str, position: &[u8]) -> u64 {
    xxh3_64(&[list.as_bytes(), b" cursor v1", position, binding.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_changed_one_does_not() {
        let position = (DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), Uuid::now_v7());
        let cursor = encode("runs", "mine", position);
        assert_eq!(decode("runs", "mine", &cursor).unwrap(), position);
        assert!(decode("runs", "another's", &cursor).is_err());
        assert!(decode("favorites", "mine", &cursor).is_err());
        for cut in 0..cursor.len() {
            assert!(decode("runs", "mine", &cursor[..cut]).is_err(), "{cut}");
        }
        for place in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert!(decode("runs", "mine", std::str::from_utf8(&forged).unwrap()).is_err(), "{place}");
        }
    }
}
