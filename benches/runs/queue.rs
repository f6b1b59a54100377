//! The queue: messages published, and leased and acked, a second; beside pgbench with the bare publish statement, with
//! many consumers, and while a transaction is held open.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use memchr::memmem;
use rand::{Rng, RngExt};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, TransactionTrait};

use crate::bare_publish::Bare;
use crate::children::Server;
use crate::client::{Connection, Request};
use crate::figures::Spread;
use crate::options::Options;
use crate::report::{Other, Report, Row};
use crate::stores::Kind;

/// Characters of a payload.
const PAYLOAD: usize = 1_024;
pub const CLIENTS: usize = 8;
/// Messages of a round, by how many go in a request.
const BATCHES: [(usize, usize); 2] = [(100, 40_000), (1, 5_000)];
/// How many consumers share a topic, each taking [`FEW`] at a time.
const CONSUMERS: [usize; 3] = [16, 64, 256];
const FEW: usize = 10;
/// A stretch of a long run that is looked at by itself.
const STRETCH: Duration = Duration::from_secs(10);

/// Measures all of it.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let bare = Bare::new(kind).await?;
        let bench = Bench { key: server.api_key().await?, server, bare, options, kind };
        bench.batches(report).await?;
        bench.consumers(report).await?;
        bench.held(report).await?;
    }
    Ok(())
}

struct Bench<'a> {
    server: Server,
    bare: Bare,
    key: String,
    options: &'a Options,
    kind: &'a Kind,
}

/// When a run is over.
#[derive(Clone, Copy)]
enum Until {
    /// So many messages are through.
    Count(usize),
    /// The time is over.
    End(Instant),
}

impl Bench<'_> {
    fn post(&self, path: &str, body: Vec<u8>) -> Request {
        Request::post(path, &[("x-api-key", &self.key)], body)
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

    /// Publishes with so many clients, so many in a request; `done` counts what is accepted.
    async fn publish(&self, clients: usize, batch: usize, until: Until, done: &Cell<usize>) -> Result<()> {
        let (taken, payload) = (&Cell::new(0), &payload());
        try_join_all((0..clients).map(|_| async move {
            let mut connection = Connection::open(self.server.address).await?;
            while more(until, taken.get()) {
                taken.set(taken.get() + batch);
                let request = self.post("/api/v1/topics/bench/messages", messages(payload, batch));
                connection.send(&request).await?.expect(200)?;
                done.set(done.get() + batch);
            }
            anyhow::Ok(())
        }))
        .await
        .map(drop)
    }

    /// Leases and acks with so many consumers, so many in a lease; `done` counts what is acked.
    async fn consume(&self, consumers: usize, max: usize, until: Until, done: &Cell<usize>) -> Result<()> {
        try_join_all((0..consumers).map(|consumer| async move {
            let mut connection = Connection::open(self.server.address).await?;
            let wish = format!("{{\"consumer_id\":\"c{consumer}\",\"max\":{max},\"lease_seconds\":60}}");
            let lease = self.post("/api/v1/topics/bench/leases", wish.into());
            while more(until, done.get()) {
                let answer = connection.send(&lease).await?.expect(200)?;
                let count = memmem::find_iter(&answer, b"\"msg_uuid\"").count();
                if count == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let id = std::str::from_utf8(&answer[13..49]).context("no lease")?;
                connection.send(&self.post(&format!("/api/v1/leases/{id}/ack"), b"{}".to_vec())).await?.expect(200)?;
                done.set(done.get() + count);
            }
            anyhow::Ok(())
        }))
        .await
        .map(drop)
    }

    /// Messages a second of one after the other: first all are published, then all are leased and acked.
    async fn rates(&self, batch: usize, count: usize) -> Result<(f64, f64)> {
        let (published, acked) = (Cell::new(0), Cell::new(0));
        let begun = Instant::now();
        self.publish(CLIENTS, batch, Until::Count(count), &published).await?;
        let first = published.get() as f64 / begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        self.consume(CLIENTS, batch, Until::Count(published.get()), &acked).await?;
        Ok((first, acked.get() as f64 / begun.elapsed().as_secs_f64()))
    }

    async fn batches(&self, report: &mut Report) -> Result<()> {
        for (batch, count) in BATCHES {
            let count = self.options.requests(count);
            let (mut published, mut acked, mut others) = (Vec::new(), Vec::new(), Vec::new());
            // The first round only warms up.
            for round in 0..=self.options.rounds(5) {
                let (first, second) = self.rates(batch, count).await?;
                let other = self.bare.publish(&self.options.pgbench, batch).await?;
                if round > 0 {
                    published.push(first);
                    acked.push(second);
                    others.extend(other);
                }
            }
            let other = (!others.is_empty()).then_some(("pgbench", others.as_slice()));
            let what = format!("{CLIENTS} clients, batches of {batch}");
            report.add(self.row(format!("queue, {what}: published"), "/s", &published, other));
            report.add(self.row(format!("queue, {what}: leased and acked"), "/s", &acked, None));
        }
        Ok(())
    }

    async fn consumers(&self, report: &mut Report) -> Result<()> {
        let count = self.options.requests(20_000);
        let mut rates = CONSUMERS.map(|_| Vec::new());
        for _ in 0..self.options.rounds(5) {
            for (consumers, rates) in CONSUMERS.iter().zip(&mut rates) {
                let (published, acked) = (Cell::new(0), Cell::new(0));
                self.publish(CLIENTS, 100, Until::Count(count), &published).await?;
                let begun = Instant::now();
                self.consume(*consumers, FEW, Until::Count(published.get()), &acked).await?;
                rates.push(acked.get() as f64 / begun.elapsed().as_secs_f64());
            }
        }
        for (consumers, these) in CONSUMERS.iter().zip(&rates) {
            let what = format!("queue, {consumers} consumers, {FEW} at a time: leased and acked");
            let other = (*consumers != CONSUMERS[0]).then_some(("16 consumers", rates[0].as_slice()));
            report.add(self.row(what, "/s", these, other));
        }
        Ok(())
    }

    /// Publishers and consumers at once for a while, without and with a transaction that is held open all the time.
    async fn held(&self, report: &mut Report) -> Result<()> {
        let Some(url) = self.server.stores.database_url() else { return Ok(()) };
        let database = Database::connect(url).await?;
        let free = self.together(&database, STRETCH * 2).await?;
        // What is left over would stand before the next measurement.
        self.consume(CLIENTS, 100, Until::Count(free.left), &Cell::new(0)).await?;
        let transaction = Database::connect(url).await?.begin().await?;
        // From now on nothing that dies may be cleaned away.
        transaction.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        transaction.execute_unprepared("SELECT txid_current()").await?;
        let length = Duration::from_secs(self.options.held_seconds).max(STRETCH * 2);
        let held = self.together(&database, length).await?;
        transaction.rollback().await?;
        let seconds = length.as_secs();
        let what = format!("queue, {CLIENTS} publishers and {CLIENTS} consumers");
        let mut add = |when: &str, unit: &str, value: f64, other: Option<f64>| {
            let other = other.map(|value| [value]);
            let other = other.as_ref().map(|value| ("nothing held", value.as_slice()));
            report.add(self.row(format!("{what}, {when}"), unit, &[value], other));
        };
        add("nothing held: acked", "/s", free.last.1, None);
        let name = format!("a transaction held for {seconds} s");
        add(&format!("{name}: published, first 10 s"), "/s", held.first.0, Some(free.last.0));
        add(&format!("{name}: published, last 10 s"), "/s", held.last.0, Some(free.last.0));
        add(&format!("{name}: acked, first 10 s"), "/s", held.first.1, Some(free.last.1));
        add(&format!("{name}: acked, last 10 s"), "/s", held.last.1, Some(free.last.1));
        add(&format!("{name}: most dead rows"), "", held.dead, None);
        add(&format!("{name}: left over"), "", held.left as f64, None);
        Ok(())
    }

    async fn together(&self, database: &DatabaseConnection, length: Duration) -> Result<Long> {
        let begun = Instant::now();
        let until = Until::End(begun + length);
        let (published, acked) = (Cell::new(0), Cell::new(0));
        let watch = async {
            let (mut marks, mut dead) = (vec![(0, 0)], 0_f64);
            while begun.elapsed() + STRETCH / 2 < length {
                tokio::time::sleep(STRETCH).await;
                marks.push((published.get(), acked.get()));
                dead = dead.max(dead_rows(database).await?);
            }
            anyhow::Ok((marks, dead))
        };
        let (marks, (), ()) = futures_util::future::try_join3(
            watch,
            self.publish(CLIENTS, 100, until, &published),
            self.consume(CLIENTS, 100, until, &acked),
        )
        .await?;
        let (marks, dead) = marks;
        ensure!(marks.len() > 1, "too short");
        let rate = |place: usize| {
            let ((from, since), (to, until)) = (marks[place], marks[place + 1]);
            let rate = |count: usize| count as f64 / STRETCH.as_secs_f64();
            (rate(to - from), rate(until - since))
        };
        let left = published.get() - acked.get();
        Ok(Long { first: rate(0), last: rate(marks.len() - 2), dead, left })
    }
}

/// Messages published and acked a second.
type Rates = (f64, f64);

/// What a long run found.
struct Long {
    first: Rates,
    last: Rates,
    dead: f64,
    /// Messages that were published and not acked.
    left: usize,
}

fn more(until: Until, count: usize) -> bool {
    match until {
        Until::Count(most) => count < most,
        Until::End(end) => Instant::now() < end,
    }
}

/// A payload of random letters.
pub fn payload() -> String {
    let letter = || char::from(b'a' + rand::rng().random_range(0..26_u8));
    let text: String = std::iter::repeat_with(letter).take(PAYLOAD - 13).collect();
    format!("{{\"text\": \"{text}\"}}")
}

/// A body that publishes this payload so many times, each time as a message of its own.
pub fn messages(payload: &str, batch: usize) -> Vec<u8> {
    let mut body = String::with_capacity(batch * (payload.len() + 80) + 20);
    body.push_str("{\"messages\":[");
    for place in 0..batch {
        let comma = if place == 0 { "" } else { "," };
        let (high, low) = (rand::rng().next_u64(), rand::rng().next_u64());
        body.push_str(&format!("{comma}{{\"msg_uuid\":\"{high:016x}{low:016x}\",\"payload\":{payload}}}"));
    }
    body.push_str("]}");
    body.into_bytes()
}

/// Dead rows in the tables of the queue, as PostgreSQL counts them.
async fn dead_rows(database: &DatabaseConnection) -> Result<f64> {
    let sql = "SELECT CAST(sum(n_dead_tup) AS double precision) FROM pg_stat_user_tables WHERE schemaname = \
        current_schema() AND (relname LIKE 'message%' OR relname IN ('leases', 'topics', 'queue_slots'))";
    let statement = Statement::from_string(database.get_database_backend(), sql);
    Ok(database.query_one_raw(statement).await?.context("no figures")?.try_get_by_index(0)?)
}
