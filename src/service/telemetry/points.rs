//! How samples and buckets stand in the texts of a block: JSON that any database can take apart, read without a parser
//! of JSON since nobody else writes it.

use std::io::Write;

use anyhow::anyhow;

use super::bucket::Bucket;
use crate::error::{Error, Result};

/// A sample of a series. Moments are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was measured.
    pub at: i64,
    /// What it was, if that was known.
    pub value: Option<f64>,
    /// When it was stored.
    pub ingested_at: i64,
}

/// Samples as `[[0,45],[1000000,null],…]`, their times counted from `start`.
pub fn write_points(start: i64, points: &[Point]) -> String {
    let mut text = Vec::with_capacity(points.len() * 16 + 2);
    text.push(b'[');
    for (index, point) in points.iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        write_integer(&mut text, point.at - start);
        text.push(b',');
        write_value(&mut text, point.value);
        text.push(b']');
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// Hands out the samples of a text that [`write_points`] wrote, in its order.
///
/// # Errors
/// [`Error::Internal`] when somebody else wrote it.
pub fn read_points(start: i64, text: &str, mut take: impl FnMut(i64, Option<f64>)) -> Result<()> {
    let mut rest = Rest(text.as_bytes());
    rest.items(|rest| {
        let at = rest.integer()?;
        rest.byte(b',')?;
        take(start + at, rest.value()?);
        Ok(())
    })
}

/// Buckets as `[[0,2,44,45,89,45],[3,0],…]`: how many steps after the one that `start` lies in, how many values, and
/// if there are any the least, the largest, their sum and the last one.
pub fn write_buckets(start: i64, step: i64, buckets: &[Bucket]) -> String {
    let first = start.div_euclid(step);
    let mut text = Vec::with_capacity(buckets.len() * 32 + 2);
    text.push(b'[');
    for (index, bucket) in buckets.iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        write_integer(&mut text, bucket.start.div_euclid(step) - first);
        text.push(b',');
        write_integer(&mut text, bucket.count);
        if bucket.count > 0 {
            for number in [bucket.min, bucket.max, bucket.sum, bucket.last] {
                text.push(b',');
                write_number(&mut text, number);
            }
        }
        text.push(b']');
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// Hands out the buckets of a text that [`write_buckets`] wrote, in its order. Their last values are as old as
/// anything in the buckets may be.
///
/// # Errors
/// [`Error::Internal`] when somebody else wrote it.
pub fn read_buckets(start: i64, step: i64, text: &str, mut take: impl FnMut(Bucket)) -> Result<()> {
    let first = start.div_euclid(step);
    let mut rest = Rest(text.as_bytes());
    rest.items(|rest| {
        let start = (first + rest.integer()?) * step;
        rest.byte(b',')?;
        let mut bucket = Bucket { count: rest.integer()?, ..Bucket::empty(start) };
        if bucket.count > 0 {
            for number in [&mut bucket.min, &mut bucket.max, &mut bucket.sum, &mut bucket.last] {
                rest.byte(b',')?;
                *number = rest.value()?.ok_or_else(foreign)?;
            }
        }
        take(bucket);
        Ok(())
    })
}

/// Writes a value as JSON.
pub fn write_value(text: &mut Vec<u8>, value: Option<f64>) {
    match value {
        Some(number) => write_number(text, number),
        None => text.extend_from_slice(b"null"),
    }
}

/// Writes a number as JSON: the shortest text that is read as the same number, and a whole one without a fraction.
fn write_number(text: &mut Vec<u8>, number: f64) {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < WHOLE {
        return write_integer(text, number as i64);
    }
    // Writing into memory does not fail.
    let _ = if (1e-5..1e17).contains(&number.abs()) { write!(text, "{number}") } else { write!(text, "{number:e}") };
}

/// Writes a whole number.
pub fn write_integer(text: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut place = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        place -= 1;
        digits[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        text.push(b'-');
    }
    text.extend_from_slice(&digits[place..]);
}

/// What of a text was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Reads an array of arrays, each of which is read by `item`.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.byte(b'[')?;
        if self.0 == b"]" {
            return Ok(());
        }
        loop {
            self.byte(b'[')?;
            item(self)?;
            self.byte(b']')?;
            match self.0 {
                b"]" => return Ok(()),
                _ => self.byte(b',')?,
            }
        }
    }

    fn byte(&mut self, wanted: u8) -> Result<()> {
        match self.0.split_first() {
            Some((found, rest)) if *found == wanted => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(foreign()),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        let (number, length) = digits(self.0);
        if length == 0 || length > 18 {
            return Err(foreign());
        }
        self.0 = &self.0[length..];
        Ok(number)
    }

    fn value(&mut self) -> Result<Option<f64>> {
        let (number, length) = digits(self.0);
        // A whole number of few digits is most of them, and exact.
        if (1..=15).contains(&length) && matches!(self.0.get(length), Some(b',' | b']')) {
            self.0 = &self.0[length..];
            return Ok(Some(number as f64));
        }
        let end = self.0.iter().position(|byte| matches!(byte, b',' | b']')).ok_or_else(foreign)?;
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        if token == b"null" {
            return Ok(None);
        }
        let number = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        number.map(Some).ok_or_else(foreign)
    }
}

/// The number that the digits at the beginning are, and how many they are.
fn digits(text: &[u8]) -> (i64, usize) {
    let mut number = 0_i64;
    let mut length = 0;
    while let Some(digit) = text.get(length).filter(|byte| byte.is_ascii_digit())
        && length < 19
    {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        length += 1;
    }
    (number, length)
}

fn foreign() -> Error {
    Error::Internal(anyhow!("a block of samples is not what was written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_as_they_were_and_are_json() {
        let values = [
            Some(0.0),
            Some(45.0),
            None,
            Some(-7.25),
            Some(0.1),
            Some(1e300),
            Some(-1e-300),
            Some(f64::MAX),
            Some(9_007_199_254_740_993.0),
            Some(f64::MIN_POSITIVE),
            Some(1_234_567_890_123_456.0),
            Some(1e17),
            Some(99_999.5),
            Some(1e-5),
            Some(2_147_483_631.0),
        ];
        let start = 1_795_000_000_000_001;
        let points: Vec<Point> = (0..)
            .zip(values)
            .map(|(index, value)| Point { at: start + index * 999_999, value, ingested_at: 5 })
            .collect();
        let text = write_points(start, &points);
        let json: Vec<(i64, Option<f64>)> = serde_json::from_str(&text).unwrap();
        let mut read = Vec::new();
        read_points(start, &text, |at, value| read.push((at - start, value))).unwrap();
        assert_eq!(read, json);
        assert_eq!(read, points.iter().map(|point| (point.at - start, point.value)).collect::<Vec<_>>());
        assert_eq!(write_points(0, &[]), "[]");
        read_points(0, "[]", |_, _| panic!()).unwrap();
    }

    #[test]
    fn buckets_come_back_as_they_were() {
        let minute = 60_000_000;
        let start = 29_916_666 * minute + 12_345;
        let full = |index: i64| Bucket {
            count: 3,
            min: -1.5,
            max: 2.0,
            sum: 0.30000000000000004,
            last: 1e-9,
            ..Bucket::empty((29_916_666 + index) * minute)
        };
        let buckets = [full(0), Bucket::empty((29_916_666 + 7) * minute), full(1440)];
        let text = write_buckets(start, minute, &buckets);
        let mut read = Vec::new();
        read_buckets(start, minute, &text, |bucket| read.push(bucket)).unwrap();
        assert_eq!(read, buckets);
        assert!(text.starts_with("[[0,3,-1.5,2,0.30000000000000004,1e-9],[7,0],[1440,"), "{text}");
    }

    #[test]
    fn what_somebody_else_wrote_is_an_error() {
        for text in
            ["", "[", "[[", "[[1", "[[1]]", "[[1,]]", "[[1,2]", "[[1,2]]]", "[[1,x]]", "[[-1,2]]", "[1,2]", "{}"]
        {
            assert!(read_points(0, text, |_, _| {}).is_err(), "{text}");
            assert!(read_buckets(0, 60, text, |_| {}).is_err() || text == "[[1,2]]", "{text}");
        }
    }
}
