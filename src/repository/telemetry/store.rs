//! What a collector brings, as one transaction with the queue.

use anyhow::Context;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use uuid::Uuid;

use super::TelemetryRepository;
use crate::error::Result;
use crate::repository::QueueRepository;
use crate::repository::entity::{gpu, sample_block};

/// A message that cannot be stored, and why.
pub type Dead = (Uuid, String);

/// What came with one lease.
#[derive(Debug)]
pub struct Batch {
    /// The workspace of the queue and of what is stored.
    pub workspace: Uuid,
    /// The lease.
    pub lease: Uuid,
    /// Messages that are done when this is stored.
    pub done: Vec<Uuid>,
    /// Messages that are not to come again.
    pub dead: Vec<Dead>,
    /// GPUs that were seen, each once and in the order of their ids.
    pub gpus: Vec<gpu::Model>,
    /// Samples in new blocks, whose numbers do not count.
    pub blocks: Vec<sample_block::Model>,
}

const BLOCK: &str = "series_id, tier, start_at, end_at, count, ingested_at, points, minutes, hours";

impl TelemetryRepository {
    /// Stores a batch and is done with its messages, all or nothing.
    ///
    /// # Errors
    /// [`crate::error::Error::Conflict`] when the lease is lost: the messages come again, and nothing was stored.
    pub async fn store(&self, queue: &QueueRepository, now: DateTime<Utc>, batch: &Batch) -> Result<()> {
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                if !batch.done.is_empty() {
                    queue.ack_in(&transaction, batch.lease, batch.workspace, &batch.done, now).await?;
                }
                if !batch.dead.is_empty() {
                    queue.bury_in(&transaction, batch.lease, batch.workspace, &batch.dead, now).await?;
                }
                self.see_gpus(&transaction, &batch.gpus).await?;
                self.insert_blocks(&transaction, &batch.blocks).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn see_gpus(&self, transaction: &DatabaseTransaction, gpus: &[gpu::Model]) -> Result<()> {
        if gpus.is_empty() {
            return Ok(());
        }
        let given = self.database.given_rows::<gpu::Entity>(1);
        // In the order of their ids, or two collectors that see the same GPUs would wait for each other in a ring.
        let sql = format!(
            "INSERT INTO gpus (workspace_id, id, gpu_id, device, model_name, hostname, first_seen, last_seen) \
             SELECT workspace_id, id, gpu_id, device, model_name, hostname, first_seen, last_seen FROM {given} \
             WHERE true ORDER BY id \
             ON CONFLICT (workspace_id, id) DO UPDATE SET \
             gpu_id = CASE WHEN excluded.last_seen >= gpus.last_seen THEN excluded.gpu_id ELSE gpus.gpu_id END, \
             device = CASE WHEN excluded.last_seen >= gpus.last_seen THEN excluded.device ELSE gpus.device END, \
             model_name = CASE WHEN excluded.last_seen >= gpus.last_seen \
             THEN excluded.model_name ELSE gpus.model_name END, \
             hostname = CASE WHEN excluded.last_seen >= gpus.last_seen THEN excluded.hostname ELSE gpus.hostname END, \
             first_seen = CASE WHEN excluded.first_seen < gpus.first_seen \
             THEN excluded.first_seen ELSE gpus.first_seen END, \
             last_seen = CASE WHEN excluded.last_seen > gpus.last_seen THEN excluded.last_seen ELSE gpus.last_seen END"
        );
        transaction.execute_raw(self.database.statement(sql, [as_json(gpus)?.into()])).await?;
        Ok(())
    }

    /// Inserts blocks under new numbers, in their order.
    pub(super) async fn insert_blocks(
        &self,
        transaction: &DatabaseTransaction,
        blocks: &[sample_block::Model],
    ) -> Result<()> {
        if blocks.is_empty() {
            return Ok(());
        }
        let given = self.database.given_rows::<sample_block::Entity>(1);
        let sql = format!("INSERT INTO sample_blocks ({BLOCK}) SELECT {BLOCK} FROM {given}");
        transaction.execute_raw(self.database.statement(sql, [as_json(blocks)?.into()])).await?;
        Ok(())
    }
}

/// Rows as one parameter.
pub(super) fn as_json<T: Serialize>(rows: &[T]) -> Result<String> {
    Ok(serde_json::to_string(rows).context("writing rows as JSON")?)
}
