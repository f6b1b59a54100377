//! Runs as small rows, the segments that hold their payloads, and the projects that they belong to.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, boolean, json_binary, string, text, text_null, timestamp_with_time_zone,
    timestamp_with_time_zone_null, uuid, uuid_null,
};

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_projects(manager).await?;
        create_segments(manager).await?;
        create_runs(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Runs::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Segments::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Projects::Table).to_owned()).await
    }
}

async fn create_projects(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Projects::Table)
                .col(uuid(Projects::WorkspaceId))
                .col(uuid(Projects::Id))
                .col(text(Projects::Name))
                .col(timestamp_with_time_zone(Projects::CreatedAt))
                .primary_key(Index::create().col(Projects::WorkspaceId).col(Projects::Id))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_projects_workspace_id")
                        .from(Projects::Table, Projects::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let by_name = Index::create()
        .unique()
        .name("ux_projects_workspace_id_name")
        .table(Projects::Table)
        .col(Projects::WorkspaceId)
        .col(Projects::Name)
        .to_owned();
    manager.create_index(by_name).await
}

async fn create_segments(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Segments::Table)
                .col(uuid(Segments::Id).primary_key())
                .col(uuid(Segments::WorkspaceId))
                .col(big_integer(Segments::Size))
                .col(string(Segments::Encoding))
                .col(big_integer(Segments::LiveRuns))
                .col(timestamp_with_time_zone(Segments::CreatedAt))
                // Set when the last reference goes, or when an orphan is condemned; never cleared.
                .col(timestamp_with_time_zone_null(Segments::DeadAt))
                .to_owned(),
        )
        .await?;
    let dead = Index::create().name("ix_segments_dead_at").table(Segments::Table).col(Segments::DeadAt).to_owned();
    manager.create_index(dead).await
}

async fn create_runs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Runs::Table)
                .col(uuid(Runs::WorkspaceId))
                .col(uuid(Runs::Id))
                .col(uuid(Runs::ProjectId))
                .col(uuid(Runs::TraceId))
                .col(uuid_null(Runs::ParentRunId))
                .col(text_null(Runs::DottedOrder))
                .col(text(Runs::Name))
                .col(text(Runs::RunType))
                .col(string(Runs::Status))
                .col(boolean(Runs::HasError))
                .col(timestamp_with_time_zone(Runs::StartTime))
                .col(timestamp_with_time_zone_null(Runs::EndTime))
                .col(uuid_null(Runs::ReferenceExampleId))
                .col(json_binary(Runs::Tags))
                .col(json_binary(Runs::Metadata))
                .col(text_null(Runs::ErrorPreview))
                .col(text(Runs::InputsPreview))
                .col(text(Runs::OutputsPreview))
                .col(json_binary(Runs::Payload))
                .col(string(Runs::Digest))
                .col(timestamp_with_time_zone(Runs::CreatedAt))
                .primary_key(Index::create().col(Runs::WorkspaceId).col(Runs::Id))
                .to_owned(),
        )
        .await?;
    newest_first(manager, "ix_runs_workspace_id_start_time", None).await?;
    newest_first(manager, "ix_runs_workspace_id_project_id_start_time", Some(Runs::ProjectId)).await?;
    newest_first(manager, "ix_runs_workspace_id_trace_id_start_time", Some(Runs::TraceId)).await
}

/// An index that serves a list of runs, newest first, within a workspace and what `within` says.
async fn newest_first(manager: &SchemaManager<'_>, name: &'static str, within: Option<Runs>) -> Result<(), DbErr> {
    let mut index = Index::create().name(name).table(Runs::Table).col(Runs::WorkspaceId).to_owned();
    if let Some(column) = within {
        index.col(column);
    }
    manager.create_index(index.col(Runs::StartTime).col(Runs::Id).to_owned()).await
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Projects {
    Table,
    WorkspaceId,
    Id,
    Name,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Segments {
    Table,
    Id,
    WorkspaceId,
    Size,
    Encoding,
    LiveRuns,
    CreatedAt,
    DeadAt,
}

#[derive(DeriveIden)]
enum Runs {
    Table,
    WorkspaceId,
    Id,
    ProjectId,
    TraceId,
    ParentRunId,
    DottedOrder,
    Name,
    RunType,
    Status,
    HasError,
    StartTime,
    EndTime,
    ReferenceExampleId,
    Tags,
    Metadata,
    ErrorPreview,
    InputsPreview,
    OutputsPreview,
    Payload,
    Digest,
    CreatedAt,
}
