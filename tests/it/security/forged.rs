//! Tokens that somebody else made are refused, whatever they say of themselves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};
use uuid::Uuid;

use crate::support::{Client, TestApp};

const SECRET: &str = "a secret of the server and of nobody else";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decoded(token: &str, part: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap()).unwrap()).unwrap()
}

fn hs256(secret: &str, message: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    URL_SAFE_NO_PAD.encode(mac.chain_update(message.as_bytes()).finalize().into_bytes())
}

fn hs512(secret: &str, message: &str) -> String {
    let mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
    URL_SAFE_NO_PAD.encode(mac.chain_update(message.as_bytes()).finalize().into_bytes())
}

/// A token with this header and these claims, signed as HS256 under this secret.
fn token(header: &Value, claims: &Value, secret: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    format!("{message}.{}", hs256(secret, &message))
}

/// The claims with one of them replaced, or removed.
fn changed(claims: &Value, name: &str, value: Option<Value>) -> Value {
    let mut claims = claims.clone();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    claims
}

async fn status(client: &Client, token: &str) -> u16 {
    client.clone().with("authorization", &format!("Bearer {token}")).get("/me").await.status
}

/// A server, the token of a user of it, and that token's header and claims.
async fn genuine() -> (TestApp, Client, Value, Value) {
    let app = TestApp::with(&[&format!("--jwt-secret={SECRET}")]).await;
    let ada = app.user("ada").await;
    let (header, claims) = (decoded(&ada.token, 0), decoded(&ada.token, 1));
    (app, ada, header, claims)
}

#[tokio::test]
async fn a_token_made_by_hand_under_the_secret_itself_is_good() {
    // Without this the refusals below would prove nothing.
    let (app, _, header, claims) = genuine().await;
    assert_eq!(header["alg"], "HS256");
    for header in [&header, &json!({"alg": "HS256"}), &json!({"alg": "HS256", "typ": "JWT", "kid": null})] {
        assert_eq!(status(&app.client(), &token(header, &claims, SECRET)).await, 200, "{header}");
    }
}

#[tokio::test]
async fn a_token_under_another_secret_is_refused() {
    let (app, _, header, claims) = genuine().await;
    for secret in ["another secret of thirty-two bytes", "", &SECRET[1..], "secret"] {
        assert_eq!(status(&app.client(), &token(&header, &claims, secret)).await, 401, "{secret}");
    }
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    let (app, ada, header, claims) = genuine().await;
    for alg in ["none", "None", "NONE", "nOnE", "HS256"] {
        let message = format!("{}.{}", part(&json!({"alg": alg, "kid": header["kid"]})), part(&claims));
        let signature = hs256(SECRET, &message);
        for token in [message.clone(), format!("{message}."), format!("{message}.{signature}")] {
            let expected = if alg == "HS256" && token.ends_with(&signature) { 200 } else { 401 };
            assert_eq!(status(&app.client(), &token).await, expected, "{alg} {token}");
        }
    }
    assert_eq!(status(&app.client(), ada.token.rsplit_once('.').unwrap().0).await, 401);
}

#[tokio::test]
async fn a_token_of_another_algorithm_is_refused_even_under_the_secret() {
    let (app, _, header, claims) = genuine().await;
    let message = |alg: &str| format!("{}.{}", part(&changed(&header, "alg", Some(json!(alg)))), part(&claims));
    for alg in ["HS512", "HS384", "RS256", "ES256", "PS256", "EdDSA", "hs256", "", "HS256 "] {
        let message = message(alg);
        for signature in [hs256(SECRET, &message), hs512(SECRET, &message)] {
            assert_eq!(status(&app.client(), &format!("{message}.{signature}")).await, 401, "{alg}");
        }
    }
    // And no other signature passes as HS256.
    let message = message("HS256");
    assert_eq!(status(&app.client(), &format!("{message}.{}", hs512(SECRET, &message))).await, 401);
    assert_eq!(status(&app.client(), &token(&json!({"typ": "JWT"}), &claims, SECRET)).await, 401);
}

#[tokio::test]
async fn a_token_with_anything_changed_is_refused() {
    let (app, ada, _, claims) = genuine().await;
    let eve = app.user("eve").await;
    let parts: Vec<&str> = ada.token.split('.').collect();
    let others: Vec<&str> = eve.token.split('.').collect();
    let later = part(&changed(&claims, "exp", Some(json!(Utc::now().timestamp() + 1_000_000))));
    let swapped = [
        [parts[0], others[1], parts[2]],
        [parts[0], parts[1], others[2]],
        [parts[0], &later, parts[2]],
        [parts[0], parts[1], ""],
        ["", parts[1], parts[2]],
        [parts[0], "", parts[2]],
    ];
    for parts in swapped {
        assert_eq!(status(&app.client(), &parts.join(".")).await, 401, "{parts:?}");
    }
    // Any single character, but for the last one of a part, of which some bits mean nothing.
    for place in (0..ada.token.len() - 1).filter(|place| ada.token.as_bytes()[place + 1] != b'.') {
        let mut forged = ada.token.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(status(&app.client(), &forged).await, 401, "{place}");
    }
    assert_eq!(status(&app.client(), &ada.token).await, 200);
}

#[tokio::test]
async fn a_token_that_is_past_its_end_is_refused() {
    let (app, _, header, claims) = genuine().await;
    let now = Utc::now().timestamp();
    for end in [json!(now - 1), json!(now - 3_600), json!(0), json!(-1), json!(null), json!("never"), json!([])] {
        let claims = changed(&claims, "exp", Some(end.clone()));
        assert_eq!(status(&app.client(), &token(&header, &claims, SECRET)).await, 401, "{end}");
    }
    assert_eq!(status(&app.client(), &token(&header, &changed(&claims, "exp", None), SECRET)).await, 401);
}

#[tokio::test]
async fn a_token_of_no_session_is_refused() {
    let (app, _, header, claims) = genuine().await;
    let no_session = Uuid::now_v7().to_string();
    for sid in [Some(json!(no_session)), Some(json!(null)), Some(json!("")), Some(json!(1)), None] {
        let claims = changed(&claims, "sid", sid.clone());
        assert_eq!(status(&app.client(), &token(&header, &claims, SECRET)).await, 401, "{sid:?}");
    }
    assert_eq!(status(&app.client(), &token(&header, &changed(&claims, "sub", None), SECRET)).await, 401);
    assert_eq!(status(&app.client(), &token(&header, &json!({}), SECRET)).await, 401);
}

#[tokio::test]
async fn a_token_under_an_unknown_key_id_is_refused() {
    let (app, _, header, claims) = genuine().await;
    for kid in [json!("other"), json!(""), json!("../../dev/null"), json!(1)] {
        let header = changed(&header, "kid", Some(kid.clone()));
        assert_eq!(status(&app.client(), &token(&header, &claims, SECRET)).await, 401, "{kid}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let (app, ada, ..) = genuine().await;
    let token = &ada.token;
    for garbage in
        ["", ".", "..", "...", "a.b.c", "null", "%2e", &format!("{token}.x"), &token.repeat(2), &"a.".repeat(4_000)]
    {
        assert_eq!(status(&app.client(), garbage).await, 401, "{garbage}");
    }
    for header in ["", "Bearer", token, &format!("Basic {token}"), &format!("Token {token}"), "Bearer\u{a0}x"] {
        app.client().with("authorization", header).get("/me").await.problem(401);
    }
    // A token is no API key.
    app.client().with("x-api-key", token).get("/me").await.problem(401);
    app.client().get(&format!("/me?token={token}&access_token={token}")).await.problem(401);
    app.client().with("authorization", &format!("bearer {token}")).get("/me").await.ok(200);
}
