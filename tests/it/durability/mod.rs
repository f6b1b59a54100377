//! What was acknowledged is stored: a server is killed in the middle of writing, again and again, and whatever it
//! had answered is there afterwards, byte for byte, with nothing beside it that is half.
//!
//! `KILL_ROUNDS` says how often (3), `KILL_SEED` which dice are thrown (1).

mod writers;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runyard::config::Config;
use runyard::repository::{BlobKey, SegmentRepository, Stores};
use runyard::service::SegmentService;
use runyard::service::roles::{Step, Worker};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::support::redis::distributed;
use crate::support::s3::S3Server;
use crate::support::{Client, Process, TestStores};
use writers::{Diary, Sent, write};

const WRITERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let (rounds, seed) = (setting("KILL_ROUNDS", 3), setting("KILL_SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let s3 = distributed().then(S3Server::start);
    let stores = TestStores::with_s3(s3.as_ref().map(|server| server.endpoint.as_str())).await;
    let mut process = Process::start(stores.clone(), &["--token-ttl=1d"]).await;
    let mut ada = process.user("ada").await;
    let past = stores.open().await;
    let (mut kept, mut requests, mut orphans, mut kills_with_orphans) = (Vec::new(), 0, 0, 0);
    for round in 0..rounds {
        let project = format!("round-{round}");
        let diaries = write_until_killed(&mut process, &ada, &project, &mut rng).await;
        process.restart().await;
        ada = ada.at(process.address);
        let found = look(&ada, &project, &diaries).await;
        requests += found.requests;
        kept.extend(found.kept);
        let now = orphans_of(&past).await.len();
        kills_with_orphans += usize::from(now > orphans);
        orphans = now;
    }
    collect_all(&past).await;
    assert_eq!(orphans_of(&past).await, []);
    let tomorrow = Utc::now() + TimeDelta::days(1);
    assert_eq!(past.blobs.abort_stale(tomorrow).await.unwrap(), 0, "an upload is left unfinished");
    stream::iter(&kept).for_each_concurrent(WRITERS, |run| run.check(&ada)).await;
    println!(
        "{rounds} rounds (seed {seed}): {requests} requests and {} runs acknowledged, all there; \
         {kills_with_orphans} kills left orphans, {orphans} in all, all collected",
        kept.len()
    );
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Lets the writers write, and kills the server some moment after a random number of acknowledged requests.
async fn write_until_killed(process: &mut Process, ada: &Client, project: &str, rng: &mut StdRng) -> Vec<Diary> {
    let (tell, mut told) = unbounded_channel();
    let mut writing = JoinSet::new();
    for _ in 0..WRITERS {
        let rng = StdRng::seed_from_u64(rng.random());
        writing.spawn(write(ada.clone(), project.to_owned(), rng, tell.clone()));
    }
    for _ in 0..rng.random_range(1..80) {
        told.recv().await.unwrap();
    }
    let (since, pause) = (Instant::now(), Duration::from_micros(rng.random_range(0..2_000)));
    while since.elapsed() < pause {
        tokio::task::yield_now().await;
    }
    process.kill();
    writing.join_all().await
}

/// A run that must be there for ever.
struct Kept {
    id: Uuid,
    hashes: [u128; 3],
}

/// What a round left.
#[derive(Default)]
struct Found {
    requests: usize,
    kept: Vec<Kept>,
}

/// Looks that all of what was acknowledged is there, and nothing that is half.
async fn look(ada: &Client, project: &str, diaries: &[Diary]) -> Found {
    let accepted: Vec<&Sent> = diaries.iter().flat_map(|diary| &diary.accepted).collect();
    let runs: Vec<_> = accepted.iter().flat_map(|sent| &sent.runs).filter_map(|run| Some((run.id?, run))).collect();
    let reading = stream::iter(&runs).for_each_concurrent(WRITERS, |(id, run)| async move {
        assert_eq!(payload(ada, *id).await, run.fields, "run {id} is not what was acknowledged");
    });
    reading.await;
    for sent in diaries.iter().filter_map(|diary| diary.unanswered.as_ref()) {
        let there = list(ada, &format!("trace_id={}", sent.trace_id)).await.len();
        assert!(there == 0 || there == sent.runs.len(), "{there} of {} runs of one request", sent.runs.len());
        for run in sent.runs.iter().filter(|_| there > 0) {
            let Some(id) = run.id else { continue };
            assert_eq!(payload(ada, id).await, run.fields, "run {id} is not what was sent");
        }
    }
    let known: HashSet<Uuid> = runs.iter().map(|(id, _)| *id).collect();
    let listed = list(ada, &format!("project={project}")).await;
    let others: Vec<&Uuid> = listed.iter().filter(|id| !known.contains(id)).collect();
    stream::iter(others).for_each_concurrent(WRITERS, |id| async { drop(payload(ada, *id).await) }).await;
    let hashes = |fields: &[String; 3]| fields.each_ref().map(|field| xxh3_128(field.as_bytes()));
    let kept = runs.iter().map(|(id, run)| Kept { id: *id, hashes: hashes(&run.fields) });
    Found { requests: accepted.len(), kept: kept.collect() }
}

impl Kept {
    async fn check(&self, ada: &Client) {
        let fields = payload(ada, self.id).await;
        let hashes = fields.each_ref().map(|field| xxh3_128(field.as_bytes()));
        assert_eq!(hashes, self.hashes, "run {} has changed", self.id);
    }
}

/// `inputs`, `outputs` and `metadata` of a run that must be there, byte for byte.
async fn payload(ada: &Client, id: Uuid) -> [String; 3] {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        inputs: &'a RawValue,
        #[serde(borrow)]
        outputs: &'a RawValue,
        #[serde(borrow)]
        metadata: &'a RawValue,
    }
    let reply = ada.get(&format!("/runs/{id}")).await;
    assert_eq!(reply.status, 200, "run {id}: {}", reply.text());
    let payload: Payload = serde_json::from_slice(&reply.bytes).unwrap();
    [payload.inputs, payload.outputs, payload.metadata].map(|field| field.get().to_owned())
}

/// Ids of all runs that a filter lets through.
async fn list(ada: &Client, filter: &str) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let page = ada.get(&format!("/runs?limit=1000&{filter}{cursor}")).await.ok(200);
        let items = page["items"].as_array().unwrap();
        ids.extend(items.iter().map(|run| run["id"].as_str().unwrap().parse::<Uuid>().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
    panic!("a list without end");
}

/// Blobs that no row of a segment knows.
async fn orphans_of(stores: &Stores) -> Vec<BlobKey> {
    let segments = SegmentRepository::new(stores.database.clone());
    let (mut orphans, mut after) = (Vec::new(), None);
    for _ in 0..1_000 {
        let keys = stores.blobs.list(after, 500).await.unwrap();
        let known = segments.known(keys.iter().map(|key| key.segment).collect()).await.unwrap();
        orphans.extend(keys.iter().filter(|key| !known.contains(&key.segment)));
        after = keys.last().copied();
        if after.is_none() {
            return orphans;
        }
    }
    panic!("a list without end");
}

/// Looks for what to collect as it would be done tomorrow, and for what that leaves the day after.
async fn collect_all(stores: &Stores) {
    let segments = SegmentRepository::new(stores.database.clone());
    let limits = Config::from_args(["runyard"]).unwrap().limits;
    let mut collector = SegmentService::new(segments, stores.blobs.clone(), &limits);
    for day in [1, 2] {
        let mut steps = 0;
        while collector.step(Utc::now() + TimeDelta::days(day)).await.unwrap() == Step::Busy {
            steps += 1;
            assert!(steps < 1_000, "the collector never comes to an end");
        }
    }
}
