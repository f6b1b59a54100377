//! The tokens of JSON that have an inside: strings, numbers and words.
//!
//! Each of them can stop after any byte and go on in the next piece.

use super::json::{Fault, Kind, Reason, Sink, State, Validator};
use super::skip;

/// How far a number has been read: the name of what came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Nothing yet.
    Start,
    /// The minus sign.
    Minus,
    /// A zero that is the whole integer part.
    Zero,
    /// A digit of the integer part.
    Whole,
    /// The decimal point.
    Point,
    /// A digit after the point.
    Fraction,
    /// The `e`.
    Exponent,
    /// The sign of the exponent.
    Sign,
    /// A digit of the exponent.
    Power,
}

impl Number {
    /// One byte more; `None` when it does not belong to the number.
    #[inline(always)]
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Whole, b'0'..=b'9') | (Self::Start | Self::Minus, b'1'..=b'9') => Some(Self::Whole),
            (Self::Start | Self::Minus, b'0') => Some(Self::Zero),
            (Self::Start, b'-') => Some(Self::Minus),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    /// Whether a number may stop here.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

/// The three words of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

impl Word {
    fn spelling(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        }
    }
}

impl Validator {
    /// Reads a string up to its closing quote or the end of the piece, and the strings after it that follow at once.
    ///
    /// Most of a body is strings, so from one to the next the state machine is skipped when nothing but the expected
    /// bytes of structure is between them.
    #[inline(always)]
    pub(super) fn text<S: Sink>(&mut self, piece: &[u8], from: usize, sink: &mut S) -> Result<usize, Fault> {
        let mut at = from;
        loop {
            at += skip::plain(&piece[at..]);
            match piece.get(at) {
                Some(b'"') => {
                    self.end_text(at + 1, piece, sink);
                    match self.next_text(&piece[at + 1..]) {
                        Some(between) => at = self.begin_text(at + 1 + between, sink),
                        None => return Ok(at + 1),
                    }
                }
                // The short escapes are by far the most frequent, so they do not leave this loop.
                Some(b'\\') if piece.get(at + 1).is_some_and(|byte| is_short_escape(*byte)) => at += 2,
                Some(b'\\') => {
                    self.state = State::Escape;
                    return Ok(at + 1);
                }
                Some(_) => return Err(fault(at, "a control character must be escaped")),
                None => {
                    self.state = State::Text;
                    return Ok(at);
                }
            }
        }
    }

    /// How many bytes are between the string that just ended and one that follows it as the next key or value.
    #[inline(always)]
    fn next_text(&self, rest: &[u8]) -> Option<usize> {
        let mark = match self.state {
            State::Colon => b':',
            State::After => b',',
            _ => return None,
        };
        match rest {
            [byte, b'"', ..] if *byte == mark => Some(1),
            [byte, b' ', b'"', ..] if *byte == mark => Some(2),
            _ => None,
        }
    }

    /// Begins the string whose opening quote is at `at`; after a string in an object it is what that was not.
    #[inline(always)]
    fn begin_text<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        self.in_key = self.in_object && !self.in_key;
        self.begin(if self.in_key { Kind::Key } else { Kind::Text }, at, sink);
        at + 1
    }

    #[inline(always)]
    fn end_text<S: Sink>(&mut self, at: usize, piece: &[u8], sink: &mut S) {
        if !self.in_key {
            return self.end_value(at, piece, sink);
        }
        self.state = State::Colon;
        if self.depth <= sink.watched() {
            sink.end_key(self.depth, at, piece);
        }
    }

    /// Reads the byte after a backslash.
    pub(super) fn escape(&mut self, piece: &[u8], at: usize) -> Result<usize, Fault> {
        self.state = match piece[at] {
            b'u' => State::Hex(4),
            byte if is_short_escape(byte) => State::Text,
            _ => return Err(fault(at, "not an escape")),
        };
        Ok(at + 1)
    }

    /// Reads the next of the four digits of a `\u` escape; any of them is legal, paired surrogate or not.
    pub(super) fn hex(&mut self, piece: &[u8], at: usize, left: u8) -> Result<usize, Fault> {
        if !piece[at].is_ascii_hexdigit() {
            return Err(fault(at, "expected four hexadecimal digits after `\\u`"));
        }
        self.state = if left == 1 { State::Text } else { State::Hex(left - 1) };
        Ok(at + 1)
    }

    /// Reads a number up to the byte after it or the end of the piece.
    pub(super) fn number<S: Sink>(
        &mut self,
        piece: &[u8],
        from: usize,
        mut part: Number,
        sink: &mut S,
    ) -> Result<usize, Fault> {
        let mut at = from;
        while let Some(&byte) = piece.get(at) {
            match part.next(byte) {
                Some(next) => part = next,
                None if part.may_end() => {
                    self.end_value(at, piece, sink);
                    // Vectors are long, so from one number to the next the state machine is skipped.
                    match self.next_number(&piece[at..]) {
                        Some(between) => at += between,
                        None => return Ok(at),
                    }
                    self.begin(Kind::Number, at, sink);
                    part = Number::Start;
                    continue;
                }
                None => return Err(fault(at, "not a number")),
            }
            at += 1;
            if matches!(part, Number::Whole | Number::Fraction | Number::Power) {
                at += skip::digits(&piece[at..]);
            }
        }
        self.state = State::Number(part);
        Ok(piece.len())
    }

    /// How many bytes are between the number that just ended and one that follows it in the same array.
    fn next_number(&self, rest: &[u8]) -> Option<usize> {
        match rest {
            _ if self.depth == 0 || self.in_object => None,
            [b',', b'-' | b'0'..=b'9', ..] => Some(1),
            [b',', b' ', b'-' | b'0'..=b'9', ..] => Some(2),
            _ => None,
        }
    }

    /// Reads one of the three words up to its end or the end of the piece.
    pub(super) fn word<S: Sink>(
        &mut self,
        piece: &[u8],
        at: usize,
        word: Word,
        read: u8,
        sink: &mut S,
    ) -> Result<usize, Fault> {
        let missing = &word.spelling()[usize::from(read)..];
        let same = missing.iter().zip(&piece[at..]).take_while(|(want, got)| want == got).count();
        if same == missing.len() {
            self.end_value(at + same, piece, sink);
        } else if at + same == piece.len() {
            // At most four, so the cast cannot lose anything.
            self.state = State::Word(word, read + same as u8);
        } else {
            return Err(fault(at + same, "expected a value"));
        }
        Ok(at + same)
    }
}

fn is_short_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
}

#[cold]
fn fault(at: usize, message: &'static str) -> Fault {
    Fault { at, reason: Reason::Syntax(message) }
}
