//! Checks that a stream of pieces, cut anywhere, is UTF-8.
//!
//! It keeps the beginning of a character that a border cut, three bytes at most, and nothing else.

/// The check between two pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    cut: [u8; 4],
    held: usize,
}

impl Utf8 {
    /// How many bytes of a cut character wait for the next piece.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Checks the next piece; the error is where in the piece the bad sequence starts, less than 0 if before it.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), i64> {
        let before = self.held as i64;
        let taken = self.complete(piece).map_err(|()| -before)?;
        let (whole, tail) = piece[taken..].split_at(piece.len() - taken - cut_len(&piece[taken..]));
        // The check that is fast does not say where the fault is.
        if simdutf8::basic::from_utf8(whole).is_err() {
            let valid = std::str::from_utf8(whole).map_or_else(|error| error.valid_up_to(), str::len);
            return Err((taken + valid) as i64);
        }
        if !tail.is_empty() {
            self.cut[..tail.len()].copy_from_slice(tail);
            self.held = tail.len();
        }
        Ok(())
    }

    /// Completes the character that the last border cut; returns how many bytes that took.
    fn complete(&mut self, piece: &[u8]) -> Result<usize, ()> {
        let mut taken = 0;
        while self.held > 0 && taken < piece.len() {
            self.cut[self.held] = piece[taken];
            self.held += 1;
            taken += 1;
            match std::str::from_utf8(&self.cut[..self.held]) {
                Ok(_) => self.held = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(()),
            }
        }
        Ok(taken)
    }
}

/// How many bytes at the end are the beginning of a character that may go on in the next piece.
fn cut_len(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(3).enumerate().find(|(_, byte)| **byte & 0xc0 != 0x80);
    match last {
        Some((back, 0xc0..=0xdf)) if back < 1 => back + 1,
        Some((back, 0xe0..=0xef)) if back < 2 => back + 1,
        Some((back, 0xf0..=0xff)) if back < 3 => back + 1,
        _ => 0,
    }
}
