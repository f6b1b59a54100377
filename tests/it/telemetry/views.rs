//! The seed's table, as who reads the database finds it.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::telemetry::{DAY, app, sample, store, time};

#[tokio::test]
async fn the_table_of_the_seed_can_be_read_with_its_columns() {
    let (app, ada) = app().await;
    let mut first = sample("GPU-1", "TEMP", &time(DAY, 123_456), 45.5);
    first["pod"] = json!("p");
    store(&ada, &[first, sample("GPU-1", "POWER", &time(DAY, 0), Value::Null)]).await;
    // The second time with another value: it is the same sample.
    store(&ada, &[sample("GPU-1", "POWER", &time(DAY, 0), 7), sample("GPU-2", "TEMP", &time(DAY, 1), 1)]).await;
    let database = app.stores.open().await.database;
    let reader = database.reader();
    let statement = |sql: &str| Statement::from_string(reader.get_database_backend(), sql);
    let sql = "SELECT CAST(id AS bigint) AS id, uuid, gpu_id, metric_name, CAST(timestamp AS text) AS timestamp, \
               device, hostname, model_name, container, pod, namespace, value, labels_raw, \
               CAST(ingested_at AS text) AS ingested_at FROM telemetry ORDER BY uuid, metric_name, timestamp";
    let rows = reader.query_all_raw(statement(sql)).await.unwrap();
    let text = |row: usize, column: &str| rows[row].try_get::<Option<String>>("", column).unwrap();
    assert_eq!(rows.len(), 3);
    let keys: Vec<_> = (0..3).map(|row| (text(row, "uuid").unwrap(), text(row, "metric_name").unwrap())).collect();
    let expected = [("GPU-1", "POWER"), ("GPU-1", "TEMP"), ("GPU-2", "TEMP")];
    assert_eq!(keys, expected.map(|(gpu, metric)| (gpu.to_owned(), metric.to_owned())));
    let values: Vec<Option<f64>> = rows.iter().map(|row| row.try_get("", "value").unwrap()).collect();
    assert_eq!(values, [Some(7.0), Some(45.5), Some(1.0)]);
    let mut ids: Vec<i64> = rows.iter().map(|row| row.try_get("", "id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!((text(1, "gpu_id"), text(1, "pod"), text(1, "container")), (Some("0".into()), Some("p".into()), None));
    assert_eq!((text(1, "hostname"), text(1, "device")), (Some("host-1".into()), Some("nvidia0".into())));
    // Either database writes the moment in its own way.
    let moment = text(1, "timestamp").unwrap();
    assert!(moment.contains("2026-11-06") && moment.contains("00:00:00.123456"), "{moment}");
    assert!(text(1, "ingested_at").is_some());
    let sql = "SELECT CAST(count(*) AS bigint) AS id FROM telemetry WHERE uuid = 'GPU-1' AND value > 10";
    let count: i64 = reader.query_one_raw(statement(sql)).await.unwrap().unwrap().try_get("", "id").unwrap();
    assert_eq!(count, 1);
}
