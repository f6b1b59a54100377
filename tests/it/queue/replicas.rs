//! Several servers over one database share its topics: nothing is with two consumers at once, and all of it is seen
//! by all of them. Embedded, they are several servers over one file.

use std::collections::HashSet;

use serde_json::json;
use tokio::task::JoinSet;

use super::{ack, app, counts, lease, lease_with, message, path, payloads, publish};

#[tokio::test]
async fn two_replicas_deliver_every_message_once() {
    let (app, ada) = app().await;
    let replica = app.replica().await;
    let clients = [ada.clone(), ada.clone().at(replica.address)];
    let mut work = JoinSet::new();
    for publisher in 0..4 {
        let client = clients[publisher % 2].clone();
        work.spawn(async move {
            for batch in 0..10 {
                let messages: Vec<_> = (0..10).map(|n| message(publisher * 100 + batch * 10 + n)).collect();
                publish(&client, "t", &messages).await;
            }
            Vec::new()
        });
    }
    for consumer in 0..8 {
        let client = clients[consumer % 2].clone();
        work.spawn(async move {
            let mut got = Vec::new();
            loop {
                let request = json!({"consumer_id": consumer.to_string(), "max": 7, "wait_seconds": 2});
                let lease = lease_with(&client, "t", &request).await;
                if payloads(&lease).is_empty() {
                    return got;
                }
                got.extend(payloads(&lease).iter().map(|payload| payload.as_i64().unwrap()));
                ack(&client, &lease).await;
            }
        });
    }
    let got = work.join_all().await.concat();
    assert_eq!((got.len(), got.iter().collect::<HashSet<_>>().len()), (400, 400));
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 400, 0]);
}

#[tokio::test]
async fn a_lease_of_one_replica_is_settled_by_another_and_fenced_by_both() {
    let (app, ada) = app().await;
    let replica = app.replica().await;
    let there = ada.clone().at(replica.address);
    publish(&ada, "t", &[message(1), message(2)]).await;
    let here = lease(&ada, "t", 1).await;
    let other = lease(&there, "t", 1).await;
    assert_eq!((payloads(&here), payloads(&other)), (vec![json!(1)], vec![json!(2)]));
    assert_eq!(ack(&there, &here).await, 1);
    ada.post(&path(&here, "ack"), &json!({})).await.problem(409);
    assert_eq!(ada.post(&path(&other, "nack"), &json!({"delay_seconds": 0})).await.ok(200), json!({"nacked": 1}));
    there.post(&path(&other, "ack"), &json!({})).await.problem(409);
    assert_eq!(payloads(&lease(&there, "t", 1).await), [json!(2)]);
}

#[tokio::test]
async fn who_waits_at_one_replica_gets_what_is_published_at_another() {
    let (app, ada) = app().await;
    let replica = app.replica().await;
    let there = ada.clone().at(replica.address);
    for n in 0..3 {
        let request = json!({"consumer_id": "c", "wait_seconds": 20});
        let (lease, ()) =
            tokio::join!(lease_with(&there, "t", &request), async { publish(&ada, "t", &[message(n)]).await });
        assert_eq!(payloads(&lease), [json!(n)]);
    }
    // And who does not wait sees it at once.
    publish(&ada, "t", &[message("seen")]).await;
    assert_eq!(payloads(&lease(&there, "t", 1).await), [json!("seen")]);
}
