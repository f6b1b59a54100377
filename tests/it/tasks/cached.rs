//! No stale list: no read that starts after an acknowledged write shows what was before, whoever reads where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{create, page};
use crate::support::redis::distributed;
use crate::support::{Client, TestApp};

const WRITERS: usize = 16;
const READERS: usize = 16;
const WRITES: usize = 24;
const READS: usize = 40;

/// A write of one writer's task: its title from now on, and the moments between which it was made.
#[derive(Debug)]
struct Write {
    task: String,
    number: u64,
    ended: u64,
}

/// What one read showed of a task, and when it began.
#[derive(Debug)]
struct Read {
    task: String,
    number: u64,
    began: u64,
    how: &'static str,
}

/// Moments in the order in which they were taken, whoever took them.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

fn number(task: &Value) -> u64 {
    task["title"].as_str().unwrap().parse().unwrap()
}

async fn write(client: Client, clock: Clock, task: String) -> Vec<Write> {
    let mut log = Vec::new();
    for number in 1..=WRITES as u64 {
        let body = json!({"title": number.to_string()});
        client.call("PATCH", &format!("/api/tasks/{task}"), &body).await.ok(200);
        log.push(Write { task: task.clone(), number, ended: clock.now() });
    }
    log
}

async fn read(client: Client, clock: Clock, reader: usize) -> Vec<Read> {
    let mut log = Vec::new();
    for turn in 0..READS {
        if (turn + reader).is_multiple_of(4) {
            let task = (turn % WRITERS + 1).to_string();
            let began = clock.now();
            let shown = client.get(&format!("/api/tasks/{task}")).await.ok(200);
            log.push(Read { task, number: number(&shown["data"]), began, how: "single" });
            continue;
        }
        let query = ["per_page=100", "per_page=100&sort=id", "per_page=100&status=pending"][turn % 3];
        let began = clock.now();
        let shown = page(&client, query).await;
        let tasks = shown["data"].as_array().unwrap();
        assert_eq!(tasks.len(), WRITERS);
        log.extend(tasks.iter().map(|task| Read {
            task: task["id"].to_string(),
            number: number(task),
            began,
            how: "list",
        }));
    }
    log
}

/// Reads that began after a write had been acknowledged and did not show it.
fn stale<'a>(writes: &'a [Write], reads: &'a [Read]) -> Vec<(&'a Read, &'a Write)> {
    let misses =
        |read: &Read, write: &Write| write.task == read.task && write.ended < read.began && write.number > read.number;
    reads
        .iter()
        .filter_map(|read| writes.iter().rev().find(|write| misses(read, write)).map(|write| (read, write)))
        .collect()
}

#[test]
fn a_read_that_misses_an_acknowledged_write_is_noticed() {
    let write = |number, ended| Write { task: "1".to_owned(), number, ended };
    let read = |number, began| Read { task: "1".to_owned(), number, began, how: "list" };
    let writes = [write(1, 10), write(2, 20)];
    assert_eq!(stale(&writes, &[read(1, 15), read(2, 15), read(0, 5), read(2, 25)]).len(), 0);
    assert_eq!(stale(&writes, &[read(1, 25), read(0, 15)]).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_that_starts_after_an_acknowledged_write_misses_it() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    // A cache in memory is of one process; replicas share Redis.
    let replica = if distributed() { Some(app.replica().await) } else { None };
    let at = |turn: usize| match &replica {
        Some(replica) if turn % 2 == 1 => ada.clone().at(replica.address),
        _ => ada.clone(),
    };
    for _ in 0..WRITERS {
        create(&ada, &json!({"title": "0"})).await;
    }
    let clock = Clock::default();
    let (mut writing, mut reading) = (JoinSet::new(), JoinSet::new());
    for writer in 0..WRITERS {
        writing.spawn(write(at(writer), clock.clone(), (writer + 1).to_string()));
    }
    for reader in 0..READERS {
        reading.spawn(read(at(reader / 2), clock.clone(), reader));
    }
    let writes = writing.join_all().await.concat_all();
    let mut reads = reading.join_all().await.concat_all();
    // And when all is quiet, everybody sees the last of everything.
    for reader in 0..4 {
        reads.extend(read(at(reader), clock.clone(), reader).await);
    }
    let stale = stale(&writes, &reads);
    let lists = reads.iter().filter(|read| read.how == "list").count() / WRITERS;
    println!("{} writes, {lists} lists, {} stale", writes.len(), stale.len());
    assert_eq!(writes.len(), WRITERS * WRITES);
    assert!(stale.is_empty(), "{} reads missed a write, such as {:?}", stale.len(), stale[0]);
}

/// All of many logs.
trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T> ConcatAll<T> for Vec<Vec<T>> {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

#[tokio::test]
async fn a_list_that_is_read_again_comes_from_the_cache() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    create(&ada, &json!({"title": "0"})).await;
    let first = ada.get("/api/tasks").await;
    let stores = app.stores.open().await;
    // Behind the server's back, so that only the cache can show what was before.
    use runyard::repository::entity::task;
    use sea_orm::EntityTrait;
    task::Entity::delete_many().exec(stores.database.writer()).await.unwrap();
    assert_eq!(ada.get("/api/tasks").await.bytes, first.bytes);
    assert_eq!(page(&ada, "status=pending").await["meta"]["total"], 0);
    create(&ada, &json!({"title": "1"})).await;
    assert_eq!(page(&ada, "").await["meta"]["total"], 1);
}
