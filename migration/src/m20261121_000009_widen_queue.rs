//! More slots for messages: a backlog takes longer to fill all of them, so that each stays small enough to be emptied
//! soon, and what is dead in it goes.

use sea_orm_migration::prelude::*;

use crate::dialect;

/// The slots that are added; the fourth is the one for what rests.
const SLOTS: std::ops::RangeInclusive<usize> = 5..=8;
/// The slot for what rests.
const REST: usize = 4;

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = SLOTS.flat_map(|slot| {
            [
                format!(
                    "CREATE TABLE messages_{slot} PARTITION OF messages FOR VALUES IN ({slot}) \
                     WITH (fillfactor = 40, autovacuum_enabled = false)"
                ),
                format!(
                    "CREATE TABLE message_payloads_{slot} PARTITION OF message_payloads FOR VALUES IN ({slot}) \
                     WITH (autovacuum_enabled = false)"
                ),
                format!("ALTER TABLE message_payloads_{slot} ALTER COLUMN payload SET STORAGE EXTERNAL"),
            ]
        });
        // SQLite has no parts: there, a slot is only a number.
        dialect::run(manager, &add.collect::<Vec<_>>(), &[]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut drop = vec![format!("UPDATE queue_slots SET open_slot = 0 WHERE open_slot > {REST}")];
        for table in ["messages", "message_payloads"] {
            drop.push(format!("UPDATE {table} SET slot = {REST} WHERE slot > {REST}"));
            drop.extend(SLOTS.map(|slot| format!("DROP TABLE {table}_{slot}")));
        }
        dialect::run(manager, &drop, &[]).await
    }
}
