//! Appends to a new file past the system's page cache, where the file system lets it; nothing is durable before
//! [`Appender::sync`] returns.
//!
//! What is written once and synced at once gains nothing from the cache: copying it there took half of the processor
//! time of a large body, and pushed the database's pages out of it. Past the cache the disk takes whole blocks from
//! aligned memory; what is left of the last block goes the usual way.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;

/// Bytes that are written at once.
const BUFFER: usize = 1024 * 1024;
/// What memory and offsets are aligned to: no less than any disk's block.
const BLOCK: usize = 4096;

/// The flag that goes past the cache; elsewhere the usual way is taken.
#[cfg(target_os = "linux")]
const DIRECT: Option<i32> = Some(libc::O_DIRECT);
#[cfg(not(target_os = "linux"))]
const DIRECT: Option<i32> = None;

/// The end of a file that is being written.
pub(super) struct Appender {
    file: File,
    /// The same file past the cache, as long as that works.
    direct: Option<File>,
    /// Room for what is gathered, with some to spare for the alignment.
    buffer: Vec<u8>,
    /// Where in the buffer the aligned part begins.
    start: usize,
    filled: usize,
    /// Bytes of the file before those in the buffer.
    offset: u64,
}

impl Appender {
    /// At the end of a file that is empty and lies here.
    pub fn new(file: File, path: &Path) -> Self {
        // Not every file system can; then the usual way is right.
        let direct = DIRECT.and_then(|flag| OpenOptions::new().write(true).custom_flags(flag).open(path).ok());
        let buffer = vec![0; BUFFER + BLOCK];
        let start = buffer.as_ptr().align_offset(BLOCK);
        Self { file, direct, buffer, start, filled: 0, offset: 0 }
    }

    /// Appends all of these.
    pub fn append(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        for chunk in chunks {
            let mut rest = chunk.as_ref();
            while !rest.is_empty() {
                let taken = rest.len().min(BUFFER - self.filled);
                let (now, later) = rest.split_at(taken);
                let at = self.start + self.filled;
                self.buffer[at..at + taken].copy_from_slice(now);
                self.filled += taken;
                rest = later;
                if self.filled == BUFFER {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Whether what is written lies in the cache, so that syncing it early spares time at the end.
    pub fn is_cached(&self) -> bool {
        self.direct.is_none()
    }

    /// Makes everything durable.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Another handle to the file, for syncing it while it is written.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes what is gathered, the whole blocks of it past the cache.
    fn flush(&mut self) -> io::Result<()> {
        let gathered = &self.buffer[self.start..self.start + self.filled];
        let mut written = 0;
        if let Some(direct) = &self.direct {
            let blocks = &gathered[..self.filled - self.filled % BLOCK];
            match if blocks.is_empty() { Ok(0) } else { direct.write_at(blocks, self.offset) } {
                Ok(size) => written = size,
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                    self.direct = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.file.write_all_at(&gathered[written..], self.offset + written as u64)?;
        self.offset += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_in_pieces_of_any_size_is_what_lies_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        for direct in [true, false] {
            let file = File::create(&path).unwrap();
            let mut appender = Appender::new(file, &path);
            if !direct {
                appender.direct = None;
            }
            let mut expected = Vec::new();
            for (index, size) in
                [1, 4095, 4096, 5000, BUFFER - 1, BUFFER, 3 * BUFFER + 7, 0, 12].into_iter().enumerate()
            {
                let piece: Vec<u8> = (0..size).map(|at| (at * 31 + index * 7) as u8).collect();
                expected.extend_from_slice(&piece);
                appender.append(&[Bytes::from(piece)]).unwrap();
            }
            appender.sync().unwrap();
            assert!(std::fs::read(&path).unwrap() == expected, "direct: {direct}");
        }
    }
}
