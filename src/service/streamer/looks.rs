//! One look at the source: a piece of the file, or what the exporter says now; and what is said of it in the log.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use hyper::Uri;

use super::bad::Bad;
use super::exposition::Exposition;
use super::file::{self, Piece, Place};
use super::{StreamerService, scrape};
use crate::error::Result;
use crate::repository::entity::streamer_position::Model as Position;
use crate::repository::queue::Topic;
use crate::service::roles::Step;
use crate::service::telemetry::message::MAX_SAMPLES;

/// Samples that are published at once when nothing but back-pressure sets the pace.
const AT_ONCE: usize = 8 * MAX_SAMPLES;
/// Between two looks at an exporter, whatever the interval is.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// A sample that is further ahead than this is no reason to date those after it later.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

impl StreamerService {
    /// A piece of the file.
    pub(super) async fn read(
        &mut self,
        path: PathBuf,
        position: Position,
        topic: &Topic,
        now: DateTime<Utc>,
    ) -> Result<Step> {
        let (place, first) = (place(&position), after(&position, now));
        let room = usize::try_from(self.room).unwrap_or(usize::MAX).saturating_mul(MAX_SAMPLES);
        let wanted = if self.interval.is_zero() { AT_ONCE.min(room) } else { 1 };
        let reading = tokio::task::spawn_blocking(move || file::read(&path, place, wanted, first));
        let piece = match reading.await.context("reading a piece")? {
            Ok(piece) => piece,
            Err(error) => return Ok(self.complain(&error, now)),
        };
        let nothing = piece.samples.is_empty();
        // A round that gave nothing is not followed by the next one at once.
        let barren = nothing && piece.place.round > place.round && place.row == 0 && !piece.replaced;
        let next = moved(position, &piece, now);
        if !self.publish(next, topic, &piece.samples, now).await? {
            return Ok(Step::Busy);
        }
        self.say_bad(&piece.bad, now);
        if piece.replaced {
            tracing::info!(source = self.name, "the file is another one than before and was begun anew");
        }
        if barren {
            return Ok(self.complain(&anyhow!("no row of the file could be read"), now));
        }
        self.pause = self.interval;
        Ok(if nothing || self.interval.is_zero() { Step::Busy } else { Step::Idle })
    }

    /// A look at the exporter, unless another streamer has just had one.
    pub(super) async fn scrape(
        &mut self,
        address: &Uri,
        position: Position,
        topic: &Topic,
        now: DateTime<Utc>,
    ) -> Result<Step> {
        let interval = self.interval.max(LEAST_INTERVAL);
        // A look in the future is that of a clock that was wrong.
        let since = (now - position.updated_at).to_std().ok().filter(|since| position.version > 0 && *since < interval);
        if let Some(since) = since {
            self.pause = interval - since;
            return Ok(Step::Idle);
        }
        let mut exposition = Exposition::new(after(&position, now));
        let looking = scrape::scrape(address, self.max_scrape, &mut exposition);
        let looked = tokio::time::timeout(self.timeout, looking).await;
        if let Err(error) = looked.context("the exporter takes too long").flatten() {
            self.pause = interval;
            return Ok(self.complain(&error, now));
        }
        let mut next = position;
        next.version += 1;
        next.published += exposition.samples.len() as i64;
        next.bad += exposition.bad.count();
        next.last_at = exposition.samples.last().map(|sample| sample.timestamp).or(next.last_at);
        next.updated_at = now;
        if !self.publish(next, topic, &exposition.samples, now).await? {
            return Ok(Step::Busy);
        }
        self.say_bad(&exposition.bad, now);
        if exposition.samples.is_empty() {
            self.complain(&anyhow!("the exporter gives no sample of a GPU"), now);
        }
        self.pause = interval;
        Ok(Step::Idle)
    }

    /// Says that the source gives nothing now, and lets it rest.
    fn complain(&mut self, error: &anyhow::Error, now: DateTime<Utc>) -> Step {
        if self.complaints.may_speak(now) {
            let error = format!("{error:#}");
            tracing::warn!(source = self.name, %error, "the source of samples cannot be read; it is tried again");
        }
        Step::Idle
    }

    fn say_bad(&mut self, bad: &Bad, now: DateTime<Utc>) {
        self.parts.metrics.telemetry.refused_rows.inc_by(bad.count().unsigned_abs());
        for bad in bad.named() {
            if self.complaints.may_speak(now) {
                let (line, reason) = (bad.line, &bad.reason);
                tracing::warn!(source = self.name, line, reason, "a line of the source of samples was left out");
            }
        }
        self.complaints.count(bad.count().unsigned_abs() - bad.named().len() as u64);
    }
}

fn place(position: &Position) -> Place {
    let Position { round, round_rows, line, byte, mark, .. } = *position;
    Place { round, row: round_rows, line, byte, mark }
}

/// The moment of the next sample: now, and after the last one, so that no two of a source are of the same moment.
fn after(position: &Position, now: DateTime<Utc>) -> DateTime<Utc> {
    match position.last_at {
        // A clock that was ahead once must not date everything from then on.
        Some(last) if last < now + AHEAD => now.max(last + TimeDelta::microseconds(1)),
        _ => now,
    }
}

/// The place after a piece.
fn moved(position: Position, piece: &Piece, now: DateTime<Utc>) -> Position {
    let Place { round, row, line, byte, mark } = piece.place;
    Position {
        version: position.version + 1,
        round,
        round_rows: row,
        line,
        byte,
        mark,
        published: position.published + piece.samples.len() as i64,
        bad: position.bad + piece.bad.count(),
        last_at: piece.samples.last().map(|sample| sample.timestamp).or(position.last_at),
        updated_at: now,
        ..position
    }
}
