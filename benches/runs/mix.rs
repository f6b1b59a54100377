//! The ordinary loads, each of which goes on until it is told to stop, by itself or beside others.

use std::cell::Cell;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::client::{Connection, Request};
use crate::payload::{Shape, single};
use crate::queue::{messages, payload};

/// Characters of a small run that is recorded, and of the one that is read.
const SMALL: usize = 2_048;
const READ: usize = 1_024;
/// Messages that are published, leased and acked together.
const BATCH: usize = 10;

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Bodies of 500 runs with 10 KB a field.
    Ingest,
    /// One 2 KB run in each request.
    Small,
    /// One 1 KB run is read, which is in the cache.
    Cached,
    /// Tasks are made, read, replaced, listed and deleted.
    Tasks,
    /// Messages are published, leased and acked.
    Queue,
}

impl Part {
    /// What the command line calls it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Clients of it in a mix: so many that none of the parts is much more of the server's work than another.
    pub fn clients(self) -> usize {
        match self {
            Self::Ingest => 1,
            Self::Small => 16,
            Self::Cached | Self::Tasks | Self::Queue => 4,
        }
    }
}

/// A load with everything that it needs.
#[derive(Debug)]
pub struct Load {
    part: Part,
    server: SocketAddr,
    key: String,
    /// The only request of the loads that have one, or the first one of a turn.
    request: Request,
    payload: String,
}

impl Load {
    /// For a server on which this key is good.
    pub async fn prepare(part: Part, server: SocketAddr, key: &str) -> Result<Self> {
        let credentials = [("x-api-key", key)];
        let request = match part {
            Part::Ingest => Request::post("/runs", &credentials, Shape::ALL[0].body()),
            Part::Small => Request::post("/runs", &credentials, single(SMALL)),
            Part::Cached => {
                let create = Request::post("/runs", &credentials, single(READ));
                let answer = Connection::open(server).await?.send(&create).await?.expect(201)?;
                let answer: Value = serde_json::from_slice(&answer)?;
                let id = answer["ids"][0].as_str().context("a run without an id")?;
                Request::get(&format!("/runs/{id}"), &credentials)
            }
            Part::Tasks => {
                let task = json!({"title": "Look", "description": "x".repeat(200), "assigneeID": 7});
                Request::post("/api/tasks", &credentials, task.to_string())
            }
            Part::Queue => {
                let wish = json!({"consumer_id": "bench", "max": BATCH, "lease_seconds": 60});
                Request::post("/api/v1/topics/mix/leases", &credentials, wish.to_string())
            }
        };
        Ok(Self { part, server, key: key.to_owned(), request, payload: payload() })
    }

    /// Goes on with so many clients until it is stopped, and says how many requests were answered.
    pub async fn run(&self, clients: usize, stopped: &Cell<bool>) -> Result<usize> {
        let counts = (0..clients).map(|_| async {
            let mut connection = Connection::open(self.server).await?;
            let mut count = 0;
            while !stopped.get() {
                count += self.turn(&mut connection).await?;
            }
            anyhow::Ok(count)
        });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// One turn of a client, and how many requests it had.
    async fn turn(&self, connection: &mut Connection) -> Result<usize> {
        match self.part {
            Part::Ingest | Part::Small => connection.send(&self.request).await?.expect(201).map(|_| 1),
            Part::Cached => connection.send(&self.request).await?.expect(200).map(|_| 1),
            Part::Tasks => self.task(connection).await,
            Part::Queue => self.messages(connection).await,
        }
    }

    fn of(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Request {
        Request::new(method, path, &[("x-api-key", &self.key)], body.into())
    }

    async fn task(&self, connection: &mut Connection) -> Result<usize> {
        let created = connection.send(&self.request).await?.expect(201)?;
        let created: Value = serde_json::from_slice(&created)?;
        let path = format!("/api/tasks/{}", created["data"]["id"]);
        let put = json!({"title": "Look again", "status": "done", "assigneeID": 7}).to_string();
        connection.send(&self.of("GET", &path, "")).await?.expect(200)?;
        connection.send(&self.of("PUT", &path, put)).await?.expect(200)?;
        connection.send(&self.of("GET", &path, "")).await?.expect(200)?;
        connection.send(&self.of("GET", "/api/tasks", "")).await?.expect(200)?;
        connection.send(&self.of("DELETE", &path, "")).await?.expect(204)?;
        Ok(6)
    }

    async fn messages(&self, connection: &mut Connection) -> Result<usize> {
        let published = self.of("POST", "/api/v1/topics/mix/messages", messages(&self.payload, BATCH));
        connection.send(&published).await?.expect(200)?;
        let lease = connection.send(&self.request).await?.expect(200)?;
        let lease: Value = serde_json::from_slice(&lease)?;
        // Others may have leased what this client published.
        let is_empty = lease["messages"].as_array().is_none_or(Vec::is_empty);
        let Some(id) = lease["lease_id"].as_str().filter(|_| !is_empty) else { return Ok(2) };
        connection.send(&self.of("POST", &format!("/api/v1/leases/{id}/ack"), "{}")).await?.expect(200)?;
        Ok(3)
    }
}
