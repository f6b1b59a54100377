//! The collector of segments: it takes what nothing refers to, never what something does, and a kill between any two
//! of its steps is healed by the next look.

use std::future::ready;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use runyard::config::Limits;
use runyard::error::Error;
use runyard::repository::entity::run::{PayloadRef, PayloadRefs};
use runyard::repository::entity::{run, segment};
use runyard::repository::runs::NewSegment;
use runyard::repository::{BlobKey, BlobStore, RunRepository, SegmentRepository, Stores};
use runyard::service::SegmentService;
use runyard::service::roles::{Step, Worker};
use sea_orm::EntityTrait;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::s3::S3Server;
use crate::support::{Client, TestApp, run, until};

/// A server, somebody who uses it, and what is beneath it.
struct Lab {
    app: TestApp,
    ada: Client,
    stores: Stores,
    segments: SegmentRepository,
}

impl Lab {
    async fn new() -> Self {
        let app = TestApp::spawn().await;
        let ada = app.user("ada").await;
        let stores = app.stores.open().await;
        let segments = SegmentRepository::new(stores.database.clone());
        Self { app, ada, stores, segments }
    }

    fn limits(&self) -> Limits {
        self.app.config().limits
    }

    /// One whole look of a collector that has just started, at this time.
    async fn look(&self, now: DateTime<Utc>) {
        look(&self.segments, &self.stores.blobs, &self.limits(), now).await;
    }

    /// Ids of the segments that have rows.
    async fn rows(&self) -> Vec<segment::Model> {
        segment::Entity::find().all(self.stores.database.reader()).await.unwrap()
    }

    async fn blobs(&self) -> Vec<BlobKey> {
        self.stores.blobs.list(None, 1_000).await.unwrap()
    }

    /// A blob that no row knows, as a kill leaves it.
    async fn orphan(&self) -> BlobKey {
        let key = BlobKey { workspace: self.ada.workspace_id.parse().unwrap(), segment: Uuid::now_v7() };
        self.stores.blobs.put(key, vec![Bytes::from_static(b"{}")]).await.unwrap();
        key
    }

    /// The payload of a run past every cache.
    async fn inputs(&self, id: &str) -> u16 {
        self.ada.get(&format!("/runs/{id}?fields=inputs")).await.status
    }
}

async fn look(segments: &SegmentRepository, blobs: &BlobStore, limits: &Limits, now: DateTime<Utc>) {
    let mut collector = SegmentService::new(segments.clone(), blobs.clone(), limits);
    for _ in 0..1_000 {
        if collector.step(now).await.unwrap() == Step::Idle {
            return;
        }
    }
    panic!("the collector never comes to an end");
}

fn in_hours(hours: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(hours)
}

#[tokio::test]
async fn a_segment_goes_with_its_last_run_and_not_before() {
    let lab = Lab::new().await;
    let ids = lab.ada.create(&json!([run(None, "first"), run(None, "second")])).await;
    assert_eq!(lab.blobs().await.len(), 1);
    assert_eq!(lab.ada.delete(&format!("/runs/{}", ids[0])).await.status, 204);
    lab.look(in_hours(2)).await;
    assert_eq!((lab.inputs(&ids[0]).await, lab.inputs(&ids[1]).await), (404, 200));
    assert_eq!(lab.rows().await[0].dead_at, None);
    assert_eq!(lab.ada.delete(&format!("/runs/{}", ids[1])).await.status, 204);
    // Somebody may have found the row just before it went.
    lab.look(Utc::now()).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.len()), (1, 1));
    lab.look(in_hours(2)).await;
    assert_eq!((lab.rows().await, lab.blobs().await), (vec![], vec![]));
}

#[tokio::test]
async fn an_orphan_is_condemned_after_the_grace_and_collected_after_that() {
    let lab = Lab::new().await;
    let kept = lab.ada.create(&json!([run(None, "kept")])).await;
    let orphan = lab.orphan().await;
    lab.look(Utc::now()).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.len()), (1, 2), "too early");
    lab.look(in_hours(2)).await;
    let condemned = lab.rows().await.into_iter().find(|row| row.id == orphan.segment).unwrap();
    assert!(condemned.dead_at.is_some());
    assert!(lab.blobs().await.contains(&orphan), "a late writer is not refused yet");
    lab.look(in_hours(3)).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.contains(&orphan)), (1, false));
    assert_eq!(lab.inputs(&kept[0]).await, 200);
}

#[tokio::test]
async fn a_writer_who_comes_after_its_segment_was_condemned_is_refused_and_leaves_no_rows() {
    let lab = Lab::new().await;
    let ids = lab.ada.create(&json!([run(None, "a form")])).await;
    let form = run::Entity::find().one(lab.stores.database.reader()).await.unwrap().unwrap();
    let key = lab.orphan().await;
    lab.segments.condemn(Utc::now(), key).await.unwrap();
    let runs = RunRepository::new(lab.stores.database.clone());
    let late = run::Model { id: Uuid::new_v4(), ..form };
    let inserted = runs.insert(Utc::now(), NewSegment { key, size: 2 }, vec![vec![late.clone()]], ready(Ok(()))).await;
    assert!(matches!(inserted, Err(Error::Unavailable(_))), "{inserted:?}");
    assert_eq!(runs.find(late.workspace_id, late.id).await.unwrap(), None);
    lab.look(in_hours(2)).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.len()), (1, 1));
    assert_eq!(lab.inputs(&ids[0]).await, 200);
}

#[tokio::test]
async fn an_orphan_that_is_condemned_while_its_writer_comes_is_either_collected_or_read() {
    let lab = Lab::new().await;
    lab.ada.create(&json!([run(None, "a form")])).await;
    let form = run::Entity::find().one(lab.stores.database.reader()).await.unwrap().unwrap();
    let runs = RunRepository::new(lab.stores.database.clone());
    for _ in 0..20 {
        let key = lab.orphan().await;
        let late = run::Model { id: Uuid::new_v4(), ..form.clone() };
        let requests = vec![vec![late.clone()]];
        let (condemned, inserted) = tokio::join!(
            lab.segments.condemn(Utc::now(), key),
            runs.insert(Utc::now(), NewSegment { key, size: 2 }, requests, ready(Ok(()))),
        );
        condemned.unwrap();
        let row = lab.rows().await.into_iter().find(|row| row.id == key.segment).unwrap();
        let there = runs.find(late.workspace_id, late.id).await.unwrap().is_some();
        assert_eq!((inserted.is_ok(), row.dead_at.is_none()), (there, there));
    }
}

#[tokio::test]
async fn a_kill_between_two_steps_of_the_collector_is_healed_by_the_next_look() {
    let lab = Lab::new().await;
    let ids = lab.ada.create(&json!([run(None, "kept")])).await;
    // After condemning; after that and the removal of the blob; after the removal of an ordinary dead segment's blob.
    let (condemned, removed) = (lab.orphan().await, lab.orphan().await);
    for key in [condemned, removed] {
        lab.segments.condemn(Utc::now(), key).await.unwrap();
    }
    lab.stores.blobs.delete(removed).await.unwrap();
    let dead = lab.ada.create(&json!([run(None, "deleted")])).await;
    let known = lab.blobs().await;
    assert_eq!(lab.ada.delete(&format!("/runs/{}", dead[0])).await.status, 204);
    let row = lab.rows().await.into_iter().find(|row| row.dead_at.is_some() && row.live_runs == 0 && row.size > 0);
    let key = known.into_iter().find(|key| Some(key.segment) == row.as_ref().map(|row| row.id)).unwrap();
    lab.stores.blobs.delete(key).await.unwrap();
    assert_eq!(lab.rows().await.len(), 4);
    lab.look(in_hours(2)).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.len()), (1, 1));
    assert_eq!(lab.inputs(&ids[0]).await, 200);
    // And a look that finds nothing to do is none.
    lab.look(in_hours(3)).await;
    assert_eq!((lab.rows().await.len(), lab.blobs().await.len()), (1, 1));
}

/// On both kinds of stores: rows here or there, the bytes in S3.
#[tokio::test]
async fn an_upload_in_parts_that_a_kill_left_is_given_up_after_the_grace() {
    let lab = Lab::new().await;
    let server = S3Server::start();
    let timeout = lab.app.config().upstream_timeout.0;
    let blobs = BlobStore::open(&server.url("runs", "a"), &server.aws(), timeout).await.unwrap();
    let key = BlobKey { workspace: Uuid::new_v4(), segment: Uuid::now_v7() };
    let mut writer = blobs.writer(key).await.unwrap();
    writer.write(Bytes::from(vec![b'x'; 20 * 1024 * 1024])).await.unwrap();
    until("parts are there", async || !server.unfinished().is_empty()).await;
    // Not even its drop is run, as in a kill.
    std::mem::forget(writer);
    look(&lab.segments, &blobs, &lab.limits(), Utc::now()).await;
    assert!(!server.unfinished().is_empty(), "too early");
    look(&lab.segments, &blobs, &lab.limits(), in_hours(2)).await;
    assert!(server.unfinished().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_are_counted_right_however_deletes_and_creates_of_one_id_race() {
    let lab = Lab::new().await;
    lab.ada.create(&json!([run(None, "a form")])).await;
    let form = run::Entity::find().one(lab.stores.database.reader()).await.unwrap().unwrap();
    let id = Uuid::new_v4();
    let mut racing = JoinSet::new();
    for racer in 0..8 {
        let (runs, form) = (RunRepository::new(lab.stores.database.clone()), form.clone());
        racing.spawn(async move {
            for _ in 0..150 {
                let key = BlobKey { workspace: form.workspace_id, segment: Uuid::now_v7() };
                if racer % 4 == 0 {
                    let both = [id, Uuid::new_v4()].map(|id| {
                        let payload = form.payload.0.iter();
                        let moved = payload.map(|(name, part)| (name.clone(), PayloadRef(key.segment, part.1, part.2)));
                        run::Model { id, payload: PayloadRefs(moved.collect()), ..form.clone() }
                    });
                    runs.insert(Utc::now(), NewSegment { key, size: 2 }, vec![both.into()], ready(Ok(())))
                        .await
                        .unwrap();
                } else {
                    runs.delete(Utc::now(), form.workspace_id, id).await.unwrap();
                }
            }
        });
    }
    racing.join_all().await;
    let runs = run::Entity::find().all(lab.stores.database.reader()).await.unwrap();
    for row in lab.rows().await {
        let refers = |run: &&run::Model| run.payload.0.values().any(|part| part.0 == row.id);
        let references = runs.iter().filter(refers).count();
        assert_eq!((row.live_runs as usize, row.dead_at.is_some()), (references, references == 0));
    }
}
