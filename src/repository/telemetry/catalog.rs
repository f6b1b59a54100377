//! GPUs and the series of their metrics.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::TelemetryRepository;
use crate::error::Result;
use crate::repository::entity::{gpu, series, workspace};

/// A metric, and how many series have it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct MetricCount {
    /// Its name.
    pub metric_name: String,
    /// Series of it.
    pub series: i64,
}

impl TelemetryRepository {
    /// The first workspace that was made, if there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_first_workspace(&self) -> Result<Option<Uuid>> {
        let query = workspace::Entity::find()
            .order_by_asc(workspace::Column::CreatedAt)
            .order_by_asc(workspace::Column::Id)
            .select_only()
            .column(workspace::Column::Id)
            .limit(1)
            .into_tuple::<Uuid>();
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The GPUs of a workspace by their ids; those of one host or model alone when it is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_gpus(
        &self,
        workspace: Uuid,
        hostname: Option<&str>,
        model_name: Option<&str>,
    ) -> Result<Vec<gpu::Model>> {
        let mut query = gpu::Entity::find().filter(gpu::Column::WorkspaceId.eq(workspace));
        if let Some(hostname) = hostname {
            query = query.filter(gpu::Column::Hostname.eq(hostname));
        }
        if let Some(model) = model_name {
            query = query.filter(gpu::Column::ModelName.eq(model));
        }
        let query = query.order_by_asc(self.database.by_code_points(gpu::Column::Id));
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// One GPU of a workspace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_gpu(&self, workspace: Uuid, id: &str) -> Result<Option<gpu::Model>> {
        let query = gpu::Entity::find_by_id((workspace, id.to_owned()));
        self.database.bounded(async { Ok(query.one(self.database.reader()).await?) }).await
    }

    /// The series of a GPU by their numbers, those of one metric alone when it is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_series(&self, workspace: Uuid, gpu: &str, metric: Option<&str>) -> Result<Vec<series::Model>> {
        let mut query = series::Entity::find()
            .filter(series::Column::WorkspaceId.eq(workspace))
            .filter(series::Column::Gpu.eq(gpu));
        if let Some(metric) = metric {
            query = query.filter(series::Column::MetricName.eq(metric));
        }
        let query = query.order_by_asc(series::Column::Id);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// The series of a workspace that have samples between two moments, those of one host alone when it is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_series_between(
        &self,
        workspace: Uuid,
        hostname: Option<&str>,
        from: i64,
        to: i64,
    ) -> Result<Vec<series::Model>> {
        let mut query = series::Entity::find()
            .filter(series::Column::WorkspaceId.eq(workspace))
            .filter(Expr::exists(super::blocks::between(from, to)));
        if let Some(hostname) = hostname {
            query = query.filter(series::Column::Hostname.eq(hostname));
        }
        let query = query.order_by_asc(series::Column::Id);
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// The metrics of a workspace by their names.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_metrics(&self, workspace: Uuid) -> Result<Vec<MetricCount>> {
        let query = series::Entity::find()
            .select_only()
            .column(series::Column::MetricName)
            .column_as(Expr::col(series::Column::Id).count(), "series")
            .filter(series::Column::WorkspaceId.eq(workspace))
            .group_by(series::Column::MetricName)
            .order_by_asc(self.database.by_code_points(series::Column::MetricName))
            .into_model::<MetricCount>();
        self.database.bounded(async { Ok(query.all(self.database.reader()).await?) }).await
    }

    /// The numbers of these series of one workspace, by GPU, metric and labels; those that are not there are made.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn name_series(&self, mut rows: Vec<series::Model>) -> Result<HashMap<(String, String, String), i64>> {
        // Collectors that name the same ones at once take them in the same order, and wait instead of failing.
        rows.sort_by(|a, b| (&a.gpu, &a.metric_name, &a.labels_key).cmp(&(&b.gpu, &b.metric_name, &b.labels_key)));
        let given = self.database.given_rows::<series::Entity>(1);
        const COLUMNS: &str = "workspace_id, gpu, metric_name, labels_key, gpu_id, device, model_name, hostname, \
                               container, pod, namespace, labels_raw";
        let insert =
            format!("INSERT INTO series ({COLUMNS}) SELECT {COLUMNS} FROM {given} WHERE true ON CONFLICT DO NOTHING");
        let select = format!(
            "SELECT series.gpu, series.metric_name, series.labels_key, series.id FROM {given} \
             JOIN series ON series.workspace_id = given.workspace_id AND series.gpu = given.gpu \
             AND series.metric_name = given.metric_name AND series.labels_key = given.labels_key"
        );
        let json = super::store::as_json(&rows)?;
        let writer = self.database.writer();
        self.database
            .bounded(async {
                writer.execute_raw(self.database.statement(insert, [json.clone().into()])).await?;
                let mut named = HashMap::with_capacity(rows.len());
                for row in writer.query_all_raw(self.database.statement(select, [json.into()])).await? {
                    let key = (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
                    named.insert(key, row.try_get_by_index(3)?);
                }
                Ok(named)
            })
            .await
    }
}
