//! The same run again is fine, another one under its id is not, and deleting makes room.

use serde_json::json;

use crate::runs::{TRACE, app, id, raw, stored};
use crate::support::run;

#[tokio::test]
async fn the_same_run_again_is_accepted_and_a_different_one_is_not() {
    let (app, ada) = app().await;
    let first = id();
    let sent = format!("{{\"id\":\"{first}\",\"trace_id\":\"{TRACE}\",\"name\":\"A\",\"inputs\":{{\"a\":1}}}}");
    ada.post_bytes("/runs", sent.clone()).await.ok(201);
    let again = ada.post_bytes("/runs", format!("[{sent}]")).await.ok(201);
    assert_eq!(again["ids"][0], first);
    // Other spellings of the same values are the same run; another byte of payload is another run.
    let hex = first.replace('-', "").to_uppercase();
    let other_order = format!(
        "{{\"inputs\":{{\"a\":1}},\"name\":\"\\u0041\",\"trace_id\":\"{TRACE}\",\"id\":\"{hex}\",\"outputs\":null}}"
    );
    ada.post_bytes("/runs", other_order).await.ok(201);
    for different in
        [sent.replace("{\"a\":1}", "{\"a\": 1}"), sent.replace("\"A\"", "\"B\""), sent.replace("944ce838", "944ce839")]
    {
        assert_eq!(ada.post_bytes("/runs", different.clone()).await.field(409), "id");
        let batch = format!("[{{\"trace_id\":\"{TRACE}\",\"name\":\"fresh\"}},{different}]");
        assert_eq!(ada.post_bytes("/runs", batch).await.field(409), "[1].id");
    }
    assert_eq!(stored(&app).await.runs, 1);
    let found = ada.get(&format!("/runs/{first}")).await.text();
    assert_eq!(raw(&found, "inputs"), "{\"a\":1}");
}

#[tokio::test]
async fn a_batch_that_repeats_an_id_must_repeat_the_run() {
    let (app, ada) = app().await;
    let same = id();
    let twice = json!([run(Some(&same), "A"), run(Some(&same), "A")]);
    assert_eq!(ada.create(&twice).await, [same.clone(), same.clone()]);
    let other = id();
    let different = json!([run(Some(&other), "A"), run(None, "B"), run(Some(&other), "C")]);
    assert_eq!(ada.post("/runs", &different).await.field(409), "[2].id");
    assert_eq!(stored(&app).await.runs, 1);
}

#[tokio::test]
async fn after_a_delete_the_id_is_new_and_its_tag_too() {
    let (_app, ada) = app().await;
    let first = id();
    let path = format!("/runs/{first}");
    ada.create(&json!([run(Some(&first), "A")])).await;
    let before = ada.get(&path).await.header("etag").to_owned();
    assert_eq!(ada.delete(&path).await.status, 204);
    ada.get(&path).await.problem(404);
    ada.delete(&path).await.problem(404);
    assert!(ada.get("/runs").await.ok(200)["items"].as_array().unwrap().is_empty());
    ada.create(&json!([run(Some(&first), "B")])).await;
    assert_eq!(ada.get(&path).await.ok(200)["name"], "B");
    ada.delete(&path).await.ok(204);
    ada.create(&json!([run(Some(&first), "A")])).await;
    let after = ada.get(&path).await;
    assert_eq!(after.ok(200)["name"], "A");
    assert_ne!(after.header("etag"), before, "the run was stored at another time");
}

#[tokio::test]
async fn the_same_id_in_two_workspaces_is_two_runs() {
    let (app, ada) = app().await;
    let bob = app.user("bob").await;
    let same = id();
    ada.create(&json!([run(Some(&same), "Ada's")])).await;
    bob.create(&json!([run(Some(&same), "Bob's")])).await;
    let path = format!("/runs/{same}");
    assert_eq!(ada.get(&path).await.ok(200)["name"], "Ada's");
    assert_eq!(bob.get(&path).await.ok(200)["name"], "Bob's");
    bob.delete(&path).await.ok(204);
    assert_eq!(ada.get(&path).await.ok(200)["name"], "Ada's");
}

#[tokio::test]
async fn many_writers_of_one_id_agree_on_one_run() {
    let (app, ada) = app().await;
    let same = id();
    let writers = (0..24).map(|writer| {
        let (ada, runs) = (ada.clone(), json!([run(Some(&same), &format!("n{}", writer % 3)), run(None, "beside")]));
        tokio::spawn(async move { (writer % 3, ada.post("/runs", &runs).await.status) })
    });
    let mut accepted = std::collections::BTreeSet::new();
    let mut count = 0;
    for writer in writers.collect::<Vec<_>>() {
        let (name, status) = writer.await.unwrap();
        match status {
            201 => {
                accepted.insert(name);
                count += 1;
            }
            409 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(accepted.len(), 1, "one content won");
    let winner = accepted.first().unwrap();
    assert_eq!(ada.get(&format!("/runs/{same}")).await.ok(200)["name"], format!("n{winner}"));
    assert_eq!(stored(&app).await.runs, 1 + count, "each accepted batch has its other run, no refused one has");
}
