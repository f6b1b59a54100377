//! The small scalars of a metadata object, by which runs are filtered.

use std::collections::BTreeMap;

use super::json::Kind;
use super::text;

/// The longest key and the longest value that are kept, in bytes.
pub(super) const LONGEST: usize = 64;
/// How many members are kept.
const MOST: usize = 32;

/// The members so far, and the one that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// The key of the member that is being read, as it came; decoded only when it is needed.
    key: Vec<u8>,
    has_key: bool,
    map: BTreeMap<String, String>,
}

impl Members {
    /// Forgets all members.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A key was read, of which `raw` is all if it is `whole`.
    pub(super) fn set_key(&mut self, raw: &[u8], whole: bool) {
        self.has_key = whole;
        // One buffer for all keys, because a payload may have very many.
        self.key.clear();
        if self.has_key {
            self.key.extend_from_slice(raw);
        }
    }

    /// A value of the kind starts; returns whether its bytes are wanted.
    pub(super) fn begin_value(&mut self, kind: Kind) -> bool {
        // The key may be a repeated one, and then its last value counts, even when that is not a small scalar.
        if self.has_key && !self.map.is_empty() {
            self.map.remove(&*text::decode(&self.key));
        }
        let scalar = matches!(kind, Kind::Text | Kind::Number | Kind::Bool);
        scalar && self.has_key && self.map.len() < MOST
    }

    /// A value whose bytes were wanted ended, and `raw` is all of them if it is `whole`.
    pub(super) fn end_value(&mut self, raw: &[u8], whole: bool) {
        if !whole || is_long(raw) {
            return;
        }
        let (key, value) = (text::decode(&self.key), text::decode(raw));
        if key.len() <= LONGEST && value.len() <= LONGEST {
            self.map.insert(key.into_owned(), value.into_owned());
        }
    }

    /// The members by key.
    pub(super) fn into_map(self) -> BTreeMap<String, String> {
        self.map
    }
}

/// Whether a token is too long already before its first escape, which is known without decoding it.
fn is_long(raw: &[u8]) -> bool {
    raw.len() > LONGEST + 2 && memchr::memchr(b'\\', &raw[1..LONGEST + 2]).is_none()
}
