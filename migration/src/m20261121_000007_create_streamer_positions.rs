//! How far each source of GPU samples was read.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(StreamerPositions::Table)
                    .col(uuid(StreamerPositions::WorkspaceId))
                    .col(text(StreamerPositions::Source))
                    .col(big_integer(StreamerPositions::Version))
                    .col(big_integer(StreamerPositions::Round))
                    .col(big_integer(StreamerPositions::RoundRows))
                    .col(big_integer(StreamerPositions::Line))
                    .col(big_integer(StreamerPositions::Byte))
                    .col(big_integer(StreamerPositions::Mark))
                    .col(big_integer(StreamerPositions::Published))
                    .col(big_integer(StreamerPositions::Bad))
                    .col(timestamp_with_time_zone_null(StreamerPositions::LastAt))
                    .col(timestamp_with_time_zone(StreamerPositions::UpdatedAt))
                    .primary_key(Index::create().col(StreamerPositions::WorkspaceId).col(StreamerPositions::Source))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_streamer_positions_workspace_id")
                            .from(StreamerPositions::Table, StreamerPositions::WorkspaceId)
                            .to(Workspaces::Table, Workspaces::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(StreamerPositions::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum StreamerPositions {
    Table,
    WorkspaceId,
    Source,
    Version,
    Round,
    RoundRows,
    Line,
    Byte,
    Mark,
    Published,
    Bad,
    LastAt,
    UpdatedAt,
}
