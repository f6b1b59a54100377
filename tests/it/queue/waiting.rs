//! Long polls: who waits is answered as soon as there is something, and never holds up the server's end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use super::{app, counts, lease_with, message, message_with, payloads, publish};
use crate::support::{Client, until};

/// Somebody who waits for a message.
fn waiting(client: &Client, consumer: &str, seconds: u64) -> JoinHandle<(Value, Duration)> {
    let (client, request) = (client.clone(), json!({"consumer_id": consumer, "wait_seconds": seconds}));
    tokio::spawn(async move {
        let begun = Instant::now();
        let lease = lease_with(&client, "t", &request).await;
        (lease, begun.elapsed())
    })
}

#[tokio::test]
async fn who_waits_gets_what_is_published_then() {
    let (_app, ada) = app().await;
    let consumers: Vec<_> = (0..5).map(|n| waiting(&ada, &n.to_string(), 20)).collect();
    until("somebody waits", async || ada.get("/api/v1/topics/t").await.status == 200).await;
    let messages: Vec<_> = (0..5).map(message).collect();
    for message in &messages {
        publish(&ada, "t", std::slice::from_ref(message)).await;
    }
    let mut got = Vec::new();
    for consumer in consumers {
        got.extend(payloads(&consumer.await.unwrap().0));
    }
    got.sort_by_key(serde_json::Value::as_i64);
    assert_eq!(got, (0..5).map(|n| json!(n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_waits_for_nothing_is_told_so_when_the_time_is_over() {
    let (_app, ada) = app().await;
    let (lease, took) = waiting(&ada, "c", 1).await.unwrap();
    assert_eq!(lease, json!({"lease_id": null, "lease_until": null, "messages": []}));
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn who_does_not_wait_is_answered_at_once_while_others_do() {
    let (_app, ada) = app().await;
    let patient = waiting(&ada, "patient", 20);
    until("somebody waits", async || ada.get("/api/v1/topics/t").await.status == 200).await;
    let hasty = waiting(&ada, "hasty", 0).await.unwrap().0;
    assert_eq!(payloads(&hasty), Vec::<Value>::new());
    assert!(!patient.is_finished());
    publish(&ada, "t", &[message("x")]).await;
    assert_eq!(payloads(&patient.await.unwrap().0), [json!("x")]);
}

#[tokio::test]
async fn who_does_not_wait_is_answered_although_something_is_announced_all_the_time() {
    let (_app, ada) = app().await;
    let mut publishers: JoinSet<()> = (0..8)
        .map(|_| {
            let ada = ada.clone();
            async move {
                for _ in 0..50 {
                    publish(&ada, "t", &[message_with("later", "delay_seconds", 3_600)]).await;
                }
            }
        })
        .collect();
    let mut answers = 0;
    while !publishers.is_empty() {
        assert_eq!(payloads(&waiting(&ada, "hasty", 0).await.unwrap().0), Vec::<Value>::new());
        answers += usize::from(publishers.try_join_next().is_none());
        while let Some(ended) = publishers.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(answers > 1, "{answers}");
}

#[tokio::test]
async fn a_consumer_who_goes_away_takes_no_message_with_it() {
    let (_app, ada) = app().await;
    let gone: Vec<_> = (0..3).map(|n| waiting(&ada, &n.to_string(), 20)).collect();
    until("somebody waits", async || ada.get("/api/v1/topics/t").await.status == 200).await;
    for consumer in gone {
        consumer.abort();
        let _ = consumer.await;
    }
    publish(&ada, "t", &[message("x")]).await;
    // Within its lease nobody else would have it, if it were with one who went away.
    until("it is with somebody who is there", async || {
        let (lease, _) = waiting(&ada, "here", 0).await.unwrap();
        payloads(&lease) == [json!("x")]
    })
    .await;
    assert_eq!(counts(&ada, "t").await, [0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_server_that_stops_answers_who_waits_at_once() {
    let (app, ada) = app().await;
    let consumers: Vec<_> = (0..3).map(|n| waiting(&ada, &n.to_string(), 20)).collect();
    until("somebody waits", async || ada.get("/api/v1/topics/t").await.status == 200).await;
    app.stop().await;
    for consumer in consumers {
        let (lease, took) = consumer.await.unwrap();
        assert_eq!(payloads(&lease), Vec::<Value>::new());
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
