//! Nothing is lost and nothing doubled: servers are killed again and again while eight publish and eight consume, and
//! in the end every accepted message was acked once, as its consumer sees it, or is a dead letter.
//!
//! Embedded there is one server; distributed there are two, of which one is killed at a time. `QUEUE_KILL_MESSAGES`
//! says how many messages (2,000), `KILL_SEED` which dice are thrown (1).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::counts;
use crate::support::redis::distributed;
use crate::support::{Client, Process, TestStores};

const PUBLISHERS: usize = 8;
const CONSUMERS: usize = 8;
const BATCH: usize = 20;
const PATIENCE: Duration = Duration::from_secs(40);

/// What publishers and consumers tell of, as they see it.
#[derive(Debug)]
enum Event {
    /// These are accepted.
    Published(usize),
    /// A lease brought so many.
    Leased(usize),
    /// An ack of these was answered with 200.
    Acked(Vec<usize>),
    /// An ack of these was not answered, and its repetition was 409: it was done by the first, or the lease is lost.
    Unknown(Vec<usize>),
    /// Something was said of a lease that was lost.
    Stale,
    /// A request was not answered.
    Unanswered,
}

impl Event {
    /// Whether it brings the end nearer; otherwise servers would be killed before they have done anything.
    fn is_a_step(&self) -> bool {
        matches!(self, Self::Published(_) | Self::Acked(_) | Self::Unknown(_)) || matches!(self, Self::Leased(1..))
    }
}

/// Somebody who talks to whichever server answers.
#[derive(Clone)]
struct Worker {
    client: Client,
    servers: watch::Receiver<Vec<SocketAddr>>,
    turn: usize,
    events: mpsc::UnboundedSender<Event>,
}

impl Worker {
    /// An answer, or nothing when there was none.
    async fn post(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let servers = self.servers.borrow().clone();
        let client = self.client.clone().at(servers[self.turn % servers.len()]);
        let answered = async {
            // The port of a server that was killed may be anybody's by now, who need not answer at all.
            let request = client.request(Method::POST, path).timeout(PATIENCE).body(body.to_string());
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.json::<Value>().await.ok()?))
        };
        let answer = answered.await;
        // What a server in trouble says is no answer either.
        let answer = answer.filter(|(status, _)| *status < 500);
        if answer.is_none() {
            self.turn += 1;
            self.tell(Event::Unanswered);
            // Until there is a server again, or at least another try makes sense.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.servers.changed()).await;
        }
        answer
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Publishes messages of these numbers, each batch until it is answered.
    async fn publish(mut self, numbers: Vec<usize>) {
        for batch in numbers.chunks(BATCH) {
            let messages: Vec<Value> =
                batch.iter().map(|n| json!({"msg_uuid": Uuid::from_u128(1 + *n as u128), "payload": n})).collect();
            let body = json!({"messages": messages});
            loop {
                if let Some((status, answer)) = self.post("/api/v1/topics/t/messages", &body).await {
                    assert_eq!(status, 200, "{answer}");
                    assert_eq!(
                        answer["accepted"].as_u64().unwrap() + answer["duplicates"].as_u64().unwrap(),
                        batch.len() as u64
                    );
                    break;
                }
            }
            self.tell(Event::Published(batch.len()));
        }
    }

    /// Leases and acks until everything is done; now and then it gives back, or lets a lease end.
    async fn consume(mut self, consumer: usize, done: Arc<AtomicBool>, mut rng: StdRng) {
        while !done.load(Ordering::Relaxed) {
            let request = json!({
                "consumer_id": format!("c{consumer}"), "max": rng.random_range(1..=2 * BATCH), "lease_seconds": 3,
                "wait_seconds": 1,
            });
            let Some((status, lease)) = self.post("/api/v1/topics/t/leases", &request).await else { continue };
            assert_eq!(status, 200, "{lease}");
            let messages: Vec<(Value, usize)> = lease["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| (message["msg_uuid"].clone(), message["payload"].as_u64().unwrap() as usize))
                .collect();
            self.tell(Event::Leased(messages.len()));
            if messages.is_empty() {
                continue;
            }
            let lease = lease["lease_id"].as_str().unwrap();
            let numbers = |some: &[(Value, usize)]| some.iter().map(|(_, number)| *number).collect::<Vec<_>>();
            let named =
                |some: &[(Value, usize)]| json!({"msg_uuids": some.iter().map(|(id, _)| id).collect::<Vec<_>>()});
            match rng.random_range(0..20) {
                0 => {}
                1 => {
                    self.post(&format!("/api/v1/leases/{lease}/nack"), &json!({"delay_seconds": 0})).await;
                }
                2..8 => {
                    let (first, second) = messages.split_at(messages.len() / 2);
                    for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
                        self.ack(lease, &named(part), numbers(part)).await;
                    }
                }
                _ => self.ack(lease, &json!({}), numbers(&messages)).await,
            }
        }
    }

    async fn ack(&mut self, lease: &str, body: &Value, numbers: Vec<usize>) {
        let path = format!("/api/v1/leases/{lease}/ack");
        let mut asked_before = false;
        loop {
            match self.post(&path, body).await {
                None => asked_before = true,
                Some((200, answer)) => {
                    assert_eq!(answer["acked"], numbers.len(), "a lease is whole, or lost");
                    return self.tell(Event::Acked(numbers));
                }
                Some((409, _)) if asked_before => return self.tell(Event::Unknown(numbers)),
                Some((409, _)) => return self.tell(Event::Stale),
                Some((status, answer)) => panic!("{status}: {answer}"),
            }
        }
    }
}

/// What was told, added up.
#[derive(Debug, Default)]
struct Tally {
    published: usize,
    leased: usize,
    acked: HashMap<usize, usize>,
    unknown: HashMap<usize, usize>,
    stale: usize,
    unanswered: usize,
    kills: usize,
}

impl Tally {
    /// Messages that are done, or may be.
    fn settled(&self) -> usize {
        self.acked.len() + self.unknown.keys().filter(|number| !self.acked.contains_key(number)).count()
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Published(count) => self.published += count,
            Event::Leased(count) => self.leased += count,
            Event::Acked(numbers) => numbers.into_iter().for_each(|n| *self.acked.entry(n).or_default() += 1),
            Event::Unknown(numbers) => numbers.into_iter().for_each(|n| *self.unknown.entry(n).or_default() += 1),
            Event::Stale => self.stale += 1,
            Event::Unanswered => self.unanswered += 1,
        }
    }
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_acked_once_or_dead_however_often_servers_are_killed() {
    let total = setting("QUEUE_KILL_MESSAGES", 2_000);
    let mut rng = StdRng::seed_from_u64(setting("KILL_SEED", 1) as u64);
    let stores = TestStores::new().await;
    let mut processes = vec![Process::start(stores.clone(), &["--token-ttl=1d"]).await];
    let ada = processes[0].user("ada").await;
    if distributed() {
        processes.push(Process::start(stores.clone(), &["--token-ttl=1d"]).await);
    }
    let addresses = |processes: &[Process]| processes.iter().map(|process| process.address).collect::<Vec<_>>();
    let (move_to, servers) = watch::channel(addresses(&processes));
    let (events, mut heard) = mpsc::unbounded_channel();
    let done = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for worker in 0..PUBLISHERS + CONSUMERS {
        let somebody = Worker { client: ada.clone(), servers: servers.clone(), turn: worker, events: events.clone() };
        if worker < PUBLISHERS {
            workers.spawn(somebody.publish((0..total).filter(|n| n % PUBLISHERS == worker).collect()));
        } else {
            let rng = StdRng::seed_from_u64(rng.random());
            workers.spawn(somebody.consume(worker, Arc::clone(&done), rng));
        }
    }
    let mut tally = Tally::default();
    // Servers die while there is work to be done; the last tenth is theirs to finish.
    let most = total - total / 10;
    while tally.settled() < most {
        let mut steps = rng.random_range(10..60 + total / 200);
        // When everything is settled there is no further step to wait for.
        while steps > 0 && tally.settled() < most {
            let event = heard.recv().await.unwrap();
            steps -= usize::from(event.is_a_step());
            tally.add(event);
        }
        let victim = rng.random_range(0..processes.len());
        processes[victim].kill();
        tally.kills += 1;
        processes[victim].restart().await;
        move_to.send(addresses(&processes)).unwrap();
    }
    let ada = ada.at(processes[0].address);
    while counts(&ada, "t").await[..3] != [0, 0, 0] || tally.published < total {
        tally.add(heard.recv().await.unwrap());
    }
    done.store(true, Ordering::Relaxed);
    drop(events);
    while workers.join_next().await.transpose().unwrap().is_some() {}
    while let Ok(event) = heard.try_recv() {
        tally.add(event);
    }
    judge(&ada, &tally, total).await;
}

/// Holds what was told against what is stored.
async fn judge(ada: &Client, tally: &Tally, total: usize) {
    let mut dead = Vec::new();
    let mut query = "limit=1000".to_owned();
    loop {
        let page = ada.get(&format!("/api/v1/topics/t/dead-letters?{query}")).await.ok(200);
        dead.extend(
            page["items"].as_array().unwrap().iter().map(|letter| letter["payload"].as_u64().unwrap() as usize),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("limit=1000&cursor={next}");
    }
    let [_, _, _, acked, dead_letters] = counts(ada, "t").await;
    let twice: Vec<_> = tally.acked.iter().filter(|(_, count)| **count > 1).collect();
    let unknown = (0..total).filter(|n| !tally.acked.contains_key(n) && !dead.contains(n)).collect::<Vec<_>>();
    println!(
        "{total} messages published, {} delivered, {} acked with 200, {} acked by a request that a kill left \
         unanswered, {} dead letters, {} acked twice, {} stale acks refused, {} requests unanswered, {} kills",
        tally.leased,
        tally.acked.len(),
        unknown.len(),
        dead.len(),
        twice.len(),
        tally.stale,
        tally.unanswered,
        tally.kills,
    );
    assert!(tally.kills > 0);
    assert_eq!(twice, [], "acked twice");
    assert_eq!((acked as usize, dead_letters as usize), (total - dead.len(), dead.len()), "lost or doubled");
    for n in 0..total {
        let (acked, dead) = (tally.acked.contains_key(&n), dead.contains(&n));
        assert!(!(acked && dead), "{n} is acked and dead");
        assert!(acked || dead || tally.unknown.contains_key(&n), "nobody acked {n}, and it is gone");
    }
}
