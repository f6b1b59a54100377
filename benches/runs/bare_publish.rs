//! The statement that publishes, by pgbench alone, in tables of its own: what it leaves must not be cleaned up while the
//! server is measured.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use sea_orm::{ConnectionTrait, Database};

use crate::pgbench;
use crate::queue::{CLIENTS, payload};
use crate::stores::{Kind, Stores};

/// Seconds that pgbench takes for a round.
const SECONDS: usize = 3;

/// Tables that no server knows.
pub struct Bare(Stores);

impl Bare {
    /// Makes them, where there is a PostgreSQL.
    pub async fn new(kind: &Kind) -> Result<Self> {
        let stores = Stores::new(kind).await?;
        if let Some(url) = stores.database_url() {
            let mut command = Command::new(env!("CARGO_BIN_EXE_runyard"));
            command.env_clear().args(["migrate", "up"]).env("DATABASE_URL", url);
            let output = command.output()?;
            ensure!(output.status.success(), "making tables: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self(stores))
    }

    /// Messages a second by as many clients as ours has, prepared, so many in a statement; nothing without PostgreSQL.
    pub async fn publish(&self, program: &Path, batch: usize) -> Result<Option<f64>> {
        let Some(url) = self.0.database_url() else { return Ok(None) };
        let statement = format!(
            "WITH given AS MATERIALIZED (SELECT gen_random_uuid() AS msg_uuid, \
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) + place AS rank, \
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS visible_at, \
             '{payload}' AS payload FROM generate_series(1, {batch}) AS place), \
             fresh AS (INSERT INTO message_keys (topic_id, msg_uuid, seen_at) SELECT 0, msg_uuid, visible_at FROM given \
             ORDER BY msg_uuid ON CONFLICT (topic_id, msg_uuid) DO UPDATE SET seen_at = excluded.seen_at \
             WHERE message_keys.seen_at <= 0 RETURNING msg_uuid), \
             messages AS (INSERT INTO messages (topic_id, rank, visible_at, created_at, updated_at, msg_uuid, attempts, \
             slot, state) SELECT 0, given.rank, visible_at, visible_at, visible_at, given.msg_uuid, 0, \
             (SELECT open_slot FROM queue_slots), 3 FROM given JOIN fresh ON fresh.msg_uuid = given.msg_uuid), \
             payloads AS (INSERT INTO message_payloads (topic_id, rank, msg_uuid, slot, payload) \
             SELECT 0, given.rank, given.msg_uuid, (SELECT open_slot FROM queue_slots), payload \
             FROM given JOIN fresh ON fresh.msg_uuid = given.msg_uuid) SELECT count(*) FROM fresh;",
            payload = payload(),
        );
        let rate = pgbench::rate(program, self.0.folder(), url, &statement, CLIENTS, SECONDS)?;
        let connection = Database::connect(url).await?;
        connection.execute_unprepared("TRUNCATE messages, message_payloads, message_keys").await?;
        Ok(Some(rate * batch as f64))
    }
}
