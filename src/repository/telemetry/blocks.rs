//! Blocks of samples as they are read: in the order of their beginnings, with no more of them than is asked for.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select};

use super::TelemetryRepository;
use crate::error::Result;
use crate::repository::entity::{sample_block, series};

/// No block is longer, so that one that reaches into a span of time begins at most this long before it.
pub const LONGEST: i64 = 24 * 3600 * 1_000_000;

/// How finely blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Their samples.
    Points,
    /// Their samples by the minute.
    Minutes,
    /// Their samples by the hour.
    Hours,
}

/// A block with one of its texts. Moments are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Block {
    /// Its number.
    pub id: i64,
    /// Its series.
    pub series_id: i64,
    /// How often it was merged.
    pub tier: i64,
    /// The time of its first sample.
    pub start_at: i64,
    /// The time of its last sample.
    pub end_at: i64,
    /// When its last sample was stored.
    pub ingested_at: i64,
    /// What was asked for; nothing when it has none.
    pub text: Option<String>,
}

impl TelemetryRepository {
    /// The first `limit` blocks of some series that have to do with a span of time, by their beginnings.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_blocks(
        &self,
        series: &[i64],
        from: i64,
        to: i64,
        grain: Grain,
        limit: u64,
    ) -> Result<Vec<Block>> {
        let query = read(grain)
            .filter(sample_block::Column::SeriesId.is_in(series.iter().copied()))
            .filter(sample_block::Column::StartAt.gte(from.saturating_sub(LONGEST)))
            .filter(sample_block::Column::StartAt.lte(to))
            .filter(sample_block::Column::EndAt.gte(from))
            .order_by_asc(sample_block::Column::SeriesId)
            .order_by_asc(sample_block::Column::StartAt)
            .limit(limit)
            .into_model::<Block>();
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// The samples of these blocks; one that was merged meanwhile is missing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_blocks(&self, ids: Vec<i64>) -> Result<Vec<Block>> {
        let sql = format!(
            "SELECT id, series_id, tier, start_at, end_at, ingested_at, points AS text FROM sample_blocks WHERE {}",
            self.database.is_one_of("id", "$1")
        );
        let query = Block::find_by_statement(self.database.statement(sql, [self.database.integers(ids)]));
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }
}

/// The blocks of a series that have to do with a span of time, for a condition on series.
pub(super) fn between(from: i64, to: i64) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(sample_block::Entity)
        .and_where(
            Expr::col((sample_block::Entity, sample_block::Column::SeriesId))
                .equals((series::Entity, series::Column::Id)),
        )
        .and_where(sample_block::Column::StartAt.gte(from.saturating_sub(LONGEST)))
        .and_where(sample_block::Column::StartAt.lte(to))
        .and_where(sample_block::Column::EndAt.gte(from))
        .to_owned()
}

fn read(grain: Grain) -> Select<sample_block::Entity> {
    let text = match grain {
        Grain::Points => sample_block::Column::Points,
        Grain::Minutes => sample_block::Column::Minutes,
        Grain::Hours => sample_block::Column::Hours,
    };
    sample_block::Entity::find()
        .select_only()
        .columns([
            sample_block::Column::Id,
            sample_block::Column::SeriesId,
            sample_block::Column::Tier,
            sample_block::Column::StartAt,
            sample_block::Column::EndAt,
            sample_block::Column::IngestedAt,
        ])
        .column_as(text, "text")
}
