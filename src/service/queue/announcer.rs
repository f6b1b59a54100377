//! Tells other processes what is ready, and hears it from them. Nothing relies on it but how soon a consumer there is
//! woken: who waits looks by itself several times a second.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use uuid::Uuid;

use super::claimer::Hearsay;
use crate::error::Result;
use crate::repository::QueueRepository;
use crate::repository::queue::Announcements;

/// Pause between two announcements, which gather what comes meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause before the database is asked again after it was away.
const RETRY: Duration = Duration::from_secs(5);

/// Announces what arrives until nobody can announce anything any more.
pub async fn announce(queue: QueueRepository, by: Uuid, mut arrivals: mpsc::UnboundedReceiver<(i64, i64)>) {
    let mut ready: HashMap<i64, i64> = HashMap::new();
    while let Some((topic, rank)) = arrivals.recv().await {
        let mut note = |topic: i64, rank: i64| {
            ready.entry(topic).and_modify(|least: &mut i64| *least = rank.min(*least)).or_insert(rank);
        };
        note(topic, rank);
        while let Ok((topic, rank)) = arrivals.try_recv() {
            note(topic, rank);
        }
        let some: Vec<(i64, i64)> = ready.drain().collect();
        if let Err(error) = queue.announce(by, &some).await {
            tracing::debug!(error = %format!("{:#}", anyhow::Error::new(error)), "announcing messages failed");
        }
        sleep(PAUSE).await;
    }
}

/// Passes on what others announce; never ends where there are others.
pub async fn hear(queue: QueueRepository, myself: Uuid, hearsay: Hearsay) {
    loop {
        match listen(&queue, myself, &hearsay).await {
            Ok(()) => std::future::pending().await,
            Err(error) => {
                tracing::debug!(error = %format!("{:#}", anyhow::Error::new(error)), "listening to others failed");
                sleep(RETRY).await;
            }
        }
    }
}

/// Ends where there are no others.
async fn listen(queue: &QueueRepository, myself: Uuid, hearsay: &Hearsay) -> Result<()> {
    let Some(mut announcements) = queue.announcements().await? else { return Ok(()) };
    loop {
        let (by, ready) = Announcements::next(&mut announcements).await?;
        if by != myself {
            for (topic, rank) in ready {
                hearsay.ready(topic, rank);
            }
        }
    }
}
