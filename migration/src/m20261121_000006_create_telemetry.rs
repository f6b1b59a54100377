//! GPU telemetry: GPUs, the series of their metrics, samples in blocks, and the view that takes the blocks apart.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, text, text_null, timestamp_with_time_zone, uuid};

use crate::dialect;

/// The step.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_gpus(manager).await?;
        create_series(manager).await?;
        create_blocks(manager).await?;
        create_view(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP VIEW telemetry").await?;
        manager.drop_table(Table::drop().table(SampleBlocks::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Series::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Gpus::Table).to_owned()).await
    }
}

async fn create_gpus(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Gpus::Table)
                .col(uuid(Gpus::WorkspaceId))
                .col(string(Gpus::Id))
                .col(text(Gpus::GpuId))
                .col(text(Gpus::Device))
                .col(text(Gpus::ModelName))
                .col(text(Gpus::Hostname))
                .col(timestamp_with_time_zone(Gpus::FirstSeen))
                .col(timestamp_with_time_zone(Gpus::LastSeen))
                .primary_key(Index::create().col(Gpus::WorkspaceId).col(Gpus::Id))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_gpus_workspace_id")
                        .from(Gpus::Table, Gpus::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await
}

/// A series has its labels for good: with other labels it is another series.
async fn create_series(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Series::Table)
                .col(big_integer(Series::Id).primary_key().auto_increment())
                .col(uuid(Series::WorkspaceId))
                .col(text(Series::Gpu))
                .col(text(Series::MetricName))
                .col(string(Series::LabelsKey))
                .col(text(Series::GpuId))
                .col(text(Series::Device))
                .col(text(Series::ModelName))
                .col(text(Series::Hostname))
                .col(text(Series::Container))
                .col(text(Series::Pod))
                .col(text(Series::Namespace))
                .col(text(Series::LabelsRaw))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_series_workspace_id")
                        .from(Series::Table, Series::WorkspaceId)
                        .to(Workspaces::Table, Workspaces::Id)
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ux_series_workspace_id_gpu_metric_name_labels_key")
                .table(Series::Table)
                .col(Series::WorkspaceId)
                .col(Series::Gpu)
                .col(Series::MetricName)
                .col(Series::LabelsKey)
                .unique()
                .to_owned(),
        )
        .await
}

/// Moments are microseconds since 1970. No block refers to its series by a key: the check would lock the series' row
/// for each block that is written.
async fn create_blocks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(SampleBlocks::Table)
                .col(big_integer(SampleBlocks::Id).primary_key().auto_increment())
                .col(big_integer(SampleBlocks::SeriesId))
                // 0 as collected, 1 merged, 2 merged for good, 3 without its samples.
                .col(big_integer(SampleBlocks::Tier))
                .col(big_integer(SampleBlocks::StartAt))
                .col(big_integer(SampleBlocks::EndAt))
                .col(big_integer(SampleBlocks::Count))
                .col(big_integer(SampleBlocks::IngestedAt))
                .col(text_null(SampleBlocks::Points))
                .col(text_null(SampleBlocks::Minutes))
                .col(text_null(SampleBlocks::Hours))
                .to_owned(),
        )
        .await?;
    let by_time = Index::create()
        .name("ix_sample_blocks_series_id_start_at_end_at")
        .table(SampleBlocks::Table)
        .col(SampleBlocks::SeriesId)
        .col(SampleBlocks::StartAt)
        .col(SampleBlocks::EndAt)
        .to_owned();
    manager.create_index(by_time).await?;
    let by_tier = Index::create()
        .name("ix_sample_blocks_tier_ingested_at")
        .table(SampleBlocks::Table)
        .col(SampleBlocks::Tier)
        .col(SampleBlocks::IngestedAt)
        .to_owned();
    manager.create_index(by_tier).await?;
    // Merging leaves many dead rows behind, of which the next blocks should take the place.
    let tuned = "ALTER TABLE sample_blocks SET (autovacuum_vacuum_scale_factor = 0.05, \
                 toast.autovacuum_vacuum_scale_factor = 0.05)";
    dialect::run(manager, &[tuned.to_owned()], &[]).await
}

/// The seed's table, for those who read it. Of a sample that came twice, what came later counts: the lower tier, and
/// in a tier the larger id.
async fn create_view(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let view = |time: fn(&str) -> String, samples: &str| {
        format!(
            "CREATE VIEW telemetry AS SELECT p.id, s.gpu AS uuid, s.gpu_id, s.metric_name, {timestamp} AS timestamp, \
             NULLIF(s.device, '') AS device, NULLIF(s.hostname, '') AS hostname, \
             NULLIF(s.model_name, '') AS model_name, NULLIF(s.container, '') AS container, \
             NULLIF(s.pod, '') AS pod, NULLIF(s.namespace, '') AS namespace, p.value, \
             NULLIF(s.labels_raw, '') AS labels_raw, {ingested} AS ingested_at, s.workspace_id FROM series s {samples}",
            timestamp = time("p.at"),
            ingested = time("p.ingested_at"),
        )
    };
    let postgres = view(
        |micros| format!("(timestamptz 'epoch' + {micros} * interval '1 microsecond')"),
        "CROSS JOIN LATERAL (SELECT DISTINCT ON (b.start_at + (e.point ->> 0)::bigint) (b.id << 16) + e.place AS id, \
         b.start_at + (e.point ->> 0)::bigint AS at, (e.point ->> 1)::double precision AS value, b.ingested_at \
         FROM sample_blocks b CROSS JOIN LATERAL json_array_elements(b.points::json) WITH ORDINALITY e (point, place) \
         WHERE b.series_id = s.id ORDER BY b.start_at + (e.point ->> 0)::bigint, b.tier, b.id DESC) p",
    );
    let sqlite = view(
        |micros| {
            format!(
                "(strftime('%Y-%m-%dT%H:%M:%S', {micros} / 1000000, 'unixepoch') \
                 || printf('.%06dZ', {micros} % 1000000))"
            )
        },
        "JOIN (SELECT b.series_id, (b.id << 16) + e.key + 1 AS id, b.start_at + json_extract(e.value, '$[0]') AS at, \
         CAST(json_extract(e.value, '$[1]') AS real) AS value, b.ingested_at, max(((8 - b.tier) << 56) + b.id) AS latest \
         FROM sample_blocks b, json_each(b.points) e \
         GROUP BY b.series_id, b.start_at + json_extract(e.value, '$[0]')) p ON p.series_id = s.id",
    );
    dialect::run(manager, &[postgres], &[sqlite]).await
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Gpus {
    Table,
    WorkspaceId,
    Id,
    GpuId,
    Device,
    ModelName,
    Hostname,
    FirstSeen,
    LastSeen,
}

#[derive(DeriveIden)]
enum Series {
    Table,
    Id,
    WorkspaceId,
    Gpu,
    MetricName,
    LabelsKey,
    GpuId,
    Device,
    ModelName,
    Hostname,
    Container,
    Pod,
    Namespace,
    LabelsRaw,
}

#[derive(DeriveIden)]
enum SampleBlocks {
    Table,
    Id,
    SeriesId,
    Tier,
    StartAt,
    EndAt,
    Count,
    IngestedAt,
    Points,
    Minutes,
    Hours,
}
