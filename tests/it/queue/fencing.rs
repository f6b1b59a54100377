//! Fencing: what a lost lease tries is 409 and changes nothing, neither all of it nor a part.

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ack, app, counts, lease, lease_with, message, path, payloads, publish};
use crate::support::{Client, until};

/// A lease that ends at once, lost: retaken by somebody else, or not.
async fn lost(client: &Client, retaken: bool) -> (Value, Value) {
    publish(client, "t", &[message(1), message(2)]).await;
    let old = lease_with(client, "t", &json!({"consumer_id": "slow", "max": 2, "lease_seconds": 1})).await;
    assert_eq!(payloads(&old).len(), 2);
    if retaken {
        let new = lease_with(client, "t", &json!({"consumer_id": "next", "max": 2, "wait_seconds": 20})).await;
        assert_eq!(payloads(&new).len(), 2);
        return (old, new);
    }
    until("the lease is over", async || counts(client, "t").await[0] == 2).await;
    (old, Value::Null)
}

/// Everything that can be said of a lease.
fn sayings(lease: &Value) -> [(&'static str, Value); 6] {
    let first = &lease["messages"][0]["msg_uuid"];
    [
        ("ack", json!({})),
        ("ack", json!({"msg_uuids": [first]})),
        ("nack", json!({"delay_seconds": 0})),
        ("nack", json!({"msg_uuids": [first]})),
        ("extend", json!({"lease_seconds": 60})),
        ("extend", json!({"lease_seconds": 60, "msg_uuids": [first]})),
    ]
}

#[tokio::test]
async fn a_lease_whose_time_is_over_can_do_nothing_although_nobody_has_retaken_it() {
    let (_app, ada) = app().await;
    let (old, _) = lost(&ada, false).await;
    for (what, body) in sayings(&old) {
        ada.post(&path(&old, what), &body).await.problem(409);
        assert_eq!(counts(&ada, "t").await, [2, 0, 0, 0, 0], "{what}");
    }
    let next = lease(&ada, "t", 2).await;
    assert_eq!((payloads(&next).len(), next["messages"][0]["attempts"].as_i64()), (2, Some(2)));
}

#[tokio::test]
async fn a_lease_that_was_retaken_can_do_nothing_to_its_successor() {
    let (_app, ada) = app().await;
    let (old, new) = lost(&ada, true).await;
    for (what, body) in sayings(&old) {
        ada.post(&path(&old, what), &body).await.problem(409);
        assert_eq!(counts(&ada, "t").await, [0, 0, 2, 0, 0], "{what}");
    }
    assert_eq!(ack(&ada, &new).await, 2);
    ada.post(&path(&old, "ack"), &json!({})).await.problem(409);
}

#[tokio::test]
async fn a_message_is_acked_once() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message(1)]).await;
    let leased = lease(&ada, "t", 1).await;
    assert_eq!(ack(&ada, &leased).await, 1);
    for (what, body) in sayings(&leased) {
        ada.post(&path(&leased, what), &body).await.problem(409);
    }
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn what_names_one_message_too_many_changes_none() {
    let (_app, ada) = app().await;
    publish(&ada, "t", &[message(1), message(2), message(3)]).await;
    let held = lease(&ada, "t", 2).await;
    let other = lease(&ada, "t", 1).await;
    let ids = |lease: &Value| -> Vec<Value> {
        lease["messages"].as_array().unwrap().iter().map(|message| message["msg_uuid"].clone()).collect()
    };
    let (held_ids, other_ids) = (ids(&held), ids(&other));
    for stranger in [other_ids[0].clone(), json!(Uuid::new_v4())] {
        let mixed = json!([held_ids[0], stranger]);
        for (what, body) in [
            ("ack", json!({"msg_uuids": mixed})),
            ("nack", json!({"msg_uuids": mixed, "delay_seconds": 0})),
            ("extend", json!({"msg_uuids": mixed, "lease_seconds": 60})),
        ] {
            ada.post(&path(&held, what), &body).await.problem(409);
            assert_eq!(counts(&ada, "t").await, [0, 0, 3, 0, 0], "{what}");
        }
    }
    // One that was acked is not held any more; what is left goes as a whole.
    let first = json!({"msg_uuids": [held_ids[0], held_ids[0]]});
    assert_eq!(ada.post(&path(&held, "ack"), &first).await.ok(200), json!({"acked": 1}));
    ada.post(&path(&held, "ack"), &json!({"msg_uuids": held_ids})).await.problem(409);
    assert_eq!(counts(&ada, "t").await, [0, 0, 2, 1, 0]);
    assert_eq!(ack(&ada, &held).await, 1);
}

#[tokio::test]
async fn two_acks_of_one_lease_at_once_are_one_ack() {
    let (_app, ada) = app().await;
    for _ in 0..20 {
        publish(&ada, "t", &[message(1), message(2)]).await;
        let leased = lease(&ada, "t", 2).await;
        let (path, nothing) = (path(&leased, "ack"), json!({}));
        let (one, two) = tokio::join!(ada.post(&path, &nothing), ada.post(&path, &nothing));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
    assert_eq!(counts(&ada, "t").await, [0, 0, 0, 40, 0]);
}

#[tokio::test]
async fn of_many_acks_at_once_each_has_its_own_outcome() {
    let (app, ada) = app().await;
    let eve = app.user("eve").await;
    for round in 1..=5 {
        let (mut asked, mut held) = (Vec::new(), 0);
        for topic in ["a", "b", "c"] {
            for count in 1..=4 {
                publish(&ada, topic, &(0..count).map(message).collect::<Vec<_>>()).await;
                let leased = lease(&ada, topic, count).await;
                asked.push((&ada, path(&leased, "ack"), 200, count));
                held += count;
            }
        }
        publish(&ada, "t", &[message(0)]).await;
        let done = lease(&ada, "t", 1).await;
        assert_eq!(ack(&ada, &done).await, 1);
        asked.push((&ada, path(&done, "ack"), 409, 0));
        publish(&eve, "a", &[message(0)]).await;
        let foreign = lease(&eve, "a", 1).await;
        asked.push((&ada, path(&foreign, "ack"), 404, 0));
        asked.push((&ada, path(&json!({"lease_id": Uuid::new_v4()}), "ack"), 404, 0));
        let answers = asked.iter().map(async |(client, path, status, count)| {
            let answer = client.post(path, &json!({})).await;
            match status {
                200 => assert_eq!(answer.ok(200), json!({"acked": count})),
                _ => drop(answer.problem(*status)),
            }
        });
        join_all(answers).await;
        assert_eq!(ack(&eve, &foreign).await, 1);
        let mut acked = 0;
        for topic in ["a", "b", "c"] {
            acked += counts(&ada, topic).await[3];
        }
        assert_eq!(acked, round * held as i64);
    }
}

#[tokio::test]
async fn a_lease_of_another_workspace_is_not_found_like_one_that_never_was() {
    let (app, ada) = app().await;
    let eve = app.user("eve").await;
    publish(&ada, "t", &[message(1)]).await;
    let leased = lease(&ada, "t", 1).await;
    for (what, body) in sayings(&leased) {
        eve.post(&path(&leased, what), &body).await.problem(404);
        let forged = json!({"lease_id": Uuid::new_v4().to_string()});
        ada.post(&path(&forged, what), &body).await.problem(404);
    }
    ada.post("/api/v1/leases/nonsense/ack", &json!({})).await.problem(422);
    assert_eq!(ack(&ada, &leased).await, 1);
}
