//! API keys: shown once, good for one workspace, never stronger than whoever made them, dead at once when taken back.

use chrono::{TimeDelta, Utc};
use runyard::repository::AccountRepository;
use runyard::repository::entity::api_key;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{invite, members};
use crate::support::{Client, TestApp, run};

/// A key with this form.
async fn make(client: &Client, form: Value) -> Value {
    client.post("/api/keys", &form).await.ok(201)
}

/// Somebody who shows this key and nothing else.
fn with_key(client: &Client, key: &Value) -> Client {
    client.anonymous().with("x-api-key", key["key"].as_str().unwrap())
}

fn path(key: &Value) -> String {
    format!("/api/keys/{}", key["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_is_shown_once() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let end = "2999-01-31T12:00:00.000000Z";
    let made = make(&ada, json!({"name": "ci", "role": "editor", "expires_at": end})).await;
    assert_eq!(members(&made), ["created_at", "expires_at", "id", "key", "name", "prefix", "role"]);
    let key = made["key"].as_str().unwrap();
    assert!(key.len() > 40 && key.starts_with(made["prefix"].as_str().unwrap()), "{key}");
    assert!(made["prefix"].as_str().unwrap().len() < 16);

    let list = ada.get("/api/keys").await.ok(200);
    assert_eq!(list["next_cursor"], Value::Null);
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(list["items"], json!([expected]));
    assert_eq!((&expected["role"], &expected["expires_at"]), (&json!("editor"), &json!(end)));
    assert!(!list.to_string().contains(&key[16..]));
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_kept() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let made = make(&ada, json!({"name": "ci"})).await;
    let accounts = AccountRepository::new(app.stores.open().await.database);
    let rows = accounts.list_keys(ada.workspace_id.parse().unwrap()).await.unwrap();
    assert_eq!(rows[0].hash, hash(made["key"].as_str().unwrap()));
    assert!(!format!("{rows:?}").contains(&made["key"].as_str().unwrap()[16..]));
}

#[tokio::test]
async fn a_key_comes_in_under_either_header() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let made = make(&ada, json!({"name": "ci"})).await;
    let key = made["key"].as_str().unwrap();
    let as_bearer = app.client().with("authorization", &format!("Bearer {key}"));
    for client in [with_key(&ada, &made), as_bearer] {
        let me = client.get("/me").await.ok(200);
        assert_eq!((&me["id"], &me["workspace_id"]), (&json!(ada.user_id), &json!(ada.workspace_id)));
        // Whoever operates the server does so in person.
        assert_eq!((&me["role"], &me["operator"]), (&json!("owner"), &json!(false)));
        client.create(&json!([run(None, "Weather Query")])).await;
    }
    for wrong in [&key[1..], &format!("{key}x"), &key.to_lowercase(), "", "ry_"] {
        app.client().with("x-api-key", wrong).get("/me").await.problem(401);
    }
}

#[tokio::test]
async fn a_key_has_its_makers_role_or_less() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    assert_eq!(editor.post("/api/keys", &json!({"name": "ci", "role": "owner"})).await.field(422), "role");
    assert_eq!(make(&editor, json!({"name": "ci"})).await["role"], "editor");
    let viewer = make(&editor, json!({"name": "ci", "role": "viewer"})).await;
    with_key(&ada, &viewer).get("/runs").await.ok(200);
    with_key(&ada, &viewer).post("/runs", &json!([run(None, "Weather Query")])).await.problem(403);
    // A key cannot make a stronger one either.
    let by_key = with_key(&ada, &make(&editor, json!({"name": "ci", "role": "editor"})).await);
    assert_eq!(by_key.post("/api/keys", &json!({"name": "ci", "role": "owner"})).await.field(422), "role");
}

#[tokio::test]
async fn a_keys_form_names_its_bad_fields() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let forms = [
        ("name", json!({})),
        ("name", json!({"name": ""})),
        ("name", json!({"name": "a\0b"})),
        ("name", json!({"name": "a".repeat(256)})),
        ("role", json!({"name": "ci", "role": "king"})),
        ("expires_at", json!({"name": "ci", "expires_at": "2020-01-01T00:00:00Z"})),
        ("expires_at", json!({"name": "ci", "expires_at": "tomorrow"})),
        ("scope", json!({"name": "ci", "scope": "runs"})),
    ];
    for (field, form) in forms {
        assert_eq!(ada.post("/api/keys", &form).await.field(422), field, "{form}");
    }
    assert_eq!(ada.get("/api/keys").await.ok(200)["items"], json!([]));
    make(&ada, json!({"name": "a".repeat(255), "role": null, "expires_at": null})).await;
}

#[tokio::test]
async fn a_key_that_has_ended_is_refused() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let accounts = AccountRepository::new(app.stores.open().await.database);
    let now = Utc::now();
    for (key, end, status) in [("ry_ended", -1, 401), ("ry_good", 3_600, 200)] {
        let row = api_key::Model {
            id: Uuid::now_v7(),
            workspace_id: ada.workspace_id.parse().unwrap(),
            user_id: ada.user_id.parse().unwrap(),
            name: "ci".to_owned(),
            prefix: key.to_owned(),
            hash: hash(key),
            role: "owner".to_owned(),
            created_at: now - TimeDelta::hours(1),
            expires_at: Some(now + TimeDelta::seconds(end)),
        };
        accounts.create_key(row).await.unwrap();
        assert_eq!(app.client().with("x-api-key", key).get("/me").await.status, status, "{key}");
    }
}

fn hash(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_key_that_is_taken_back_is_dead_at_once() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let (doomed, other) = (make(&ada, json!({"name": "a"})).await, make(&ada, json!({"name": "b"})).await);
    with_key(&ada, &doomed).get("/me").await.ok(200);
    let reply = ada.delete(&path(&doomed)).await;
    assert_eq!((reply.status, reply.bytes.len()), (204, 0));
    with_key(&ada, &doomed).get("/me").await.problem(401);
    with_key(&ada, &other).get("/me").await.ok(200);
    ada.delete(&path(&doomed)).await.problem(404);
    let names: Vec<_> = ada.get("/api/keys").await.ok(200)["items"].as_array().unwrap().to_vec();
    assert_eq!((names.len(), &names[0]["name"]), (1, &json!("b")));
}

#[tokio::test]
async fn a_key_ends_with_its_makers_membership() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let key = with_key(&ada, &make(&editor, json!({"name": "ci"})).await);
    key.get("/runs").await.ok(200);
    assert_eq!(ada.delete(&format!("/api/members/{}", bob.user_id)).await.status, 204);
    key.get("/runs").await.problem(401);
}

#[tokio::test]
async fn a_key_weakens_with_its_maker_at_once() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let key = with_key(&ada, &make(&editor, json!({"name": "ci"})).await);
    key.create(&json!([run(None, "Weather Query")])).await;
    invite(&ada, &bob, "bob", "viewer").await;
    key.post("/runs", &json!([run(None, "Weather Query")])).await.problem(403);
    key.get("/runs").await.ok(200);
}

#[tokio::test]
async fn a_key_opens_one_workspace() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let key = with_key(&ada, &make(&editor, json!({"name": "ci"})).await);
    assert_eq!(key.get("/me").await.ok(200)["workspace_id"], ada.workspace_id);
    key.clone().with("x-workspace-id", &ada.workspace_id).get("/runs").await.ok(200);
    for header in ["x-workspace-id", "x-tenant-id"] {
        key.clone().with(header, &bob.workspace_id).get("/runs").await.problem(404);
    }
}

#[tokio::test]
async fn a_key_cannot_end_its_makers_session_or_membership() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let key = with_key(&ada, &make(&editor, json!({"name": "ci"})).await);
    let form = json!({"refresh_token": bob.refresh_token});
    assert_eq!(key.post("/logout", &form).await.field(422), "refresh_token");
    key.delete(&format!("/api/members/{}", bob.user_id)).await.problem(403);
    editor.get("/runs").await.ok(200);
}
