//! The parts of the configuration that belong together; each field is documented by its doc comment alone.

use bytesize::ByteSize;
use clap::Args;
use secrecy::SecretString;
use uuid::Uuid;

use super::values::{CollectorUrl, Interval, Part, Signup, StreamerSource};

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
