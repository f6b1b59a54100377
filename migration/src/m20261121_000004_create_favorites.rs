//! Favorites of users, and for each user how many there are and how often they have changed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, text, timestamp_with_time_zone, uuid};

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(FavoriteShelves::Table)
                    .col(uuid(FavoriteShelves::UserId).primary_key())
                    .col(big_integer(FavoriteShelves::Count))
                    // Every write of a user takes the next number, in the order in which the writes are committed.
                    .col(big_integer(FavoriteShelves::Version))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_favorite_shelves_user_id")
                            .from(FavoriteShelves::Table, FavoriteShelves::UserId)
                            .to(Users::Table, Users::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Favorites::Table)
                    .col(uuid(Favorites::UserId))
                    .col(uuid(Favorites::Id))
                    .col(string(Favorites::Kind))
                    .col(timestamp_with_time_zone(Favorites::CreatedAt))
                    .col(timestamp_with_time_zone(Favorites::UpdatedAt))
                    .col(big_integer(Favorites::Size))
                    .col(text(Favorites::Name))
                    .col(text(Favorites::Description))
                    // The last one, and text: what is large is not read on the way to the others, and bytes stay.
                    .col(text(Favorites::Payload))
                    .primary_key(Index::create().col(Favorites::UserId).col(Favorites::Id))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_favorites_user_id")
                            .from(Favorites::Table, Favorites::UserId)
                            .to(Users::Table, Users::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        newest_first(manager, "ix_favorites_user_id_created_at", None).await?;
        newest_first(manager, "ix_favorites_user_id_kind_created_at", Some(Favorites::Kind)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Favorites::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(FavoriteShelves::Table).to_owned()).await
    }
}

/// An index that serves a list, newest first, within a user and what `within` says.
async fn newest_first(manager: &SchemaManager<'_>, name: &'static str, within: Option<Favorites>) -> Result<(), DbErr> {
    let mut index = Index::create().name(name).table(Favorites::Table).col(Favorites::UserId).to_owned();
    if let Some(column) = within {
        index.col(column);
    }
    manager.create_index(index.col(Favorites::CreatedAt).col(Favorites::Id).to_owned()).await
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum FavoriteShelves {
    Table,
    UserId,
    Count,
    Version,
}

#[derive(DeriveIden)]
enum Favorites {
    Table,
    UserId,
    Id,
    Kind,
    CreatedAt,
    UpdatedAt,
    Size,
    Name,
    Description,
    Payload,
}
