//! Telemetry: samples from the queue into the store, what they take there, and a day of one of them as an answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, SecondsFormat};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::Value;
use uuid::Uuid;

use crate::children::Server;
use crate::client::{Connection, Request};
use crate::figures::{Spread, milliseconds};
use crate::options::Options;
use crate::report::{Report, Row};
use crate::stores::Kind;

/// GPUs and metrics of the fleet, each measured once a second.
const GPUS: usize = 247;
const METRICS: usize = 10;
/// Samples in a message, which with all their labels are well below what a payload may be.
const SAMPLES: usize = 250;
/// Messages in a request, and requests under way.
const MESSAGES: usize = 8;
const PUBLISHERS: usize = 4;
/// Samples of a round.
const ROUND: usize = 600_000;
/// When the fleet begins to be measured, in seconds since 1970; a day begins then.
const START: i64 = 1_793_923_200;
/// A day of one GPU and metric.
const DAY: usize = 86_400;
/// Answers of a round.
const ANSWERS: usize = 5;

/// Measures all of it.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let mut connections = Vec::new();
        for _ in 0..PUBLISHERS {
            connections.push(Connection::open(server.address).await?);
        }
        let mut bench = Bench { connections, key, kind, stored: 0 };
        bench.store(options, report).await?;
        bench.space(&server, report).await?;
        bench.read(options, report).await?;
    }
    Ok(())
}

struct Bench<'a> {
    connections: Vec<Connection>,
    key: String,
    kind: &'a Kind,
    /// Samples of the fleet that were stored.
    stored: usize,
}

impl Bench<'_> {
    fn add(&self, report: &mut Report, scenario: &str, unit: &str, values: &[f64]) {
        report.add(Row {
            scenario: scenario.to_owned(),
            stores: self.kind.name().to_owned(),
            unit: unit.to_owned(),
            ours: Spread::of(values),
            other: None,
            ratio: None,
        });
    }

    /// The whole way: published over HTTP by several clients, until the last message is acked.
    async fn store(&mut self, options: &Options, report: &mut Report) -> Result<()> {
        let fleet = Fleet::new(GPUS, METRICS);
        let mut rates = Vec::new();
        for round in 0..=options.rounds(3) {
            let count = options.requests(ROUND);
            let begun = Instant::now();
            self.publish(&fleet, self.stored, count).await?;
            self.drained().await?;
            let rate = count as f64 / begun.elapsed().as_secs_f64();
            self.stored += count;
            if round > 0 {
                rates.push(rate);
            }
        }
        self.add(report, "GPU samples, published and stored", "/s", &rates);
        Ok(())
    }

    async fn publish(&mut self, fleet: &Fleet, first: usize, count: usize) -> Result<()> {
        let end = first + count;
        let key = self.key.clone();
        let share = SAMPLES * MESSAGES;
        let publishers = self.connections.iter_mut().enumerate().map(|(place, connection)| {
            let headers = [("x-api-key", key.as_str())];
            async move {
                let mut next = first + place * share;
                while next < end {
                    let body = fleet.request(next, end.min(next + share));
                    let request = Request::post("/api/v1/topics/telemetry/messages", &headers, body);
                    connection.send(&request).await?.expect(200)?;
                    next += share * PUBLISHERS;
                }
                Ok::<_, anyhow::Error>(())
            }
        });
        futures_util::future::try_join_all(publishers).await.map(drop)
    }

    /// Waits until nothing is left in the queue.
    async fn drained(&mut self) -> Result<()> {
        loop {
            let topic = self.get("/api/v1/topics/telemetry").await?;
            let topic: Value = serde_json::from_slice(&topic)?;
            ensure!(topic["dead"] == 0, "dead letters: {topic}");
            if topic["ready"] == 0 && topic["in_flight"] == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let request = Request::get(path, &[("x-api-key", &self.key)]);
        self.connections[0].send(&request).await?.expect(200)
    }

    /// Bytes on the disk of PostgreSQL for each sample, with everything that is kept of it.
    async fn space(&mut self, server: &Server, report: &mut Report) -> Result<()> {
        let Some(url) = server.stores.database_url() else { return Ok(()) };
        let database = Database::connect(url).await?;
        let ask = |sql: &str| Statement::from_string(database.get_database_backend(), sql);
        let due = "SELECT count(*)::bigint FROM (SELECT series_id FROM sample_blocks WHERE tier = 0 \
                   GROUP BY series_id HAVING count(*) >= 16 OR (count(*) > 1 AND sum(count) >= 4096)) due";
        let since = Instant::now();
        loop {
            let row = database.query_one_raw(ask(due)).await?.context("no count")?;
            let left: i64 = row.try_get_by_index(0)?;
            if left == 0 || since.elapsed() > Duration::from_secs(60) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let sizes = "SELECT (pg_total_relation_size('sample_blocks') + pg_total_relation_size('series') \
                     + pg_total_relation_size('gpus'))::bigint";
        let row = database.query_one_raw(ask(sizes)).await?.context("no size")?;
        let bytes: i64 = row.try_get_by_index(0)?;
        self.add(
            report,
            "GPU samples on the disk, indexes and all",
            "bytes each",
            &[bytes as f64 / self.stored as f64],
        );
        Ok(())
    }

    async fn read(&mut self, options: &Options, report: &mut Report) -> Result<()> {
        let one = Fleet { names: vec![names(GPUS + 1, 0)] };
        self.publish(&one, 0, DAY).await?;
        self.drained().await?;
        let path = format!("/api/v1/gpus/{}", gpu(GPUS + 1));
        let bounds = format!("start_time={}&end_time={}", time(0), time(DAY as i64 - 1));
        let day = format!("{path}/telemetry?metric_name={}&{bounds}&limit=100000", metric(0));
        let minutes = format!("{day}&step=1m");
        let list = "/api/v1/gpus".to_owned();
        let cases = [
            (day, "a day, 86,400 samples", DAY),
            (minutes, "a day by the minute", 1_440),
            (list, "all GPUs", GPUS + 1),
        ];
        for (path, name, count) in cases {
            let mut times = Vec::new();
            for round in 0..=options.rounds(ANSWERS) {
                let begun = Instant::now();
                let answer = self.get(&path).await?;
                let elapsed = begun.elapsed();
                let found = answer.windows(9).filter(|part| *part == b"\"gpu_id\":").count();
                // A page names the GPU once more.
                ensure!(found == count + usize::from(path.contains('?')), "{found} of {count}");
                if round > 0 {
                    times.push(milliseconds(elapsed));
                }
            }
            self.add(report, &format!("GET {name}"), "ms", &times);
        }
        Ok(())
    }
}

/// Series that are measured once a second, one after another.
struct Fleet {
    /// What stands in a sample before its time, and between its time and its value.
    names: Vec<(String, String)>,
}

impl Fleet {
    fn new(gpus: usize, metrics: usize) -> Self {
        Self { names: (0..metrics).flat_map(|metric| (0..gpus).map(move |gpu| names(gpu, metric))).collect() }
    }

    /// A request that publishes some samples, each as an exporter of DCGM describes it.
    fn request(&self, first: usize, end: usize) -> String {
        let mut body = String::with_capacity((end - first) * 640 + 256);
        body.push_str("{\"messages\":[");
        for start in (first..end).step_by(SAMPLES) {
            let comma = if start == first { "" } else { "," };
            body.push_str(&format!("{comma}{{\"msg_uuid\":\"{}\",\"payload\":{{\"samples\":[", Uuid::new_v4()));
            let mut moment = (-1, String::new());
            for index in start..end.min(start + SAMPLES) {
                let second = (index / self.names.len()) as i64;
                if moment.0 != second {
                    moment = (second, time(second));
                }
                let (before, after) = &self.names[index % self.names.len()];
                if index > start {
                    body.push(',');
                }
                body.push_str(before);
                body.push_str(&moment.1);
                body.push_str(after);
                // Values of a sensor: near each other, with a fraction.
                let value = 40_000 + (index * 7_919) % 3_000 + (second as usize % 50) * 10;
                body.push_str(&format!("{}.{:03}}}", value / 1_000, value % 1_000));
            }
            body.push_str("]}}");
        }
        body.push_str("]}");
        body
    }
}

fn gpu(index: usize) -> String {
    format!("GPU-5fd4f087-86f3-7a43-b711-{index:012}")
}

fn metric(index: usize) -> String {
    format!("DCGM_FI_DEV_METRIC_{index}")
}

fn time(second: i64) -> String {
    let time = DateTime::from_timestamp(START + second, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn names(index: usize, metric_index: usize) -> (String, String) {
    let (gpu, metric) = (gpu(index), metric(metric_index));
    let (number, host) = (index % 8, format!("gpu-host-{:03}", index / 8));
    let labels = format!(
        "DCGM_FI_DRIVER_VERSION=\\\"535.129.03\\\",Hostname=\\\"{host}\\\",UUID=\\\"{gpu}\\\",\
         __name__=\\\"{metric}\\\",device=\\\"nvidia{number}\\\",gpu=\\\"{number}\\\",instance=\\\"{host}:9400\\\",\
         job=\\\"dgx_dcgm_exporter\\\",modelName=\\\"NVIDIA H100 80GB HBM3\\\""
    );
    let before = format!(
        "{{\"metric_name\":\"{metric}\",\"gpu_id\":\"{number}\",\"device\":\"nvidia{number}\",\"uuid\":\"{gpu}\",\
         \"model_name\":\"NVIDIA H100 80GB HBM3\",\"hostname\":\"{host}\",\"container\":null,\"pod\":null,\
         \"namespace\":null,\"labels_raw\":\"{labels}\",\"timestamp\":\""
    );
    (before, "\",\"value\":".to_owned())
}
