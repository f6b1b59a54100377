//! Members of a workspace: what each role may do, how a workspace is chosen, and that it keeps an owner.

use futures_util::future::join;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{invite, members};
use crate::support::{Client, TestApp, run};

async fn remove(owner: &Client, member: &Client) -> u16 {
    owner.delete(&format!("/api/members/{}", member.user_id)).await.status
}

async fn roles(client: &Client) -> Vec<(String, String)> {
    let page = client.get("/api/members").await.ok(200);
    assert_eq!(page["next_cursor"], Value::Null);
    let role =
        |member: &Value| (member["email"].as_str().unwrap().to_owned(), member["role"].as_str().unwrap().to_owned());
    page["items"].as_array().unwrap().iter().map(role).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, role)| (format!("{name}@example.com"), (*role).to_owned())).collect()
}

#[tokio::test]
async fn an_owner_lets_a_user_in_by_email() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let form = json!({"email": " BOB@example.com ", "role": "editor"});
    let member = ada.post("/api/members", &form).await.ok(201);
    assert_eq!(members(&member), ["created_at", "email", "role", "user_id"]);
    assert_eq!((&member["user_id"], &member["email"]), (&json!(bob.user_id), &json!("bob@example.com")));
    assert_eq!(roles(&ada).await, pairs(&[("ada", "owner"), ("bob", "editor")]));
    let me = bob.get("/me").await.ok(200);
    let workspaces = json!([
        {"workspace_id": bob.workspace_id, "role": "owner"},
        {"workspace_id": ada.workspace_id, "role": "editor"},
    ]);
    assert_eq!((&me["workspace_id"], &me["workspaces"]), (&json!(bob.workspace_id), &workspaces));
}

#[tokio::test]
async fn who_has_not_signed_up_cannot_be_let_in() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for email in ["nobody@example.com", "", "no\0body@example.com"] {
        ada.post("/api/members", &json!({"email": email, "role": "viewer"})).await.problem(404);
    }
    assert_eq!(roles(&ada).await, pairs(&[("ada", "owner")]));
}

#[tokio::test]
async fn a_members_form_names_its_bad_fields() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let forms = [
        ("role", json!({"email": "ada@example.com", "role": "king"})),
        ("role", json!({"email": "ada@example.com"})),
        ("email", json!({"role": "viewer"})),
        ("until", json!({"email": "ada@example.com", "role": "viewer", "until": "tomorrow"})),
    ];
    for (field, form) in forms {
        assert_eq!(ada.post("/api/members", &form).await.field(422), field, "{form}");
    }
}

#[tokio::test]
async fn a_viewer_reads_and_does_not_write() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let id = &ada.create(&json!([run(None, "Weather Query")])).await[0];
    let key = ada.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
    let viewer = invite(&ada, &bob, "bob", "viewer").await;

    assert_eq!(viewer.get("/me").await.ok(200)["role"], "viewer");
    let found = viewer.get(&format!("/runs/{id}")).await.ok(200);
    assert_eq!(viewer.get("/runs").await.ok(200)["items"][0]["id"], **id);
    viewer.get(&format!("/traces/{}", found["trace_id"].as_str().unwrap())).await.ok(200);
    viewer.get("/api/keys").await.ok(200);
    assert_eq!(roles(&viewer).await, pairs(&[("ada", "owner"), ("bob", "viewer")]));

    let key_path = format!("/api/keys/{}", key["id"].as_str().unwrap());
    let member_path = format!("/api/members/{}", ada.user_id);
    viewer.post("/runs", &json!([run(None, "Weather Query")])).await.problem(403);
    viewer.post("/runs", &run(None, "Weather Query")).await.problem(403);
    viewer.delete(&format!("/runs/{id}")).await.problem(403);
    viewer.post("/api/keys", &json!({"name": "mine", "role": "viewer"})).await.problem(403);
    viewer.delete(&key_path).await.problem(403);
    viewer.post("/api/members", &json!({"email": "bob@example.com", "role": "owner"})).await.problem(403);
    viewer.delete(&member_path).await.problem(403);

    assert_eq!(ada.get("/runs").await.ok(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.get("/api/keys").await.ok(200)["items"].as_array().unwrap().len(), 1);
    // In a workspace of their own the same person is the owner.
    bob.create(&json!([run(None, "Weather Query")])).await;
}

#[tokio::test]
async fn an_editor_writes_and_does_not_manage_members() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let id = &editor.create(&json!([run(None, "Weather Query")])).await[0];
    ada.get(&format!("/runs/{id}")).await.ok(200);
    bob.get(&format!("/runs/{id}")).await.problem(404);
    assert_eq!(editor.delete(&format!("/runs/{id}")).await.status, 204);
    let key = editor.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
    assert_eq!(editor.delete(&format!("/api/keys/{}", key["id"].as_str().unwrap())).await.status, 204);
    editor.post("/api/members", &json!({"email": "bob@example.com", "role": "owner"})).await.problem(403);
    assert_eq!(remove(&editor, &ada).await, 403);
}

#[tokio::test]
async fn either_header_chooses_the_workspace() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    invite(&ada, &bob, "bob", "viewer").await;
    let simple = ada.workspace_id.replace('-', "");
    for (header, workspace) in [
        ("X-Workspace-Id", &ada.workspace_id),
        ("X-Tenant-Id", &ada.workspace_id),
        ("x-workspace-id", &simple),
        ("x-tenant-id", &simple),
    ] {
        let me = bob.clone().with(header, workspace).get("/me").await.ok(200);
        assert_eq!((&me["workspace_id"], &me["role"]), (&json!(ada.workspace_id), &json!("viewer")), "{header}");
    }
    let own = bob.clone().with("x-workspace-id", &bob.workspace_id).get("/me").await.ok(200);
    assert_eq!((&own["workspace_id"], &own["role"]), (&json!(bob.workspace_id), &json!("owner")));
}

#[tokio::test]
async fn a_workspace_that_is_not_ones_own_is_not_found() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    for header in ["x-workspace-id", "x-tenant-id"] {
        for workspace in [&ada.workspace_id, &Uuid::new_v4().to_string()] {
            let stranger = bob.clone().with(header, workspace);
            for path in ["/me", "/runs", "/api/keys", "/api/members"] {
                stranger.get(path).await.problem(404);
            }
            stranger.post("/runs", &json!([run(None, "Weather Query")])).await.problem(404);
        }
        for workspace in ["", "mine", "00000000-0000-0000-0000-00000000000g"] {
            let stranger = bob.clone().with(header, workspace);
            assert_eq!(stranger.get("/me").await.field(422), header, "{workspace}");
        }
    }
}

#[tokio::test]
async fn the_last_owner_stays_and_stays_owner() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    invite(&ada, &bob, "bob", "editor").await;
    assert_eq!(remove(&ada, &ada).await, 409);
    for role in ["editor", "viewer"] {
        ada.post("/api/members", &json!({"email": "ada@example.com", "role": role})).await.problem(409);
    }
    assert_eq!(roles(&ada).await, pairs(&[("ada", "owner"), ("bob", "editor")]));

    let other = invite(&ada, &bob, "bob", "owner").await;
    ada.post("/api/members", &json!({"email": "ada@example.com", "role": "viewer"})).await.ok(201);
    assert_eq!(roles(&other).await, pairs(&[("ada", "viewer"), ("bob", "owner")]));
    assert_eq!(remove(&other, &bob).await, 409);
}

#[tokio::test]
async fn one_of_two_owners_who_leave_at_once_stays() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let other = invite(&ada, &bob, "bob", "owner").await;
    let (first, second) = join(remove(&ada, &ada), remove(&other, &bob)).await;
    let mut statuses = [first, second];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}

#[tokio::test]
async fn anybody_may_leave_and_nobody_else_may_be_shown_out_by_them() {
    let app = TestApp::spawn().await;
    let (ada, bob, eve) = (app.user("ada").await, app.user("bob").await, app.user("eve").await);
    let viewer = invite(&ada, &bob, "bob", "viewer").await;
    invite(&ada, &eve, "eve", "viewer").await;
    assert_eq!(remove(&viewer, &eve).await, 403);
    assert_eq!(remove(&viewer, &bob).await, 204);
    viewer.get("/me").await.problem(404);
    bob.get("/me").await.ok(200);
    assert_eq!(roles(&ada).await, pairs(&[("ada", "owner"), ("eve", "viewer")]));
    assert_eq!(remove(&ada, &bob).await, 404);
}

#[tokio::test]
async fn a_member_who_is_shown_out_is_out_at_once() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let id = &ada.create(&json!([run(None, "Weather Query")])).await[0];
    let editor = invite(&ada, &bob, "bob", "editor").await;
    let path = format!("/runs/{id}");
    editor.get(&path).await.ok(200);
    assert_eq!(remove(&ada, &bob).await, 204);
    editor.get(&path).await.problem(404);
    editor.delete(&path).await.problem(404);
    ada.get(&path).await.ok(200);
}

#[tokio::test]
async fn a_change_of_role_is_effective_at_once() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let form = json!([run(None, "Weather Query")]);
    for (role, status) in [("viewer", 403), ("editor", 201), ("viewer", 403), ("owner", 201), ("viewer", 403)] {
        let member = invite(&ada, &bob, "bob", role).await;
        assert_eq!(member.get("/me").await.ok(200)["role"], role);
        assert_eq!(member.post("/runs", &form).await.status, status, "{role}");
    }
}
