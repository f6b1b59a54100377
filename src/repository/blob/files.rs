//! Blocking work on files and folders: a name is durable only when the folder that holds it was synced as well.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::BlobKey;

/// Where a blob's file is, or will be.
#[derive(Clone)]
pub(super) struct Place {
    root: Arc<Path>,
    path: PathBuf,
}

impl Place {
    /// The place of `key` below `root`.
    pub(super) fn of(root: &Arc<Path>, key: &BlobKey) -> Self {
        Self { root: root.clone(), path: root.join(key.path()) }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that holds the file.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.root)
    }

    /// Makes the file, and its folders unless they are known to be there and durable.
    ///
    /// The last blob of a day takes the day's folder with it, so a known folder may be gone by now.
    pub(super) fn create(&self, folder_is_known: bool) -> io::Result<File> {
        if !folder_is_known {
            self.make_folders()?;
        }
        match self.create_new() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_folders()?;
                self.create_new()
            }
            other => other,
        }
    }

    /// The file, if it is there; one that ends before `end` is an error.
    ///
    /// Asking for the length first keeps a wrong range from allocating memory for bytes that do not exist.
    pub(super) fn open(&self, end: u64) -> io::Result<Option<File>> {
        let file = match File::open(&self.path) {
            // A store whose folder is away has not lost the blob.
            Err(error) if error.kind() == ErrorKind::NotFound => return fs::metadata(&self.root).map(|_| None),
            other => other?,
        };
        let length = file.metadata()?.len();
        if length < end {
            let text = format!("{} has {length} bytes and {end} are wanted", self.path.display());
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        Ok(Some(file))
    }

    fn create_new(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)
    }

    /// Makes the folders between root and file and syncs every one that got a new name.
    ///
    /// Also a folder that is there already is synced: whoever made it may not have come to that yet. The root is
    /// never made here, or blobs would land beneath the mount point of a disk that is away.
    fn make_folders(&self) -> io::Result<()> {
        let below: Vec<_> = self.folder().ancestors().take_while(|folder| **folder != *self.root).collect();
        for folder in below.iter().rev() {
            make_folder(folder)?;
        }
        below.iter().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
    }

    /// Makes the file's bytes and its name durable.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()?;
        self.sync_name()
    }

    /// Makes the file's name durable, which can be done before its bytes are there.
    pub(super) fn sync_name(&self) -> io::Result<()> {
        sync_folder(self.folder())
    }

    /// An error unless the file is where it should be.
    pub(super) fn check_name(&self) -> io::Result<()> {
        fs::metadata(&self.path).map(drop)
    }

    /// Removes the file, and its folder if it was the last one in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // A folder that is not empty refuses to go, which is the usual case and no error.
            _ => drop(fs::remove_dir(self.folder())),
        }
        Ok(())
    }
}

/// Makes the folder of a store with everything above it.
pub(super) fn make_root(root: &Path) -> io::Result<()> {
    let missing: Vec<_> = root.ancestors().take_while(|folder| named(folder) && !folder.exists()).collect();
    for folder in missing.iter().rev() {
        make_folder(folder)?;
    }
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        sync_folder(if named(parent) { parent } else { Path::new(".") })?;
    }
    fs::read_dir(root).map(drop)
}

/// Writes to a file that nobody reads: a disk that is full or read-only answers every other question well.
pub(super) fn probe(root: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(root.join(".ping"))?;
    file.write_all(b"pong\n")
}

/// Whether this is more than the empty path that stands above a relative one.
fn named(folder: &Path) -> bool {
    !folder.as_os_str().is_empty()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Appends all chunks in as few calls as the system allows, without joining them.
pub(super) fn append(mut file: &File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> = chunks.iter().filter(|chunk| !chunk.is_empty()).map(|chunk| IoSlice::new(chunk)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keys of the files below `root` in path order after `after`, at most `limit`.
pub(super) fn list(root: &Path, after: Option<BlobKey>, limit: usize) -> io::Result<Vec<BlobKey>> {
    let bound = after.map(|key| key.path()).unwrap_or_default();
    let bound: Vec<_> = bound.split('/').collect();
    let mut keys = Vec::new();
    for workspace in names(root)?.range(bound[0].to_owned()..) {
        // Also such a thing as `lost+found`, which nobody may read, can lie beside the workspaces.
        if workspace.parse::<Uuid>().is_err() {
            continue;
        }
        let first_day = if workspace == bound[0] { bound[2] } else { "" };
        let days = names(&root.join(workspace).join("runs")).or_else(none_if_gone)?;
        for day in days.range(first_day.to_owned()..) {
            let folder = format!("{workspace}/runs/{day}");
            let found = keys_in(root, &folder, after, limit - keys.len()).or_else(none_if_gone)?;
            keys.extend(found);
            if keys.len() == limit {
                return Ok(keys);
            }
        }
    }
    Ok(keys)
}

/// The first `limit` keys in one folder after `after`. A day may hold very many, so no more than these are kept.
fn keys_in(root: &Path, folder: &str, after: Option<BlobKey>, limit: usize) -> io::Result<BTreeSet<BlobKey>> {
    let mut keys = BTreeSet::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let key = entry.file_name().to_str().and_then(|name| BlobKey::parse(&format!("{folder}/{name}")));
        let Some(key) = key.filter(|key| after.is_none_or(|after| *key > after)) else { continue };
        if entry.file_type()?.is_file() {
            keys.insert(key);
        }
        if keys.len() > limit {
            keys.pop_last();
        }
    }
    Ok(keys)
}

/// Names in a folder; those that are no text are nobody's.
fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}

/// What a folder holds that went while it was looked for, or that is none.
fn none_if_gone<T: Default>(error: io::Error) -> io::Result<T> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(T::default()),
        _ => Err(error),
    }
}
