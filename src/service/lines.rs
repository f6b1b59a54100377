//! The body of a request as lines of JSON: one at a time, each bounded, and every error says in which line it is.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde::de::DeserializeOwned;

use super::body::{Body, Encoding};
use super::json::parse_object;
use crate::config::Limits;
use crate::error::{Error, FieldError, Result};

/// Lines that are being read.
#[derive(Debug)]
pub struct Lines {
    body: Body,
    /// What has arrived and was not given out; at most a line and a chunk.
    rest: BytesMut,
    /// How much of `rest` is known to have no line break.
    searched: usize,
    ended: bool,
    next: u64,
    max_line: usize,
}

/// One line that is not blank.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number, counted from 0 as in an array, blank lines included.
    pub index: u64,
    /// What it says, without the line break.
    pub bytes: Bytes,
}

impl Lines {
    /// The lines of a body within the limits, each of at most `max_line` bytes.
    pub fn new(
        encoding: Encoding,
        raw: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        limits: &Limits,
        max_line: usize,
    ) -> Self {
        let body = Body::new(encoding, raw, limits);
        Self { body, rest: BytesMut::new(), searched: 0, ended: false, next: 0, max_line }
    }

    /// The next line that is not blank, or nothing at the end; the last one need not be ended.
    ///
    /// # Errors
    /// Those of the body; [`Error::TooLarge`] for a line that is too long, with its place.
    pub async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let line = match self.cut() {
                Some(line) => line,
                None if self.ended && self.rest.is_empty() => return Ok(None),
                None if self.ended => {
                    self.searched = 0;
                    self.rest.split().freeze()
                }
                None => {
                    self.bounded(self.rest.len())?;
                    match self.body.next().await? {
                        Some(chunk) => self.rest.extend_from_slice(&chunk),
                        None => self.ended = true,
                    }
                    continue;
                }
            };
            self.bounded(line.len())?;
            let index = self.next;
            self.next += 1;
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Line { index, bytes: line }));
            }
        }
    }

    /// Reads on for a while without looking, so that a client who is still sending hears why it is refused.
    pub async fn drain(self) {
        self.body.drain().await;
    }

    fn cut(&mut self) -> Option<Bytes> {
        let Some(end) = memchr::memchr(b'\n', &self.rest[self.searched..]) else {
            self.searched = self.rest.len();
            return None;
        };
        let line = self.rest.split_to(self.searched + end);
        let _break = self.rest.split_to(1);
        self.searched = 0;
        Some(line.freeze())
    }

    fn bounded(&self, length: usize) -> Result<()> {
        let too_long = || Error::too_large("", format!("a line has at most {} bytes", self.max_line));
        if length <= self.max_line { Ok(()) } else { Err(at_line(self.next, too_long())) }
    }
}

impl Line {
    /// The form that the line holds.
    ///
    /// # Errors
    /// As [`parse_object`], with the place of the line.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse_object("the line", &self.bytes).map_err(|error| self.place(error))
    }

    /// The error, as one of this line: `[3].name`, with the number of the line as people count in its message.
    pub fn place(&self, error: Error) -> Error {
        at_line(self.index, error)
    }
}

/// The error, as one of the line of this index.
pub fn at_line(index: u64, error: Error) -> Error {
    let place = |FieldError { field, message }: FieldError| FieldError {
        field: if field.is_empty() || field.starts_with('[') {
            format!("[{index}]{field}")
        } else {
            format!("[{index}].{field}")
        },
        message: format!("line {}: {message}", index + 1),
    };
    match error {
        Error::Malformed(field) => Error::Malformed(place(field)),
        Error::Invalid(fields) => Error::Invalid(fields.into_iter().map(place).collect()),
        Error::Conflict(field) => Error::Conflict(place(field)),
        Error::TooLarge(field) => Error::TooLarge(place(field)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use futures_util::stream;

    use super::*;

    fn lines(text: &str, chunk: usize, max_line: usize) -> Lines {
        let chunks: Vec<io::Result<Bytes>> =
            text.as_bytes().chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let limits = crate::config::Cli::parse_from(["runyard"]).config.limits;
        Lines::new(Encoding::Identity, stream::iter(chunks), &limits, max_line)
    }

    async fn all(mut lines: Lines) -> Result<Vec<(u64, String)>> {
        let mut found = Vec::new();
        while let Some(line) = lines.next().await? {
            found.push((line.index, String::from_utf8_lossy(&line.bytes).into_owned()));
        }
        Ok(found)
    }

    #[tokio::test]
    async fn lines_are_the_same_wherever_the_body_is_cut() {
        let text = "{\"a\":1}\r\n\n  \t\r\n[2]\nlast";
        for chunk in 1..=text.len() {
            let found = all(lines(text, chunk, 100)).await.unwrap();
            let expected = [(0, "{\"a\":1}\r"), (3, "[2]"), (4, "last")];
            assert_eq!(found, expected.map(|(index, line)| (index, line.to_owned())), "{chunk}");
        }
        for nothing in ["", "\n", " \n\r\n "] {
            assert_eq!(all(lines(nothing, 1, 100)).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_by_its_number_before_it_has_arrived() {
        for text in ["{}\n123456789", "{}\n123456789\n{}"] {
            for chunk in [1, 3, 100] {
                let error = all(lines(text, chunk, 8)).await.unwrap_err();
                assert!(matches!(&error, Error::TooLarge(place) if place.field == "[1]"), "{error}");
            }
        }
        assert_eq!(all(lines("12345678\n12345678", 3, 8)).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_is_wrong_in_a_line_is_said_with_its_place() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            #[expect(dead_code, reason = "only the place of what is wrong matters")]
            name: Vec<u8>,
        }
        for (text, field) in
            [("\n{\"name\":[1,\"x\"]}", "[1].name[1]"), ("{\"nmae\":1}", "[0].nmae"), ("{}", "[0].name"), ("7", "[0]")]
        {
            let line = lines(text, 5, 100).next().await.unwrap().unwrap();
            let error = line.parse::<Form>().unwrap_err();
            assert!(matches!(&error, Error::Invalid(places) if places[0].field == field), "{text}: {error}");
        }
        let line = lines("{\"name\"", 5, 100).next().await.unwrap().unwrap();
        let error = line.parse::<Form>().unwrap_err();
        assert!(matches!(&error, Error::Malformed(place) if place.field == "[0]"), "{error}");
    }
}
