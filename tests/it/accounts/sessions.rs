//! Sessions: continued with tokens that are good once, ended by a log-out or by a token that was used twice.

use futures_util::future::join_all;
use serde_json::json;

use super::{credentials, refresh};
use crate::support::{Client, TestApp};

/// The same client with the token of this answer.
fn with_token(client: &Client, pair: &serde_json::Value) -> Client {
    client.clone().with("authorization", &format!("Bearer {}", pair["token"].as_str().unwrap()))
}

#[tokio::test]
async fn a_refresh_token_gives_a_new_pair_of_the_same_session() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let pair = refresh(&ada, &ada.refresh_token).await.ok(200);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_ne!(pair["refresh_token"], ada.refresh_token);
    let me = with_token(&ada, &pair).get("/me").await.ok(200);
    assert_eq!(me, ada.get("/me").await.ok(200));
    let third = refresh(&ada, pair["refresh_token"].as_str().unwrap()).await.ok(200);
    with_token(&ada, &third).get("/me").await.ok(200);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_whole_family_at_once() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let elsewhere = app.client().logged_in("ada@example.com").await;
    let pair = refresh(&ada, &ada.refresh_token).await.ok(200);
    let renewed = with_token(&ada, &pair);
    renewed.get("/me").await.ok(200);

    refresh(&ada, &ada.refresh_token).await.problem(401);

    refresh(&ada, pair["refresh_token"].as_str().unwrap()).await.problem(401);
    ada.get("/me").await.problem(401);
    renewed.get("/me").await.problem(401);
    elsewhere.get("/me").await.ok(200);
    refresh(&elsewhere, &elsewhere.refresh_token).await.ok(200);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_even_for_many_at_once() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let replies = join_all((0..8).map(|_| refresh(&ada, &ada.refresh_token))).await;
    let good: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(good.len(), 1);
    let winner = with_token(&ada, &good[0].json());
    winner.get("/me").await.problem(401);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for token in ["", "x", "ryr_", "ryr_\0", &ada.token, &ada.refresh_token[1..], &ada.refresh_token.to_lowercase()] {
        refresh(&ada, token).await.problem(401);
    }
    assert_eq!(ada.anonymous().post("/token", &json!({})).await.field(422), "refresh_token");
    let form = json!({"refresh_token": ada.refresh_token, "scope": "all"});
    assert_eq!(ada.anonymous().post("/token", &form).await.field(422), "scope");
    // None of it has used the token up.
    refresh(&ada, &ada.refresh_token).await.ok(200);
}

#[tokio::test]
async fn a_session_has_an_end() {
    let app = TestApp::with(&["--session-ttl=0s"]).await;
    let ada = app.user("ada").await;
    ada.get("/me").await.problem(401);
    refresh(&ada, &ada.refresh_token).await.problem(401);
}

#[tokio::test]
async fn a_log_out_ends_the_session_at_once_here_and_on_a_replica() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let elsewhere = app.client().logged_in("ada@example.com").await;
    ada.get("/me").await.ok(200);

    let reply = ada.post("/logout", &json!({"refresh_token": ada.refresh_token})).await;
    assert_eq!((reply.status, reply.bytes.len()), (204, 0));

    ada.get("/me").await.problem(401);
    refresh(&ada, &ada.refresh_token).await.problem(401);
    ada.post("/logout", &json!({"refresh_token": ada.refresh_token})).await.problem(401);
    let replica = app.replica().await;
    let there = replica.client().with("authorization", &format!("Bearer {}", ada.token));
    there.get("/me").await.problem(401);
    elsewhere.get("/me").await.ok(200);
    app.client().post("/login", &credentials("ada@example.com")).await.ok(200);
}

#[tokio::test]
async fn a_refreshed_session_logs_out_with_its_latest_token() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let pair = refresh(&ada, &ada.refresh_token).await.ok(200);
    let renewed = with_token(&ada, &pair);
    let reply = renewed.post("/logout", &json!({"refresh_token": pair["refresh_token"]})).await;
    assert_eq!(reply.status, 204);
    ada.get("/me").await.problem(401);
    renewed.get("/me").await.problem(401);
}

#[tokio::test]
async fn nobody_logs_out_with_a_token_of_another_session() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let elsewhere = app.client().logged_in("ada@example.com").await;
    for token in [&bob.refresh_token, &elsewhere.refresh_token, "unknown", ""] {
        assert_eq!(ada.post("/logout", &json!({"refresh_token": token})).await.field(422), "refresh_token");
    }
    for client in [&ada, &bob, &elsewhere] {
        client.get("/me").await.ok(200);
        refresh(client, &client.refresh_token).await.ok(200);
    }
}

#[tokio::test]
async fn me_says_who_one_is_and_where() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let me = ada.get("/me").await.ok(200);
    let expected = json!({
        "id": ada.user_id,
        "email": "ada@example.com",
        "workspace_id": ada.workspace_id,
        "role": "owner",
        "operator": true,
        "workspaces": [{"workspace_id": ada.workspace_id, "role": "owner"}],
    });
    assert_eq!(me, expected);
}
