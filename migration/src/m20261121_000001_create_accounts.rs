//! Users, their workspaces, and what they sign in with; every later table belongs to a workspace from its start.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    small_integer_null, string, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
};

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Workspaces::Table)
                    .col(uuid(Workspaces::Id).primary_key())
                    .col(string(Workspaces::Name))
                    .col(timestamp_with_time_zone(Workspaces::CreatedAt))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Users::Table)
                    .col(uuid(Users::Id).primary_key())
                    .col(string(Users::Email))
                    .col(string(Users::PasswordHash))
                    .col(uuid(Users::WorkspaceId))
                    // The operator sits on seat 1; a unique column lets exactly one of many first sign-ups have it.
                    .col(small_integer_null(Users::OperatorSeat))
                    .col(timestamp_with_time_zone(Users::CreatedAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_users_workspace_id")
                            .from(Users::Table, Users::WorkspaceId)
                            .to(Workspaces::Table, Workspaces::Id),
                    )
                    .to_owned(),
            )
            .await?;
        unique(manager, "ux_users_email", Users::Table, Users::Email).await?;
        unique(manager, "ux_users_operator_seat", Users::Table, Users::OperatorSeat).await?;
        create_members(manager).await?;
        create_sessions(manager).await?;
        create_api_keys(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ApiKeys::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(RefreshTokens::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Sessions::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Members::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Users::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Workspaces::Table).to_owned()).await
    }
}

async fn create_members(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Members::Table)
                .col(uuid(Members::WorkspaceId))
                .col(uuid(Members::UserId))
                .col(string(Members::Role))
                .col(timestamp_with_time_zone(Members::CreatedAt))
                .primary_key(Index::create().col(Members::WorkspaceId).col(Members::UserId))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_members_workspace_id")
                        .from(Members::Table, Members::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_members_user_id")
                        .from(Members::Table, Members::UserId)
                        .to(Users::Table, Users::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let by_user = Index::create().name("ix_members_user_id").table(Members::Table).col(Members::UserId).to_owned();
    manager.create_index(by_user).await
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Sessions::Table)
                .col(uuid(Sessions::Id).primary_key())
                .col(uuid(Sessions::UserId))
                .col(timestamp_with_time_zone(Sessions::CreatedAt))
                .col(timestamp_with_time_zone(Sessions::ExpiresAt))
                .col(timestamp_with_time_zone_null(Sessions::RevokedAt))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_sessions_user_id")
                        .from(Sessions::Table, Sessions::UserId)
                        .to(Users::Table, Users::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let by_user = Index::create().name("ix_sessions_user_id").table(Sessions::Table).col(Sessions::UserId).to_owned();
    manager.create_index(by_user).await?;
    let by_end =
        Index::create().name("ix_sessions_expires_at").table(Sessions::Table).col(Sessions::ExpiresAt).to_owned();
    manager.create_index(by_end).await?;
    manager
        .create_table(
            Table::create()
                .table(RefreshTokens::Table)
                .col(string(RefreshTokens::Hash).primary_key())
                .col(uuid(RefreshTokens::SessionId))
                .col(timestamp_with_time_zone(RefreshTokens::CreatedAt))
                .col(timestamp_with_time_zone_null(RefreshTokens::UsedAt))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_refresh_tokens_session_id")
                        .from(RefreshTokens::Table, RefreshTokens::SessionId)
                        .to(Sessions::Table, Sessions::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let by_session = Index::create()
        .name("ix_refresh_tokens_session_id")
        .table(RefreshTokens::Table)
        .col(RefreshTokens::SessionId)
        .to_owned();
    manager.create_index(by_session).await
}

async fn create_api_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(ApiKeys::Table)
                .col(uuid(ApiKeys::Id).primary_key())
                .col(uuid(ApiKeys::WorkspaceId))
                .col(uuid(ApiKeys::UserId))
                .col(string(ApiKeys::Name))
                .col(string(ApiKeys::Prefix))
                .col(string(ApiKeys::Hash))
                .col(string(ApiKeys::Role))
                .col(timestamp_with_time_zone(ApiKeys::CreatedAt))
                .col(timestamp_with_time_zone_null(ApiKeys::ExpiresAt))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_api_keys_workspace_id")
                        .from(ApiKeys::Table, ApiKeys::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_api_keys_user_id")
                        .from(ApiKeys::Table, ApiKeys::UserId)
                        .to(Users::Table, Users::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    unique(manager, "ux_api_keys_hash", ApiKeys::Table, ApiKeys::Hash).await?;
    let by_workspace =
        Index::create().name("ix_api_keys_workspace_id").table(ApiKeys::Table).col(ApiKeys::WorkspaceId).to_owned();
    manager.create_index(by_workspace).await
}

async fn unique(
    manager: &SchemaManager<'_>,
    name: &'static str,
    table: impl Iden + 'static,
    column: impl Iden + 'static,
) -> Result<(), DbErr> {
    manager.create_index(Index::create().unique().name(name).table(table).col(column).to_owned()).await
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
    Name,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Email,
    PasswordHash,
    WorkspaceId,
    OperatorSeat,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Members {
    Table,
    WorkspaceId,
    UserId,
    Role,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    CreatedAt,
    ExpiresAt,
    RevokedAt,
}

#[derive(DeriveIden)]
enum RefreshTokens {
    Table,
    Hash,
    SessionId,
    CreatedAt,
    UsedAt,
}

#[derive(DeriveIden)]
enum ApiKeys {
    Table,
    Id,
    WorkspaceId,
    UserId,
    Name,
    Prefix,
    Hash,
    Role,
    CreatedAt,
    ExpiresAt,
}
