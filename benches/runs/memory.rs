//! How soon a server is ready, and the memory that it takes: at rest, and while four large bodies arrive at once.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use futures_util::future::try_join_all;
use tokio::time::sleep;

use crate::children::{Server, memory};
use crate::client::{Connection, Request};
use crate::figures::{Spread, milliseconds};
use crate::ingest::ids;
use crate::options::Options;
use crate::payload::Shape;
use crate::peaks::REST;
use crate::report::{Report, Row};
use crate::stores::Kind;

const BODIES: usize = 4;
const SAMPLE: Duration = Duration::from_millis(5);

/// From the start of the process to the first 200 of `/readyz`, over empty stores.
pub async fn start(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    for kind in kinds {
        let (mut times, mut idle) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds(7) {
            let server = Server::start(kind, report.peaks()).await?;
            times.push(milliseconds(server.start));
            sleep(REST).await;
            idle.push(server.memory("VmRSS")?);
        }
        add(report, "start to ready, empty stores", kind, "ms", &times);
        add(report, "memory at rest", kind, "MiB", &idle);
    }
    Ok(())
}

/// The most memory above that at rest, while four bodies of 175 MB arrive.
pub async fn peak(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let shape = Shape::LARGEST;
    let body = shape.body();
    for kind in kinds {
        let (mut growth, mut sampled) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds(3) {
            let server = Server::start(kind, report.peaks()).await?;
            let key = server.api_key().await?;
            let request = Request::post("/runs", &[("x-api-key", &key)], body.clone());
            let connections = try_join_all((0..BODIES).map(|_| Connection::open(server.address))).await?;
            sleep(REST).await;
            let rest = server.memory("VmRSS")?;
            let sampler = Sampler::start(server.id());
            let request = &request;
            let posts = connections.into_iter().map(|mut connection| async move {
                let answer = connection.send(request).await?;
                ensure!(ids(&answer.expect(201)?)? == shape.runs, "not every run got an id");
                Ok(())
            });
            try_join_all(posts).await?;
            sampled.push(sampler.end()? - rest);
            growth.push(server.memory("VmHWM")? - rest);
        }
        let scenario = format!("memory above rest, {BODIES} bodies of {:.0} MB at once", body.len() as f64 / 1e6);
        add(report, &format!("{scenario}: peak (VmHWM)"), kind, "MiB", &growth);
        add(report, &format!("{scenario}: most of samples (VmRSS)"), kind, "MiB", &sampled);
    }
    Ok(())
}

fn add(report: &mut Report, scenario: &str, kind: &Kind, unit: &str, values: &[f64]) {
    report.add(Row {
        scenario: scenario.to_owned(),
        stores: kind.name().to_owned(),
        unit: unit.to_owned(),
        ours: Spread::of(values),
        other: None,
        ratio: None,
    });
}

/// A thread that looks at a process's memory every few milliseconds.
struct Sampler {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Result<f64>>,
}

impl Sampler {
    fn start(process: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut most = 0.0_f64;
            while stopped.recv_timeout(SAMPLE) == Err(RecvTimeoutError::Timeout) {
                most = most.max(memory(process, "VmRSS")?);
            }
            Ok(most)
        });
        Self { stop, thread }
    }

    /// The most that was seen.
    fn end(self) -> Result<f64> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("the sampler panicked"))?
    }
}
