//! The queue: topics, messages in the order of their ranks, and leases. The same statements run on both databases.
//!
//! Moments are microseconds since 1970 here, as in the columns, since they are compared and added up in statements.

mod announce;
mod claim;
mod dead;
mod depth;
mod expire;
mod publish;
mod settle;
mod topics;
mod upkeep;

pub use crate::repository::entity::topic::Model as Topic;
pub use announce::Announcements;
pub use claim::{Claimed, LeasedMessage, Taker};
pub use dead::DeadMessage;
pub use depth::Depth;
pub use expire::{Expired, Expiry};
pub use publish::{MAX_PRIORITY, NewMessage, Published, first_rank};
pub use settle::Settlement;
pub use topics::{Counts, TopicSettings};
pub use upkeep::{LOOK, Looked, Place, REST, Rows, Swept};

use chrono::{DateTime, Utc};

use super::Database;

/// What a message that nobody has settled has in `state`.
pub const LIVE: i16 = 0;
/// An acked one, until it is removed in bulk.
const ACKED: i16 = 1;
/// A dead letter.
const DEAD: i16 = 2;
/// One that was purged, or that nobody acked in time; removed with the acked ones, and counted nowhere.
const GONE: i16 = 3;

/// The queue in the database.
#[derive(Debug, Clone)]
pub struct QueueRepository {
    database: Database,
}

impl QueueRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

/// That a message is a dead letter: buried, given up, or leased too often and its last lease over, which nobody need
/// have marked yet.
fn is_dead(messages: &str, max_attempts: &str, now: &str) -> String {
    format!(
        "({messages}.state = {DEAD} OR ({messages}.state = {LIVE} AND {messages}.visible_at <= {now} \
         AND {messages}.attempts >= {max_attempts}))"
    )
}

fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}
