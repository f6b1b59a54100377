//! The queue: topics, their messages with payloads apart, the keys that tell repeats, and leases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, text, timestamp_with_time_zone, uuid};

use crate::dialect;

/// The parts that are emptied as a whole.
const SLOTS: std::ops::Range<usize> = 0..4;
/// The part for what rests: dead letters, and what is delayed for long.
const REST: usize = 4;

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_topics(manager).await?;
        create_messages(manager).await?;
        create_keys(manager).await?;
        create_leases(manager).await?;
        create_view(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP VIEW queue_messages").await?;
        for table in ["leases", "message_keys", "message_payloads", "messages", "queue_slots", "topics"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}

async fn create_topics(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Topics::Table)
                .col(big_integer(Topics::Id).primary_key().auto_increment())
                .col(uuid(Topics::WorkspaceId))
                .col(string(Topics::Name))
                .col(big_integer(Topics::LeaseSeconds))
                .col(big_integer(Topics::MaxAttempts))
                .col(big_integer(Topics::DedupSeconds))
                .col(big_integer(Topics::RetentionSeconds))
                // How many acked messages are gone; those that are still there are counted where they are.
                .col(big_integer(Topics::AckedBefore))
                .col(timestamp_with_time_zone(Topics::CreatedAt))
                .col(timestamp_with_time_zone(Topics::UpdatedAt))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_topics_workspace_id")
                        .from(Topics::Table, Topics::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ux_topics_workspace_id_name")
                .table(Topics::Table)
                .col(Topics::WorkspaceId)
                .col(Topics::Name)
                .unique()
                .to_owned(),
        )
        .await
}

/// No message refers to its topic: the check would read the topic's row once for each of them.
async fn create_messages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(QueueSlots::Table)
                .col(big_integer(QueueSlots::Id).primary_key())
                .col(big_integer(QueueSlots::OpenSlot))
                .col(big_integer(QueueSlots::OpenedAt))
                .to_owned(),
        )
        .await?;
    manager
        .get_connection()
        .execute_unprepared("INSERT INTO queue_slots (id, open_slot, opened_at) VALUES (0, 0, 0)")
        .await?;
    // What changes while a message is worked is short and in no index, so that a new version of a row is small and
    // stays on its page; what is long never changes and lies apart. Moments are microseconds since 1970.
    let messages = |id: &str| {
        format!(
            "CREATE TABLE messages (topic_id bigint NOT NULL, rank bigint NOT NULL, visible_at bigint NOT NULL, \
             created_at bigint NOT NULL, updated_at bigint NOT NULL, msg_uuid {id} NOT NULL, lease_id {id}, \
             attempts integer NOT NULL, slot smallint NOT NULL, state smallint NOT NULL, leased_by text, reason text, \
             PRIMARY KEY (topic_id, rank, msg_uuid, slot))"
        )
    };
    let payloads = |id: &str| {
        format!(
            "CREATE TABLE message_payloads (topic_id bigint NOT NULL, rank bigint NOT NULL, msg_uuid {id} NOT NULL, \
             slot smallint NOT NULL, payload text NOT NULL, PRIMARY KEY (topic_id, rank, msg_uuid, slot))"
        )
    };
    let mut postgres = vec![
        format!("{} PARTITION BY LIST (slot)", messages("uuid")),
        format!("{} PARTITION BY LIST (slot)", payloads("uuid")),
    ];
    for slot in SLOTS {
        // A part is emptied as a whole and never has to be vacuumed. Nor analyzed: the plan without figures takes the
        // primary key, and figures of a moment at which a part was empty, or all acked, would talk it out of that.
        postgres.push(format!(
            "CREATE TABLE messages_{slot} PARTITION OF messages FOR VALUES IN ({slot}) \
             WITH (fillfactor = 40, autovacuum_enabled = false)"
        ));
        postgres.push(format!(
            "CREATE TABLE message_payloads_{slot} PARTITION OF message_payloads FOR VALUES IN ({slot}) \
             WITH (autovacuum_enabled = false)"
        ));
    }
    for table in ["messages", "message_payloads"] {
        postgres.push(format!("CREATE TABLE {table}_{REST} PARTITION OF {table} FOR VALUES IN ({REST})"));
    }
    for slot in 0..=REST {
        // What is read once and soon goes is not worth compressing.
        postgres.push(format!("ALTER TABLE message_payloads_{slot} ALTER COLUMN payload SET STORAGE EXTERNAL"));
    }
    let sqlite = [messages("blob"), payloads("blob")].map(|table| format!("{table} WITHOUT ROWID"));
    dialect::run(manager, &postgres, &sqlite).await
}

async fn create_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let keys = |id: &str| {
        format!(
            "CREATE TABLE message_keys (topic_id bigint NOT NULL, msg_uuid {id} NOT NULL, seen_at bigint NOT NULL, \
             PRIMARY KEY (topic_id, msg_uuid))"
        )
    };
    // Old keys lie beside one another, so that a summary of each range of pages finds them, and costs an insert nothing.
    let postgres =
        [keys("uuid"), "CREATE INDEX ix_message_keys_seen_at ON message_keys USING brin (seen_at)".to_owned()];
    let sqlite = [
        format!("{} WITHOUT ROWID", keys("blob")),
        "CREATE INDEX ix_message_keys_seen_at ON message_keys (seen_at)".to_owned(),
    ];
    dialect::run(manager, &postgres, &sqlite).await
}

async fn create_leases(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Leases::Table)
                .col(uuid(Leases::Id).primary_key())
                .col(uuid(Leases::WorkspaceId))
                .col(big_integer(Leases::TopicId))
                .col(big_integer(Leases::Until))
                .col(text(Leases::ConsumerId))
                // The ranks of its messages, as the database writes a list.
                .col(text(Leases::Ranks))
                .to_owned(),
        )
        .await?;
    let index = Index::create().name("ix_leases_until").table(Leases::Table).col(Leases::Until).to_owned();
    manager.create_index(index).await
}

/// The seed's table, for those who read it.
async fn create_view(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let view = |now: &str, time: fn(&str) -> String, payload: &str| {
        format!(
            "CREATE VIEW queue_messages AS SELECT m.rank AS id, t.name AS topic, m.msg_uuid, {payload} AS payload, \
             CASE WHEN m.state = 1 THEN 'acked' WHEN m.state = 2 THEN 'dead' \
             WHEN m.lease_id IS NOT NULL AND m.visible_at > {now} THEN 'in_flight' \
             WHEN m.attempts >= t.max_attempts AND m.visible_at <= {now} THEN 'dead' ELSE 'ready' END AS state, \
             m.leased_by, m.lease_id, CASE WHEN m.lease_id IS NOT NULL THEN {until} END AS lease_until, m.attempts, \
             {created} AS created_at, {updated} AS updated_at \
             FROM messages m JOIN topics t ON t.id = m.topic_id \
             JOIN message_payloads p ON p.topic_id = m.topic_id AND p.rank = m.rank AND p.msg_uuid = m.msg_uuid \
             AND p.slot = m.slot WHERE m.state <> 3",
            until = time("m.visible_at"),
            created = time("m.created_at"),
            updated = time("m.updated_at"),
        )
    };
    let postgres = view(
        "(extract(epoch FROM now()) * 1000000)",
        |micros| format!("(timestamptz 'epoch' + {micros} * interval '1 microsecond')"),
        // Not jsonb, which refuses what JSON allows: U+0000, and numbers of any size.
        "CAST(p.payload AS json)",
    );
    let sqlite = view(
        "(unixepoch('subsec') * 1000000)",
        |micros| format!("strftime('%Y-%m-%dT%H:%M:%fZ', {micros} / 1000000.0, 'unixepoch')"),
        "p.payload",
    );
    dialect::run(manager, &[postgres], &[sqlite]).await
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Topics {
    Table,
    Id,
    WorkspaceId,
    Name,
    LeaseSeconds,
    MaxAttempts,
    DedupSeconds,
    RetentionSeconds,
    AckedBefore,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum QueueSlots {
    Table,
    Id,
    OpenSlot,
    OpenedAt,
}

#[derive(DeriveIden)]
enum Leases {
    Table,
    Id,
    WorkspaceId,
    TopicId,
    Until,
    ConsumerId,
    Ranks,
}
