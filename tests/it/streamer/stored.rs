//! From the file to the API: what a streamer reads is what the gateway gives, in one process and for a real file.

use super::*;

/// Reads two loops of a file into the API, and looks at every GPU's labels and one GPU's values.
async fn two_loops_are_stored(stores: TestStores, path: &Path) {
    let app = TestApp::over(stores, &["--roles=api,queue,collector", "--collect-interval=100ms"]).await;
    let ada = app.user("ada").await;
    let source = path.to_str().unwrap();
    let rows = rows(path);
    let streamer = start(&app.stores, source, &["--streamer-max-ready=8"]).await;
    until("two loops are published", async || {
        position(&app.stores, &ada, source).await.published >= 2 * rows.len() as i64
    })
    .await;
    streamer.stop().await;
    let published = usize::try_from(position(&app.stores, &ada, source).await.published).unwrap();
    let (first, of) = (&rows[0], |name: &str| rows[0][name].as_str().unwrap().to_owned());
    let of_first = rows.iter().cycle().take(published).filter(|row| *row == first).count();
    let path = format!("/api/v1/gpus/{}/telemetry?metric_name={}&limit=100000", of("uuid"), of("metric_name"));
    let mut entries = Value::Null;
    until("all samples of a GPU are stored", async || {
        let reply = ada.get(&path).await;
        entries = if reply.status == 200 { reply.ok(200)["entries"].clone() } else { Value::Null };
        entries.as_array().is_some_and(|entries| entries.len() >= of_first)
    })
    .await;
    let entries = entries.as_array().unwrap().clone();
    assert_eq!(entries.len(), of_first);
    for entry in &entries {
        for (name, value) in first.as_object().unwrap() {
            let same = entry[name] == *value || entry[name].is_number() && entry[name].as_f64() == value.as_f64();
            assert!(same, "{name} of {entry} is not {value}");
        }
    }
    until("every GPU is there with its labels", async || {
        let gpus = ada.get("/api/v1/gpus").await.ok(200)["gpus"].clone();
        let gpus = gpus.as_array().unwrap();
        let known = |row: &Value| {
            gpus.iter().any(|gpu| {
                let same = |name: &str, column: &str| gpu[name] == row[column];
                same("id", "uuid")
                    && same("hostname", "hostname")
                    && same("model_name", "model_name")
                    && same("gpu_id", "gpu_id")
                    && same("device", "device")
            })
        };
        let uuids: std::collections::HashSet<_> = rows.iter().map(|row| row["uuid"].to_string()).collect();
        gpus.len() == uuids.len() && rows.iter().all(known)
    })
    .await;
}

#[tokio::test]
async fn two_loops_of_a_file_come_out_of_the_api_as_they_are_in_it() {
    let stores = TestStores::new().await;
    let path = file(&stores, 40, None);
    two_loops_are_stored(stores, &path).await;
}

/// The file that `TEST_DCGM_CSV` names, such as one of a real exporter.
#[tokio::test]
async fn two_loops_of_a_real_file_come_out_of_the_api_as_they_are_in_it() {
    let Ok(path) = std::env::var("TEST_DCGM_CSV") else { return };
    two_loops_are_stored(TestStores::new().await, Path::new(&path)).await;
}
