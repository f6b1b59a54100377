//! The log, even at its chattiest, holds no secret, no e-mail and nothing of a payload.

use serde_json::json;

use crate::support::program::Serving;
use crate::support::{PASSWORD, TestStores, run};

const EMAIL: &str = "ada.lovelace@example.com";
const MARKER: &str = "payload-marker-7d1f";
const SECRET: &str = "a-secret-that-no-log-may-ever-show";

#[tokio::test]
async fn no_secret_no_email_and_no_payload_is_logged() {
    let stores = TestStores::new().await;
    let arguments = stores.arguments(&["--log-level=trace", &format!("--jwt-secret={SECRET}")]);
    let server = Serving::start(stores.folder(), &arguments).await;
    let ada = server.client().signed_up(EMAIL).await;
    let form = json!({"email": EMAIL, "password": "a-wrong-password"});
    ada.anonymous().post("/login", &form).await.problem(401);
    ada.anonymous()
        .post_bytes("/login", format!("{{\"email\": \"{EMAIL}\", \"password\": {PASSWORD}"))
        .await
        .problem(400);
    ada.anonymous().post("/signup", &form).await.problem(409);
    let key = ada.post("/api/keys", &json!({"name": MARKER})).await.ok(201);
    let key = key["key"].as_str().unwrap();
    let by_key = server.client().with("x-api-key", key);

    let mut weather = run(None, MARKER);
    weather["inputs"] = json!({"query": MARKER, "long": MARKER.repeat(20_000)});
    let id = ada.create(&json!([weather])).await.remove(0);
    by_key.get(&format!("/runs/{id}")).await.ok(200);
    by_key.get(&format!("/runs?name={MARKER}&metadata.model={MARKER}")).await.ok(200);
    by_key.get(&format!("/runs/{MARKER}")).await.problem(422);
    weather["id"] = json!(id);
    weather["outputs"] = json!({"other": MARKER});
    for refused in [weather, json!({"name": MARKER}), json!({"trace_id": MARKER}), json!(MARKER)] {
        ada.post("/runs", &json!([refused])).await;
    }
    ada.post("/api/members", &json!({"email": EMAIL, "role": MARKER})).await.problem(422);
    ada.clone().with("authorization", &format!("Bearer {}x", ada.token)).get("/me").await.problem(401);

    let pair = ada.anonymous().post("/token", &json!({"refresh_token": ada.refresh_token})).await.ok(200);
    ada.anonymous().post("/token", &json!({"refresh_token": ada.refresh_token})).await.problem(401);

    let ended = server.stop();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    // The log is there, and knows of all of this by its ids.
    for (status, route) in [(201, "/signup"), (200, "/runs/{id}"), (422, "/runs/{id}"), (401, "/me")] {
        let expected = format!("\"route\":\"{route}\",\"status\":{status},");
        assert!(ended.stderr.contains(&expected), "{expected}: {}", ended.stderr);
    }
    let text = ended.stderr + &ended.stdout;
    let secrets = [
        PASSWORD,
        "a-wrong-password",
        EMAIL,
        MARKER,
        SECRET,
        key,
        &ada.token,
        ada.token.rsplit('.').next().unwrap(),
        &ada.refresh_token,
        pair["token"].as_str().unwrap(),
        pair["refresh_token"].as_str().unwrap(),
    ];
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the log shows {secret}");
    }
}
