//! The ordered list of the schema's steps, and nothing else; a released step is never edited.

use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::{Migration as Step, MigrationStatus, MigratorTrait};

mod dialect;
mod m20261121_000001_create_accounts;
mod m20261121_000002_create_runs;
mod m20261121_000003_create_tasks;
mod m20261121_000004_create_favorites;
mod m20261121_000005_create_queue;
mod m20261121_000006_create_telemetry;
mod m20261121_000007_create_streamer_positions;
mod m20261121_000008_unbind_tasks;

/// Applies the steps in their order, and takes them back in the other.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_create_accounts::Migration),
            Box::new(m20261121_000002_create_runs::Migration),
            Box::new(m20261121_000003_create_tasks::Migration),
            Box::new(m20261121_000004_create_favorites::Migration),
            Box::new(m20261121_000005_create_queue::Migration),
            Box::new(m20261121_000006_create_telemetry::Migration),
            Box::new(m20261121_000007_create_streamer_positions::Migration),
            Box::new(m20261121_000008_unbind_tasks::Migration),
        ]
    }
}
