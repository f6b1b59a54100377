//! What may be kept: each type with its own fields and no others, each limit with its error, each owner alone.

use serde_json::{Value, json};

use crate::favorites::{app, audience, chart, insight, keep, listed};
use crate::runs::raw;

#[tokio::test]
async fn each_type_comes_back_as_it_was_kept() {
    let (_app, ada) = app().await;
    for (form, own) in [
        (
            json!({"type": "chart", "name": "c", "description": "d", "x_axis": "x", "data": {"a": [1]}}),
            json!({"description": "d", "x_axis": "x", "y_axis": null, "data": {"a": [1]}}),
        ),
        (
            json!({"type": "chart", "name": "c", "y_axis": "y"}),
            json!({"description": "", "x_axis": null, "data": null}),
        ),
        (json!({"type": "insight", "name": "ünï 😀", "content": "text\n"}), json!({"content": "text\n"})),
        (
            json!({"type": "audience", "name": "a", "description": null, "rules": {"age_min": 0, "age_max": 0, "social_hours_min": 3.25}}),
            json!({"description": "", "rules": {"gender": null, "birth_country": null, "age_min": 0, "age_max": 0,
                "social_hours_min": 3.25, "purchases_last_month_min": null}}),
        ),
    ] {
        let reply = ada.post("/favorites", &form).await;
        let kept = reply.ok(201);
        assert_eq!((&kept["type"], &kept["name"]), (&form["type"], &form["name"]));
        for (field, value) in own.as_object().unwrap() {
            assert_eq!(&kept[field], value, "{field} of {form}");
        }
        assert_eq!(kept["created_at"], kept["updated_at"]);
        assert_eq!(kept["created_at"].as_str().unwrap().len(), "2026-11-21T10:00:00.000000Z".len());
        assert!(kept.get("user_id").is_none());
        let id = kept["id"].as_str().unwrap();
        let found = ada.get(&format!("/favorites/{}", id.replace('-', ""))).await;
        assert_eq!((found.text(), found.header("etag")), (reply.text(), reply.header("etag")));
        assert_eq!(ada.get("/favorites?limit=1").await.ok(200)["items"][0], kept);
    }
}

#[tokio::test]
async fn the_data_of_a_chart_comes_back_byte_for_byte() {
    let (_app, ada) = app().await;
    for data in [
        r#"{"big":340282366920938463463374607431768211456000,"huge":1e400,"z":-0,"twice":1,"twice":2}"#,
        "[ 1 ,\n\t{ \"nul\" : \"a\\u0000b\", \"lone\":\"\\ud800\", \"raw\":\"é😀\" }\r\n]",
        "null",
        "\"text\"",
        "1.50",
        &format!("{}1{}", "[".repeat(256), "]".repeat(256)),
        &format!("\"{}\"", "x".repeat(1024 * 1024 - 2)),
    ] {
        let form = format!("{{\"data\": {data} ,\"type\":\"chart\",\"x_axis\":\"x\",\"name\":\"n\"}}");
        let kept = ada.post_bytes("/favorites", form).await;
        assert_eq!(kept.status, 201, "{}", kept.text());
        let text = kept.text();
        let id = raw(&text, "id").trim_matches('"');
        // Once from the database and once from the cache; then on a page.
        for _ in 0..2 {
            assert_eq!(raw(&ada.get(&format!("/favorites/{id}")).await.text(), "data"), data);
        }
        assert!(ada.get("/favorites?limit=1").await.text().contains(data));
    }
}

/// A form, changed at these fields.
fn with(form: &Value, changes: &Value) -> Value {
    let mut form = form.clone();
    for (field, value) in changes.as_object().unwrap() {
        form[field] = value.clone();
    }
    form
}

#[tokio::test]
async fn what_is_no_favorite_is_refused_by_the_name_of_the_field() {
    let (_app, ada) = app().await;
    let (chart, insight, audience) = (chart("c"), insight("i"), audience("a"));
    let long = |bytes: usize| "x".repeat(bytes);
    let rules = |rules: Value| with(&audience, &json!({"rules": rules}));
    for (form, field) in [
        (json!({"name": "n", "content": "c"}), "type"),
        (with(&insight, &json!({"type": "note"})), "type"),
        (with(&insight, &json!({"type": 1})), "type"),
        (with(&insight, &json!({"type": null})), "type"),
        (with(&insight, &json!({"x_axis": "x"})), "x_axis"),
        (with(&insight, &json!({"data": 1})), "data"),
        (with(&chart, &json!({"content": "c"})), "content"),
        (with(&chart, &json!({"rules": {}})), "rules"),
        (with(&audience, &json!({"x_axis": "x"})), "x_axis"),
        (with(&insight, &json!({"unknown": 1})), "unknown"),
        (with(&insight, &json!({"id": "944ce838-b5c5-4628-8f23-089fbda8b9e3"})), "id"),
        (with(&insight, &json!({"created_at": "2026-01-01T00:00:00Z"})), "created_at"),
        (json!({"type": "insight", "content": "c"}), "name"),
        (with(&insight, &json!({"name": ""})), "name"),
        (with(&insight, &json!({"name": long(256)})), "name"),
        (with(&insight, &json!({"name": "a\u{0}b"})), "name"),
        (with(&insight, &json!({"name": ["n"]})), "name"),
        (with(&insight, &json!({"description": long(16_385)})), "description"),
        (with(&insight, &json!({"description": "\u{0}"})), "description"),
        (with(&insight, &json!({"content": ""})), "content"),
        (with(&insight, &json!({"content": null})), "content"),
        (with(&insight, &json!({"content": long(65_537)})), "content"),
        (with(&insight, &json!({"content": "\u{0}"})), "content"),
        (json!({"type": "chart", "name": "n", "data": []}), "x_axis"),
        (with(&chart, &json!({"x_axis": ""})), "x_axis"),
        (with(&chart, &json!({"y_axis": long(256)})), "y_axis"),
        (with(&chart, &json!({"y_axis": "\u{0}"})), "y_axis"),
        (json!({"type": "audience", "name": "n"}), "rules"),
        (rules(json!({})), "rules"),
        (rules(json!([])), "rules"),
        (rules(json!(["female", null, null, null, null, null])), "rules"),
        (rules(json!({"gender": null})), "rules"),
        (rules(json!({"gender": ""})), "rules.gender"),
        (rules(json!({"gender": "\u{0}"})), "rules.gender"),
        (rules(json!({"birth_country": long(65)})), "rules.birth_country"),
        (rules(json!({"country": "GR"})), "rules.country"),
        (rules(json!({"age_min": 30, "age_max": 29})), "rules.age_min"),
        (rules(json!({"age_min": -1})), "rules.age_min"),
        (rules(json!({"age_max": 151})), "rules.age_max"),
        (rules(json!({"age_max": 30.5})), "rules.age_max"),
        (rules(json!({"age_max": "30"})), "rules.age_max"),
        (rules(json!({"social_hours_min": 24.01})), "rules.social_hours_min"),
        (rules(json!({"social_hours_min": -0.5})), "rules.social_hours_min"),
        (rules(json!({"social_hours_min": 1.001})), "rules.social_hours_min"),
        (rules(json!({"purchases_last_month_min": 1_000_001})), "rules.purchases_last_month_min"),
        (json!([insight]), ""),
        (json!(["insight", "n", null, null, null, null, "c"]), ""),
        (json!("insight"), ""),
    ] {
        let reply = ada.post("/favorites", &form).await;
        assert_eq!(reply.field(422), field, "{form}: {}", reply.text());
    }
    let deep = format!("{}1{}", "[".repeat(257), "]".repeat(257));
    let form = format!("{{\"type\":\"chart\",\"name\":\"n\",\"x_axis\":\"x\",\"data\":{deep}}}");
    assert_eq!(ada.post_bytes("/favorites", form).await.field(422), "data");
    for bytes in ["", "{", "{\"type\":\"insight\",}", "nil", "{\"type\":\"insight\",\"name\":\"\u{1}\"}"] {
        ada.post_bytes("/favorites", bytes.to_owned()).await.problem(400);
    }
    let data = json!({"type": "chart", "name": "n", "x_axis": "x", "data": long(1024 * 1024 - 1)});
    assert_eq!(ada.post("/favorites", &data).await.field(413), "data");
    ada.post("/favorites", &with(&insight, &json!({"content": long(2 * 1024 * 1024)}))).await.problem(413);
    assert!(listed(&ada, "", "id").await.is_empty());
}

#[tokio::test]
async fn the_longest_of_everything_is_taken() {
    let (_app, ada) = app().await;
    // Each character is six bytes on the wire and one in its column.
    let escaped = |bytes: usize| "\u{1}".repeat(bytes);
    let form =
        json!({"type": "insight", "name": escaped(255), "description": escaped(16_384), "content": escaped(65_536)});
    let id = keep(&ada, &form).await;
    let found = ada.get(&format!("/favorites/{id}")).await.ok(200);
    assert_eq!((&found["name"], &found["content"]), (&form["name"], &form["content"]));
    let rules = json!({"gender": "x".repeat(64), "birth_country": "x".repeat(64), "age_min": 150, "age_max": 150,
        "social_hours_min": 24, "purchases_last_month_min": 1_000_000});
    let id = keep(&ada, &json!({"type": "audience", "name": "n", "rules": rules})).await;
    assert_eq!(ada.get(&format!("/favorites/{id}")).await.ok(200)["rules"], rules);
}

#[tokio::test]
async fn nobody_sees_or_changes_anothers_favorites_and_a_viewer_has_some_too() {
    let (app, ada) = app().await;
    let bob = app.user("bob").await;
    let path = format!("/favorites/{}", keep(&ada, &insight("hers")).await);
    ada.post("/api/members", &json!({"email": "bob@example.com", "role": "viewer"})).await.ok(201);
    let guest = bob.clone().with("x-workspace-id", &ada.workspace_id);
    for stranger in [&bob, &guest] {
        stranger.get(&path).await.problem(404);
        stranger.call("PATCH", &path, &json!({"name": "mine"})).await.problem(404);
        stranger.delete(&path).await.problem(404);
        assert!(listed(stranger, "", "id").await.is_empty());
    }
    // They are the user's own: the same in every workspace, and by a key.
    let mine = format!("/favorites/{}", keep(&guest, &insight("his")).await);
    assert_eq!(listed(&bob, "", "name").await, ["his"]);
    let key = bob.post("/api/keys", &json!({"name": "ci", "role": "viewer"})).await.ok(201);
    let by_key = app.client().with("x-api-key", key["key"].as_str().unwrap());
    by_key.call("PATCH", &mine, &json!({"name": "by key"})).await.ok(200);
    assert_eq!(guest.get(&mine).await.ok(200)["name"], "by key");
    assert_eq!(ada.get(&path).await.ok(200)["name"], "hers");
    by_key.delete(&mine).await.ok(204);
    bob.get(&mine).await.problem(404);
    bob.delete(&mine).await.problem(404);
}

#[tokio::test]
async fn a_user_has_no_more_favorites_than_they_may() {
    let app = crate::support::TestApp::with(&["--max-favorites=3"]).await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut last = String::new();
    for n in 0..3 {
        last = keep(&ada, &insight(&format!("{n}"))).await;
    }
    let refused = ada.post("/favorites", &insight("4")).await.problem(409);
    assert!(refused["detail"].as_str().unwrap().contains("MAX_FAVORITES"), "{refused}");
    let line = format!("{}\n", insight("4"));
    ada.post_bytes("/favorites/import", line.clone()).await.problem(409);
    ada.post_bytes("/favorites/import", line.repeat(4)).await.problem(409);
    bob.post("/favorites", &insight("1")).await.ok(201);
    ada.delete(&format!("/favorites/{last}")).await.ok(204);
    assert_eq!(listed(&ada, "", "name").await, ["1", "0"]);
    ada.post("/favorites", &insight("4")).await.ok(201);
    ada.post("/favorites", &insight("5")).await.problem(409);
    assert_eq!(listed(&ada, "", "name").await, ["4", "1", "0"]);
}
