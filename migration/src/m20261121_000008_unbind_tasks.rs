//! Takes the references to workspaces and users off what is written often: PostgreSQL looks each one up, and locks it,
//! for every row; who writes has been let in by that very workspace a moment ago.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Each as table, constraint, column, and what it refers to.
const REFERENCES: [(&str, &str, &str, &str); 4] = [
    ("task_counters", "fk_task_counters_workspace_id", "workspace_id", "workspaces"),
    ("tasks", "fk_tasks_workspace_id", "workspace_id", "workspaces"),
    ("task_changes", "fk_task_changes_workspace_id", "workspace_id", "workspaces"),
    ("favorites", "fk_favorites_user_id", "user_id", "users"),
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            // SQLite cannot take one off, and looks it up in its own pages at next to no cost.
            return Ok(());
        }
        for (table, name, _, _) in REFERENCES {
            let sql = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for (table, name, column, referred) in REFERENCES {
            let sql = format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {referred} (id) \
                 ON DELETE CASCADE"
            );
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
