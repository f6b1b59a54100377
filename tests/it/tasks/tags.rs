//! Entity tags: what a caller has is not sent again, and what somebody else changed is not overwritten.

use serde_json::json;
use tokio::task::JoinSet;

use super::{app, create, path, titled};

#[tokio::test]
async fn a_task_that_the_caller_has_is_not_sent_again() {
    let (_app, ada) = app().await;
    let created = ada.post("/api/tasks", &json!({"title": "x"})).await;
    let path = path(&created.ok(201)["data"]);
    let etag = created.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");
    assert_eq!(ada.get(&path).await.header("etag"), etag);
    for tag in [etag.clone(), format!("W/{etag}"), "*".to_owned(), format!("\"other\", {etag}")] {
        let reply = ada.clone().with("if-none-match", &tag).get(&path).await;
        assert_eq!((reply.status, reply.bytes.len(), reply.header("etag")), (304, 0, etag.as_str()), "{tag}");
    }
    let changed = ada.call("PATCH", &path, &json!({"title": "y"})).await;
    assert_ne!(changed.header("etag"), etag);
    let reply = ada.clone().with("if-none-match", &etag).get(&path).await;
    assert_eq!((reply.status, reply.header("etag")), (200, changed.header("etag")));
}

#[tokio::test]
async fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let (_app, ada) = app().await;
    let path = titled(&ada, "x").await;
    let old = ada.get(&path).await.header("etag").to_owned();
    let whole = json!({"title": "y", "status": "done"});
    let new = ada.clone().with("if-match", &old).call("PUT", &path, &whole).await;
    assert_eq!(new.status, 200);
    let late = ada.clone().with("if-match", &old);
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(
            late.call(method, &path, &json!({"title": "z", "status": "done"})).await.problem(412)["code"],
            "changed"
        );
    }
    assert_eq!(ada.get(&path).await.ok(200)["data"]["title"], "y");
    let current = ada.clone().with("if-match", new.header("etag"));
    let patched = current.call("PATCH", &path, &json!({"title": "z"})).await;
    assert_eq!(patched.status, 200);
    assert_eq!(current.delete(&path).await.status, 412);
    assert_eq!(ada.clone().with("if-match", patched.header("etag")).delete(&path).await.status, 204);
    assert_eq!(ada.clone().with("if-match", "*").delete(&path).await.status, 404);
}

#[tokio::test]
async fn of_many_who_change_what_they_have_seen_exactly_one_succeeds() {
    let (_app, ada) = app().await;
    let path = titled(&ada, "x").await;
    let etag = ada.get(&path).await.header("etag").to_owned();
    let mut changing = JoinSet::new();
    for n in 0..16 {
        let (client, path) = (ada.clone().with("if-match", &etag), path.clone());
        changing.spawn(async move { client.call("PATCH", &path, &json!({"title": format!("by {n}")})).await.status });
    }
    let statuses = changing.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 412].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn changes_of_different_fields_at_once_are_all_kept() {
    let (_app, ada) = app().await;
    let path = path(&create(&ada, &json!({"title": "x"})).await);
    let patches =
        [json!({"title": "y"}), json!({"description": "d"}), json!({"status": "done"}), json!({"assigneeID": 7})];
    let mut changing = JoinSet::new();
    for patch in patches.clone() {
        let (client, path) = (ada.clone(), path.clone());
        changing.spawn(async move { client.call("PATCH", &path, &patch).await.ok(200) });
    }
    changing.join_all().await;
    let task = ada.get(&path).await.ok(200)["data"].clone();
    for patch in &patches {
        for (field, value) in patch.as_object().unwrap() {
            assert_eq!(&task[field], value);
        }
    }
    let history = ada.get(&format!("{path}/history")).await.ok(200);
    assert_eq!(history["data"]["items"].as_array().unwrap().len(), 5);
}
