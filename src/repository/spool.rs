//! A file without a name, for what is too large for memory and not yet to be stored: it is gone with whoever holds it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::SeekFrom;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Bytes that are written or read at once.
const BUFFER: usize = 256 * 1024;

/// A spool that is being written.
#[derive(Debug)]
pub struct Spool(BufWriter<tokio::fs::File>);

/// A spool that is being read.
#[derive(Debug)]
pub struct SpoolReader(BufReader<tokio::fs::File>);

impl Spool {
    /// A new one on the disk of this folder.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file cannot be made.
    pub async fn new(folder: PathBuf) -> Result<Self> {
        let file = tokio::task::spawn_blocking(move || make(&folder)).await.context("making a spool")?;
        Ok(Self(BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file.map_err(Error::unavailable)?))))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk does not take it.
    pub async fn write(&mut self, record: &[u8]) -> Result<()> {
        let length = u32::try_from(record.len()).context("a record of a spool")?;
        self.0.write_all(&length.to_be_bytes()).await.map_err(Error::unavailable)?;
        self.0.write_all(record).await.map_err(Error::unavailable)
    }

    /// Goes back to the first record.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk does not take the rest.
    pub async fn rewind(mut self) -> Result<SpoolReader> {
        self.0.flush().await.map_err(Error::unavailable)?;
        let mut file = self.0.into_inner();
        file.seek(SeekFrom::Start(0)).await.map_err(Error::unavailable)?;
        Ok(SpoolReader(BufReader::with_capacity(BUFFER, file)))
    }
}

impl SpoolReader {
    /// The next record, or nothing at the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk does not give it back.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Error::unavailable(error)),
        }
        let mut record = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut record).await.map_err(Error::unavailable)?;
        Ok(Some(record))
    }
}

/// The file loses its name at once, so that a process that is killed leaves nothing.
fn make(folder: &Path) -> anyhow::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).context("making the folder of a spool")?;
    let path = folder.join(format!(".spool-{}", Uuid::new_v4().simple()));
    let file = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(&path);
    let file = file.context("making a spool")?;
    std::fs::remove_file(&path).context("taking a spool's name")?;
    Ok(file)
}
