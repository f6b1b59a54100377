//! Logging in: an answer that does not say what was wrong, and guesses that become slow without locking anybody out.

use std::time::Duration;

use serde_json::{Value, json};

use super::{credentials, members};
use crate::support::{Client, PASSWORD, Reply, TestApp};

const WRONG: &str = "not the password";

async fn log_in(client: &Client, email: &str, password: &str) -> Reply {
    client.post("/login", &json!({"email": email, "password": password})).await
}

/// Fails until the server has had enough, and gives that answer.
async fn fail_until_refused(client: &Client, email: &str) -> Reply {
    for _ in 0..20 {
        let reply = log_in(client, email, WRONG).await;
        if reply.status == 429 {
            return reply;
        }
        reply.problem(401);
    }
    panic!("twenty wrong passwords in a row were all looked at");
}

fn without_request_id(mut problem: Value) -> Value {
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

#[tokio::test]
async fn a_log_in_gives_a_pair_of_tokens() {
    let app = TestApp::with(&["--token-ttl=7m"]).await;
    app.user("ada").await;
    let pair = app.client().post("/login", &credentials("ada@example.com")).await.ok(200);
    assert_eq!(members(&pair), ["expires_in", "refresh_token", "token", "token_type"]);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("Bearer"), &json!(420)));
    assert_eq!(pair["token"].as_str().unwrap().split('.').count(), 3);
    assert!(!pair["refresh_token"].as_str().unwrap().contains('.'));
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_look_the_same() {
    let app = TestApp::spawn().await;
    app.user("ada").await;
    let wrong = log_in(&app.client(), "ada@example.com", WRONG).await;
    let unknown = log_in(&app.client(), "nobody@example.com", WRONG).await;
    assert_eq!(without_request_id(wrong.problem(401)), without_request_id(unknown.problem(401)));
    let names = |reply: &Reply| reply.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
}

#[tokio::test]
async fn only_the_very_password_is_right() {
    let app = TestApp::with(&["--login-failures=1000"]).await;
    let client = app.client();
    let long = "0123456789ab".repeat(6);
    for (email, password) in [("ada@example.com", PASSWORD), ("bob@example.com", &long)] {
        client.post("/signup", &json!({"email": email, "password": password})).await.ok(201);
        log_in(&client, email, password).await.ok(200);
        // What bcrypt does not tell apart by itself: what is beyond 72 bytes, and a password repeated after U+0000.
        let alike = [
            format!("{password} "),
            format!("{password}\0{password}"),
            format!("{password}\0"),
            format!("{password}{}", "x".repeat(100)),
            password.to_uppercase(),
            password[1..].to_owned(),
            String::new(),
        ];
        for other in alike {
            log_in(&client, email, &other).await.problem(401);
        }
    }
}

#[tokio::test]
async fn a_log_in_form_is_checked_like_any_other() {
    let app = TestApp::spawn().await;
    let client = app.client();
    assert_eq!(client.post("/login", &json!({"email": "ada@example.com"})).await.field(422), "password");
    let unknown = json!({"email": "ada@example.com", "password": PASSWORD, "remember": true});
    assert_eq!(client.post("/login", &unknown).await.field(422), "remember");
    client.post_bytes("/login", "{").await.problem(400);
    // Nobody can have such an e-mail.
    log_in(&client, "a\0da@example.com", PASSWORD).await.problem(401);
    log_in(&client, &"long".repeat(10_000), PASSWORD).await.problem(401);
}

#[tokio::test]
async fn repeated_failures_must_wait_and_are_told_how_long() {
    let app = TestApp::with(&["--login-failures=3"]).await;
    app.user("ada").await;
    let refusal = fail_until_refused(&app.client(), "ada@example.com").await;
    assert_eq!(refusal.problem(429)["code"], "too_many_requests");
    let seconds: u64 = refusal.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_right_password_makes_up_for_earlier_failures() {
    let app = TestApp::with(&["--login-failures=3"]).await;
    app.user("ada").await;
    for _ in 0..3 {
        for _ in 0..2 {
            log_in(&app.client(), "ada@example.com", WRONG).await.problem(401);
        }
        log_in(&app.client(), "ada@example.com", PASSWORD).await.ok(200);
    }
}

#[tokio::test]
async fn failures_for_an_unknown_email_must_wait_as_well() {
    let app = TestApp::with(&["--login-failures=3"]).await;
    fail_until_refused(&app.client(), "nobody@example.com").await.problem(429);
}

#[tokio::test]
async fn many_guesses_at_once_are_not_all_looked_at() {
    let app = TestApp::with(&["--login-failures=3"]).await;
    app.user("ada").await;
    let client = app.client();
    let guesses = (0..40).map(|number| {
        let client = client.clone();
        async move { log_in(&client, "ada@example.com", &format!("guess number {number}")).await.status }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((1..=6).contains(&looked_at), "{looked_at} of 40: {statuses:?}");
}

#[tokio::test]
async fn another_account_gets_in_from_the_address_of_a_guesser() {
    let app = TestApp::with(&["--login-failures=3"]).await;
    app.user("ada").await;
    app.user("bob").await;
    fail_until_refused(&app.client(), "ada@example.com").await;
    log_in(&app.client(), "bob@example.com", PASSWORD).await.ok(200);
}

#[tokio::test]
async fn a_guesser_locks_nobody_out_at_another_address() {
    let app = TestApp::with(&["--login-failures=3", "--trust-forwarded-for=true"]).await;
    app.user("ada").await;
    let guesser = app.client().with("x-forwarded-for", "203.0.113.9");
    fail_until_refused(&guesser, "ada@example.com").await;
    let victim = app.client().with("x-forwarded-for", "198.51.100.1");
    log_in(&victim, "ada@example.com", PASSWORD).await.ok(200);
    // And the victim's success does not give the guesser new guesses.
    log_in(&guesser, "ada@example.com", WRONG).await.problem(429);
}

#[tokio::test]
async fn guessers_at_many_addresses_lock_nobody_out() {
    let app = TestApp::with(&["--login-failures=1", "--trust-forwarded-for=true"]).await;
    app.user("ada").await;
    for number in 0..10 {
        let guesser = app.client().with("x-forwarded-for", &format!("203.0.113.{number}"));
        log_in(&guesser, "ada@example.com", WRONG).await.problem(401);
    }
    let victim = app.client().with("x-forwarded-for", "198.51.100.1");
    log_in(&victim, "ada@example.com", PASSWORD).await.ok(200);
}

#[tokio::test]
async fn the_right_password_works_once_the_wait_is_over() {
    let app = TestApp::with(&["--login-failures=1"]).await;
    app.user("ada").await;
    fail_until_refused(&app.client(), "ada@example.com").await;
    // An attempt that is refused is no failure, so asking again does not make the wait longer.
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    loop {
        pause.tick().await;
        let reply = log_in(&app.client(), "ada@example.com", PASSWORD).await;
        if reply.status == 200 {
            break;
        }
        reply.problem(429);
    }
}

#[tokio::test]
async fn only_the_last_forwarded_address_counts_and_only_behind_a_proxy() {
    for arguments in [["--login-failures=3", "--trust-forwarded-for=true"], ["--login-failures=3", "--signup=open"]] {
        let app = TestApp::with(&arguments).await;
        app.user("ada").await;
        let mut statuses = Vec::new();
        for number in 0..20 {
            // The first address is the guesser's own invention; without a proxy all of them are.
            let guesser = app.client().with("x-forwarded-for", &format!("203.0.113.{number}, 192.0.2.7"));
            statuses.push(log_in(&guesser, "ada@example.com", WRONG).await.status);
        }
        assert!(statuses.contains(&429), "{arguments:?}: {statuses:?}");
    }
}
