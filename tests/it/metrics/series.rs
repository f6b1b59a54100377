//! The number of series is bounded: whatever callers make up, it is counted under what was there before.

use futures_util::{StreamExt, stream};
use serde_json::json;
use uuid::Uuid;

use super::{ARGUMENTS, scrape, series};
use crate::support::{Client, TestApp};

/// Ids and paths that are made up.
const MADE_UP: usize = 10_000;
/// Requests at once.
const AT_ONCE: usize = 32;
/// Names of topics that are told apart.
const TOPICS: usize = 50;

/// One in so many asks for more than an id and a path.
const MORE: usize = 20;

/// Asks for what nobody else asks for: mostly as a stranger, which is counted in the same way and costs less.
async fn ask(stranger: &Client, ada: &Client, number: usize) {
    stranger.get(&format!("/runs/{}", Uuid::new_v4())).await.problem(401);
    stranger.get(&format!("/made/up/{number}")).await.problem(404);
    if number.is_multiple_of(MORE) {
        ada.get(&format!("/runs/{}", Uuid::new_v4())).await.problem(404);
        ada.get(&format!("/api/v1/topics/t{number}")).await.problem(404);
        ada.call(&format!("MADE{number}"), "/runs", &json!({})).await.problem(405);
    }
}

/// Publishes a message on a topic of its own, which nobody ever has, and takes it.
async fn publish(ada: &Client, number: usize) {
    let message = json!({"messages": [{"msg_uuid": Uuid::new_v4(), "payload": number}]});
    ada.post(&format!("/api/v1/topics/u{number}/messages"), &message).await.ok(200);
    ada.post(&format!("/api/v1/topics/u{number}/leases"), &json!({"consumer_id": "c", "max": 1})).await.ok(200);
}

#[tokio::test]
async fn ten_thousand_ids_and_paths_and_any_method_or_topic_add_no_series() {
    let app = TestApp::with(&ARGUMENTS).await;
    let ada = app.user("ada").await;
    let stranger = app.client();
    ask(&stranger, &ada, 0).await;
    for number in 0..=TOPICS {
        publish(&ada, number).await;
    }
    scrape(&app.client()).await;
    let before = series(&scrape(&app.client()).await);
    let asked = stream::iter(1..MADE_UP).map(|number| ask(&stranger, &ada, number));
    asked.buffer_unordered(AT_ONCE).for_each(async |()| {}).await;
    for number in 0..TOPICS {
        publish(&ada, TOPICS + 1 + number).await;
    }
    assert_eq!(series(&scrape(&app.client()).await), before);

    // A server that knows of none of them yet counts what stands in the queue.
    let other = TestApp::over(app.stores.clone(), &ARGUMENTS).await;
    let lines = scrape(&other.client()).await;
    let topics = lines.iter().filter(|line| line.starts_with("queue_oldest_ready_seconds{"));
    assert_eq!(topics.count(), TOPICS + 1);
    let states = lines.iter().filter(|line| line.starts_with("queue_messages{"));
    assert_eq!(states.count(), 4 * (TOPICS + 1));
}
