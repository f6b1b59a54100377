//! Changes: a merge patch of everything but the type, against lost updates, one after another.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::favorites::{app, audience, chart, insight, keep, listed};
use crate::runs::raw;

#[tokio::test]
async fn a_patch_merges_what_it_names_and_nothing_else() {
    let (_app, ada) = app().await;
    for (form, patch, changed) in [
        (insight("i"), json!({}), json!({})),
        (insight("i"), json!({"name": "j"}), json!({"name": "j"})),
        (insight("i"), json!({"type": "insight", "content": "c"}), json!({"content": "c"})),
        (insight("i"), json!({"description": "d"}), json!({"description": "d"})),
        (chart("c"), json!({"y_axis": "y", "x_axis": null}), json!({"y_axis": "y", "x_axis": null})),
        (chart("c"), json!({"data": null}), json!({"data": null})),
        (chart("c"), json!({"data": {"a": {"b": null}}}), json!({"data": {"a": {}}})),
        (
            json!({"type": "chart", "name": "c", "x_axis": "x", "data": {"a": {"b": 1, "c": 2}, "d": 3}}),
            json!({"data": {"a": {"b": null, "e": [null]}}}),
            json!({"data": {"a": {"c": 2, "e": [null]}, "d": 3}}),
        ),
        (
            audience("a"),
            json!({"rules": {"age_min": 20, "age_max": 30}}),
            json!({"rules": {"gender": "female", "birth_country": null, "age_min": 20, "age_max": 30,
                "social_hours_min": null, "purchases_last_month_min": null}}),
        ),
    ] {
        let before = ada.post("/favorites", &form).await.ok(201);
        let path = format!("/favorites/{}", before["id"].as_str().unwrap());
        let mut expected = before.clone();
        for (field, value) in changed.as_object().unwrap() {
            expected[field] = value.clone();
        }
        let after = ada.call("PATCH", &path, &patch).await.ok(200);
        assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
        expected["updated_at"] = after["updated_at"].clone();
        assert_eq!(after, expected, "{patch}");
        assert_eq!(ada.get(&path).await.ok(200), expected);
        assert_eq!(ada.get("/favorites?limit=1").await.ok(200)["items"][0], expected);
    }
}

#[tokio::test]
async fn a_patch_that_makes_no_favorite_changes_nothing() {
    let (_app, ada) = app().await;
    for (form, refused) in [
        (
            insight("i"),
            vec![
                (json!({"type": "chart"}), "type"),
                (json!({"type": null}), "type"),
                (json!({"name": null}), "name"),
                (json!({"name": ""}), "name"),
                (json!({"name": 1}), "name"),
                (json!({"content": null}), "content"),
                (json!({"x_axis": "x"}), "x_axis"),
                (json!({"unknown": null}), "unknown"),
                (json!({"id": "944ce838-b5c5-4628-8f23-089fbda8b9e3"}), "id"),
                (json!({"created_at": "2026-01-01T00:00:00Z"}), "created_at"),
                (json!([]), ""),
                (json!("x"), ""),
                (json!(null), ""),
            ],
        ),
        (chart("c"), vec![(json!({"x_axis": null}), "x_axis"), (json!({"content": "c"}), "content")]),
        (
            audience("a"),
            vec![
                (json!({"rules": {"gender": null}}), "rules"),
                (json!({"rules": null}), "rules"),
                (json!({"rules": {"age_min": 30, "age_max": 20}}), "rules.age_min"),
                (json!({"rules": {"country": null}}), "rules.country"),
            ],
        ),
    ] {
        let before = ada.post("/favorites", &form).await.ok(201);
        let path = format!("/favorites/{}", before["id"].as_str().unwrap());
        for (patch, field) in refused {
            let reply = ada.call("PATCH", &path, &patch).await;
            assert_eq!(reply.field(422), field, "{patch}: {}", reply.text());
        }
        assert_eq!(ada.get(&path).await.ok(200), before);
    }
}

#[tokio::test]
async fn data_that_a_patch_does_not_touch_keeps_its_bytes() {
    let (_app, ada) = app().await;
    let form = r#"{"type":"chart","name":"n","x_axis":"x","data":{"keep": { "n" : 1e400 },"n":1}}"#;
    let kept = ada.post_bytes("/favorites", form).await.text();
    let path = format!("/favorites/{}", raw(&kept, "id").trim_matches('"'));
    let renamed = ada.call("PATCH", &path, &json!({"name": "m"})).await.text();
    assert_eq!(raw(&renamed, "data"), r#"{"keep": { "n" : 1e400 },"n":1}"#);
    let merged = ada.call("PATCH", &path, &json!({"data": {"n": 2}})).await.text();
    assert_eq!(raw(&merged, "data"), r#"{"keep":{ "n" : 1e400 },"n":2}"#);
}

#[tokio::test]
async fn tags_save_bytes_and_keep_updates_from_being_lost() {
    let (_app, ada) = app().await;
    let path = format!("/favorites/{}", keep(&ada, &insight("i")).await);
    let first = ada.get(&path).await.header("etag").to_owned();
    let known = ada.clone().with("if-none-match", &first).get(&path).await;
    assert_eq!((known.status, known.bytes.len(), known.header("etag")), (304, 0, first.as_str()));
    let careful = ada.clone().with("if-match", &first);
    let second = careful.call("PATCH", &path, &json!({"name": "j"})).await;
    let second = {
        second.ok(200);
        second.header("etag").to_owned()
    };
    assert_ne!(first, second);
    assert_eq!(careful.call("PATCH", &path, &json!({"name": "k"})).await.problem(412)["code"], "changed");
    assert_eq!(careful.delete(&path).await.problem(412)["code"], "changed");
    assert_eq!(ada.clone().with("if-none-match", &first).get(&path).await.ok(200)["name"], "j");
    ada.clone().with("if-match", "*").call("PATCH", &path, &json!({"name": "l"})).await.ok(200);
    let third = ada.get(&path).await.header("etag").to_owned();
    ada.clone().with("if-match", &third).delete(&path).await.ok(204);
    ada.clone().with("if-match", "*").delete(&path).await.problem(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_that_come_at_once_all_count() {
    let (_app, ada) = app().await;
    let id = keep(&ada, &json!({"type": "chart", "name": "n", "x_axis": "x", "data": {}})).await;
    let mut patching = JoinSet::new();
    for n in 0..12 {
        let (ada, path) = (ada.clone(), format!("/favorites/{id}"));
        patching.spawn(async move {
            let patch = json!({"data": {format!("k{n}"): n}});
            for _ in 0..100 {
                // Refused only when it lost too often; then nothing was changed.
                if ada.call("PATCH", &path, &patch).await.status == 200 {
                    return;
                }
            }
            panic!("never taken");
        });
    }
    patching.join_all().await;
    let found = ada.get(&format!("/favorites/{id}")).await.ok(200);
    let data: Vec<&Value> = found["data"].as_object().unwrap().values().collect();
    assert_eq!(data.len(), 12, "{found}");
    assert_eq!(ada.get("/favorites").await.ok(200)["items"][0], found);
    assert_eq!(listed(&ada, "", "id").await, [id]);
}
