//! Takes the references to workspaces and users off what is written often: PostgreSQL looks each one up, and locks it,
//! for every row; who writes has been let in by that very workspace a moment ago.

use sea_orm_migration::prelude::*;

use crate::dialect;

/// Each as table, constraint, column, and what it refers to.
const REFERENCES: [(&str, &str, &str, &str); 4] = [
    ("task_counters", "fk_task_counters_workspace_id", "workspace_id", "workspaces"),
    ("tasks", "fk_tasks_workspace_id", "workspace_id", "workspaces"),
    ("task_changes", "fk_task_changes_workspace_id", "workspace_id", "workspaces"),
    ("favorites", "fk_favorites_user_id", "user_id", "users"),
];

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop =
            |(table, name, _, _): (&str, &str, &str, &str)| format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
        // SQLite cannot take one off, and looks it up in its own pages at next to no cost.
        dialect::run(manager, &REFERENCES.map(drop), &[]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = |(table, name, column, referred): (&str, &str, &str, &str)| {
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {referred} (id) \
                 ON DELETE CASCADE"
            )
        };
        dialect::run(manager, &REFERENCES.map(add), &[]).await
    }
}
