//! Files: every row of every loop once and in order, bad ones left out, followed when they change, and never too fast.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::support::Process;
use crate::support::program::run;

#[tokio::test]
async fn two_loops_over_a_file_are_its_rows_twice() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = file(&app.stores, 130, None);
    let streamer = start(&app.stores, path.to_str().unwrap(), &[]).await;
    let taken = timeless(queue.samples(2_600).await);
    let rows = rows(&path);
    assert_eq!(rows.len(), 1_300);
    assert_eq!(taken[..1_300], rows[..]);
    assert_eq!(taken[1_300..2_600], rows[..]);
    streamer.stop().await;
}

/// The file that `TEST_DCGM_CSV` names, such as one of a real exporter.
#[tokio::test]
async fn two_loops_over_a_real_file_are_its_rows_twice() {
    let Ok(path) = std::env::var("TEST_DCGM_CSV") else { return };
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let rows = rows(Path::new(&path));
    let streamer = start(&app.stores, &path, &[]).await;
    let mut taken = timeless(queue.samples(2 * rows.len()).await);
    taken.truncate(2 * rows.len());
    assert!(taken == [rows.clone(), rows].concat(), "the samples are not the file's");
    streamer.stop().await;
}

#[tokio::test]
async fn with_an_interval_each_row_is_a_message_of_its_own_form() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = file(&app.stores, 2, None);
    let streamer = start(&app.stores, path.to_str().unwrap(), &["--streamer-interval=1ms"]).await;
    let mut payloads: Vec<Value> = Vec::new();
    until("there are three rows", async || {
        payloads.extend(queue.payloads().await);
        payloads.len() >= 3
    })
    .await;
    assert!(payloads.iter().all(|payload| payload["uuid"].is_string()), "{payloads:?}");
    assert_eq!(timeless(payloads)[..3], rows(&path)[..3]);
    streamer.stop().await;
}

#[tokio::test]
async fn bad_rows_are_left_out_counted_and_named_with_their_lines() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let good = rows(&file(&app.stores, 3, None));
    let text = fs::read_to_string(app.stores.folder().join("dcgm.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (after, bad) in [(3, "too,few"), (7, "x,\"never closed,1,2"), (12, "t,m,0,d,GPU-1,M,h,,,,many,l")] {
        lines.insert(after, bad.to_owned());
    }
    let path = write(&app.stores, "bad.csv", lines.join("\n"));
    let arguments = streamer(path.to_str().unwrap(), &[]);
    let streamer = Process::start(app.stores.clone(), &strs(&arguments)).await;
    let taken = timeless(queue.samples(60).await);
    assert_eq!(taken[..60], [good.clone(), good].concat());
    let position = position(&app.stores, &ada, path.to_str().unwrap()).await;
    assert!(position.bad >= 6 && position.bad % 3 == 0, "{position:?}");
    let log = streamer.log();
    let named: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let named: Vec<_> =
        named.iter().filter_map(|line| Some((line["line"].as_u64()?, line["reason"].as_str()?))).collect();
    assert_eq!(named[..3].iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 8, 13], "{named:?}");
    assert!(named[2].1.contains("not a number"), "{named:?}");
    assert!(named.len() <= 40, "{} lines of the log for two loops", named.len());
}

#[tokio::test]
async fn a_streamer_goes_on_where_the_last_one_stopped() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = file(&app.stores, 130, None);
    let (rows, source) = (rows(&path), path.to_str().unwrap());
    let mut taken = Vec::new();
    for _ in 0..4 {
        let streamer = start(&app.stores, source, &["--streamer-max-ready=2"]).await;
        taken.extend(queue.samples(700).await);
        streamer.stop().await;
    }
    until("all of it is taken", async || {
        taken.extend(queue.take().await);
        queue.left().await == 0
    })
    .await;
    assert_eq!(position(&app.stores, &ada, source).await.published, taken.len() as i64);
    let taken = timeless(taken);
    let all: Vec<_> = rows.iter().cycle().take(taken.len()).cloned().collect();
    assert!(taken == all, "a row is missing or twice there");
}

#[tokio::test]
async fn a_full_topic_stops_a_streamer_until_there_is_room_again() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = file(&app.stores, 10, Some(10_000));
    let source = path.to_str().unwrap();
    let arguments = streamer(source, &["--streamer-max-ready=3"]);
    let streamer = Process::start(app.stores.clone(), &strs(&arguments)).await;
    until("it waits", async || streamer.log().contains("waiting: the topic is full")).await;
    assert_eq!(position(&app.stores, &ada, source).await.published, 1_500);
    assert_eq!(queue.left().await, 3);
    let taken = queue.samples(4_000).await;
    assert_eq!(timeless(taken)[..4_000], rows(&path)[..4_000]);
    assert!(streamer.log().contains("going on: there is room again"));
}

#[tokio::test]
async fn a_file_may_be_missing_or_without_a_header_and_come_later() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = app.stores.folder().join("dcgm.csv");
    let arguments = streamer(path.to_str().unwrap(), &[]);
    let streamer = Process::start(app.stores.clone(), &strs(&arguments)).await;
    let health = streamer.client().get("/healthz").await.ok(200);
    assert_eq!(health, json!({"status": "ok", "service": "streamer"}));
    assert_eq!(streamer.client().get("/readyz").await.ok(200)["status"], "ok");
    until("it says that there is none", async || streamer.log().contains("No such file")).await;
    fs::write(&path, "a,b\n1,2\n").unwrap();
    until("it says what is wrong", async || streamer.log().contains("no column metric_name")).await;
    fs::write(&path, "metric_name,uuid,value\nx\n").unwrap();
    until("it says that there is nothing", async || streamer.log().contains("no row of the file could be read")).await;
    file(&app.stores, 2, None);
    let taken = timeless(queue.samples(20).await);
    assert_eq!(taken[..20], rows(&path)[..]);
}

#[tokio::test]
async fn a_file_that_is_another_one_in_the_next_loop_is_followed() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let path = file(&app.stores, 2, None);
    let first = rows(&path);
    let streamer = start(&app.stores, path.to_str().unwrap(), &["--streamer-max-ready=1"]).await;
    assert_eq!(timeless(queue.samples(20).await)[..20], first);
    let text = "VALUE,Unknown,UUID,MetricName,model_name\n7,x,GPU-new,power,Y\n8,x,GPU-new,heat,Y\n";
    let other = write(&app.stores, "other.csv", text);
    fs::rename(other, &path).unwrap();
    let mut taken = Vec::new();
    until("the other file is read", async || {
        taken = queue.take().await;
        taken.iter().any(|sample| sample["uuid"] == "GPU-new")
    })
    .await;
    let new: Vec<_> = taken.iter().filter(|sample| sample["uuid"] == "GPU-new").collect();
    assert_eq!(
        (&new[0]["value"], &new[0]["metric_name"], &new[0]["model_name"]),
        (&json!(7.0), &json!("power"), &json!("Y"))
    );
    assert!(new[0].get("Unknown").is_none() && new[0]["hostname"].is_null());
    streamer.stop().await;
}

#[tokio::test]
async fn telemetry_belongs_to_the_first_workspace_or_to_the_one_that_is_named() {
    let app = TestApp::with(&[QUEUE]).await;
    let path = file(&app.stores, 2, None);
    let source = path.to_str().unwrap();
    let first = start(&app.stores, source, &["--streamer-max-ready=1"]).await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let (of_ada, of_bob) = (Queue(ada.clone()), Queue(bob.clone()));
    of_ada.samples(20).await;
    first.stop().await;
    bob.get("/api/v1/topics/telemetry").await.problem(404);
    let named = format!("--telemetry-workspace={}", bob.workspace_id);
    let second = start(&app.stores, source, &["--streamer-max-ready=1", &named]).await;
    of_bob.samples(20).await;
    second.stop().await;
}

#[tokio::test]
async fn the_program_prints_a_sample_that_a_streamer_takes() {
    let stores = TestStores::new().await;
    let sample = |arguments: &str| {
        let arguments: Vec<_> = format!("telemetry sample {arguments}").split_whitespace().map(str::to_owned).collect();
        run(stores.folder(), &[], &arguments, "")
    };
    let text = sample("--gpus 9 --hosts 2 --seed 5").ok();
    assert_eq!(text, sample("--seed 5 --hosts 2 --gpus 9").ok());
    assert_eq!(text.lines().count(), 91);
    assert_eq!(sample("--rows 7").ok().lines().count(), 8);
    let header = "timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw";
    assert_eq!(text.lines().next(), Some(header));
    let path = write(&stores, "sample.csv", text);
    assert_eq!(rows(&path).len(), 90);
    assert!(sample("--gpus 0").failed().contains("--gpus"));
}
