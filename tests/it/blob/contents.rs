//! What was stored is what is read, streamed and listed, to the byte and to the key.

use std::fs;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future};
use runyard::error::Error;
use runyard::repository::blob::BlobKey;

use super::{Home, Lab, MIB, key, key_of, noise, upload};

#[tokio::test]
async fn what_was_put_is_read_back_byte_for_byte() {
    for lab in Lab::both().await {
        let key = key();
        let chunks = vec![Bytes::from_static(b"\0one"), Bytes::new(), Bytes::from_static(b"two\xff")];
        lab.store.put(key, chunks).await.unwrap();
        assert_eq!(lab.store.read(key, 0..8).await.unwrap().unwrap(), &b"\0onetwo\xff"[..]);
        assert_eq!(lab.store.read(key, 3..5).await.unwrap().unwrap(), "et");
        assert_eq!(lab.store.read(key, 5..5).await.unwrap().unwrap(), "");
    }
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    for lab in Lab::both().await {
        let key = lab.put(b"").await;
        assert_eq!(lab.store.read(key, 0..0).await.unwrap().unwrap(), "");
        assert!(lab.store.stream(key, 0..0).collect::<Vec<_>>().await.is_empty());
        let other = upload(&lab.store, &Bytes::new()).await.unwrap();
        assert_eq!(lab.store.list(None, 10).await.unwrap(), [key, other]);
    }
}

#[tokio::test]
async fn a_missing_blob_is_nothing_when_read_and_one_error_when_streamed() {
    for lab in Lab::both().await {
        for range in [0..0, 0..10] {
            assert_eq!(lab.store.read(key(), range.clone()).await.unwrap(), None);
            let items: Vec<_> = lab.store.stream(key(), range).collect().await;
            assert!(matches!(items[..], [Err(Error::Internal(_))]), "{items:?}");
        }
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_an_error_and_never_a_short_answer() {
    for lab in Lab::both().await {
        let key = lab.put(b"0123456789").await;
        for range in [5..11, 10..11, 20..30, 0..u64::MAX] {
            let read = lab.store.read(key, range.clone()).await;
            assert!(matches!(read, Err(Error::Internal(_))), "{range:?}: {read:?}");
            let items: Vec<_> = lab.store.stream(key, range.clone()).collect().await;
            assert!(matches!(items[..], [Err(Error::Internal(_))]), "{range:?}: {items:?}");
        }
        let reversed = std::ops::Range { start: 3, end: 2 };
        assert!(lab.store.read(key, reversed).await.is_err());
    }
}

#[tokio::test]
async fn a_large_blob_that_arrives_in_odd_chunks_is_read_and_streamed_back_equal() {
    for lab in Lab::both().await {
        let bytes = noise(40 * MIB + 12_345);
        let key = upload(&lab.store, &bytes).await.unwrap();
        let cut = 8 * MIB - 7..8 * MIB + 9;
        let part = lab.store.read(key, cut.start as u64..cut.end as u64).await.unwrap().unwrap();
        assert_eq!(part, bytes[cut]);
        for range in [0..bytes.len(), 1_000_001..33 * MIB] {
            let stream = lab.store.stream(key, range.start as u64..range.end as u64);
            let sizes = stream.inspect_ok(|chunk| assert!((1..=256 * 1024).contains(&chunk.len())));
            let chunks: Vec<_> = sizes.try_collect().await.unwrap();
            assert!(chunks.concat() == bytes[range]);
        }
        if let Home::S3(server) = &lab.home {
            assert!(server.unfinished().is_empty());
        }
    }
}

#[tokio::test]
async fn many_blobs_of_one_new_folder_can_be_put_at_once() {
    for lab in Lab::both().await {
        let keys: Vec<_> = (0..32).map(|number| key_of(1, 1, number)).collect();
        let puts = keys.iter().map(|key| lab.store.put(*key, vec![Bytes::from_static(b"x")]));
        future::try_join_all(puts).await.unwrap();
        assert_eq!(lab.store.list(None, 100).await.unwrap(), keys);
    }
}

#[tokio::test]
async fn keys_are_listed_in_path_order_page_by_page() {
    for lab in Lab::both().await {
        let mut keys = Vec::new();
        for (workspace, day, number) in [(2, 3, 1), (1, 9, 9), (1, 9, 2), (2, 1, 5), (1, 2, 3), (9, 1, 1), (1, 2, 4)] {
            let key = key_of(workspace, day, number);
            lab.store.put(key, vec![]).await.unwrap();
            keys.push(key);
        }
        keys.sort_by_key(BlobKey::path);
        for limit in [1, 2, 3, 7, 1_000] {
            let mut listed = Vec::new();
            while let page = lab.store.list(listed.last().copied(), limit).await.unwrap()
                && !page.is_empty()
            {
                assert!(page.len() <= limit);
                listed.extend(page);
            }
            assert_eq!(listed, keys, "{limit} a page");
        }
        assert_eq!(lab.store.list(Some(key_of(1, 3, 0)), 2).await.unwrap(), keys[2..4]);
        assert_eq!(lab.store.list(None, 0).await.unwrap(), []);
    }
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    for lab in Lab::both().await {
        let key = lab.put(b"x").await;
        let path = key.path();
        let (folder, _) = path.rsplit_once('/').unwrap();
        let upper = path.to_uppercase().replace("RUNS", "runs");
        let others = ["0", "lost+found/x", "zzz/runs/2024-01-01/x", &format!("{folder}/.tmp"), &upper];
        let beside = [format!("{}/exports/x", key.workspace), format!("{}/runs/x", key.workspace)];
        for other in others.into_iter().chain(beside.iter().map(String::as_str)) {
            let path = lab.root().join(other);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "y").unwrap();
        }
        lab.store.ping().await.unwrap();
        for limit in [1, 100] {
            assert_eq!(lab.store.list(None, limit).await.unwrap(), [key]);
            assert_eq!(lab.store.list(Some(key), limit).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn deleting_twice_is_fine_and_the_place_can_be_used_again() {
    for lab in Lab::both().await {
        let key = lab.put(b"x").await;
        lab.store.delete(key).await.unwrap();
        lab.store.delete(key).await.unwrap();
        assert_eq!(lab.store.read(key, 0..1).await.unwrap(), None);
        lab.store.put(key, vec![Bytes::from_static(b"y")]).await.unwrap();
        assert_eq!(lab.store.read(key, 0..1).await.unwrap().unwrap(), "y");
    }
}
