//! The one configuration: every field is an environment variable and a flag, its doc comment is its documentation
//! and its type is its validation.
//!
//! Nothing else in the crate reads the environment. `.env.example` and the table in `docs/OPERATIONS.md` are
//! printed from here.

mod cli;
mod document;
mod sections;
mod values;

use std::net::IpAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser};

pub use cli::{Cli, Command, Direction, TelemetryAction, UserAction};
pub use document::{env_example, markdown_table};
pub use sections::{AuthConfig, AwsConfig, Limits, TelemetryConfig, TracingConfig};
pub use values::{
    BlobUrl, CacheUrl, CollectorUrl, DatabaseUrl, Interval, LogFormat, Part, Role, Signup, StreamerSource,
};

/// The effective configuration of one process.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env, global = true, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env, global = true, default_value_t = 8000)]
    pub port: u16,
    /// Folder under which everything embedded lives.
    #[arg(long, env, global = true, default_value = "./data")]
    pub data_dir: PathBuf,
    /// Database: `sqlite://PATH` or `postgres://…`; unset: `runyard.db` in `DATA_DIR`.
    #[arg(long, env, global = true, hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// Most connections to the database at once.
    #[arg(long, env, global = true, default_value_t = 16)]
    pub database_connections: u32,
    /// Blob store: `file://PATH` or `s3://bucket/prefix`; unset: `blobs` in `DATA_DIR`.
    #[arg(long, env, global = true)]
    pub blob_url: Option<BlobUrl>,
    /// Cache: `memory://` (this process alone) or `redis://…`, `rediss://…` (every replica).
    #[arg(long, env, global = true, hide_env_values = true, default_value = "memory://")]
    pub cache_url: CacheUrl,
    /// Longest that a cached entry lives.
    #[arg(long, env, global = true, default_value = "10m")]
    pub cache_ttl: Interval,
    /// Bytes that the in-process cache may hold.
    #[arg(long, env, global = true, default_value = "24MiB")]
    pub cache_bytes: ByteSize,
    /// Apply missing migrations on start.
    #[arg(long, env, global = true, default_value_t = true, action = clap::ArgAction::Set)]
    pub migrate: bool,
    /// Longest that one call to a store may take.
    #[arg(long, env, global = true, default_value = "10s")]
    pub upstream_timeout: Interval,
    /// Longest that work in hand may take to finish after SIGTERM.
    #[arg(long, env, global = true, default_value = "30s")]
    pub shutdown_timeout: Interval,
    /// Least level that is logged, as `error|warn|info|debug|trace` or a filter such as `info,runyard=debug`.
    #[arg(long, env, global = true, default_value = "info")]
    pub log_level: String,
    /// Form of the log; unset: text on a terminal, JSON otherwise.
    #[arg(long, env, global = true)]
    pub log_format: Option<LogFormat>,
    /// Parts that this process runs, of `api`, `queue`, `collector` and `streamer`, separated by commas. Unset: all
    /// of them, `streamer` when it has a source.
    #[arg(long, env, global = true, value_delimiter = ',')]
    pub roles: Option<Vec<Role>>,
    /// GPU telemetry, from where it comes to where it goes.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Where the server's own traces go.
    #[command(flatten)]
    pub tracing: TracingConfig,
    /// The standard `AWS_*` variables of the blob store.
    #[command(flatten)]
    pub aws: AwsConfig,
    /// Who may come in.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// Every bound of what the server takes.
    #[command(flatten)]
    pub limits: Limits,
}

impl Config {
    /// The database that is meant, with the embedded one as default.
    pub fn database(&self) -> DatabaseUrl {
        self.database_url.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(self.data_dir.join("runyard.db")))
    }

    /// The blob store that is meant, with the embedded one as default.
    pub fn blobs(&self) -> BlobUrl {
        self.blob_url.clone().unwrap_or_else(|| BlobUrl::Disk(self.data_dir.join("blobs")))
    }

    /// The parts that are meant: all that can do something, unless it is said.
    pub fn roles(&self) -> Vec<Role> {
        self.roles.clone().unwrap_or_else(|| {
            let streamer = self.telemetry.streamer_source.as_ref().map(|_| Role::Streamer);
            [Role::Api, Role::Queue, Role::Collector].into_iter().chain(streamer).collect()
        })
    }

    /// What this process is called.
    pub fn service(&self) -> &'static str {
        match self.roles().as_slice() {
            [role] => role.service(),
            _ => "runyard",
        }
    }

    /// The configuration that these arguments give, the environment filling in what they leave out.
    ///
    /// # Errors
    /// Says which argument is wrong.
    pub fn from_args<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        Cli::try_parse_from(args).map(|cli| cli.config)
    }
}
