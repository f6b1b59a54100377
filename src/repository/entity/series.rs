//! A row of `series`: one metric of one GPU under the same labels.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// The row. A text that is not known is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "series")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The workspace.
    pub workspace_id: Uuid,
    /// The GPU's own id.
    pub gpu: String,
    /// What is measured.
    pub metric_name: String,
    /// A digest of everything below, in hex.
    pub labels_key: String,
    /// The GPU's number on its host.
    pub gpu_id: String,
    /// The GPU's device on its host.
    pub device: String,
    /// The GPU's model.
    pub model_name: String,
    /// The host.
    pub hostname: String,
    /// The container that had the GPU.
    pub container: String,
    /// The pod that had the GPU.
    pub pod: String,
    /// The pod's namespace.
    pub namespace: String,
    /// Every label as the exporter gave it.
    pub labels_raw: String,
}

/// None is declared: joins are spelled where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
