//! A DCGM file, a piece at a time: opened for each piece, so that whatever it has become by then is what is read, and
//! found again where the last piece ended, be it by another process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use csv::{ByteRecord, Position, ReaderBuilder};
use xxhash_rust::xxh3::xxh3_64;

use super::bad::{Bad, BadLine};
use super::columns::Columns;
use crate::service::telemetry::message::Sample;

/// Bytes that a row may have.
const MAX_ROW: usize = 64 * 1024;
/// What is read from the file at once.
const BUFFER: usize = 64 * 1024;
/// Bytes before a place by which it is known again.
const MARK: u64 = 256;
/// Rows that are looked at for one piece, whatever they say.
const MAX_ROWS: usize = 10_000;
/// The longest line that is stepped over at once; a longer one is several bad rows.
const MAX_STEP: u64 = 4 * 1024 * 1024;

/// How far a file has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// How often it was read to its end.
    pub round: i64,
    /// Rows of this round that said something.
    pub row: i64,
    /// The number of the next line, counted from 1; 0 at the beginning.
    pub line: i64,
    /// Bytes before the place; 0 is the first row, whatever is before it.
    pub byte: i64,
    /// What is just before the place, as a hash.
    pub mark: i64,
}

/// What was read at once.
#[derive(Debug, Default)]
pub struct Piece {
    /// Where the next piece starts.
    pub place: Place,
    /// What its rows said, each a microsecond after the one before it, so that no two are of the same moment.
    pub samples: Vec<Sample<'static>>,
    /// Rows that said nothing.
    pub bad: Bad,
    /// The file is not the one that was read before, so it was begun anew.
    pub replaced: bool,
}

/// Reads from `from` on until there are `wanted` samples, the first one of the moment `first`, or [`MAX_ROWS`] rows, or
/// the file ends.
///
/// # Errors
/// When there is no such file, it cannot be read, or its header says nothing.
pub fn read(path: &Path, from: Place, wanted: usize, first: DateTime<Utc>) -> anyhow::Result<Piece> {
    // Opening anything else could wait for ever.
    if !std::fs::metadata(path).context("looking for the file")?.is_file() {
        bail!("it is not a file");
    }
    let file = File::open(path).context("opening the file")?;
    let rows = Bounded { file, left: MAX_ROW + BUFFER };
    let mut csv = ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER).from_reader(rows);
    let columns = Columns::new(csv.byte_headers().context("reading the header")?).map_err(anyhow::Error::msg)?;
    let mut piece = Piece { place: Place { round: from.round, ..Place::default() }, ..Piece::default() };
    if from.byte > 0 && mark(&csv.get_ref().file, from.byte)? == Some(from.mark) {
        piece.place = from;
        csv.seek(position(from.byte.unsigned_abs(), from.line.unsigned_abs())).context("going on in the file")?;
    } else if from.byte > 0 {
        piece.place.round += 1;
        piece.replaced = true;
    }
    let (mut row, mut timestamp) = (ByteRecord::new(), first);
    for _ in 0..MAX_ROWS {
        if piece.samples.len() == wanted {
            break;
        }
        let start = csv.position().clone();
        csv.get_mut().left = MAX_ROW + BUFFER;
        let read = match csv.read_byte_record(&mut row) {
            Ok(false) => {
                piece.place = Place { round: piece.place.round + 1, ..Place::default() };
                return Ok(piece);
            }
            Ok(true) => columns.read(&row, timestamp),
            Err(_) if csv.get_ref().left == 0 => Err(format!("the row has more than {MAX_ROW} bytes")),
            Err(error) => return Err(anyhow::Error::new(error).context("reading the file")),
        };
        match read {
            Ok(sample) => {
                piece.samples.push(sample);
                piece.place.row += 1;
                timestamp += TimeDelta::microseconds(1);
            }
            Err(reason) => {
                let (line, next) = first_line(&csv.get_ref().file, &start)?;
                piece.bad.push(BadLine { line, reason });
                // A quotation mark that is never closed must not take the rows after it along.
                csv.seek_raw(SeekFrom::Start(next.byte()), next).context("going on after a bad row")?;
            }
        }
    }
    piece.place.byte = csv.position().byte().cast_signed();
    piece.place.line = csv.position().line().cast_signed();
    piece.place.mark = mark(&csv.get_ref().file, piece.place.byte)?.context("the file has become shorter")?;
    Ok(piece)
}

/// The file, as far as one row may need it.
struct Bounded {
    file: File,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the row is too long"));
        }
        let most = buffer.len().min(self.left);
        let read = self.file.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}

fn position(byte: u64, line: u64) -> Position {
    let mut position = Position::new();
    position.set_byte(byte).set_line(line);
    position
}

/// The number of the first line from `start` on that is not empty, and where the line after it starts.
fn first_line(file: &File, start: &Position) -> anyhow::Result<(u64, Position)> {
    let (mut byte, mut line, mut found) = (start.byte(), start.line(), false);
    let mut buffer = vec![0; 8 * 1024];
    while byte - start.byte() < MAX_STEP {
        let read = file.read_at(&mut buffer, byte).context("stepping over a bad row")?;
        if read == 0 {
            break;
        }
        for letter in &buffer[..read] {
            byte += 1;
            match letter {
                b'\n' if found => return Ok((line, position(byte, line + 1))),
                b'\n' => line += 1,
                b'\r' => {}
                _ => found = true,
            }
        }
    }
    Ok((line, position(byte, line)))
}

/// What is just before a place, as a hash; nothing when the file does not go as far.
fn mark(file: &File, byte: i64) -> anyhow::Result<Option<i64>> {
    let end = byte.unsigned_abs();
    let start = end.saturating_sub(MARK);
    let mut before = [0; MARK as usize];
    let before = &mut before[..usize::try_from(end - start)?];
    match file.read_exact_at(before, start) {
        Ok(()) => Ok(Some(xxh3_64(before).cast_signed())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("looking for the place in the file"),
    }
}

#[cfg(test)]
mod tests;
