//! Complaints about a source: each with its reason as long as they are few, counted when they are many.

use chrono::{DateTime, TimeDelta, Utc};

/// Complaints that are said with their reason in one span of time.
const SPOKEN: u64 = 20;
/// The span.
const SPAN: TimeDelta = TimeDelta::minutes(1);

/// How much was said lately.
#[derive(Debug, Default)]
pub struct Complaints {
    since: Option<DateTime<Utc>>,
    spoken: u64,
    silent: u64,
}

impl Complaints {
    /// Whether one more may be said now; if not, it is counted.
    pub fn may_speak(&mut self, now: DateTime<Utc>) -> bool {
        if self.since.is_none_or(|since| now < since || now - since >= SPAN) {
            *self = Self { since: Some(now), spoken: 0, silent: self.silent };
        }
        let may = self.spoken < SPOKEN;
        if may {
            self.spoken += 1;
        } else {
            self.silent += 1;
        }
        may
    }

    /// Counts what is not said anyway.
    pub fn count(&mut self, unsaid: u64) {
        self.silent += unsaid;
    }

    /// How many were counted and not said, if their span is over; each is given out once.
    pub fn unsaid(&mut self, now: DateTime<Utc>) -> Option<u64> {
        let over = self.since.is_some_and(|since| now < since || now - since >= SPAN);
        (over && self.silent > 0).then(|| std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_complaints_are_said_and_many_are_counted() {
        let mut complaints = Complaints::default();
        let now = DateTime::UNIX_EPOCH;
        let spoken = (0..1_000).filter(|_| complaints.may_speak(now)).count();
        assert_eq!(spoken as u64, SPOKEN);
        assert_eq!(complaints.unsaid(now), None, "the span is not over");
        assert_eq!(complaints.unsaid(now + SPAN), Some(1_000 - SPOKEN));
        assert_eq!(complaints.unsaid(now + SPAN), None, "said once");
        assert!(complaints.may_speak(now + SPAN));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_for_ever() {
        let mut complaints = Complaints::default();
        let now = DateTime::UNIX_EPOCH;
        while complaints.may_speak(now) {}
        assert!(complaints.may_speak(now - TimeDelta::days(1)));
    }
}
