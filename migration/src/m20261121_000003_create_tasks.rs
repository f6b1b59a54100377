//! Tasks with a counter of ids for each workspace, and what became of each task.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, json_binary, string, text, timestamp_with_time_zone, uuid, uuid_null};

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_counters(manager).await?;
        create_tasks(manager).await?;
        create_changes(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskChanges::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Tasks::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(TaskCounters::Table).to_owned()).await
    }
}

async fn create_counters(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(TaskCounters::Table)
                .col(uuid(TaskCounters::WorkspaceId).primary_key())
                .col(big_integer(TaskCounters::LastId))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_task_counters_workspace_id")
                        .from(TaskCounters::Table, TaskCounters::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await
}

async fn create_tasks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Tasks::Table)
                .col(uuid(Tasks::WorkspaceId))
                .col(big_integer(Tasks::Id))
                .col(text(Tasks::Title))
                .col(text(Tasks::Description))
                .col(string(Tasks::Status))
                .col(big_integer(Tasks::AssigneeId))
                // A plain reference: a task outlives the run that it is about.
                .col(uuid_null(Tasks::RunId))
                .col(big_integer(Tasks::Version))
                // Every field but the id, in the one case that searches compare.
                .col(text(Tasks::Search))
                .col(timestamp_with_time_zone(Tasks::CreatedAt))
                .col(timestamp_with_time_zone(Tasks::UpdatedAt))
                .primary_key(Index::create().col(Tasks::WorkspaceId).col(Tasks::Id))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_tasks_workspace_id")
                        .from(Tasks::Table, Tasks::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    newest_first(manager, "ix_tasks_workspace_id_created_at", None).await?;
    newest_first(manager, "ix_tasks_workspace_id_status_created_at", Some(Tasks::Status)).await?;
    newest_first(manager, "ix_tasks_workspace_id_assignee_id_created_at", Some(Tasks::AssigneeId)).await?;
    newest_first(manager, "ix_tasks_workspace_id_run_id_created_at", Some(Tasks::RunId)).await
}

/// An index that serves a list of tasks, newest first, within a workspace and what `within` says.
async fn newest_first(manager: &SchemaManager<'_>, name: &'static str, within: Option<Tasks>) -> Result<(), DbErr> {
    let mut index = Index::create().name(name).table(Tasks::Table).col(Tasks::WorkspaceId).to_owned();
    if let Some(column) = within {
        index.col(column);
    }
    manager.create_index(index.col(Tasks::CreatedAt).col(Tasks::Id).to_owned()).await
}

async fn create_changes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(TaskChanges::Table)
                .col(uuid(TaskChanges::WorkspaceId))
                .col(big_integer(TaskChanges::TaskId))
                .col(timestamp_with_time_zone(TaskChanges::At))
                .col(uuid(TaskChanges::Id))
                .col(uuid(TaskChanges::UserId))
                .col(uuid_null(TaskChanges::KeyId))
                .col(string(TaskChanges::Action))
                .col(json_binary(TaskChanges::Fields))
                // No reference to the task: who deleted it is a question that comes afterwards.
                .primary_key(
                    Index::create()
                        .col(TaskChanges::WorkspaceId)
                        .col(TaskChanges::TaskId)
                        .col(TaskChanges::At)
                        .col(TaskChanges::Id),
                )
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_task_changes_workspace_id")
                        .from(TaskChanges::Table, TaskChanges::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum TaskCounters {
    Table,
    WorkspaceId,
    LastId,
}

#[derive(DeriveIden)]
enum Tasks {
    Table,
    WorkspaceId,
    Id,
    Title,
    Description,
    Status,
    AssigneeId,
    RunId,
    Version,
    Search,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum TaskChanges {
    Table,
    WorkspaceId,
    TaskId,
    At,
    Id,
    UserId,
    KeyId,
    Action,
    Fields,
}
