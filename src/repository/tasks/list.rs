//! Lists of tasks: a page with the true number of all, and the whole list in bounded pieces.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, LikeExpr, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, IntoSimpleExpr, PaginatorTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect,
};
use uuid::Uuid;

use super::TaskRepository;
use super::search::containing;
use crate::error::Result;
use crate::repository::entity::task;

/// Which tasks a list holds; every condition that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// With this text in any field, in any case.
    pub containing: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// Of this assignee.
    pub assignee_id: Option<i64>,
    /// Of exactly this title.
    pub title: Option<String>,
    /// About this run.
    pub run_id: Option<Uuid>,
}

/// A column that a list can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortColumn {
    /// The number.
    Id,
    /// The title.
    Title,
    /// The description.
    Description,
    /// The status.
    Status,
    /// The assignee.
    AssigneeId,
    /// When it was made.
    CreatedAt,
    /// When it was changed last.
    UpdatedAt,
}

/// One part of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By this column.
    pub column: SortColumn,
    /// The largest first.
    pub descending: bool,
}

struct Counted {
    task: task::Model,
    total: i64,
}

impl FromQueryResult for Counted {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, sea_orm::DbErr> {
        let task = task::Model::from_query_result(row, prefix)?;
        Ok(Self { task, total: row.try_get(prefix, "total")? })
    }
}

impl TaskRepository {
    /// A page of tasks after `offset` others, in this order, and how many there are on all pages.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(
        &self,
        workspace: Uuid,
        filter: &TaskFilter,
        order: &[Sort],
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<task::Model>, u64)> {
        let condition = condition(workspace, filter);
        let mut query = task::Entity::find().filter(condition.clone());
        query = query.column_as(Expr::SubQuery(None, Box::new(total(condition.clone()).into())), "total");
        for sort in order {
            let direction = if sort.descending { Order::Desc } else { Order::Asc };
            query = query.order_by(self.ordered(sort.column), direction);
        }
        let query = query.offset(offset).limit(limit).into_model::<Counted>();
        self.database
            .bounded(async {
                let rows = query.all(self.database.reader()).await?;
                let total = match rows.first() {
                    Some(row) => row.total as u64,
                    // A page beyond the last one has no row that could say it.
                    None if offset > 0 => task::Entity::find().filter(condition).count(self.database.reader()).await?,
                    None => 0,
                };
                Ok((rows.into_iter().map(|row| row.task).collect(), total))
            })
            .await
    }

    /// The next tasks of a workspace after this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_after(&self, workspace: Uuid, id: i64, limit: u64) -> Result<Vec<task::Model>> {
        let query = task::Entity::find()
            .filter(task::Column::WorkspaceId.eq(workspace))
            .filter(task::Column::Id.gt(id))
            .order_by_asc(task::Column::Id)
            .limit(limit);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    fn ordered(&self, column: SortColumn) -> Expr {
        let text = |column: task::Column| self.database.by_code_points(Expr::col((task::Entity, column)));
        match column {
            SortColumn::Id => task::Column::Id.into_simple_expr(),
            SortColumn::Title => text(task::Column::Title),
            SortColumn::Description => text(task::Column::Description),
            SortColumn::Status => text(task::Column::Status),
            SortColumn::AssigneeId => task::Column::AssigneeId.into_simple_expr(),
            SortColumn::CreatedAt => task::Column::CreatedAt.into_simple_expr(),
            SortColumn::UpdatedAt => task::Column::UpdatedAt.into_simple_expr(),
        }
    }
}

fn total(condition: Condition) -> SelectStatement {
    let count = Func::count(Expr::col((task::Entity, task::Column::Id)));
    Query::select().expr(count).from(task::Entity).cond_where(condition).to_owned()
}

fn condition(workspace: Uuid, filter: &TaskFilter) -> Condition {
    let mut condition = Condition::all().add(task::Column::WorkspaceId.eq(workspace));
    if let Some(text) = &filter.containing {
        let like = || LikeExpr::new(containing(text)).escape('\\');
        let id = Expr::col((task::Entity, task::Column::Id)).cast_as(Alias::new("text"));
        let search = Expr::col((task::Entity, task::Column::Search));
        condition = condition.add(Condition::any().add(search.like(like())).add(id.like(like())));
    }
    if let Some(status) = &filter.status {
        condition = condition.add(task::Column::Status.eq(status));
    }
    if let Some(assignee) = filter.assignee_id {
        condition = condition.add(task::Column::AssigneeId.eq(assignee));
    }
    if let Some(title) = &filter.title {
        condition = condition.add(task::Column::Title.eq(title));
    }
    if let Some(run) = filter.run_id {
        condition = condition.add(task::Column::RunId.eq(run));
    }
    condition
}
