//! One task: made, read, replaced, changed and deleted, within bounds and by those who may.

use serde_json::{Value, json};

use super::{app, create, path, titled, viewer};
use crate::support::run;

const NO_META: [(&str, u64); 4] = [("page", 0), ("per_page", 0), ("total", 0), ("total_pages", 0)];

fn in_the_envelope(answer: &Value) {
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["data", "errors", "message", "meta", "status"]);
    assert_eq!(
        (&answer["message"], &answer["status"], &answer["errors"]),
        (&json!("success"), &json!("ok"), &json!([]))
    );
    for (name, value) in NO_META {
        assert_eq!(answer["meta"][name], value);
    }
}

#[tokio::test]
async fn a_task_is_made_read_replaced_changed_and_deleted() {
    let (_app, ada) = app().await;
    let created = ada.post("/api/tasks", &json!({"title": "Look", "assigneeID": 7})).await.ok(201);
    in_the_envelope(&created);
    let task = &created["data"];
    let names: Vec<&String> = task.as_object().unwrap().keys().collect();
    assert_eq!(names, ["assigneeID", "createdAt", "description", "id", "run_id", "status", "title", "updatedAt"]);
    assert_eq!((&task["status"], &task["description"], &task["run_id"]), (&json!("pending"), &json!(""), &Value::Null));
    assert_eq!(task["createdAt"], task["updatedAt"]);
    let moment = task["createdAt"].as_str().unwrap();
    assert!(moment.len() == 27 && moment.ends_with('Z'), "{moment}");
    let path = path(task);
    assert_eq!(ada.get(&path).await.ok(200), created);

    let put = json!({"title": "Look again", "status": "in_progress", "description": "closely"});
    let replaced = ada.call("PUT", &path, &put).await.ok(200);
    in_the_envelope(&replaced);
    assert_eq!((&replaced["data"]["assigneeID"], &replaced["data"]["status"]), (&json!(0), &json!("in_progress")));
    assert!(replaced["data"]["updatedAt"].as_str() > task["updatedAt"].as_str());
    assert_eq!(replaced["data"]["createdAt"], task["createdAt"]);
    assert_eq!(ada.get(&path).await.ok(200), replaced);

    let changed = ada.call("PATCH", &path, &json!({"status": "done"})).await.ok(200);
    assert_eq!((&changed["data"]["title"], &changed["data"]["status"]), (&json!("Look again"), &json!("done")));
    assert_eq!(ada.get(&path).await.ok(200), changed);
    assert_eq!(ada.call("PATCH", &path, &json!({})).await.ok(200), changed);

    let deleted = ada.delete(&path).await;
    assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        ada.call(method, &path, &put).await.problem(404);
    }
}

#[tokio::test]
async fn an_id_is_of_its_workspace_and_never_used_again() {
    let (app, ada) = app().await;
    let eve = app.user("eve").await;
    for expected in 1..=3 {
        assert_eq!(create(&ada, &json!({"title": "hers"})).await["id"], expected);
    }
    assert_eq!(create(&eve, &json!({"title": "mine"})).await["id"], 1);
    assert_eq!(ada.delete("/api/tasks/3").await.status, 204);
    assert_eq!(create(&ada, &json!({"title": "hers"})).await["id"], 4);
    assert_eq!(eve.get("/api/tasks/1").await.ok(200)["data"]["title"], "mine");
    for id in ["2", "4", "0", "-1", "9223372036854775807"] {
        eve.get(&format!("/api/tasks/{id}")).await.problem(404);
        assert_eq!(eve.delete(&format!("/api/tasks/{id}")).await.status, 404);
    }
    assert_eq!(ada.get("/api/tasks/4").await.ok(200)["data"]["title"], "hers");
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_with_its_field() {
    let (_app, ada) = app().await;
    let path = titled(&ada, "as it is").await;
    let long = "ä".repeat(255);
    create(&ada, &json!({"title": long, "description": "x".repeat(65_536), "assigneeID": i64::MAX})).await;
    create(&ada, &json!({"title": " ", "assigneeID": -1})).await;
    let refusals = [
        (json!({}), "title"),
        (json!({"title": ""}), "title"),
        (json!({"title": format!("{long}x")}), "title"),
        (json!({"title": "a\0b"}), "title"),
        (json!({"title": null}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"title": "x", "description": "x".repeat(65_537)}), "description"),
        (json!({"title": "x", "description": "\0"}), "description"),
        (json!({"title": "x", "description": null}), "description"),
        (json!({"title": "x", "status": "finished"}), "status"),
        (json!({"title": "x", "status": "Done"}), "status"),
        (json!({"title": "x", "assigneeID": "7"}), "assigneeID"),
        (json!({"title": "x", "assigneeID": 1.5}), "assigneeID"),
        (json!({"title": "x", "assigneeID": 9_223_372_036_854_775_808_u64}), "assigneeID"),
        (json!({"title": "x", "assignee_id": 7}), "assignee_id"),
        (json!({"title": "x", "id": 7}), "id"),
        (json!({"title": "x", "run_id": "seven"}), "run_id"),
        (json!({"title": "x", "run_id": "00000000-0000-4000-8000-000000000000"}), "run_id"),
    ];
    for (body, field) in &refusals {
        assert_eq!(ada.post("/api/tasks", body).await.field(422), *field, "{body}");
        let mut put = body.clone();
        if put.get("status").is_none() {
            put["status"] = json!("done");
        }
        assert_eq!(ada.call("PUT", &path, &put).await.field(422), *field, "{put}");
        if body != &json!({}) {
            assert_eq!(ada.call("PATCH", &path, body).await.field(422), *field, "{body}");
        }
    }
    assert_eq!(ada.call("PUT", &path, &json!({"title": "x"})).await.field(422), "status");
    for field in ["title", "description", "status", "assigneeID"] {
        assert_eq!(ada.call("PATCH", &path, &json!({field: null})).await.field(422), field);
    }
    assert_eq!(ada.get(&path).await.ok(200)["data"]["title"], "as it is");
    ada.post_bytes("/api/tasks", "{\"title\"").await.problem(400);
    assert_eq!(ada.get("/api/tasks/seven").await.field(422), "id");
    ada.call("PATCH", "/api/tasks", &json!({})).await.problem(405);
    ada.get("/api/tasks/bulk").await.problem(405);
}

#[tokio::test]
async fn several_things_that_are_wrong_are_all_said() {
    let (_app, ada) = app().await;
    let problem = ada.post("/api/tasks", &json!({"title": "", "description": "\0"})).await.problem(422);
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["title", "description"]);
}

#[tokio::test]
async fn a_text_comes_back_as_it_was() {
    let (_app, ada) = app().await;
    for text in ["Ω≈ç√ 🦀 \u{202e}", "\u{10ffff}", "'; DROP TABLE tasks; --", "\\%_\"\u{1}\r\n\t", "e\u{301}"] {
        let task = create(&ada, &json!({"title": text, "description": text})).await;
        assert_eq!((&task["title"], &task["description"]), (&json!(text), &json!(text)));
        assert_eq!(ada.get(&path(&task)).await.ok(200)["data"], task);
    }
}

#[tokio::test]
async fn a_viewer_reads_and_does_not_write() {
    let (app, ada) = app().await;
    let path = titled(&ada, "hers").await;
    let grace = viewer(&app, &ada).await;
    let whole = json!({"title": "mine", "status": "done"});
    for (method, path, body) in [
        ("POST", "/api/tasks", &whole),
        ("PUT", &path, &whole),
        ("PATCH", &path, &whole),
        ("DELETE", &path, &whole),
        ("POST", "/api/tasks/bulk", &json!([whole])),
        ("PATCH", "/api/tasks/bulk", &json!({"ids": [1], "status": "done"})),
        ("POST", "/api/tasks/import", &json!({})),
    ] {
        assert_eq!(grace.call(method, path, body).await.problem(403)["code"], "forbidden", "{method} {path}");
    }
    assert_eq!(grace.get(&path).await.ok(200)["data"]["title"], "hers");
    for path in ["/api/tasks", "/api/tasks/export", "/api/tasks/1/history"] {
        assert_eq!(grace.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_run_is_linked_while_it_is_there_and_stays_linked_when_it_goes() {
    let (app, ada) = app().await;
    let id = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    let eve = app.user("eve").await;
    assert_eq!(eve.post("/api/tasks", &json!({"title": "x", "run_id": id})).await.field(422), "run_id");
    let task = create(&ada, &json!({"title": "x", "run_id": id.replace('-', "")})).await;
    assert_eq!(task["run_id"], json!(id));
    assert_eq!(ada.delete(&format!("/runs/{id}")).await.status, 204);
    let path = path(&task);
    assert_eq!(ada.call("PATCH", &path, &json!({"status": "done"})).await.ok(200)["data"]["run_id"], json!(id));
    let put = json!({"title": "x", "status": "done", "run_id": id});
    assert_eq!(ada.call("PUT", &path, &put).await.ok(200)["data"]["run_id"], json!(id));
    assert_eq!(ada.call("PATCH", &path, &json!({"run_id": null})).await.ok(200)["data"]["run_id"], Value::Null);
    assert_eq!(ada.call("PATCH", &path, &json!({"run_id": id})).await.field(422), "run_id");
}
