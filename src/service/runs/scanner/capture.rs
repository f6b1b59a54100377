//! Keeps of a token what is needed, whether it lies in one piece of the body or in many.
//!
//! A token within one piece is not copied at all, and of one that spans several no more than a bound is kept.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::text;

/// How much of a payload is kept to be shown in lists.
pub(super) const PREVIEW: usize = 200;

/// The bytes of the token that is being read, up to a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Capture {
    open: bool,
    from: usize,
    limit: usize,
    /// What earlier pieces held of it.
    kept: Vec<u8>,
    /// How long it was in earlier pieces, kept or not.
    earlier: u64,
}

impl Capture {
    /// A token starts.
    pub(super) fn begin(&mut self, from: usize, limit: usize) {
        self.open = true;
        self.from = from;
        self.limit = limit;
        self.kept.clear();
        self.earlier = 0;
    }

    /// Whether a token is being read.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The piece is over and the token is not.
    pub(super) fn flush(&mut self, piece: &[u8]) {
        if self.open {
            let part = &piece[self.from..];
            let room = self.limit - self.kept.len();
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
            self.earlier += part.len() as u64;
            self.from = 0;
        }
    }

    /// The token ended before `at`: its bytes up to the limit, and whether those are all of it.
    pub(super) fn end<'a>(&'a mut self, at: usize, piece: &'a [u8]) -> (&'a [u8], bool) {
        self.open = false;
        let part = &piece[self.from..at];
        if self.earlier == 0 {
            return (&part[..part.len().min(self.limit)], part.len() <= self.limit);
        }
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&part[..part.len().min(room)]);
        (&self.kept, self.earlier + part.len() as u64 <= self.limit as u64)
    }
}

/// The digest and the first bytes of the payload field that is being read.
#[derive(Clone, Default)]
pub(super) struct Payload {
    open: bool,
    from: usize,
    start: u64,
    /// Whether earlier pieces held some of it, which the hasher has then.
    spans: bool,
    hasher: Xxh3,
    preview: Vec<u8>,
}

/// What is known of a payload field when it is over.
#[derive(Clone, Debug)]
pub(super) struct PayloadEnd {
    /// Where in the body it starts.
    pub start: u64,
    /// The XXH3 of its bytes.
    pub digest: u128,
    /// Its first bytes.
    pub preview: String,
}

impl Payload {
    /// A payload starts, at `start` in the body.
    pub(super) fn begin(&mut self, from: usize, start: u64) {
        self.open = true;
        self.from = from;
        self.start = start;
        self.spans = false;
    }

    /// The piece is over and the payload is not.
    pub(super) fn flush(&mut self, piece: &[u8]) {
        if self.open {
            self.add(&piece[self.from..]);
            self.from = 0;
        }
    }

    /// The payload ended before `at`.
    pub(super) fn end(&mut self, at: usize, piece: &[u8]) -> PayloadEnd {
        self.open = false;
        let part = &piece[self.from..at];
        let (digest, preview) = if self.spans {
            self.add(part);
            (self.hasher.digest128(), text::prefix(&self.preview))
        } else {
            (xxh3_128(part), text::prefix(&part[..part.len().min(PREVIEW)]))
        };
        PayloadEnd { start: self.start, digest, preview: preview.to_owned() }
    }

    fn add(&mut self, part: &[u8]) {
        if !self.spans {
            self.spans = true;
            self.hasher.reset();
            self.preview.clear();
        }
        self.hasher.update(part);
        let room = PREVIEW - self.preview.len();
        self.preview.extend_from_slice(&part[..part.len().min(room)]);
    }
}
