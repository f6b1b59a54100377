//! Reads the times of a run: RFC 3339, with or without a zone, or milliseconds since 1970, kept to microseconds.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// The first and the last microsecond that RFC 3339 can write and every database can keep.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// The time that a text names; without a zone it is UTC.
pub(super) fn from_text(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    let (fixed, rest) = bytes.split_first_chunk::<19>()?;
    let marks = [fixed[4], fixed[7], fixed[13], fixed[16]];
    if marks != *b"--::" || !matches!(fixed[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(digits(&fixed[..4])?).ok()?,
        digits(&fixed[5..7])?,
        digits(&fixed[8..10])?,
    )?;
    let (micros, zone) = fraction(rest)?;
    // A leap second, which RFC 3339 allows, is the first moment of the next minute.
    let second = digits(&fixed[17..19]).filter(|second| *second <= 60)?;
    let local = date.and_hms_micro_opt(digits(&fixed[11..13])?, digits(&fixed[14..16])?, 0, micros)?;
    let time = local.and_utc().checked_add_signed(TimeDelta::seconds(i64::from(second)))?;
    in_range(time.checked_sub_signed(offset(zone)?)?.timestamp_micros())
}

/// The time so many milliseconds after 1970.
pub(super) fn from_millis(number: &str) -> Option<DateTime<Utc>> {
    let millis: f64 = number.parse().ok()?;
    // Far outside of the range, where the arithmetic below could overflow.
    if millis.abs() > 1e15 {
        return None;
    }
    // Whole milliseconds are exact in a float, so rounding what is left is all that can be lost.
    in_range(millis.trunc() as i64 * 1000 + (millis.fract() * 1000.0).round() as i64)
}

fn in_range(micros: i64) -> Option<DateTime<Utc>> {
    RANGE.contains(&micros).then(|| DateTime::from_timestamp_micros(micros)).flatten()
}

/// The microseconds of an optional fraction of any length, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', after)) = bytes.split_first() else { return Some((0, bytes)) };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = after.split_at(length);
    if digits.is_empty() {
        return None;
    }
    let kept = digits.iter().chain(std::iter::repeat(&b'0')).take(6);
    Some((kept.fold(0, |micros, digit| micros * 10 + u32::from(digit - b'0')), zone))
}

/// What must be taken off a local time of the zone to have UTC.
fn offset(zone: &[u8]) -> Option<TimeDelta> {
    match zone {
        [] | [b'Z' | b'z'] => Some(TimeDelta::zero()),
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] if hours.len() == 2 => {
            let hours = digits(hours).filter(|hours| *hours < 24)?;
            let minutes = digits(&[*tens, *ones]).filter(|minutes| *minutes < 60)?;
            let total = TimeDelta::minutes(i64::from(hours * 60 + minutes));
            Some(if *sign == b'-' { -total } else { total })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}
