//! Small requests share a commit: one write for many, and each with its own verdict.

use chrono::Utc;
use runyard::repository::entity::run;
use runyard::repository::runs::{NewSegment, Verdict};
use runyard::repository::{BlobKey, RunRepository};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::redis::distributed;
use crate::support::s3::S3Server;
use crate::support::{Client, Reply, TestApp, TestStores, run};

/// Sends all of it at once.
async fn all_at_once(client: &Client, bodies: Vec<Value>) -> Vec<Reply> {
    let mut sending = JoinSet::new();
    for (place, body) in bodies.into_iter().enumerate() {
        let client = client.clone();
        sending.spawn(async move { (place, client.post("/runs", &body).await) });
    }
    let mut replies = sending.join_all().await;
    replies.sort_by_key(|(place, _)| *place);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

#[tokio::test]
async fn many_small_requests_at_once_are_few_blobs() {
    let s3 = distributed().then(S3Server::start);
    let stores = TestStores::with_s3(s3.as_ref().map(|server| server.endpoint.as_str())).await;
    let app = TestApp::over(stores, &[]).await;
    let ada = app.user("ada").await;
    let puts = || s3.as_ref().map_or(0, |server| server.requests(&reqwest::Method::PUT));
    let before = puts();
    let replies = all_at_once(&ada, (0..64).map(|n| run(None, &format!("run {n}"))).collect()).await;
    let blobs = app.stores.open().await.blobs.list(None, 1_000).await.unwrap().len();
    println!("64 requests were {blobs} blobs and {} PUTs", puts() - before);
    assert!((1..=32).contains(&blobs), "64 requests were {blobs} blobs");
    assert!(puts() - before <= 32);
    for (n, reply) in replies.iter().enumerate() {
        let id = reply.ok(201)["ids"][0].as_str().unwrap().to_owned();
        assert_eq!(ada.get(&format!("/runs/{id}")).await.ok(200)["name"], format!("run {n}"));
    }
}

#[tokio::test]
async fn a_conflict_is_the_affair_of_the_one_request_that_brought_it() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let ids: Vec<String> = (0..8).map(|_| Uuid::new_v4().to_string()).collect();
    ada.create(&ids.iter().map(|id| run(Some(id), "first come")).collect()).await;
    let (mut bodies, mut expected) = (Vec::new(), Vec::new());
    for id in &ids {
        bodies.push(run(None, "new"));
        expected.push((201, ""));
        bodies.push(run(Some(id), "first come"));
        expected.push((201, ""));
        bodies.push(run(Some(id), "another"));
        expected.push((409, "id"));
        bodies.push(json!([run(None, "innocent"), run(Some(id), "another")]));
        expected.push((409, "[1].id"));
    }
    let replies = all_at_once(&ada, bodies).await;
    for (reply, (status, field)) in replies.iter().zip(expected) {
        match status {
            201 => drop(reply.ok(201)),
            _ => assert_eq!(reply.field(409), field),
        }
    }
    for id in &ids {
        assert_eq!(ada.get(&format!("/runs/{id}")).await.ok(200)["name"], "first come");
    }
    // What came with a conflict is not stored either.
    let innocent = ada.get("/runs?name=innocent").await.ok(200);
    assert_eq!(innocent["items"], json!([]));
}

#[tokio::test]
async fn of_different_runs_that_come_at_once_under_one_id_exactly_one_is_stored() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let id = Uuid::new_v4().to_string();
    let replies = all_at_once(&ada, (0..16).map(|n| run(Some(&id), &format!("run {n}"))).collect()).await;
    let stored: Vec<usize> = (0..16).filter(|n| replies[*n].status == 201).collect();
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(replies.iter().all(|reply| reply.status == 201 || reply.field(409) == "id"));
    assert_eq!(ada.get(&format!("/runs/{id}")).await.ok(200)["name"], format!("run {}", stored[0]));
}

/// Past HTTP, because both must be in the database at the same moment, as the flushes of two replicas may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_the_same_runs_in_opposite_orders_do_not_block_each_other() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    ada.create(&json!([run(None, "a form")])).await;
    let stores = app.stores.open().await;
    let form = run::Entity::find().one(stores.database.reader()).await.unwrap().unwrap();
    for _ in 0..10 {
        let runs: Vec<run::Model> = (0..2_000).map(|_| run::Model { id: Uuid::new_v4(), ..form.clone() }).collect();
        let mut storing = JoinSet::new();
        for turn in 0..4 {
            let (repository, mut runs) = (RunRepository::new(stores.database.clone()), runs.clone());
            if turn % 2 == 0 {
                runs.reverse();
            }
            let key = BlobKey { workspace: form.workspace_id, segment: Uuid::now_v7() };
            let segment = NewSegment { key, size: 2 };
            storing.spawn(async move {
                repository.insert(Utc::now(), segment, vec![runs], std::future::ready(Ok(()))).await
            });
        }
        for stored in storing.join_all().await {
            assert_eq!(stored.unwrap(), [Verdict::Stored]);
        }
    }
}
