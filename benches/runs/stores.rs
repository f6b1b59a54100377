//! Stores that belong to one server: a folder, or a PostgreSQL schema, an S3 server and a Redis prefix.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use sea_orm::{ConnectionTrait, Database, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use crate::options::{self, Options};
use crate::s3::S3;

/// The two kinds of stores.
#[derive(Debug, Clone)]
pub enum Kind {
    /// SQLite, files, and a cache in the process.
    Embedded,
    /// PostgreSQL, S3 and Redis.
    Distributed {
        /// PostgreSQL.
        database: String,
        /// Redis.
        cache: String,
    },
}

impl Kind {
    /// Those that were asked for, of which there is something for.
    pub fn given(options: &Options) -> Result<Vec<Self>> {
        let wants = |stores| options.stores.is_empty() || options.stores.contains(&stores);
        let mut kinds = Vec::new();
        if wants(options::Stores::Embedded) {
            kinds.push(Self::Embedded);
        }
        if wants(options::Stores::Distributed) {
            match (&options.database_url, &options.cache_url) {
                (Some(database), Some(cache)) => {
                    kinds.push(Self::Distributed { database: database.clone(), cache: cache.clone() });
                }
                _ => eprintln!("no distributed stores: TEST_DATABASE_URL and TEST_CACHE_URL are not set"),
            }
        }
        ensure!(!kinds.is_empty(), "nothing to measure on: scripts/with-stores.sh lends the distributed stores");
        Ok(kinds)
    }

    /// Its name, and what versions of what it is.
    pub async fn description(&self) -> Result<String> {
        let Self::Distributed { database, cache } = self else { return Ok(self.name().to_owned()) };
        let connection = Database::connect(database).await?;
        let ask = Statement::from_string(connection.get_database_backend(), "SHOW server_version");
        let row = connection.query_one_raw(ask).await?.context("PostgreSQL does not say which version it is")?;
        let postgres: String = row.try_get_by_index(0)?;
        connection.close().await?;
        let mut redis = redis::Client::open(cache.as_str())?.get_multiplexed_async_connection().await?;
        let facts: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let redis = facts.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("unknown");
        Ok(format!("{}: PostgreSQL {postgres}, Redis {}", self.name(), redis.trim()))
    }

    /// Its name in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Distributed { .. } => "distributed",
        }
    }
}

/// Where a server keeps things; gone when dropped.
pub struct Stores {
    folder: TempDir,
    distributed: Option<Distributed>,
}

struct Distributed {
    schema: Schema,
    s3: S3,
    cache: String,
}

impl Stores {
    /// Fresh ones.
    pub async fn new(kind: &Kind) -> Result<Self> {
        let folder = fresh_folder()?;
        let distributed = match kind {
            Kind::Embedded => None,
            Kind::Distributed { database, cache } => {
                let schema = Schema::create(database).await?;
                let cache = format!("{cache}?prefix={}", schema.name);
                Some(Distributed { schema, s3: S3::start()?, cache })
            }
        };
        Ok(Self { folder, distributed })
    }

    /// Arguments of a server over them.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("--data-dir={}", self.folder().display())];
        if let Some(Distributed { schema, s3, cache }) = &self.distributed {
            arguments.push(format!("--database-url={}", schema.url));
            arguments.push(format!("--cache-url={cache}"));
            arguments.push("--blob-url=s3://runs".to_owned());
            arguments.push(format!("--aws-endpoint-url={}", s3.endpoint));
            arguments.push("--aws-access-key-id=runyard-test".to_owned());
            arguments.push("--aws-secret-access-key=runyard-test-secret".to_owned());
            arguments.push(format!("--jwt-secret={}", "a-secret-of-many-bytes-".repeat(2)));
        }
        arguments
    }

    /// The PostgreSQL with the schema of the server, if it has one.
    pub fn database_url(&self) -> Option<&str> {
        self.distributed.as_ref().map(|stores| stores.schema.url.as_str())
    }

    /// The folder of the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many blobs were written: files below `blobs`, or PUTs.
    pub fn blob_writes(&self) -> Result<u64> {
        match &self.distributed {
            Some(distributed) => distributed.s3.puts(),
            None => Ok(files(&self.blobs())?.len() as u64),
        }
    }

    /// Waits until what was written is on disk, so that the next measurement does not pay for it.
    pub fn settle(&self) -> Result<()> {
        for path in files(&self.blobs())? {
            File::open(path)?.sync_all()?;
        }
        Ok(())
    }

    fn blobs(&self) -> PathBuf {
        self.distributed.as_ref().map_or_else(|| self.folder().join("blobs"), |stores| stores.s3.folder().to_owned())
    }
}

/// A folder below the target folder, on the disk that everything else is on too.
pub fn fresh_folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("making a folder")
}

/// Every file below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A schema of its own in the shared PostgreSQL.
struct Schema {
    server: String,
    name: String,
    url: String,
}

impl Schema {
    async fn create(server: &str) -> Result<Self> {
        let name = format!("bench{}", Uuid::new_v4().simple());
        let connection = Database::connect(server).await?;
        connection.execute_unprepared(&format!("CREATE SCHEMA {name}")).await?;
        connection.close().await?;
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        Ok(Self { server: server.to_owned(), name, url })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, statement) = (self.server.clone(), format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        // A runtime of its own, on a thread of its own: this one may be ending.
        let dropping = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                Database::connect(&server).await?.execute_unprepared(&statement).await?;
                Ok(())
            })
        });
        let dropped = dropping.join().unwrap_or_else(|_| Err(anyhow!("it panicked")));
        if let Err(error) = dropped {
            eprintln!("schema {} is left over: {error:#}", self.name);
        }
    }
}
