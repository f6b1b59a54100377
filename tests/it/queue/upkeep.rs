//! Upkeep: settled messages are removed in bulk and none that lives goes with them, however much happens meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use runyard::metrics::Metrics;
use runyard::repository::QueueRepository;
use runyard::repository::queue::{REST, Rows};
use runyard::service::QueueService;
use runyard::service::queue::{Upkeep, UpkeepPlan};
use runyard::service::roles::Worker;
use runyard::watch::Watch;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{ack, counts, lease, lease_with, message, message_with, path, payloads, publish, set};
use crate::support::{Client, TestApp, until};

/// A server without upkeep of its own, and an upkeep that is in a hurry.
struct Lab {
    _app: TestApp,
    ada: Client,
    queue: QueueRepository,
    upkeep: Upkeep,
    /// When it last looked: its time never goes back.
    looked: DateTime<Utc>,
}

impl Lab {
    async fn new(plan: UpkeepPlan) -> Self {
        let app = TestApp::with(&["--roles=api"]).await;
        let ada = app.user("ada").await;
        let queue = QueueRepository::new(app.stores.open().await.database);
        let (service, _) =
            QueueService::new(queue.clone(), &app.config().limits, Metrics::new().unwrap(), Watch::new().0);
        let upkeep = service.upkeep(plan);
        Self { _app: app, ada, queue, upkeep, looked: Utc::now() }
    }

    /// Some steps, each at a time of its own, so long from now.
    async fn steps(&mut self, count: usize, after: TimeDelta) {
        for _ in 0..count {
            self.looked = (self.looked + TimeDelta::milliseconds(100)).max(Utc::now() + after);
            self.upkeep.step(self.looked).await.unwrap();
        }
    }

    /// Rows of messages, wherever they are.
    async fn rows(&self, which: Rows) -> i64 {
        let mut rows = 0;
        for slot in 0..=REST {
            rows += self.queue.count_slot(slot, which, 1_000_000).await.unwrap();
        }
        rows
    }
}

/// Turns the slots with every step.
fn hasty() -> UpkeepPlan {
    UpkeepPlan {
        slot_rows: 1,
        slot_age: TimeDelta::zero(),
        old_every: TimeDelta::zero(),
        patience: 0,
        ..UpkeepPlan::default()
    }
}

#[tokio::test]
async fn acked_messages_are_removed_and_still_counted() {
    let mut lab = Lab::new(hasty()).await;
    let messages: Vec<_> = (0..50).map(message).collect();
    publish(&lab.ada, "t", &messages).await;
    assert_eq!(ack(&lab.ada, &lease(&lab.ada, "t", 40).await).await, 40);
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!((lab.rows(Rows::All).await, counts(&lab.ada, "t").await), (10, [10, 0, 0, 40, 0]));
    let rest = lease(&lab.ada, "t", 40).await;
    assert_eq!(payloads(&rest), (40..50).map(|n| json!(n)).collect::<Vec<_>>());
    // A lease that was given before its messages were moved holds them wherever they are.
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!(ack(&lab.ada, &rest).await, 10);
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!((lab.rows(Rows::All).await, counts(&lab.ada, "t").await), (0, [0, 0, 0, 50, 0]));
}

#[tokio::test]
async fn messages_of_every_state_survive_upkeep() {
    let mut lab = Lab::new(hasty()).await;
    let ada = lab.ada.clone();
    set(&ada, "t", &json!({"max_attempts": 1})).await;
    publish(&ada, "t", &[message("dead")]).await;
    ada.post(&path(&lease(&ada, "t", 1).await, "nack"), &json!({})).await.ok(200);
    set(&ada, "t", &json!({"max_attempts": 5})).await;
    let messages = [message("held"), message("ready"), message_with("far", "delay_seconds", 3600)];
    publish(&ada, "t", &messages).await;
    let held = lease_with(&ada, "t", &json!({"consumer_id": "c", "lease_seconds": 600})).await;
    publish(&ada, "t", &[message("acked")]).await;
    let before = counts(&ada, "t").await;
    assert_eq!(before, [2, 1, 1, 0, 1]);
    lab.steps(10, TimeDelta::zero()).await;
    assert_eq!(counts(&ada, "t").await, before);
    let dead = ada.get("/api/v1/topics/t/dead-letters").await.ok(200);
    assert_eq!(dead["items"][0]["payload"], "dead");
    assert_eq!(ada.post(&path(&held, "extend"), &json!({"lease_seconds": 900})).await.ok(200)["extended"], 1);
    lab.steps(3, TimeDelta::zero()).await;
    assert_eq!(ack(&ada, &held).await, 1);
    assert_eq!(ada.post_bytes("/api/v1/topics/t/redrive", "").await.ok(200), json!({"redriven": 1}));
    lab.steps(3, TimeDelta::zero()).await;
    let mut rest = payloads(&lease(&ada, "t", 10).await);
    rest.sort_by_key(ToString::to_string);
    assert_eq!(rest, [json!("acked"), json!("dead"), json!("ready")]);
    // What rested is removed as well, once it is done.
    assert_eq!(ada.delete("/api/v1/topics/t/messages").await.ok(200), json!({"purged": 4}));
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!(lab.rows(Rows::All).await, 0);
}

#[tokio::test]
async fn a_message_that_its_topic_does_not_keep_any_longer_goes_and_one_in_work_does_not() {
    let mut lab = Lab::new(hasty()).await;
    let ada = lab.ada.clone();
    set(&ada, "t", &json!({"retention_seconds": 1000})).await;
    publish(&ada, "t", &[message("held"), message("old")]).await;
    let held = lease_with(&ada, "t", &json!({"consumer_id": "c", "lease_seconds": 9000})).await;
    lab.steps(2, TimeDelta::seconds(900)).await;
    assert_eq!(counts(&ada, "t").await, [1, 0, 1, 0, 0]);
    lab.steps(6, TimeDelta::seconds(1001)).await;
    assert_eq!(counts(&ada, "t").await, [0, 0, 1, 0, 0]);
    assert_eq!(ack(&ada, &held).await, 1);
}

#[tokio::test]
async fn a_lease_that_ended_long_ago_is_unknown() {
    let mut lab = Lab::new(hasty()).await;
    let ada = lab.ada.clone();
    publish(&ada, "t", &[message(1)]).await;
    let held = lease_with(&ada, "t", &json!({"consumer_id": "c", "lease_seconds": 60})).await;
    ack(&ada, &held).await;
    lab.steps(1, TimeDelta::seconds(60 + 600)).await;
    ada.post(&path(&held, "ack"), &json!({})).await.problem(409);
    lab.steps(1, TimeDelta::seconds(60 + 901)).await;
    ada.post(&path(&held, "ack"), &json!({})).await.problem(404);
}

#[tokio::test]
async fn keys_are_forgotten_after_the_window_of_their_topic() {
    let mut lab = Lab::new(hasty()).await;
    let ada = lab.ada.clone();
    let (short, long) = (message(1), message(2));
    set(&ada, "short", &json!({"dedup_seconds": 100})).await;
    publish(&ada, "short", std::slice::from_ref(&short)).await;
    publish(&ada, "long", std::slice::from_ref(&long)).await;
    let again = async |topic: &str, message: &Value| {
        let path = format!("/api/v1/topics/{topic}/messages");
        ada.post(&path, &json!({"messages": [message]})).await.ok(200)["accepted"].as_u64().unwrap()
    };
    lab.steps(1, TimeDelta::seconds(50)).await;
    assert_eq!((again("short", &short).await, again("long", &long).await), (0, 0));
    lab.steps(1, TimeDelta::seconds(200)).await;
    assert_eq!((again("short", &short).await, again("long", &long).await), (1, 0));
}

/// The interleavings are many: publishers who read which slot is open, claims, acks, late acks, and slots that turn
/// and are emptied as fast as they can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_while_slots_turn_under_load() {
    let mut lab = Lab::new(UpkeepPlan { slot_rows: 20, stragglers: 50, ..hasty() }).await;
    let ada = lab.ada.clone();
    // Before anybody works: what is nacked comes first again, and five nacks may come sooner than this is known.
    set(&ada, "t", &json!({"max_attempts": 1000})).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut work = JoinSet::new();
    for publisher in 0..4 {
        let ada = ada.clone();
        work.spawn(async move {
            for batch in 0..25 {
                let messages: Vec<_> = (0..20).map(|n| message(publisher * 500 + batch * 20 + n)).collect();
                publish(&ada, "t", &messages).await;
            }
            Vec::new()
        });
    }
    let settled = Arc::new(AtomicUsize::new(0));
    for consumer in 0..4_usize {
        let (ada, settled) = (ada.clone(), Arc::clone(&settled));
        work.spawn(async move {
            let (mut acked, mut empty) = (Vec::new(), 0);
            for round in 0_usize.. {
                let request = json!({"consumer_id": consumer.to_string(), "max": 9, "wait_seconds": 2});
                let held = lease_with(&ada, "t", &request).await;
                let got = payloads(&held);
                if got.is_empty() {
                    // Another consumer may hold the last ones, and give them back.
                    empty += 1;
                    if settled.load(Ordering::Relaxed) == 2_000 || empty == 20 {
                        break;
                    }
                    continue;
                }
                if (round + consumer) % 5 == 0 {
                    ada.post(&path(&held, "nack"), &json!({"delay_seconds": 0})).await.ok(200);
                    continue;
                }
                assert_eq!(ack(&ada, &held).await, got.len() as u64);
                settled.fetch_add(got.len(), Ordering::Relaxed);
                acked.extend(got.iter().map(|payload| payload.as_i64().unwrap()));
            }
            acked
        });
    }
    let turning = {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                lab.upkeep.step(Utc::now()).await.unwrap();
                tokio::task::yield_now().await;
            }
            lab
        })
    };
    let acked = work.join_all().await.concat();
    done.store(true, Ordering::Relaxed);
    let mut lab = turning.await.unwrap();
    assert_eq!((acked.len(), acked.iter().collect::<HashSet<_>>().len()), (2000, 2000));
    lab.steps(8, TimeDelta::seconds(1)).await;
    assert_eq!((counts(&ada, "t").await, lab.rows(Rows::All).await), ([0, 0, 0, 2000, 0], 0));
}

/// More than one look at a slot goes through, so that the next one goes on where the last one stopped.
#[tokio::test]
async fn a_slot_of_many_looks_is_emptied_when_what_lives_in_it_is_done() {
    let mut lab = Lab::new(UpkeepPlan { stragglers: 0, ..hasty() }).await;
    let ada = lab.ada.clone();
    for _ in 0..7 {
        publish(&ada, "t", &(0..1_000).map(message).collect::<Vec<_>>()).await;
    }
    let far = message_with("far", "delay_seconds", 3600);
    publish(&ada, "t", &[far]).await;
    for _ in 0..6 {
        assert_eq!(ack(&ada, &lease(&ada, "t", 1_000).await).await, 1_000);
    }
    // What lives is too much to be moved, and stays where it is.
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!(counts(&ada, "t").await, [1_000, 1, 0, 6_000, 0]);
    assert_eq!(ack(&ada, &lease(&ada, "t", 1_000).await).await, 1_000);
    lab.steps(6, TimeDelta::zero()).await;
    assert_eq!((lab.rows(Rows::All).await, counts(&ada, "t").await), (1, [0, 1, 0, 7_000, 0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acked_is_counted_once_while_it_is_removed() {
    let mut lab = Lab::new(hasty()).await;
    let ada = lab.ada.clone();
    for round in 1..=15 {
        publish(&ada, "t", &(0..20).map(message).collect::<Vec<_>>()).await;
        assert_eq!(ack(&ada, &lease(&ada, "t", 20).await).await, 20);
        let looks = async {
            for _ in 0..10 {
                assert_eq!(counts(&ada, "t").await, [0, 0, 0, 20 * round, 0]);
            }
        };
        tokio::join!(lab.steps(6, TimeDelta::zero()), looks);
    }
}

#[tokio::test]
async fn a_server_does_its_upkeep_by_itself() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let queue = QueueRepository::new(app.stores.open().await.database);
    publish(&ada, "t", &[message(1)]).await;
    ack(&ada, &lease(&ada, "t", 1).await).await;
    until("the acked message is gone", async || {
        let mut rows = 0;
        for slot in 0..=REST {
            rows += queue.count_slot(slot, Rows::All, 10).await.unwrap();
        }
        rows == 0
    })
    .await;
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 1, 0]);
    drop(app);
}
