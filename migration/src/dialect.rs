//! The only place in which a step may ask which database it is applied to: some of what one can, the other cannot.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs the statements that are for the database at hand, one after another.
///
/// # Errors
/// Those of the database.
pub async fn run(manager: &SchemaManager<'_>, postgres: &[String], sqlite: &[String]) -> Result<(), DbErr> {
    let statements = if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite };
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
