//! What stands under a key: a value, or the marker of the readers that are fetching it; a version is never used twice.

use std::fmt;

use bytes::{Buf, Bytes};

/// The name of one attempt to fill one key, random, so that no restart, eviction or replica ever repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version(u128);

impl Version {
    /// A version that nobody else has.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The version of a list that is numbered elsewhere; by chance alone a random one is the same.
    pub fn numbered(number: i64) -> Self {
        Self(u128::from(number.cast_unsigned()))
    }
}

/// The current state of an owner's list: a part of the key of everything that is cached of the list, so that what
/// belongs to an older generation is never read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(pub(super) Version);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0.0)
    }
}

/// What a key holds.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// Somebody looked, found nothing and may fill the key as long as this very marker stands here.
    Marker(Version),
    /// The value.
    Value(Bytes),
}

impl Entry {
    const MARKER: u8 = b'm';
    const VALUE: u8 = b'v';

    /// Bytes of the value.
    pub fn len(&self) -> usize {
        match self {
            Self::Marker(_) => 0,
            Self::Value(bytes) => bytes.len(),
        }
    }

    /// The form in which Redis keeps the entry: one byte says which it is.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Marker(version) => [&[Self::MARKER][..], &version.0.to_be_bytes()].concat(),
            Self::Value(bytes) => [&[Self::VALUE][..], bytes].concat(),
        }
    }

    /// The entry of this form; nothing when these bytes are not ours.
    pub fn decode(stored: Vec<u8>) -> Option<Self> {
        let mut rest = Bytes::from(stored);
        match rest.try_get_u8().ok()? {
            Self::MARKER => Some(Self::Marker(Version(u128::from_be_bytes(rest.as_ref().try_into().ok()?)))),
            Self::VALUE => Some(Self::Value(rest)),
            _ => None,
        }
    }
}

/// What a look at a key finds.
#[derive(Debug)]
pub(super) enum Lookup {
    /// The value.
    Hit(Bytes),
    /// No value, and the version under which a reader may fill it in.
    Miss(Version),
    /// The cache is away or must not be believed: read past it, and fill nothing.
    Off,
}

impl From<Entry> for Lookup {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Marker(version) => Self::Miss(version),
            Entry::Value(bytes) => Self::Hit(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_stored_and_foreign_bytes_are_nothing() {
        let version = Version::random();
        assert!(matches!(Entry::decode(Entry::Marker(version).encode()), Some(Entry::Marker(v)) if v == version));
        let value = Entry::Value(Bytes::from_static(b"m\0x"));
        assert!(matches!(Entry::decode(value.encode()), Some(Entry::Value(v)) if v == "m\0x"));
        for foreign in ["", "m", "mshort", "1"] {
            assert!(Entry::decode(foreign.as_bytes().to_vec()).is_none(), "{foreign}");
        }
    }
}
