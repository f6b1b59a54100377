//! The one configuration: every field is an environment variable and a flag, its doc comment is its documentation
//! and its type is its validation.
//!
//! Nothing else in the crate reads the environment. `.env.example` and the table in `docs/OPERATIONS.md` are
//! printed from here.

mod document;
mod values;

use std::net::IpAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;
use uuid::Uuid;

pub use document::{env_example, markdown_table};
pub use values::{
    BlobUrl, CacheUrl, CollectorUrl, DatabaseUrl, Interval, LogFormat, Part, Role, Signup, StreamerSource,
};

/// Runyard keeps every run of an LLM application with its full inputs and outputs.
#[derive(Debug, Parser)]
#[command(name = "runyard", version, about)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to do it.
    #[command(flatten)]
    pub config: Config,
}

impl Cli {
    /// What the command line and the environment say. Ends the process, and says why, when they cannot be read.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
                let starred = values::without_password(value);
                error.insert(ContextKind::InvalidValue, ContextValue::String(starred));
            }
            error.exit()
        })
    }
}

/// What the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve (the default).
    Serve,
    /// Bring the database's schema up or down, or say where it is.
    Migrate {
        /// Which way.
        #[command(subcommand)]
        direction: Direction,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Manage users.
    User {
        /// What to do.
        #[command(subcommand)]
        action: UserAction,
    },
    /// GPU telemetry without a server.
    Telemetry {
        /// What to do.
        #[command(subcommand)]
        action: TelemetryAction,
    },
    /// Print the effective configuration, secrets starred, and reach every store.
    Check,
    /// Ask the server of this configuration whether it is ready; the exit status is the answer.
    Health,
    /// Print `.env.example`.
    EnvExample,
    /// Print the configuration table of `docs/OPERATIONS.md`.
    ConfigTable,
}

/// Ways of a migration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Direction {
    /// Apply everything that is missing.
    Up,
    /// Take the latest step back.
    Down,
    /// List the steps and whether they are applied.
    Status,
}

/// What can be done to users from the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum UserAction {
    /// Create a user with a workspace, also when sign-up is closed; the password comes from standard input.
    Create {
        /// The user's e-mail address.
        email: String,
    },
}

/// What can be done about telemetry from the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum TelemetryAction {
    /// Print a made-up file of a DCGM exporter, which STREAMER_SOURCE takes; the same numbers print the same bytes.
    Sample {
        /// GPUs in all.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        gpus: u32,
        /// Hosts that share them.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        hosts: u32,
        /// Rows; unset: one for each of 10 metrics of each GPU. More are later looks at the same GPUs.
        #[arg(long)]
        rows: Option<u64>,
        /// Another seed, other values.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

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

/// GPU telemetry, from where it comes to where it goes.
#[derive(Debug, Clone, Args)]
pub struct TelemetryConfig {
    /// What the streamer reads: the path of a CSV file of a DCGM exporter, read again and again, or the address of
    /// one, `http://…/metrics`. Unset: no streamer.
    #[arg(long, env, global = true)]
    pub streamer_source: Option<StreamerSource>,
    /// Pause between two rows of the file, or between two looks at the exporter. 0: as fast as the collectors are.
    #[arg(long, env, global = true, default_value = "1s")]
    pub streamer_interval: Interval,
    /// Ready messages of the topic `telemetry` from which on the streamer waits.
    #[arg(long, env, global = true, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub streamer_max_ready: u64,
    /// Bytes that one answer of an exporter may have; a larger one is not read.
    #[arg(long, env, global = true, default_value = "8MiB")]
    pub streamer_max_scrape: ByteSize,
    /// Longest wait of the collector between two looks at the queue.
    #[arg(long, env, global = true, default_value = "30s")]
    pub collect_interval: Interval,
    /// Id of the workspace that telemetry belongs to; unset: the first one that was made.
    #[arg(long, env, global = true)]
    pub telemetry_workspace: Option<Uuid>,
    /// How long a sample is kept, from when it was measured or stored, whichever is later.
    #[arg(long, env, global = true, default_value = "30d")]
    pub telemetry_retention: Interval,
    /// How long what samples were by the minute and by the hour is kept, counted in the same way.
    #[arg(long, env, global = true, default_value = "365d")]
    pub telemetry_rollup_retention: Interval,
}

/// Where the server's own traces go, from the variables that OpenTelemetry names.
#[derive(Debug, Clone, Args)]
pub struct TracingConfig {
    /// Collector of the server's own traces, by the address that `/v1/traces` is under, such as
    /// `http://localhost:4318`. Unset: nothing is traced.
    #[arg(long, env, global = true)]
    pub otel_exporter_otlp_endpoint: Option<CollectorUrl>,
    /// What the server is called in traces; unset: what `/healthz` says.
    #[arg(long, env, global = true)]
    pub otel_service_name: Option<String>,
    /// Part of the requests that are traced, 0 to 1; a caller whose `traceparent` is there has decided already.
    #[arg(long, env, global = true, default_value = "1")]
    pub otel_traces_sampler_arg: Part,
}

/// Access to S3, from the variables that every S3 tool reads.
#[derive(Debug, Clone, Args)]
pub struct AwsConfig {
    /// Endpoint of an S3-compatible store such as MinIO; unset: AWS's own.
    #[arg(long, env, global = true)]
    pub aws_endpoint_url: Option<String>,
    /// Region of the bucket.
    #[arg(long, env, global = true, default_value = "us-east-1")]
    pub aws_region: String,
    /// Access key; required with `s3://`.
    #[arg(long, env, global = true)]
    pub aws_access_key_id: Option<String>,
    /// Secret of the access key.
    #[arg(long, env, global = true, hide_env_values = true)]
    pub aws_secret_access_key: Option<SecretString>,
    /// Session token of temporary credentials.
    #[arg(long, env, global = true, hide_env_values = true)]
    pub aws_session_token: Option<SecretString>,
}

/// Who may come in, and for how long.
#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// Secret of the tokens, 32 bytes at least; several, separated by commas, all verify and the first one signs.
    /// Unset: made on first start and kept in `DATA_DIR` when the database is embedded, required otherwise.
    #[arg(long, env, global = true, hide_env_values = true)]
    pub jwt_secret: Option<SecretString>,
    /// Whether strangers may sign up.
    #[arg(long, env, global = true, default_value = "open")]
    pub signup: Signup,
    /// How long an access token is good for.
    #[arg(long, env, global = true, default_value = "15m")]
    pub token_ttl: Interval,
    /// How long a session can be continued with its refresh token.
    #[arg(long, env, global = true, default_value = "30d")]
    pub session_ttl: Interval,
    /// Cost of a password hash: each step up doubles its time.
    #[arg(long, env, global = true, default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=16))]
    pub password_cost: u32,
    /// Password hashes computed at once; the rest waits.
    #[arg(long, env, global = true, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub password_concurrency: u32,
    /// Password hashes that may wait; beyond, sign-in answers 503.
    #[arg(long, env, global = true, default_value_t = 256)]
    pub password_queue: u32,
    /// The operator's name for `/metrics` and `/debug/pprof`.
    #[arg(long, env, global = true)]
    pub metrics_username: Option<String>,
    /// The operator's password for `/metrics` and `/debug/pprof`; unless both are set, nobody finds them.
    #[arg(long, env, global = true, hide_env_values = true)]
    pub metrics_password: Option<SecretString>,
    /// Trust the last address of `X-Forwarded-For`: only behind a proxy that sets it.
    #[arg(long, env, global = true, default_value_t = false, action = clap::ArgAction::Set)]
    pub trust_forwarded_for: bool,
}

/// Every bound of what the server takes; beyond each is one clear error.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Largest body of one request, decoded.
    #[arg(long, env, global = true, default_value = "512MiB")]
    pub max_body: ByteSize,
    /// Largest single run.
    #[arg(long, env, global = true, default_value = "64MiB")]
    pub max_run: ByteSize,
    /// Most items in one request.
    #[arg(long, env, global = true, default_value_t = 10_000)]
    pub max_batch: usize,
    /// Largest payload of one message in the queue.
    #[arg(long, env, global = true, default_value = "256KiB")]
    pub max_message: ByteSize,
    /// Most favorites that one user may have.
    #[arg(long, env, global = true, default_value_t = 2_000_000, value_parser = clap::value_parser!(i64).range(0..))]
    pub max_favorites: i64,
    /// Most that a compressed body may grow when it is decoded, as a multiple.
    #[arg(long, env, global = true, default_value_t = 200)]
    pub max_compression_ratio: u64,
    /// Bytes of bodies held in memory at once, all requests together; more waits its turn, then 503.
    #[arg(long, env, global = true, default_value = "256MiB")]
    pub max_inflight_bytes: ByteSize,
    /// Longest that a request's body may pause before it is given up.
    #[arg(long, env, global = true, default_value = "30s")]
    pub body_timeout: Interval,
    /// Most connections at once; a further one waits until one of them ends.
    #[arg(long, env, global = true, default_value_t = 10_000)]
    pub max_connections: usize,
    /// Bytes of a request's headers, all together.
    #[arg(long, env, global = true, default_value = "64KiB")]
    pub max_header: ByteSize,
    /// Longest that a request's head may take to arrive, thus also that an idle connection is kept.
    #[arg(long, env, global = true, default_value = "60s")]
    pub header_timeout: Interval,
    /// Requests a second from one credential before 429.
    #[arg(long, env, global = true, default_value_t = 50_000)]
    pub rate_per_key: u32,
    /// Requests a second from one address before 429.
    #[arg(long, env, global = true, default_value_t = 100_000)]
    pub rate_per_address: u32,
    /// Failed sign-ins from one address for one account before they are slowed.
    #[arg(long, env, global = true, default_value_t = 5)]
    pub login_failures: u32,
    /// Age at which a blob that no row refers to is collected; a body must be stored within half of it.
    #[arg(long, env, global = true, default_value = "1h")]
    pub segment_grace: Interval,
    /// Pause between two looks for segments to collect.
    #[arg(long, env, global = true, default_value = "10m")]
    pub collect_segments_interval: Interval,
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
