//! A run says how many tasks it has, only when asked, and what is cached of it does not.

use serde_json::{Value, json};

use super::{app, create};
use crate::support::run;

#[tokio::test]
async fn a_run_says_how_many_tasks_are_about_it_only_when_asked() {
    let (_app, ada) = app().await;
    let ids = ada.create(&json!([run(None, "Weather Query"), run(None, "other")])).await;
    let plain = format!("/runs/{}", ids[0]);
    let asked = format!("{plain}?include=task_count");
    let before = ada.get(&plain).await;
    for count in 0..3 {
        let with = ada.get(&asked).await;
        let mut shown = with.ok(200);
        assert_eq!(shown.as_object_mut().unwrap().remove("task_count"), Some(json!(count)));
        assert_eq!(shown, before.ok(200));
        assert_ne!(with.header("etag"), before.header("etag"));
        let again = ada.clone().with("if-none-match", with.header("etag")).get(&asked).await;
        assert_eq!((again.status, again.bytes.len()), (304, 0));
        let plain = ada.get(&plain).await;
        assert_eq!((&plain.bytes, plain.header("etag")), (&before.bytes, before.header("etag")));
        create(&ada, &json!({"title": "look", "run_id": ids[0]})).await;
    }
    assert_eq!(ada.get(&format!("/runs/{}?include=task_count", ids[1])).await.ok(200)["task_count"], 0);
    let name = ada.get(&format!("{plain}?include=task_count&fields=name")).await.ok(200);
    assert_eq!(name, json!({"task_count": 3, "name": "Weather Query"}));
    assert_eq!(ada.get(&format!("{plain}?include=everything")).await.field(422), "include");
    assert_eq!(ada.get(&plain).await.ok(200).get("task_count"), None::<&Value>);
}

#[tokio::test]
async fn a_run_that_is_streamed_says_so_too() {
    let (_app, ada) = app().await;
    let mut large = run(None, "large");
    large["inputs"] = json!({"text": "x".repeat(600 * 1024)});
    let id = ada.create(&json!([large])).await.remove(0);
    create(&ada, &json!({"title": "look", "run_id": id})).await;
    let mut shown = ada.get(&format!("/runs/{id}?include=task_count")).await.ok(200);
    assert_eq!(shown.as_object_mut().unwrap().remove("task_count"), Some(json!(1)));
    assert_eq!(shown, ada.get(&format!("/runs/{id}")).await.ok(200));
}
