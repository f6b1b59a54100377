//! A resumable validator of strict JSON (RFC 8259): it takes a text in pieces cut anywhere and tells a [`Sink`] where the shallow tokens are.
//!
//! It allocates nothing, whatever it is fed: open containers are one bit each in a fixed set, and a level too many is a fault, not growth.
//! UTF-8 is checked elsewhere, so to this file every byte from 0x80 up is a letter of a string.

use super::lexeme::{Number, Word};
use super::skip;

/// The deepest nesting that any validator can follow.
pub const DEEPEST: usize = 1024;

/// What a token is, as far as its first byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The key of a member.
    Key,
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string that is a value.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

/// Who is told about tokens; all positions count from the start of the piece in hand.
pub trait Sink {
    /// The deepest level whose tokens are told; the top value is level 0.
    fn watched(&self) -> usize;
    /// A token starts at `at`.
    fn begin(&mut self, kind: Kind, level: usize, at: usize);
    /// The key that began last ended before `at`.
    fn end_key(&mut self, level: usize, at: usize, piece: &[u8]);
    /// The value that began last at this level ended before `at`.
    fn end(&mut self, level: usize, at: usize, piece: &[u8]);
}

/// Why a text is refused, and where in the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The offset of the byte that cannot stand where it is.
    pub at: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// The two kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The text is not JSON.
    Syntax(&'static str),
    /// The text may be JSON, but is nested more deeply than is followed.
    TooDeep,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A value.
    Value,
    /// A value, or the end of the array that was just opened.
    FirstItem,
    /// A key, or the end of the object that was just opened.
    FirstKey,
    /// A key, after a comma.
    NextKey,
    /// The colon after a key.
    Colon,
    /// A comma or the end of the innermost container.
    After,
    /// Nothing but white space.
    End,
    /// The rest of a string.
    Text,
    /// The byte after a backslash.
    Escape,
    /// So many more digits of a `\u` escape.
    Hex(u8),
    /// The rest of a number.
    Number(Number),
    /// The rest of `true`, `false` or `null`, of which so many bytes are read.
    Word(Word, u8),
}

/// The validator between two pieces.
#[derive(Clone, Debug)]
pub struct Validator {
    pub(super) state: State,
    /// Whether the string that is being read is a key.
    pub(super) in_key: bool,
    /// Whether the innermost open container is an object.
    pub(super) in_object: bool,
    pub(super) depth: usize,
    max_depth: usize,
    /// One bit for each open container: set for an object.
    objects: [u64; DEEPEST / 64],
}

impl Validator {
    /// A validator of one text, with at most `max_depth` containers open at a time ([`DEEPEST`] if that is less).
    pub fn new(max_depth: usize) -> Self {
        Self {
            state: State::Value,
            in_key: false,
            in_object: false,
            depth: 0,
            max_depth: max_depth.min(DEEPEST),
            objects: [0; DEEPEST / 64],
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// The first fault; the validator must not be fed after it.
    pub fn feed<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), Fault> {
        let mut at = 0;
        while at < piece.len() {
            at = match self.state {
                State::Text => self.text(piece, at, sink)?,
                State::Escape => self.escape(piece, at)?,
                State::Hex(left) => self.hex(piece, at, left)?,
                State::Number(part) => self.number(piece, at, part, sink)?,
                State::Word(word, read) => self.word(piece, at, word, read, sink)?,
                _ => self.structure(piece, at, sink)?,
            };
        }
        Ok(())
    }

    /// Declares the text to be over; `Err` tells what is missing.
    ///
    /// # Errors
    /// The text is not complete.
    pub fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), &'static str> {
        match self.state {
            State::End => Ok(()),
            State::Number(part) if self.depth == 0 && part.may_end() => {
                self.end_value(0, &[], sink);
                Ok(())
            }
            State::Value if self.depth == 0 => Err("the body is empty"),
            State::Text | State::Escape | State::Hex(_) => Err("the body ends inside a string"),
            _ => Err("the body ends before its value does"),
        }
    }

    /// Reads white space and the one byte of structure after it, or the first byte of a token.
    #[inline(always)]
    fn structure<S: Sink>(&mut self, piece: &[u8], from: usize, sink: &mut S) -> Result<usize, Fault> {
        let at = from + skip::blank(&piece[from..]);
        let Some(&byte) = piece.get(at) else { return Ok(at) };
        match (self.state, byte) {
            (State::After, b',') if self.in_object => self.state = State::NextKey,
            (State::NextKey | State::FirstKey, b'"') => {
                self.begin(Kind::Key, at, sink);
                self.in_key = true;
                return self.text(piece, at + 1, sink);
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Value | State::FirstItem, b'"') => {
                self.begin(Kind::Text, at, sink);
                self.in_key = false;
                return self.text(piece, at + 1, sink);
            }
            (State::After, b',') => self.state = State::Value,
            (State::After, b'}') if self.in_object => self.close(at, piece, sink),
            (State::FirstKey, b'}') => self.close(at, piece, sink),
            (State::After, b']') if !self.in_object => self.close(at, piece, sink),
            (State::FirstItem, b']') => self.close(at, piece, sink),
            (State::Value | State::FirstItem, b'-' | b'0'..=b'9') => {
                self.begin(Kind::Number, at, sink);
                return self.number(piece, at, Number::Start, sink);
            }
            (State::Value | State::FirstItem, _) => self.begin_value(byte, at, sink)?,
            _ => return Err(self.unexpected(byte, at)),
        }
        Ok(at + 1)
    }

    /// Reads the first byte of a value that is neither a string nor a number.
    fn begin_value<S: Sink>(&mut self, byte: u8, at: usize, sink: &mut S) -> Result<(), Fault> {
        let (kind, state) = match byte {
            b'{' => return self.open(Kind::Object, at, sink),
            b'[' => return self.open(Kind::Array, at, sink),
            b't' => (Kind::Bool, State::Word(Word::True, 1)),
            b'f' => (Kind::Bool, State::Word(Word::False, 1)),
            b'n' => (Kind::Null, State::Word(Word::Null, 1)),
            _ => return Err(self.unexpected(byte, at)),
        };
        self.begin(kind, at, sink);
        self.state = state;
        Ok(())
    }

    fn open<S: Sink>(&mut self, kind: Kind, at: usize, sink: &mut S) -> Result<(), Fault> {
        if self.depth == self.max_depth {
            return Err(Fault { at, reason: Reason::TooDeep });
        }
        self.begin(kind, at, sink);
        self.in_object = kind == Kind::Object;
        let bit = 1 << (self.depth % 64);
        let bits = &mut self.objects[self.depth / 64];
        *bits = if self.in_object { *bits | bit } else { *bits & !bit };
        self.depth += 1;
        self.state = if self.in_object { State::FirstKey } else { State::FirstItem };
        Ok(())
    }

    fn close<S: Sink>(&mut self, at: usize, piece: &[u8], sink: &mut S) {
        self.depth -= 1;
        if let Some(outer) = self.depth.checked_sub(1) {
            self.in_object = self.objects[outer / 64] & (1 << (outer % 64)) != 0;
        }
        self.end_value(at + 1, piece, sink);
    }

    #[inline(always)]
    pub(super) fn begin<S: Sink>(&self, kind: Kind, at: usize, sink: &mut S) {
        if self.depth <= sink.watched() {
            sink.begin(kind, self.depth, at);
        }
    }

    #[inline(always)]
    pub(super) fn end_value<S: Sink>(&mut self, at: usize, piece: &[u8], sink: &mut S) {
        self.state = if self.depth == 0 { State::End } else { State::After };
        if self.depth <= sink.watched() {
            sink.end(self.depth, at, piece);
        }
    }

    #[cold]
    fn unexpected(&self, byte: u8, at: usize) -> Fault {
        let message = match self.state {
            State::Value if self.depth == 0 && byte == 0xef => "a byte order mark is not allowed",
            State::Value => "expected a value",
            State::FirstItem => "expected a value or `]`",
            State::FirstKey => "expected a key in quotes or `}`",
            State::NextKey => "expected a key in quotes",
            State::Colon => "expected `:`",
            State::After if self.in_object => "expected `,` or `}`",
            State::After => "expected `,` or `]`",
            _ => "nothing may follow the value",
        };
        Fault { at, reason: Reason::Syntax(message) }
    }
}
