//! Favorites: one at a time, pages near the top and far below it, and a million of them in and out.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::children::Server;
use crate::client::{Connection, Request};
use crate::figures::{Spread, percentile};
use crate::options::Options;
use crate::report::{Other, Report, Row};
use crate::stores::Kind;

/// Favorites that go in and out.
const MANY: usize = 1_000_000;
/// Requests of a round of small ones.
const REQUESTS: usize = 500;
/// The page whose cost is compared with that of the first.
const FAR: usize = 10_000;

/// Measures all of it.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let mut bench = Bench { connection: Connection::open(server.address).await?, key, options, kind, report };
        bench.one_by_one().await?;
        bench.import().await?;
        bench.pages().await?;
        bench.stream(&server).await?;
    }
    Ok(())
}

struct Bench<'a> {
    connection: Connection,
    key: String,
    options: &'a Options,
    kind: &'a Kind,
    report: &'a mut Report,
}

impl Bench<'_> {
    fn request(&self, method: &str, path: &str, body: &str) -> Request {
        Request::new(method, path, &[("x-api-key", &self.key)], body.to_owned().into())
    }

    fn add(&mut self, scenario: &str, unit: &str, ours: &[f64], other: Option<(&str, &[f64])>) {
        self.report.add(Row {
            scenario: scenario.to_owned(),
            stores: self.kind.name().to_owned(),
            unit: unit.to_owned(),
            ours: Spread::of(ours),
            other: other.map(|(name, values)| Other { name: name.to_owned(), spread: Spread::of(values) }),
            ratio: other.map(|(_, values)| Spread::of_ratios(ours, values)),
        });
    }

    /// The median of these requests, one after another, and their answers.
    async fn median(&mut self, status: u16, requests: &[Request]) -> Result<(f64, Vec<Vec<u8>>)> {
        let (mut latencies, mut answers) = (Vec::new(), Vec::new());
        for request in requests {
            let sent = Instant::now();
            let answer = self.connection.send(request).await?;
            latencies.push(sent.elapsed());
            answers.push(answer.expect(status)?);
        }
        Ok((percentile(&latencies, 50), answers))
    }

    /// Create, read, change and delete, by a single client.
    async fn one_by_one(&mut self) -> Result<()> {
        let count = self.options.requests(REQUESTS);
        let form = line(0);
        let mut medians = [const { Vec::new() }; 4];
        // The first round only warms up.
        for round in 0..=self.options.rounds(5) {
            let create = vec![self.request("POST", "/favorites", &form); count];
            let (created, answers) = self.median(201, &create).await?;
            let ids = answers.iter().map(|answer| text(answer, "id")).collect::<Result<Vec<_>>>()?;
            let each = |method: &str, body: &str| -> Vec<Request> {
                ids.iter().map(|id| self.request(method, &format!("/favorites/{id}"), body)).collect()
            };
            let (get, patch, delete) = (each("GET", ""), each("PATCH", r#"{"description":"d"}"#), each("DELETE", ""));
            let round_medians = [
                created,
                self.median(200, &get).await?.0,
                self.median(200, &patch).await?.0,
                self.median(204, &delete).await?.0,
            ];
            if round > 0 {
                medians.iter_mut().zip(round_medians).for_each(|(all, median)| all.push(median));
            }
        }
        let names =
            ["POST /favorites", "GET /favorites/{id}, cached", "PATCH /favorites/{id}", "DELETE /favorites/{id}"];
        for (name, values) in names.into_iter().zip(&medians) {
            self.add(&format!("{name}, 1 client: p50"), "ms", values, None);
        }
        Ok(())
    }

    async fn import(&mut self) -> Result<()> {
        let count = self.options.requests(MANY);
        let body: String = (0..count).map(|n| line(n) + "\n").collect();
        let request = self.request("POST", "/favorites/import", &body);
        let begun = Instant::now();
        self.connection.send(&request).await?.expect(200)?;
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        self.add(&format!("POST /favorites/import of {count}: favorites a second"), "/s", &[rate], None);
        Ok(())
    }

    /// The cursor after this many favorites.
    async fn cursor(&mut self, mut count: usize) -> Result<String> {
        let mut cursor = String::new();
        while count > 0 {
            let limit = count.min(1_000);
            let query = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
            let page = self.request("GET", &format!("/favorites?limit={limit}{query}"), "");
            cursor = text(&self.connection.send(&page).await?.expect(200)?, "next_cursor")?;
            count -= limit;
        }
        Ok(cursor)
    }

    async fn pages(&mut self) -> Result<()> {
        let count = self.options.requests(REQUESTS);
        // More than one look, so that what can be in the cache is.
        for _ in 0..3 {
            self.cursor(FAR).await?;
        }
        let (within, below) = (self.cursor(FAR - 1).await?, self.cursor((FAR - 1) * 10).await?);
        let queries = [
            (format!("page {FAR} of 10, from the database"), "limit=10".to_owned(), format!("limit=10&cursor={below}")),
            (format!("page {FAR} of 1, from the cache"), "limit=1".to_owned(), format!("limit=1&cursor={within}")),
        ];
        for (name, first, far) in queries {
            let first = vec![self.request("GET", &format!("/favorites?{first}"), ""); count];
            let far = vec![self.request("GET", &format!("/favorites?{far}"), ""); count];
            let (mut firsts, mut fars) = (Vec::new(), Vec::new());
            for round in 0..=self.options.rounds(5) {
                let medians = (self.median(200, &first).await?.0, self.median(200, &far).await?.0);
                if round > 0 {
                    firsts.push(medians.0);
                    fars.push(medians.1);
                }
            }
            self.add(
                &format!("GET /favorites, {name}: p50"),
                "ms",
                &fars,
                Some(("first page, from the cache", &firsts)),
            );
        }
        Ok(())
    }

    /// All of them as lines, and how much the server grows meanwhile.
    async fn stream(&mut self, server: &Server) -> Result<()> {
        let count = self.options.requests(MANY);
        let (mut rates, mut growth) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds(3) {
            server.forget_peak()?;
            let before = server.memory("VmRSS")?;
            let begun = Instant::now();
            ensure!(lines(server, &self.key).await? == count, "not every favorite came out");
            rates.push(count as f64 / begun.elapsed().as_secs_f64());
            growth.push(server.memory("VmHWM")? - before);
        }
        self.add(&format!("GET /favorites as {count} lines: favorites a second"), "/s", &rates, None);
        self.add(&format!("GET /favorites as {count} lines: memory above what it was"), "MiB", &growth, None);
        Ok(())
    }
}

/// Reads the whole list and counts its lines. In HTTP/1.0 an answer is not cut into chunks.
async fn lines(server: &Server, key: &str) -> Result<usize> {
    let mut stream = TcpStream::connect(server.address).await?;
    let head = format!("GET /favorites HTTP/1.0\r\nx-api-key: {key}\r\naccept: application/x-ndjson\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let (mut buffer, mut count) = (vec![0; 256 * 1024], 0);
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        count += memchr::memchr_iter(b'\n', &buffer[..read]).count();
        if buffer[..read].starts_with(b"HTTP/") {
            let head = memchr::memmem::find(&buffer[..read], b"\r\n\r\n").context("no head")?;
            count -= memchr::memchr_iter(b'\n', &buffer[..head + 4]).count();
        }
    }
    Ok(count)
}

fn line(n: usize) -> String {
    let (name, description) = (format!("favorite {n}"), "kept for later, ".repeat(3));
    json!({"type": "insight", "name": name, "description": description, "content": "40 % of millennials ".repeat(3)})
        .to_string()
}

/// A text in a JSON object.
fn text(json: &[u8], name: &str) -> Result<String> {
    let value: Value = serde_json::from_slice(json)?;
    value[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"))
}
