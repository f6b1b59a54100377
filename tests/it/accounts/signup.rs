//! Signing up: what is taken and what is not, who operates the server, and a server that is closed.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{credentials, members};
use crate::support::{Client, PASSWORD, TestApp};

#[tokio::test]
async fn sign_up_answers_with_the_user_and_a_workspace() {
    let app = TestApp::spawn().await;
    let user = app.client().post("/signup", &credentials("ada@example.com")).await.ok(201);
    assert_eq!(members(&user), ["email", "id", "workspace_id"]);
    assert_eq!(user["email"], "ada@example.com");
    for id in ["id", "workspace_id"] {
        assert_eq!(user[id].as_str().unwrap().parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    }
    assert_ne!(user["id"], user["workspace_id"]);
}

#[tokio::test]
async fn an_email_is_trimmed_and_lower_cased_everywhere() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let user = client.post("/signup", &credentials(" \tAda.Ünal@Example.COM\n")).await.ok(201);
    assert_eq!(user["email"], "ada.ünal@example.com");
    assert_eq!(client.post("/signup", &credentials("ADA.ünal@example.com")).await.field(409), "email");
    client.post("/login", &credentials("  ADA.ÜNAL@EXAMPLE.com ")).await.ok(200);
}

#[tokio::test]
async fn a_taken_email_is_a_conflict_and_changes_nothing() {
    let app = TestApp::spawn().await;
    let client = app.client();
    client.post("/signup", &credentials("ada@example.com")).await.ok(201);
    let other = json!({"email": "ada@example.com", "password": "another password"});
    assert_eq!(client.post("/signup", &other).await.field(409), "email");
    client.post("/login", &other).await.problem(401);
    client.post("/login", &credentials("ada@example.com")).await.ok(200);
}

#[tokio::test]
async fn one_of_many_who_sign_up_at_once_with_one_email_gets_it() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let form = credentials("ada@example.com");
    let replies = join_all((0..8).map(|_| client.post("/signup", &form))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_password_has_8_to_72_bytes_however_many_characters_these_are() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let passwords = [
        (422, "a".repeat(7)),
        (201, "a".repeat(8)),
        (201, "a".repeat(72)),
        (422, "a".repeat(73)),
        (422, "€€".to_owned()),
        (201, "€€€".to_owned()),
        (201, "€".repeat(24)),
        (422, format!("{}a", "€".repeat(24))),
        (422, String::new()),
    ];
    for (number, (status, password)) in passwords.iter().enumerate() {
        let form = json!({"email": format!("{number}@example.com"), "password": password});
        let reply = client.post("/signup", &form).await;
        if *status == 422 {
            assert_eq!(reply.field(422), "password", "{number}");
        } else {
            reply.ok(*status);
            client.post("/login", &form).await.ok(200);
        }
    }
}

#[tokio::test]
async fn a_bad_email_is_refused_with_its_field() {
    let app = TestApp::spawn().await;
    let long = format!("{}@example.com", "a".repeat(243));
    let bad = ["", " ", "ada", "@example.com", "ada@", "ada@b@c", "a da@example.com", "ada\u{7}@example.com", &long];
    for email in bad {
        assert_eq!(app.client().post("/signup", &credentials(email)).await.field(422), "email", "{email:?}");
    }
    app.client().post("/signup", &credentials(&long[1..])).await.ok(201);
}

#[tokio::test]
async fn both_fields_are_named_when_both_are_bad() {
    let app = TestApp::spawn().await;
    let problem = app.client().post("/signup", &json!({"email": "ada", "password": "short"})).await.problem(422);
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["email", "password"]);
}

#[tokio::test]
async fn u0000_is_refused_with_its_field() {
    let app = TestApp::spawn().await;
    let form = json!({"email": "a\0da@example.com", "password": PASSWORD});
    assert_eq!(app.client().post("/signup", &form).await.field(422), "email");
    let form = json!({"email": "ada@example.com", "password": "correct\0horse battery"});
    assert_eq!(app.client().post("/signup", &form).await.field(422), "password");
}

#[tokio::test]
async fn what_is_unknown_missing_or_of_the_wrong_type_is_named() {
    let app = TestApp::spawn().await;
    let forms = [
        ("admin", json!({"email": "ada@example.com", "password": PASSWORD, "admin": true})),
        ("password", json!({"email": "ada@example.com"})),
        ("email", json!({"password": PASSWORD})),
        ("password", json!({"email": "ada@example.com", "password": 12345678})),
        ("email", json!({"email": null, "password": PASSWORD})),
    ];
    for (field, form) in forms {
        assert_eq!(app.client().post("/signup", &form).await.field(422), field, "{form}");
    }
    app.client().post("/signup", &json!("ada@example.com")).await.problem(422);
    let twice = format!(r#"{{"email":"a@example.com","email":"b@example.com","password":"{PASSWORD}"}}"#);
    assert_eq!(app.client().post_bytes("/signup", twice).await.field(422), "email");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let app = TestApp::spawn().await;
    let whole = credentials("ada@example.com").to_string();
    for body in ["", "{", "email=ada", &whole[..whole.len() - 1], &format!("{whole}x"), &format!("{whole}{whole}")] {
        let problem = app.client().post_bytes("/signup", body.to_owned()).await.problem(400);
        assert_eq!(problem["code"], "malformed", "{body}");
    }
    let latin = [whole.as_bytes(), b"\xff"].concat();
    app.client().post_bytes("/signup", latin).await.problem(400);
}

#[tokio::test]
async fn json_is_read_whatever_its_content_type_says() {
    let app = TestApp::spawn().await;
    let client = app.client();
    client.post("/signup", &credentials("none@example.com")).await.ok(201);
    for (number, kind) in ["application/json", "text/plain", "application/x-www-form-urlencoded"].iter().enumerate() {
        let client = app.client().with("content-type", kind);
        client.post("/signup", &credentials(&format!("{number}@example.com"))).await.ok(201);
    }
}

/// The `/me` of every user who can log in.
async fn everybody(app: &TestApp, emails: &[String]) -> Vec<Value> {
    let me = |email| async move {
        let client = Client::new(app.address).logged_in(email).await;
        client.get("/me").await.ok(200)
    };
    join_all(emails.iter().map(|email| me(email))).await
}

#[tokio::test]
async fn the_first_user_operates_the_server_and_the_second_does_not() {
    let app = TestApp::spawn().await;
    let first = app.user("ada").await.get("/me").await.ok(200);
    let second = app.user("bob").await.get("/me").await.ok(200);
    assert_eq!((&first["operator"], &second["operator"]), (&json!(true), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_many_concurrent_first_sign_ups_operates_the_server() {
    let app = TestApp::spawn().await;
    let emails: Vec<_> = (0..12).map(|number| format!("user{number}@example.com")).collect();
    let sign_up = |email: String| {
        let client = app.client();
        tokio::spawn(async move { client.post("/signup", &credentials(&email)).await.ok(201) })
    };
    let signing_up: Vec<_> = emails.iter().cloned().map(sign_up).collect();
    for signed_up in signing_up {
        signed_up.await.unwrap();
    }
    let operators = everybody(&app, &emails).await.into_iter().filter(|me| me["operator"] == true);
    assert_eq!(operators.count(), 1);
}

#[tokio::test]
async fn a_closed_server_lets_its_first_user_in_and_nobody_else() {
    let app = TestApp::with(&["--signup=closed"]).await;
    let operator = app.user("ada").await.get("/me").await.ok(200);
    assert_eq!(operator["operator"], true);
    let problem = app.client().post("/signup", &credentials("bob@example.com")).await.problem(403);
    assert_eq!(problem["code"], "forbidden");
    app.client().post("/login", &credentials("bob@example.com")).await.problem(401);
}

#[tokio::test]
async fn exactly_one_of_many_concurrent_sign_ups_gets_into_a_closed_server() {
    let app = TestApp::with(&["--signup=closed"]).await;
    let client = app.client();
    let forms: Vec<_> = (0..8).map(|number| credentials(&format!("user{number}@example.com"))).collect();
    let replies = join_all(forms.iter().map(|form| client.post("/signup", form))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403, 403, 403, 403, 403, 403]);
}
