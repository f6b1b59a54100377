//! What was measured of a GPU, as a page or as lines: the entries of all its series in one order, in memory that does
//! not grow with their number.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use std::time::Duration;
use uuid::Uuid;

use super::bucket::Aggregate;
use super::read::{Entry, SeriesReader, Span, sample};
use super::render::{self, Parts};
use super::steps::{Buckets, entry};
use super::{TelemetryQuery, TelemetryService};
use crate::error::{Error, Result};
use crate::service::accounts::Caller;
use crate::service::cursor;
use crate::service::time;

/// What its cursors are of.
const LIST: &str = "telemetry";
/// Entries on a page when the caller does not say.
const DEFAULT_LIMIT: u64 = 1_000;
/// Most entries on a page.
const MAX_LIMIT: u64 = 100_000;
/// The last moment that there is, in microseconds.
const LAST: i64 = 253_402_300_799_999_999;
/// Longest step.
const MAX_STEP: Duration = Duration::from_secs(366 * 24 * 3600);
/// Bytes that are put together at once.
const PIECE: usize = 256 * 1024;

impl TelemetryService {
    /// A page of what was measured of a GPU, the oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the GPU is unknown, [`Error::Invalid`] for a query that makes no sense.
    pub async fn page(
        &self,
        caller: &Caller,
        gpu: &str,
        query: &TelemetryQuery,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let asked = Asked::new(query)?;
        let binding = format!("{} {gpu:?} {:?} {asked:?}", caller.workspace_id, query.metric_name);
        let after = query.cursor.as_deref().map(|text| cursor::decode(LIST, &binding, text)).transpose()?;
        let after = after.map(|(time, series)| (time.timestamp_micros(), series.as_u128() as i64));
        let mut walk = self.walk(caller, gpu, query, asked, after, limit).await?;
        let mut head = b"{\"gpu_id\":".to_vec();
        head.extend(render::text(gpu));
        head.extend_from_slice(b",\"entries\":[");
        // What goes wrong before the first byte is an ordinary error.
        let more = walk.piece(&mut head, Style::List).await?;
        let state = Some((walk, more, binding));
        let rest = stream::try_unfold(state, |state| async move {
            let Some((mut walk, more, binding)) = state else { return Ok(None) };
            let mut text = Vec::with_capacity(PIECE + 4_096);
            if more {
                let more = walk.piece(&mut text, Style::List).await?;
                return Ok(Some((Bytes::from(text), Some((walk, more, binding)))));
            }
            match walk.next_page().await? {
                Some((at, series)) => {
                    let position = (time::from_micros(at), Uuid::from_u128(series as u128));
                    text.extend_from_slice(b"],\"next_cursor\":\"");
                    text.extend_from_slice(cursor::encode(LIST, &binding, position).as_bytes());
                    text.extend_from_slice(b"\"}");
                }
                None => text.extend_from_slice(b"],\"next_cursor\":null}"),
            }
            Ok(Some((Bytes::from(text), None)))
        });
        let head = stream::once(async { Ok(Bytes::from(head)) });
        Ok(head.chain(rest).boxed())
    }

    /// All of what was measured of a GPU, the oldest first, one entry a line.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn lines(
        &self,
        caller: &Caller,
        gpu: &str,
        query: &TelemetryQuery,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let asked = Asked::new(query)?;
        let walk = self.walk(caller, gpu, query, asked, None, u64::MAX).await?;
        let pieces = stream::try_unfold(Some(walk), |walk| async move {
            let Some(mut walk) = walk else { return Ok(None) };
            let mut text = Vec::with_capacity(PIECE + 4_096);
            let more = walk.piece(&mut text, Style::Lines).await?;
            Ok::<_, Error>(Some((Bytes::from(text), more.then_some(walk))))
        });
        Ok(pieces.try_filter(|text| std::future::ready(!text.is_empty())).boxed())
    }

    async fn walk(
        &self,
        caller: &Caller,
        gpu: &str,
        query: &TelemetryQuery,
        asked: Asked,
        after: Option<(i64, i64)>,
        limit: u64,
    ) -> Result<Walk> {
        let workspace = caller.workspace_id;
        let series = self.telemetry.list_series(workspace, gpu, query.metric_name.as_deref()).await?;
        if series.is_empty() && self.telemetry.find_gpu(workspace, gpu).await?.is_none() {
            return Err(Error::NotFound("GPU"));
        }
        let likely = limit / series.len().max(1) as u64;
        let sources = series.iter().map(|series| {
            let mut span = asked.span;
            if let Some((at, last)) = after {
                // Of one moment, the series come by their numbers.
                let next = if series.id <= last { at + asked.step.unwrap_or(1) } else { at };
                span.from = span.from.max(next);
            }
            Source {
                id: series.id,
                parts: Parts::new(series),
                reader: SeriesReader::new(self.telemetry.clone(), series.id, span, likely),
                buckets: asked.step.map(Buckets::of),
                aggregate: asked.aggregate,
                entries: Vec::new(),
                next: 0,
                done: false,
            }
        });
        Ok(Walk { sources: sources.collect(), left: limit, last: None, begun: false })
    }
}

/// A query that makes sense.
#[derive(Debug, Clone, Copy)]
struct Asked {
    span: Span,
    /// In microseconds.
    step: Option<i64>,
    aggregate: Aggregate,
}

impl Asked {
    fn new(query: &TelemetryQuery) -> Result<Self> {
        let micros = |time: chrono::DateTime<chrono::Utc>| time.timestamp_micros().clamp(-1, LAST);
        let (start, end) = (query.start_time.map(micros), query.end_time.map(micros));
        if query.start_time.zip(query.end_time).is_some_and(|(start, end)| start > end) {
            return Err(Error::invalid("start_time", "must not be after end_time"));
        }
        let step = query.step.as_deref().map(step).transpose()?;
        if step.is_none() && query.agg.is_some() {
            return Err(Error::invalid("agg", "needs a step"));
        }
        let span = Span { from: start.unwrap_or(0).max(0), to: end.unwrap_or(LAST) };
        Ok(Self { span, step, aggregate: query.agg.unwrap_or_default() })
    }
}

fn step(text: &str) -> Result<i64> {
    let length = humantime::parse_duration(text).ok();
    let length = length.filter(|step| *step <= MAX_STEP && !step.is_zero() && step.subsec_nanos() % 1_000 == 0);
    length
        .map(|step| step.as_micros() as i64)
        .ok_or_else(|| Error::invalid("step", "must be a length of time such as `10s`, `1m` or `1h`, at most 366 days"))
}

/// How entries are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// By commas.
    List,
    /// By line breaks.
    Lines,
}

/// The series of a GPU that are read at once.
struct Walk {
    /// By their numbers.
    sources: Vec<Source>,
    left: u64,
    last: Option<(i64, i64)>,
    begun: bool,
}

/// A series with the entries that were read and not given out.
struct Source {
    id: i64,
    parts: Parts,
    reader: SeriesReader,
    buckets: Option<Buckets>,
    aggregate: Aggregate,
    entries: Vec<Entry>,
    next: usize,
    done: bool,
}

impl Source {
    async fn fill(&mut self) -> Result<()> {
        if self.done || self.next < self.entries.len() {
            return Ok(());
        }
        let Self { reader, buckets, aggregate, entries, .. } = self;
        entries.clear();
        match buckets {
            Some(buckets) => {
                entries.extend(buckets.next(reader).await?.iter().map(|bucket| entry(bucket, *aggregate)));
            }
            None => entries.extend(reader.samples().await?.iter().map(sample)),
        }
        self.next = 0;
        self.done = self.entries.is_empty();
        Ok(())
    }

    fn peek(&self) -> Option<&Entry> {
        self.entries.get(self.next)
    }
}

impl Walk {
    /// Writes what comes next; false when there is nothing more, or enough.
    async fn piece(&mut self, text: &mut Vec<u8>, style: Style) -> Result<bool> {
        let full = text.len() + PIECE;
        while text.len() < full {
            for source in &mut self.sources {
                source.fill().await?;
            }
            if self.left == 0 || !self.write(text, style, full) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes entries until there are enough bytes, or a series must be read on; false when all have come to their
    /// end.
    fn write(&mut self, text: &mut Vec<u8>, style: Style, full: usize) -> bool {
        while self.left > 0 && text.len() < full {
            let next = self.sources.iter_mut().filter(|source| source.peek().is_some());
            let Some(source) = next.min_by_key(|source| source.peek().map(|entry| entry.at)) else { return false };
            if style == Style::List && std::mem::replace(&mut self.begun, true) {
                text.push(b',');
            }
            let entry = source.entries[source.next];
            source.parts.write(text, &entry);
            if style == Style::Lines {
                text.push(b'\n');
            }
            self.last = Some((entry.at, source.id));
            self.left -= 1;
            source.next += 1;
            if source.next == source.entries.len() {
                return true;
            }
        }
        true
    }

    /// Where the next page begins, if there is one.
    async fn next_page(&mut self) -> Result<Option<(i64, i64)>> {
        for source in &mut self.sources {
            source.fill().await?;
        }
        let more = self.sources.iter().any(|source| source.peek().is_some());
        Ok(self.last.filter(|_| more))
    }
}
