//! Where blobs are kept: it is made when it is missing, and being away is an answer that comes in time.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use futures_util::future;
use runyard::repository::blob::BlobStore;

use super::{Home, Lab, MIB, TIMEOUT, is_unavailable, key, noise, upload};
use crate::support::s3::S3Server;

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_serves_again_when_it_is_back() {
    for mut lab in Lab::both().await {
        let kept = lab.put(b"kept").await;
        let mut writer = lab.store.writer(key()).await.unwrap();
        lab.store.ping().await.unwrap();
        lab.take_away();
        assert!(is_unavailable(&lab.store.ping().await));
        assert!(is_unavailable(&lab.store.put(key(), vec![]).await));
        assert!(is_unavailable(&upload(&lab.store, &noise(9 * MIB)).await));
        assert!(is_unavailable(&lab.store.list(None, 1).await));
        let lost = match writer.write(noise(9 * MIB)).await {
            Ok(()) => writer.finish().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(is_unavailable(&lost));
        lab.bring_back();
        lab.store.ping().await.unwrap();
        assert_eq!(lab.store.read(kept, 0..4).await.unwrap().unwrap(), "kept");
        upload(&lab.store, &noise(9 * MIB)).await.unwrap();
    }
}

#[tokio::test]
async fn an_s3_that_never_answers_is_unavailable_within_the_timeout() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(300);
    let lab = Lab::s3().await;
    let Home::S3(server) = &lab.home else { panic!("not S3") };
    let mut aws = server.aws();
    aws.aws_endpoint_url = Some(format!("http://{}", mute.local_addr().unwrap()));
    let begun = Instant::now();
    assert!(is_unavailable(&BlobStore::open(&server.url("bucket", ""), &aws, timeout).await));
    assert!(begun.elapsed() >= timeout && begun.elapsed() < 10 * timeout, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_missing_bucket_is_made_also_by_several_replicas_at_once() {
    let server = S3Server::start();
    let (url, aws) = (server.url("new-bucket", ""), server.aws());
    let stores = future::try_join_all((0..8).map(|_| BlobStore::open(&url, &aws, TIMEOUT))).await.unwrap();
    assert!(server.folder().join("new-bucket").is_dir());
    let key = upload(&stores[0], &noise(100)).await.unwrap();
    assert_eq!(stores[7].list(None, 10).await.unwrap(), [key]);
}

#[tokio::test]
async fn s3_without_credentials_is_an_error_that_names_the_variable() {
    let server = S3Server::start();
    let mut aws = server.aws();
    aws.aws_secret_access_key = None;
    let error = BlobStore::open(&server.url("bucket", ""), &aws, TIMEOUT).await.unwrap_err();
    assert!(format!("{error:?}").contains("AWS_SECRET_ACCESS_KEY"), "{error:?}");
    aws.aws_access_key_id = None;
    let error = BlobStore::open(&server.url("bucket", ""), &aws, TIMEOUT).await.unwrap_err();
    assert!(format!("{error:?}").contains("AWS_ACCESS_KEY_ID"), "{error:?}");
}

#[tokio::test]
async fn what_lies_on_disk_is_the_owners_alone() {
    let lab = Lab::disk().await;
    let key = lab.put(b"x").await;
    lab.store.ping().await.unwrap();
    for file in lab.files() {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    let path = lab.root().join(key.path());
    for folder in path.ancestors().skip(1).take(5) {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
    }
}

#[tokio::test]
async fn a_disk_that_is_away_is_not_replaced_by_an_empty_folder() {
    let mut lab = Lab::disk().await;
    lab.take_away();
    assert!(is_unavailable(&lab.store.put(key(), vec![]).await));
    assert!(!lab.root().exists());
}
