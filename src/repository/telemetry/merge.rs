//! Blocks are merged, and expire: both find what is due, and change only what nobody else is changing.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::TelemetryRepository;
use super::blocks::LONGEST;
use crate::error::Result;
use crate::repository::Database;
use crate::repository::entity::sample_block;

/// The tier of blocks as they were collected.
pub const FRESH: i64 = 0;
/// The tier of blocks that are not merged with others any more, unless others overlap with them.
pub const FINAL: i64 = 2;
/// The tier of blocks whose samples have expired.
pub const EXPIRED: i64 = 3;

/// A merge that is under way; dropped, it leaves everything as it was.
#[derive(Debug)]
pub struct Merge {
    repository: TelemetryRepository,
    transaction: DatabaseTransaction,
}

impl TelemetryRepository {
    /// Series that have at least this many fresh blocks, or this many samples in them, each with how many those are;
    /// `limit` of them at most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_mergeable(&self, blocks: i64, samples: i64, limit: i64) -> Result<Vec<(i64, i64)>> {
        let sql = "SELECT series_id, CAST(sum(count) AS bigint) FROM sample_blocks WHERE tier = $1 \
                   GROUP BY series_id HAVING count(*) >= $2 OR (count(*) > 1 AND sum(count) >= $3) \
                   ORDER BY series_id LIMIT $4";
        let values = [FRESH.into(), blocks.into(), samples.into(), limit.into()];
        let statement = self.database.statement(sql, values);
        self.database
            .bounded(async {
                let rows = self.database.reader().query_all_raw(statement).await?;
                rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
            })
            .await
    }

    /// Begins to merge blocks of these series. Those in which somebody else merges are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_merge(&self, series: &[i64]) -> Result<(Merge, Vec<i64>)> {
        let sql = format!(
            "SELECT id FROM series WHERE {} ORDER BY id {}",
            self.database.is_one_of("id", "$1"),
            self.database.skip_locked()
        );
        let statement = self.database.statement(sql, [self.database.integers(series.iter().copied())]);
        self.database
            .bounded(async {
                let transaction = self.database.begin().await?;
                let rows = transaction.query_all_raw(statement).await?;
                let locked = rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect::<Result<_>>()?;
                Ok((Merge { repository: self.clone(), transaction }, locked))
            })
            .await
    }

    /// The oldest blocks of which every sample was measured and stored before a moment, and is still there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_expired(&self, before: DateTime<Utc>, limit: u64) -> Result<Vec<sample_block::Model>> {
        let before = before.timestamp_micros();
        let query = sample_block::Entity::find()
            .filter(sample_block::Column::Tier.is_in([FRESH, 1, FINAL]))
            .filter(sample_block::Column::IngestedAt.lt(before))
            .filter(sample_block::Column::EndAt.lt(before))
            .limit(limit);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// Takes the samples out of blocks, and leaves what they were by the minute and by the hour; those that were merged
    /// meanwhile stay as they are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn expire(&self, blocks: &[sample_block::Model]) -> Result<()> {
        let given = self.database.given_rows::<sample_block::Entity>(1);
        let sql = format!(
            "UPDATE sample_blocks SET tier = {EXPIRED}, points = NULL, minutes = given.minutes, hours = given.hours \
             FROM {given} WHERE sample_blocks.id = given.id"
        );
        let json = super::store::as_json(blocks)?;
        let statement = self.database.statement(sql, [json.into()]);
        self.database.bounded(async { Ok(self.database.writer().execute_raw(statement).await.map(drop)?) }).await
    }

    /// Deletes blocks that have expired and lie before a moment, and says how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_expired(&self, before: DateTime<Utc>, limit: i64) -> Result<u64> {
        let before = before.timestamp_micros();
        let sql = "DELETE FROM sample_blocks WHERE id IN (SELECT id FROM sample_blocks \
                   WHERE tier = $1 AND ingested_at < $2 AND end_at < $2 LIMIT $3)";
        let statement = self.database.statement(sql, [EXPIRED.into(), before.into(), limit.into()]);
        self.database.bounded(async { Ok(self.database.writer().execute_raw(statement).await?.rows_affected()) }).await
    }
}

impl Merge {
    /// The blocks of some series that are not merged for good, what came first before what came later.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_young(&self, series: &[i64]) -> Result<Vec<sample_block::Model>> {
        let database = self.database();
        let sql = format!(
            "SELECT * FROM sample_blocks WHERE {} AND tier < $2 ORDER BY series_id, tier DESC, id",
            database.is_one_of("series_id", "$1")
        );
        let statement = database.statement(sql, [database.integers(series.iter().copied()), FINAL.into()]);
        let query = sample_block::Entity::find().from_raw_sql(statement);
        database.bounded(async { Ok(query.all(&self.transaction).await?) }).await
    }

    /// The blocks of a series that are merged for good and have to do with a span of time, what came first before what
    /// came later; and the one that ends last before it, when it ends within a block's length of its beginning.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_final(&self, series: i64, from: i64, to: i64) -> Result<Vec<sample_block::Model>> {
        let within = |query: sea_orm::Select<sample_block::Entity>| {
            query
                .filter(sample_block::Column::SeriesId.eq(series))
                .filter(sample_block::Column::StartAt.gte(from.saturating_sub(LONGEST)))
                .filter(sample_block::Column::Tier.eq(FINAL))
        };
        let overlapping = within(sample_block::Entity::find())
            .filter(sample_block::Column::StartAt.lte(to))
            .filter(sample_block::Column::EndAt.gte(from))
            .order_by_asc(sample_block::Column::Id);
        let before = within(sample_block::Entity::find())
            .filter(sample_block::Column::StartAt.lt(from))
            .filter(sample_block::Column::EndAt.lt(from))
            .order_by_desc(sample_block::Column::StartAt)
            .limit(1);
        self.database()
            .bounded(async {
                let mut found = before.all(&self.transaction).await?;
                found.extend(overlapping.all(&self.transaction).await?);
                Ok(found)
            })
            .await
    }

    /// Puts blocks in the place of others.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replace(&self, old: Vec<i64>, new: &[sample_block::Model]) -> Result<()> {
        let database = self.database();
        let sql = format!("DELETE FROM sample_blocks WHERE {}", database.is_one_of("id", "$1"));
        let delete = database.statement(sql, [database.integers(old)]);
        database
            .bounded(async {
                self.transaction.execute_raw(delete).await?;
                self.repository.insert_blocks(&self.transaction, new).await
            })
            .await
    }

    /// Makes it so.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish(self) -> Result<()> {
        let Self { repository, transaction } = self;
        repository.database.bounded(async { Ok(transaction.commit().await?) }).await
    }

    fn database(&self) -> &Database {
        &self.repository.database
    }
}
