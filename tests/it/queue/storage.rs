//! The repository and the task that claims, without HTTP: what others build on.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use runyard::error::Error;
use runyard::metrics::Metrics;
use runyard::repository::QueueRepository;
use runyard::repository::queue::{NewMessage, Settlement, Taker};
use runyard::service::QueueService;
use runyard::service::queue::Wish;
use runyard::watch::Watch;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::support::TestApp;

fn message(payload: &str) -> NewMessage {
    NewMessage { msg_uuid: Uuid::new_v4(), payload: payload.to_owned(), delay: Duration::ZERO, priority: 0 }
}

#[tokio::test]
async fn a_message_goes_from_publish_to_ack() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let stores = app.stores.open().await;
    let queue = QueueRepository::new(stores.database.clone());
    let workspace: Uuid = ada.workspace_id.parse().unwrap();
    let now = Utc::now();
    let topic = queue.topic(workspace, "t", now).await.unwrap();
    assert_eq!(queue.topic(workspace, "t", now).await.unwrap(), topic);
    let mut messages: Vec<_> = (0..5).map(|n| message(&format!("{{\"n\" : {n}, \"odd\":\"\\u0000\"}}"))).collect();
    messages[3].priority = 7;
    messages[4].delay = Duration::from_secs(60);
    let published = queue.publish(&topic, &messages, now).await.unwrap();
    assert_eq!((published.accepted, published.duplicates), (5, 0));
    let again = queue.publish(&topic, &messages[1..3], now).await.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 2));
    let taker =
        |max| Taker { lease: Uuid::new_v4(), consumer: "c".to_owned(), max, until: now + TimeDelta::seconds(30) };
    let takers = [taker(1), taker(10)];
    let claimed = queue.claim(&topic, &takers, i64::MIN, now).await.unwrap();
    let got: Vec<_> =
        claimed.messages.iter().map(|(lease, message)| (*lease, message.msg_uuid, message.attempts)).collect();
    let expected = [(0, 3), (1, 0), (1, 1), (1, 2)]
        .map(|(lease, n): (usize, usize)| (takers[lease].lease, messages[n].msg_uuid, 1));
    assert_eq!(got, expected);
    assert_eq!(claimed.messages[1].1.payload, messages[0].payload);
    assert!(queue.claim(&topic, &[taker(9)], i64::MIN, now).await.unwrap().messages.is_empty());
    // One of the second lease is buried and the rest acked in one transaction; a stranger's lease is none.
    let lease = takers[1].lease;
    let transaction = stores.database.begin().await.unwrap();
    let dead = [(messages[1].msg_uuid, "poisoned".to_owned())];
    assert_eq!(queue.bury_in(&transaction, lease, workspace, &dead, now).await.unwrap(), 1);
    assert_eq!(queue.ack_in(&transaction, lease, workspace, &[], now).await.unwrap(), 2);
    transaction.commit().await.unwrap();
    let settle = async |lease, workspace, settlement, seconds| {
        queue.settle(lease, workspace, &[], settlement, now + TimeDelta::seconds(seconds)).await
    };
    assert!(matches!(settle(lease, workspace, Settlement::Ack, 0).await, Err(Error::Conflict(_))));
    let first = takers[0].lease;
    assert!(matches!(settle(first, Uuid::new_v4(), Settlement::Ack, 0).await, Err(Error::NotFound(_))));
    assert!(matches!(settle(Uuid::new_v4(), workspace, Settlement::Ack, 0).await, Err(Error::NotFound(_))));
    assert_eq!(settle(first, workspace, Settlement::Extend(now + TimeDelta::seconds(50)), 29).await.unwrap(), 1);
    assert_eq!(settle(first, workspace, Settlement::Nack(None), 40).await.unwrap(), 1);
    assert!(matches!(settle(first, workspace, Settlement::Ack, 40).await, Err(Error::Conflict(_))));
    let later = taker(9);
    let claimed =
        queue.claim(&topic, std::slice::from_ref(&later), i64::MIN, now + TimeDelta::seconds(42)).await.unwrap();
    assert_eq!(
        claimed.messages.iter().map(|(_, m)| (m.msg_uuid, m.attempts)).collect::<Vec<_>>(),
        [(messages[3].msg_uuid, 2)]
    );
    assert_eq!(claimed.messages[0].0, later.lease);
}

#[tokio::test]
async fn a_consumer_who_waits_gets_what_is_published_then() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let queue = QueueRepository::new(app.stores.open().await.database);
    let (service, claiming) =
        QueueService::new(queue.clone(), &app.config().limits, Metrics::new().unwrap(), Watch::new().0);
    tokio::spawn(claiming);
    let topic = service.topic(ada.workspace_id.parse().unwrap(), "t").await.unwrap();
    let wish = |wait| Wish { consumer: "c".to_owned(), max: 1, lease: Duration::from_secs(30), wait };
    assert!(service.take(&topic, wish(Duration::ZERO)).await.unwrap().messages.is_empty());
    let bell = service.woken(&topic);
    let waiting = {
        let (service, topic, wish) = (service.clone(), topic.clone(), wish(Duration::from_secs(600)));
        tokio::spawn(async move { service.take(&topic, wish).await })
    };
    let published = queue.publish(&topic, &[message("1"), message("2")], Utc::now()).await.unwrap();
    service.published(&topic, published);
    bell.notified().await;
    assert_eq!(waiting.await.unwrap().unwrap().messages[0].payload, "1");
    assert_eq!(service.take(&topic, wish(Duration::ZERO)).await.unwrap().messages[0].payload, "2");
    let last = {
        let (service, topic, wish) = (service.clone(), topic.clone(), wish(Duration::from_secs(600)));
        tokio::spawn(async move { service.take(&topic, wish).await })
    };
    service.close();
    assert!(last.await.unwrap().unwrap().messages.is_empty());
}

/// In how many seconds from its last change the one message that there is can be had.
pub async fn visible_in(stores: &runyard::repository::Stores) -> f64 {
    let statement = stores.database.statement("SELECT visible_at - updated_at AS wait FROM messages", []);
    let row = stores.database.reader().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get::<i64>("", "wait").unwrap() as f64 / 1e6
}
