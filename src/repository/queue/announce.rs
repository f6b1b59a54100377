//! Announcements: one process tells the others from which rank on a topic may have something, so that they need not
//! wait for their next look.

use uuid::Uuid;

use super::QueueRepository;
use crate::error::Result;
use crate::repository::database::Listener;

/// Topics in one announcement, which has a limit of 8,000 bytes.
const TOPICS: usize = 100;

/// What other processes announce.
#[derive(Debug)]
pub struct Announcements(Listener);

impl QueueRepository {
    /// Tells everybody from which rank on these topics may have something.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn announce(&self, by: Uuid, ready: &[(i64, i64)]) -> Result<()> {
        for some in ready.chunks(TOPICS) {
            let text = some.iter().fold(by.to_string(), |text, (topic, rank)| format!("{text} {topic}:{rank}"));
            self.database.say(&text).await?;
        }
        Ok(())
    }

    /// What is announced from now on; nothing where there are no other processes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn announcements(&self) -> Result<Option<Announcements>> {
        Ok(self.database.listen().await?.map(Announcements))
    }
}

impl Announcements {
    /// Who announces next, and which topics from which ranks on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&mut self) -> Result<(Uuid, Vec<(i64, i64)>)> {
        loop {
            if let Some(announced) = read(&self.0.heard().await?) {
                return Ok(announced);
            }
        }
    }
}

fn read(text: &str) -> Option<(Uuid, Vec<(i64, i64)>)> {
    let (by, ready) = text.split_once(' ')?;
    let pair = |text: &str| {
        let (topic, rank) = text.split_once(':')?;
        Some((topic.parse().ok()?, rank.parse().ok()?))
    };
    Some((by.parse().ok()?, ready.split(' ').filter_map(pair).collect()))
}
