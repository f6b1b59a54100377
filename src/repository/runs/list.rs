//! Lists of runs and the shape of a trace; no payload is read here.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::{RunRepository, decoded};
use crate::error::Result;
use crate::repository::entity::run;
use crate::repository::text;

/// Which runs a list holds; every condition that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this trace.
    pub trace_id: Option<Uuid>,
    /// Of this project.
    pub project_id: Option<Uuid>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// Of this type.
    pub run_type: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With these small scalars in their metadata, as text.
    pub metadata: Vec<(String, String)>,
    /// Begun at this time or later.
    pub started_from: Option<DateTime<Utc>>,
    /// Begun at this time or earlier.
    pub started_to: Option<DateTime<Utc>>,
    /// With an error, or without.
    pub has_error: Option<bool>,
}

/// A place in the order of a list, newest first: the list goes on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunPosition {
    /// When the last run before it began.
    pub start_time: DateTime<Utc>,
    /// The id of that run, which breaks ties.
    pub id: Uuid,
}

/// What the order of a trace needs to know of one run.
#[derive(Debug, Clone, Copy)]
pub struct TraceNode {
    /// The run.
    pub id: Uuid,
    /// The run that called it.
    pub parent: Option<Uuid>,
}

impl RunRepository {
    /// Runs of a workspace, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(
        &self,
        workspace: Uuid,
        filter: &RunFilter,
        after: Option<RunPosition>,
        limit: u64,
    ) -> Result<Vec<run::Model>> {
        let mut query = self.filtered(workspace, filter);
        if let Some(after) = after {
            let key = Expr::tuple([Expr::col(run::Column::StartTime), Expr::col(run::Column::Id)]);
            let last = Expr::tuple([Expr::val(after.start_time), Expr::val(after.id)]);
            query = query.filter(key.lt(last));
        }
        let query = query.order_by_desc(run::Column::StartTime).order_by_desc(run::Column::Id).limit(limit);
        self.database
            .bounded(async { Ok(query.all(self.database.reader()).await?.into_iter().map(decoded).collect()) })
            .await
    }

    /// The runs of a trace in the order in which they began.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trace_nodes(&self, workspace: Uuid, trace: Uuid) -> Result<Vec<TraceNode>> {
        let query = run::Entity::find()
            .select_only()
            .columns([run::Column::Id, run::Column::ParentRunId])
            .filter(run::Column::WorkspaceId.eq(workspace))
            .filter(run::Column::TraceId.eq(trace))
            .order_by_asc(run::Column::StartTime)
            .order_by_asc(run::Column::Id)
            .into_tuple::<(Uuid, Option<Uuid>)>();
        self.database
            .bounded(async {
                let nodes = query.all(self.database.reader()).await?;
                Ok(nodes.into_iter().map(|(id, parent)| TraceNode { id, parent }).collect())
            })
            .await
    }

    /// The runs of these ids in a workspace, in no order; what is gone is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_many(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<Vec<run::Model>> {
        let query =
            run::Entity::find().filter(run::Column::WorkspaceId.eq(workspace)).filter(run::Column::Id.is_in(ids));
        self.database
            .bounded(async { Ok(query.all(self.database.reader()).await?.into_iter().map(decoded).collect()) })
            .await
    }

    fn filtered(&self, workspace: Uuid, filter: &RunFilter) -> Select<run::Entity> {
        let mut query = run::Entity::find().filter(run::Column::WorkspaceId.eq(workspace));
        let texts = [
            (run::Column::Name, &filter.name),
            (run::Column::RunType, &filter.run_type),
            (run::Column::Status, &filter.status),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                query = query.filter(column.eq(text::encode(wanted)));
            }
        }
        for (column, wanted) in [(run::Column::TraceId, filter.trace_id), (run::Column::ProjectId, filter.project_id)] {
            if let Some(wanted) = wanted {
                query = query.filter(column.eq(wanted));
            }
        }
        if let Some(tag) = &filter.tag {
            query = query.filter(self.database.json_array_has(Expr::col(run::Column::Tags), &text::encode(tag)));
        }
        for (key, value) in &filter.metadata {
            let column = Expr::col(run::Column::Metadata);
            query = query.filter(self.database.json_object_has(column, &text::encode(key), &text::encode(value)));
        }
        if let Some(from) = filter.started_from {
            query = query.filter(run::Column::StartTime.gte(from));
        }
        if let Some(to) = filter.started_to {
            query = query.filter(run::Column::StartTime.lte(to));
        }
        if let Some(has_error) = filter.has_error {
            query = query.filter(run::Column::HasError.eq(has_error));
        }
        query
    }
}
