//! A store that is away, a client that is, a process that ends: what is answered meanwhile, and what is there after.

mod blobs;
mod cache;
mod clients;
mod database;
mod draining;
mod segments;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Client, Reply, run, until};

/// Runs in each request of the load.
const BATCH: usize = 3;

/// Clients who write and read until they are told to stop. Any answer but a 2xx or a proper 503 fails the test.
struct Load {
    stop: CancellationToken,
    clients: JoinSet<Tally>,
    answered: watch::Sender<usize>,
    refused: Arc<AtomicUsize>,
}

/// What became of the requests of a load.
#[derive(Debug, Default)]
struct Tally {
    /// Traces whose runs were acknowledged.
    accepted: Vec<Uuid>,
    /// Traces whose runs were refused.
    refused: Vec<Uuid>,
    slowest: Duration,
}

impl Load {
    /// So many clients at once.
    fn start(client: &Client, clients: usize) -> Self {
        let (stop, answered, refused) = (CancellationToken::new(), watch::Sender::new(0), Arc::default());
        let mut load = Self { stop, clients: JoinSet::new(), answered, refused };
        for _ in 0..clients {
            let (stop, answered) = (load.stop.clone(), load.answered.clone());
            load.clients.spawn(talk(client.clone(), stop, answered, Arc::clone(&load.refused)));
        }
        load
    }

    /// Waits for so many more answers.
    async fn answers(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        let wanted = *answered.borrow() + count;
        // A client that has panicked says more than this one waiting for it.
        assert!(answered.wait_for(|answered| *answered >= wanted).await.is_ok());
    }

    /// Waits until so many requests were refused.
    async fn refusals(&self, count: usize) {
        until("requests are refused", async || self.refused.load(Ordering::Relaxed) >= count).await;
    }

    /// How many requests were refused.
    fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Stops, and adds up.
    async fn finish(self) -> Tally {
        self.stop.cancel();
        let mut sum = Tally::default();
        for tally in self.clients.join_all().await {
            sum.accepted.extend(tally.accepted);
            sum.refused.extend(tally.refused);
            sum.slowest = sum.slowest.max(tally.slowest);
        }
        sum
    }
}

impl Tally {
    /// What was acknowledged is there, payload and all; what was refused is there whole or not at all.
    async fn assert_whole(&self, client: &Client) {
        assert!(!self.accepted.is_empty(), "nothing was written");
        for trace in &self.accepted {
            let runs = client.get(&format!("/traces/{trace}?payload=true")).await.ok(200);
            let runs = runs["runs"].as_array().unwrap();
            assert_eq!(runs.len(), BATCH, "of {trace}");
            assert!(runs.iter().all(|run| run["inputs"]["trace"] == json!(trace)), "{runs:?}");
        }
        for trace in &self.refused {
            let count = runs_of(client, *trace).await;
            assert!(count == 0 || count == BATCH, "{count} runs of a request");
        }
    }
}

/// Writes a batch, reads it, writes the next, until it is told to stop.
async fn talk(
    client: Client,
    stop: CancellationToken,
    answered: watch::Sender<usize>,
    refused: Arc<AtomicUsize>,
) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..1_000_000 {
        if stop.is_cancelled() {
            return tally;
        }
        let trace = Uuid::new_v4();
        let since = Instant::now();
        let created = client.post("/runs", &batch(trace)).await;
        tally.slowest = tally.slowest.max(since.elapsed());
        answered.send_modify(|answered| *answered += 1);
        if created.status != 201 {
            assert_refused(&created);
            refused.fetch_add(1, Ordering::Relaxed);
            tally.refused.push(trace);
            continue;
        }
        tally.accepted.push(trace);
        let since = Instant::now();
        let id = created.json()["ids"][0].as_str().unwrap().to_owned();
        let found = client.get(&format!("/runs/{id}")).await;
        tally.slowest = tally.slowest.max(since.elapsed());
        answered.send_modify(|answered| *answered += 1);
        if found.status == 200 {
            assert_eq!(found.json()["inputs"]["trace"], json!(trace));
        } else {
            assert_refused(&found);
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
    panic!("the load was never stopped");
}

/// A batch of one trace.
fn batch(trace: Uuid) -> Value {
    let runs = (0..BATCH).map(|n| {
        let mut run = run(None, &format!("run {n}"));
        run["trace_id"] = json!(trace);
        run["inputs"] = json!({"trace": trace, "n": n});
        run
    });
    runs.collect()
}

/// A refusal that a client can act on, and that tells nothing of the cause.
fn assert_refused(reply: &Reply) {
    let problem = reply.problem(503);
    assert_eq!(problem["code"], "unavailable");
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{:?}", reply.headers);
}

/// How many runs of a trace there are.
async fn runs_of(client: &Client, trace: Uuid) -> usize {
    client.get(&format!("/runs?trace_id={trace}")).await.ok(200)["items"].as_array().unwrap().len()
}

/// What `/readyz` says of a store, after its status.
async fn readiness(client: &Client, store: &str) -> (u16, String) {
    let reply = client.get("/readyz").await;
    (reply.status, reply.json()["checks"][store].as_str().unwrap().to_owned())
}

/// Waits until `/readyz` has this status and says that the store is there, or away.
async fn until_readiness(client: &Client, store: &str, status: u16, answer: &str) {
    until(&format!("{store} is {answer}"), async || readiness(client, store).await == (status, answer.to_owned()))
        .await;
}
