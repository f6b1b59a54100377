//! How far a piece of JSON holds nothing of interest, many bytes at a time.
//!
//! Plain loops over arrays of a fixed length, which the compiler turns into vector instructions.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// How many bytes at the start can stand in a string as they are: no quote, no backslash, no control character.
#[inline(always)]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Keys are short, and so are the stretches between two escapes: try one word before the wide blocks.
    if let Some(word) = bytes.first_chunk::<8>() {
        let marks = marks(*word);
        if marks != 0 {
            return position(marks);
        }
        at = 8;
    }
    for block in bytes[at..].as_chunks::<32>().0 {
        if !is_plain(block) {
            break;
        }
        at += 32;
    }
    if bytes[at..].first_chunk::<16>().is_some_and(is_plain) {
        at += 16;
    }
    for word in bytes[at..].as_chunks::<8>().0 {
        let marks = marks(*word);
        if marks != 0 {
            return at + position(marks);
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| !is_stop(**byte)).count()
}

/// Whether the byte cannot stand in a string as it is.
#[inline(always)]
fn is_stop(byte: u8) -> bool {
    // A quote with its second bit turned is a space, which makes it one comparison with the control characters.
    ((byte ^ 2) < 0x21) | (byte == b'\\')
}

#[inline(always)]
fn is_plain<const N: usize>(block: &[u8; N]) -> bool {
    // Without a short cut, so that all bytes are compared at once.
    !block.iter().fold(false, |stop, byte| stop | is_stop(*byte))
}

/// A word whose lowest set bit is the top bit of the first byte that cannot stand in a string; bits above it may lie.
fn marks(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let low = word ^ (ONES * 2);
    let slash = word ^ (ONES * 0x5c);
    (low.wrapping_sub(ONES * 0x21) & !low | slash.wrapping_sub(ONES) & !slash) & HIGH
}

fn position(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// How many bytes at the start are white space.
#[inline(always)]
pub(super) fn blank(bytes: &[u8]) -> usize {
    match bytes {
        [first, ..] if *first > b' ' => 0,
        [b' ', second, ..] if *second > b' ' => 1,
        _ => blanks(bytes),
    }
}

#[inline(never)]
fn blanks(bytes: &[u8]) -> usize {
    // Pretty-printed text is indented with spaces.
    let spaces = |word: &&[u8; 8]| **word == [b' '; 8];
    let mut at = bytes.iter().take_while(|byte| matches!(**byte, b'\n' | b'\r')).count();
    at += 8 * bytes[at..].as_chunks::<8>().0.iter().take_while(spaces).count();
    at + bytes[at..].iter().take_while(|byte| matches!(**byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// How many bytes at the start are decimal digits.
#[inline(always)]
pub(super) fn digits(bytes: &[u8]) -> usize {
    let mut at = 0;
    for word in bytes.as_chunks::<8>().0 {
        // A digit with the bits of `0` turned is less than ten; adding 0x76 carries everything else into the top bit.
        let word = u64::from_le_bytes(*word) ^ (ONES * 0x30);
        let others = (((word & !HIGH) + ONES * 0x76) | word) & HIGH;
        if others != 0 {
            return at + position(others);
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}
