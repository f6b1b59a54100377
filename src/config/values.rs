//! Types of configuration values: what can be written is what is valid, so nothing is checked later.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use hyper::Uri;
use secrecy::{ExposeSecret, SecretString};

/// A span of time as people write it: `500ms`, `10s`, `15m`, `1h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// Where rows are kept.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file of this process.
    Sqlite(PathBuf),
    /// A server; the URL may hold a password, so it is a secret.
    Postgres(SecretString),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//");
            return match path {
                "" | ":memory:" => Err("name a file: sqlite://./data/runyard.db".to_owned()),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(SecretString::from(text.to_owned())));
        }
        Err("expected sqlite://PATH or postgres://…".to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url.expose_secret())),
        }
    }
}

/// Where payloads are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobUrl {
    /// A folder of this machine.
    Disk(PathBuf),
    /// A bucket, and the folder in it without slashes at its ends.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The folder in it, or nothing.
        prefix: String,
    },
}

impl FromStr for BlobUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("file://").filter(|path| !path.is_empty()) {
            return Ok(Self::Disk(path.into()));
        }
        let rest = text.strip_prefix("s3://").ok_or("expected file://PATH or s3://bucket/prefix")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("name a bucket: s3://bucket/prefix".to_owned());
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

/// Where what was read is remembered.
#[derive(Clone)]
pub enum CacheUrl {
    /// In this process.
    Memory,
    /// In a Redis server; the URL may hold a password, so it is a secret.
    Redis {
        /// The server, as `redis://…` or `rediss://…`.
        url: SecretString,
        /// What every key starts with, from `?prefix=`; several servers may share one Redis.
        prefix: String,
    },
}

impl FromStr for CacheUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "memory://" || text == "memory" {
            return Ok(Self::Memory);
        }
        if !text.starts_with("redis://") && !text.starts_with("rediss://") {
            return Err("expected memory://, redis://… or rediss://…".to_owned());
        }
        let (url, prefix) = text.split_once("?prefix=").unwrap_or((text, "runyard"));
        Ok(Self::Redis { url: SecretString::from(url.to_owned()), prefix: prefix.to_owned() })
    }
}

impl fmt::Debug for CacheUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory://"),
            Self::Redis { url, prefix } => {
                write!(f, "{}?prefix={prefix}", without_password(url.expose_secret()))
            }
        }
    }
}

/// The URL with its password starred, also when it is none of ours.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.contains('@') { "***".to_owned() } else { url.to_owned() };
    };
    match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

/// Whether strangers may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signup {
    /// Everybody may.
    Open,
    /// Nobody but the first user; the rest is made with `runyard user create`.
    Closed,
}

/// A part of the server that a process may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Answers HTTP requests.
    Api,
    /// Keeps the queue tidy.
    Queue,
    /// Stores the GPU samples that are in the queue.
    Collector,
    /// Reads GPU samples and publishes them.
    Streamer,
}

impl Role {
    /// What a process that has only this role is called.
    pub fn service(self) -> &'static str {
        match self {
            Self::Api => "apigw",
            Self::Queue => "mq",
            Self::Collector => "collector",
            Self::Streamer => "streamer",
        }
    }
}

/// Where GPU samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamerSource {
    /// A CSV file of a DCGM exporter, read again and again.
    File(PathBuf),
    /// The `http://…` address of a DCGM exporter.
    Exporter(Uri),
}

impl FromStr for StreamerSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // It is the key of a row, which the index of a database bounds.
        if text.len() > 1_000 {
            return Err("expected at most 1,000 bytes".to_owned());
        }
        if !text.is_empty() && !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let expected = "expected the path of a CSV file or http://HOST:PORT/metrics, without user or password";
        let address = text.parse::<Uri>().ok().filter(|address| address.scheme_str() == Some("http"));
        let address = address.filter(|address| address.authority().is_some_and(|host| !host.as_str().contains('@')));
        address.map(Self::Exporter).ok_or_else(|| expected.to_owned())
    }
}

impl fmt::Display for StreamerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Exporter(address) => address.fmt(f),
        }
    }
}

/// A part of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part(pub f64);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
        part.map(Self).ok_or_else(|| "expected a number from 0 to 1".to_owned())
    }
}

/// Where traces are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl(String);

impl CollectorUrl {
    /// Where it takes traces over HTTP.
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.0)
    }
}

impl FromStr for CollectorUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let base = text.trim_end_matches('/');
        let base = base.strip_suffix("/v1/traces").unwrap_or(base);
        let host = base.strip_prefix("http://").filter(|host| !host.is_empty() && !host.contains('@'));
        host.map(|_| Self(base.to_owned())).ok_or_else(|| "expected http://HOST:PORT, without a password".to_owned())
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_printed() {
        let database: DatabaseUrl = "postgres://ada:s3cr:et@db:5432/x".parse().unwrap();
        assert_eq!(format!("{database:?}"), "postgres://ada:***@db:5432/x");
        let cache: CacheUrl = "rediss://:s3cret@cache:6379/1?prefix=a".parse().unwrap();
        assert_eq!(format!("{cache:?}"), "rediss://:***@cache:6379/1?prefix=a");
    }

    #[test]
    fn samples_come_from_a_file_or_over_plain_http() {
        assert_eq!("./a b.csv".parse(), Ok(StreamerSource::File("./a b.csv".into())));
        for right in ["http://127.0.0.1:9400/metrics", "http://[::1]:9400/metrics?x=y", "http://exporter"] {
            assert!(matches!(right.parse(), Ok(StreamerSource::Exporter(_))), "{right}");
        }
        let long = "x".repeat(1_001);
        for wrong in
            ["", "https://x/metrics", "http://ada:pw@x/metrics", "http://", "http:///metrics", "ftp://x", &long]
        {
            assert!(wrong.parse::<StreamerSource>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_collector_is_an_address_to_which_the_path_of_traces_is_added_once() {
        for text in ["http://otel:4318", "http://otel:4318/", "http://otel:4318/v1/traces"] {
            assert_eq!(text.parse::<CollectorUrl>().unwrap().traces(), "http://otel:4318/v1/traces");
        }
        for wrong in ["otel:4318", "http://", "grpc://otel:4317", "https://otel", "http://ada:s3cret@otel"] {
            assert!(wrong.parse::<CollectorUrl>().is_err(), "{wrong}");
        }
        assert_eq!("0.25".parse(), Ok(Part(0.25)));
        for wrong in ["2", "-1", "NaN", "all"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn store_urls_say_which_store_and_where() {
        assert_eq!("file://./x".parse(), Ok(BlobUrl::Disk("./x".into())));
        let s3 = BlobUrl::S3 { bucket: "b".into(), prefix: "p/q".into() };
        assert_eq!("s3://b/p/q/".parse(), Ok(s3));
        for wrong in ["s3://", "file://", "ftp://x"] {
            assert!(wrong.parse::<BlobUrl>().is_err(), "{wrong}");
        }
        assert!("mysql://x".parse::<DatabaseUrl>().is_err());
        assert!("memcached://x".parse::<CacheUrl>().is_err());
    }
}
