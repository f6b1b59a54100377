//! A row of `streamer_positions`: how far a source of samples was read, and what came of it.

use sea_orm::entity::prelude::*;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "streamer_positions")]
pub struct Model {
    /// The workspace that the samples go to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: Uuid,
    /// The path or address of the source.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// The number of the last step; each takes the next one, and only one streamer gets it.
    pub version: i64,
    /// How often the file was read to its end.
    pub round: i64,
    /// Samples published in this round.
    pub round_rows: i64,
    /// The number of the file's next line, counted from 1; 0 at its beginning.
    pub line: i64,
    /// Bytes of the file before the next row; 0 is its first row.
    pub byte: i64,
    /// What is just before the next row, as a hash.
    pub mark: i64,
    /// Samples published since the source is known.
    pub published: i64,
    /// Rows or lines that said nothing since then.
    pub bad: i64,
    /// The moment of the last sample; the next one is after it.
    pub last_at: Option<DateTimeUtc>,
    /// When the source was read last.
    pub updated_at: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
