//! Tasks: one at a time beside what the seed took for its bare service layer, and many readers beside pgbench.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::children::Server;
use crate::client::{Connection, Fleet, Request};
use crate::figures::{Spread, percentile};
use crate::options::Options;
use crate::pgbench;
use crate::report::{Other, Report, Row};
use crate::stores::Kind;

/// Tasks that are there, of which a page shows the newest 20.
const THERE: usize = 1_000;
/// Requests of a round of one client.
const REQUESTS: usize = 300;
/// Requests of a round of many.
const READS: usize = 20_000;
const CLIENTS: usize = 32;
/// Seconds that pgbench takes for a round.
const SECONDS: usize = 2;

/// What is measured of one client, with the seed's median in ms: its service layer, without HTTP and without callers.
const ALONE: [(&str, f64); 7] = [
    ("POST /api/tasks", 0.673),
    ("PUT /api/tasks/{id}", 0.741),
    ("GET /api/tasks/{id}, not cached", 0.683),
    ("GET /api/tasks/{id}, cached", 0.683),
    ("GET /api/tasks, not cached", 1.183),
    ("GET /api/tasks, cached", 1.183),
    ("DELETE /api/tasks/{id}", 1.392),
];

/// Measures all of it.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let mut bench = Bench { connection: Connection::open(server.address).await?, key, options, kind };
        bench.fill().await?;
        bench.alone(report).await?;
        bench.together(&server, report).await?;
    }
    Ok(())
}

struct Bench<'a> {
    connection: Connection,
    key: String,
    options: &'a Options,
    kind: &'a Kind,
}

impl Bench<'_> {
    fn request(&self, method: &str, path: &str, body: &str) -> Request {
        Request::new(method, path, &[("x-api-key", &self.key)], body.to_owned().into())
    }

    fn row(&self, scenario: String, unit: &str, ours: &[f64], other: Option<(&str, &[f64])>) -> Row {
        Row {
            scenario,
            stores: self.kind.name().to_owned(),
            unit: unit.to_owned(),
            ours: Spread::of(ours),
            other: other.map(|(name, values)| Other { name: name.to_owned(), spread: Spread::of(values) }),
            ratio: other.map(|(_, values)| Spread::of_ratios(ours, values)),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let tasks: Value = (0..THERE).map(|n| json!({"title": format!("task {n}"), "assigneeID": n % 10})).collect();
        let request = self.request("POST", "/api/tasks/bulk", &tasks.to_string());
        self.connection.send(&request).await?.expect(200).map(drop)
    }

    /// How long an answer of this status takes, in ms, and the answer.
    async fn time(&mut self, status: u16, request: &Request) -> Result<(f64, Vec<u8>)> {
        let sent = Instant::now();
        let answer = self.connection.send(request).await?;
        let elapsed = sent.elapsed();
        Ok((percentile(&[elapsed], 50), answer.expect(status)?))
    }

    /// One client, one request after another: each task is made, changed, read, listed and deleted.
    async fn alone(&mut self, report: &mut Report) -> Result<()> {
        let form = json!({"title": "Look", "description": "x".repeat(200), "assigneeID": 7}).to_string();
        let put = json!({"title": "Look again", "status": "done", "assigneeID": 7}).to_string();
        let create = self.request("POST", "/api/tasks", &form);
        let list = self.request("GET", "/api/tasks", "");
        let mut medians = [const { Vec::new() }; ALONE.len()];
        // The first round only warms up.
        for round in 0..=self.options.rounds(7) {
            let mut times = [const { Vec::new() }; ALONE.len()];
            for _ in 0..self.options.requests(REQUESTS) {
                let (created, answer) = self.time(201, &create).await?;
                let answer: Value = serde_json::from_slice(&answer)?;
                let path = format!("/api/tasks/{}", answer["data"]["id"]);
                let (put, get) = (self.request("PUT", &path, &put), self.request("GET", &path, ""));
                let delete = self.request("DELETE", &path, "");
                let sample = [
                    created,
                    self.time(200, &put).await?.0,
                    self.time(200, &get).await?.0,
                    self.time(200, &get).await?.0,
                    self.time(200, &list).await?.0,
                    self.time(200, &list).await?.0,
                    self.time(204, &delete).await?.0,
                ];
                times.iter_mut().zip(sample).for_each(|(all, one)| all.push(one));
            }
            if round > 0 {
                medians.iter_mut().zip(&times).for_each(|(all, times)| all.push(Spread::of(times).median));
            }
        }
        for ((name, seed), values) in ALONE.into_iter().zip(&medians) {
            let seed = vec![seed; values.len()];
            report.add(self.row(format!("{name}, 1 client: p50"), "ms", values, Some(("seed", &seed))));
        }
        Ok(())
    }

    /// Many clients who read single tasks, in turns with pgbench on the same rows.
    async fn together(&mut self, server: &Server, report: &mut Report) -> Result<()> {
        let me = self.connection.send(&self.request("GET", "/me", "")).await?.expect(200)?;
        let me: Value = serde_json::from_slice(&me)?;
        let workspace = me["workspace_id"].as_str().context("no workspace")?;
        let reads: Vec<Request> = (1..=THERE).map(|id| self.request("GET", &format!("/api/tasks/{id}"), "")).collect();
        let mut fleet = Fleet::open(server.address, CLIENTS).await?;
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for round in 0..=self.options.rounds(5) {
            // A prime step: neighbours are not read one after another.
            let load = fleet.run(self.options.requests(READS), 200, |index| &reads[index * 211 % reads.len()]).await?;
            let other = server
                .stores
                .database_url()
                .map(|url| bare_select(&self.options.pgbench, server, url, workspace))
                .transpose()?;
            if round > 0 {
                ours.push(load.rate());
                others.extend(other);
            }
        }
        let other = (!others.is_empty()).then_some(("pgbench", others.as_slice()));
        report.add(self.row(format!("GET /api/tasks/{{id}}, {CLIENTS} clients"), "/s", &ours, other));
        Ok(())
    }
}

/// Transactions a second of the bare select by primary key, by as many clients.
fn bare_select(program: &Path, server: &Server, url: &str, workspace: &str) -> Result<f64> {
    let select = format!("SELECT * FROM tasks WHERE workspace_id = '{workspace}' AND id = :id;");
    let script = format!("\\set id random(1, {THERE})\n{select}\n");
    pgbench::rate(program, server.stores.folder(), url, &script, CLIENTS, SECONDS)
}
