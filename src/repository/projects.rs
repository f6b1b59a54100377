//! Projects: made when a run first names them, and found by name or id.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::entity::project;
use super::{Database, text};
use crate::error::Result;

/// The projects in the database.
#[derive(Debug, Clone)]
pub struct ProjectRepository {
    database: Database,
}

impl ProjectRepository {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The project of this name in a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_by_name(&self, workspace: Uuid, name: &str) -> Result<Option<project::Model>> {
        let query = project::Entity::find()
            .filter(project::Column::WorkspaceId.eq(workspace))
            .filter(project::Column::Name.eq(text::encode(name)));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?.map(decoded)) }).await
    }

    /// The project of this id in a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, workspace: Uuid, id: Uuid) -> Result<Option<project::Model>> {
        let query = project::Entity::find_by_id((workspace, id));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?.map(decoded)) }).await
    }

    /// The projects of these ids in a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_many(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<Vec<project::Model>> {
        let query = project::Entity::find().filter(
            Condition::all().add(project::Column::WorkspaceId.eq(workspace)).add(project::Column::Id.is_in(ids)),
        );
        self.database
            .bounded(async { Ok(query.all(self.database.reader()).await?.into_iter().map(decoded).collect()) })
            .await
    }

    /// Makes a project unless its name or id is there already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create(&self, now: DateTime<Utc>, workspace: Uuid, id: Uuid, name: &str) -> Result<()> {
        let name = text::encode(name).into_owned();
        let row = project::Model { workspace_id: workspace, id, name, created_at: now };
        let insert = project::Entity::insert(row.into_active_model())
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert();
        self.database
            .bounded(async {
                insert.exec_without_returning(self.database.writer()).await?;
                Ok(())
            })
            .await
    }
}

fn decoded(project: project::Model) -> project::Model {
    project::Model { name: text::decode(project.name), ..project }
}
