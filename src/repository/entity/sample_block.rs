//! A row of `sample_blocks`: samples of one series that lie near each other in time.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row. Moments are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "sample_blocks")]
pub struct Model {
    /// Its number; what came later has a larger one.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The series.
    pub series_id: i64,
    /// How often it was merged: every block of a higher tier came before every one of a lower tier.
    pub tier: i64,
    /// The time of its first sample.
    pub start_at: i64,
    /// The time of its last sample.
    pub end_at: i64,
    /// Its samples.
    pub count: i64,
    /// When its last sample was stored.
    pub ingested_at: i64,
    /// Its samples as JSON; nothing when they have expired.
    pub points: Option<String>,
    /// Its samples by the minute as JSON, where that is shorter than they are.
    pub minutes: Option<String>,
    /// The same by the hour.
    pub hours: Option<String>,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
