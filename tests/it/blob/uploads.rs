//! An upload becomes a blob whole or leaves nothing, however it ends.

use std::collections::BTreeSet;

use chrono::Utc;
use hyper::Method;

use super::{Home, Lab, MIB, is_unavailable, key, noise, until, upload};

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    for lab in Lab::both().await {
        for size in [0, 100, 30 * MIB] {
            let mut writer = lab.store.writer(key()).await.unwrap();
            writer.write(noise(size)).await.unwrap();
            writer.abort().await;
            assert_eq!(lab.files(), BTreeSet::new());
        }
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing() {
    for lab in Lab::both().await {
        for size in [0, 100, 30 * MIB] {
            let mut writer = lab.store.writer(key()).await.unwrap();
            writer.write(noise(size)).await.unwrap();
            drop(writer);
            until(|| lab.files().is_empty()).await;
        }
    }
}

#[tokio::test]
async fn an_unfinished_upload_is_no_blob_in_s3() {
    let lab = Lab::s3().await;
    let key = key();
    let mut writer = lab.store.writer(key).await.unwrap();
    writer.write(noise(20 * MIB)).await.unwrap();
    assert_eq!(lab.store.read(key, 0..1).await.unwrap(), None);
    assert_eq!(lab.store.list(None, 10).await.unwrap(), []);
    writer.finish().await.unwrap();
    assert_eq!(lab.store.list(None, 10).await.unwrap(), [key]);
}

#[tokio::test]
async fn an_upload_that_nobody_gave_up_is_given_up_when_it_is_stale() {
    let lab = Lab::s3().await;
    let Home::S3(server) = &lab.home else { panic!("not S3") };
    let mut writer = lab.store.writer(key()).await.unwrap();
    writer.write(noise(9 * MIB)).await.unwrap();
    until(|| server.requests(&Method::PUT) == 2).await;
    // As if the process had been killed.
    std::mem::forget(writer);
    let hour = chrono::Duration::hours(1);
    assert_eq!(lab.store.abort_stale(Utc::now() - hour).await.unwrap(), 0);
    assert!(!server.unfinished().is_empty());
    assert_eq!(lab.store.abort_stale(Utc::now() + hour).await.unwrap(), 1);
    assert_eq!(lab.files(), BTreeSet::new());
    assert_eq!(lab.store.abort_stale(Utc::now() + hour).await.unwrap(), 0);
}

#[tokio::test]
async fn there_are_no_stale_uploads_on_disk() {
    let lab = Lab::disk().await;
    lab.put(b"x").await;
    assert_eq!(lab.store.abort_stale(Utc::now()).await.unwrap(), 0);
    assert_eq!(lab.files().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_longer_than_a_part_is_one_request_to_s3() {
    let lab = Lab::s3().await;
    let Home::S3(server) = &lab.home else { panic!("not S3") };
    let before = server.requests(&Method::PUT);
    upload(&lab.store, &noise(8 * MIB)).await.unwrap();
    assert_eq!(server.requests(&Method::PUT), before + 1);
    assert_eq!(server.requests(&Method::POST), 0);
    upload(&lab.store, &noise(8 * MIB + 1)).await.unwrap();
    assert_eq!(server.requests(&Method::PUT), before + 3);
    assert_eq!(server.requests(&Method::POST), 2);
}

#[tokio::test]
async fn a_writer_that_failed_never_finishes() {
    let mut lab = Lab::s3().await;
    let mut writer = lab.store.writer(key()).await.unwrap();
    lab.take_away();
    assert!(is_unavailable(&writer.write(noise(9 * MIB)).await));
    lab.bring_back();
    assert!(is_unavailable(&writer.write(noise(1)).await));
    assert!(is_unavailable(&writer.finish().await));
    until(|| lab.files().is_empty()).await;
}
