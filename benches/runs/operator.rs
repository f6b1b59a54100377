//! The operator of a measured server, with a password that nobody else knows: takes profiles, has memory sampled, and
//! asks for the metrics.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use uuid::Uuid;

use crate::client::{Connection, Request};

const NAME: &str = "bench";
/// What every compressed profile begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Whoever may look into a server.
#[derive(Debug)]
pub struct Operator {
    password: String,
}

impl Operator {
    /// One with a new password.
    pub fn new() -> Self {
        Self { password: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()) }
    }

    /// What a server must be told to know it.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [("METRICS_USERNAME", NAME.to_owned()), ("METRICS_PASSWORD", self.password.clone())]
    }

    async fn ask(&self, server: SocketAddr, method: &str, path: &str, body: &'static str) -> Result<Vec<u8>> {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{NAME}:{}", self.password)));
        let headers = [("authorization", authorization.as_str())];
        let request = Request::new(method, path, &headers, Bytes::from_static(body.as_bytes()));
        // The server closes connections that are idle for long, and the operator is in no hurry.
        Connection::open(server).await?.send(&request).await?.expect(200)
    }

    /// A CPU profile of the next seconds.
    pub async fn cpu(&self, server: SocketAddr, seconds: u64) -> Result<Vec<u8>> {
        profile(self.ask(server, "GET", &format!("/debug/pprof/profile?seconds={seconds}"), "").await?)
    }

    /// What has been asked for of memory since it is sampled.
    pub async fn heap(&self, server: SocketAddr) -> Result<Vec<u8>> {
        profile(self.ask(server, "GET", "/debug/pprof/heap", "").await?)
    }

    /// Has memory sampled all the time.
    pub async fn begin_sampling(&self, server: SocketAddr) -> Result<()> {
        self.ask(server, "PUT", "/debug/pprof/heap/sampling", "{\"active\":true}").await.map(drop)
    }

    /// Has it sampled no longer.
    pub async fn end_sampling(&self, server: SocketAddr) -> Result<()> {
        self.ask(server, "PUT", "/debug/pprof/heap/sampling", "{\"active\":false}").await.map(drop)
    }

    /// Asks for the metrics.
    pub async fn scrape(&self, server: SocketAddr) -> Result<()> {
        let metrics = self.ask(server, "GET", "/metrics", "").await?;
        ensure!(!metrics.is_empty(), "no metrics");
        Ok(())
    }
}

fn profile(bytes: Vec<u8>) -> Result<Vec<u8>> {
    ensure!(bytes.starts_with(&GZIP), "the server's answer is no profile");
    Ok(bytes)
}
