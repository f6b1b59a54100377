//! A row of `gpus`.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "gpus")]
pub struct Model {
    /// The workspace.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: Uuid,
    /// The GPU's own id, `GPU-…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Its number on its host; empty when it is not known, as the other texts.
    pub gpu_id: String,
    /// Its device on its host.
    pub device: String,
    /// Its model.
    pub model_name: String,
    /// The host that it was in last.
    pub hostname: String,
    /// The time of its first sample.
    pub first_seen: DateTimeUtc,
    /// The time of its last sample.
    pub last_seen: DateTimeUtc,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
