//! The queue: topics, messages in the order of their ranks, and leases. The same statements run on both databases.
//!
//! Moments are microseconds since 1970 here, as in the columns, since they are compared and added up in statements.

mod claim;
mod publish;
mod settle;
mod topics;

pub use crate::repository::entity::topic::Model as Topic;
pub use claim::{Claimed, LeasedMessage, Taker};
pub use publish::{MAX_PRIORITY, NewMessage, Published, first_rank};
pub use settle::Settlement;
pub use topics::TopicSettings;

use chrono::{DateTime, Utc};

use super::Database;

/// What a message that nobody has settled has in `state`.
const LIVE: i16 = 0;
/// An acked one, until it is removed in bulk.
const ACKED: i16 = 1;
/// A dead letter.
const DEAD: i16 = 2;

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

fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}
