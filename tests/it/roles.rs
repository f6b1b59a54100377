//! Roles: a process does the parts of the work that it was told to, and says which one it is.

use serde_json::json;

use runyard::app::App;

use crate::support::{Client, TestApp, TestStores};

#[tokio::test]
async fn a_process_with_one_role_says_its_name_and_whether_it_is_ready() {
    let stores = TestStores::new().await;
    for (role, service) in [("api", "apigw"), ("queue", "mq"), ("collector", "collector")] {
        let app = TestApp::over(stores.clone(), &[&format!("--roles={role}")]).await;
        assert_eq!(app.client().get("/healthz").await.ok(200), json!({"status": "ok", "service": service}));
        assert_eq!(app.client().get("/readyz").await.ok(200)["status"], "ok");
        app.stop().await;
    }
}

#[tokio::test]
async fn only_a_process_with_the_api_answers_more_than_probes() {
    let stores = TestStores::new().await;
    let api = TestApp::over(stores.clone(), &["--roles=api,queue"]).await;
    let ada = api.user("ada").await;
    ada.get("/runs").await.ok(200);

    let queue = TestApp::over(stores, &["--roles=queue"]).await;
    let there: Client = ada.at(queue.address);
    let reply = there.get("/runs").await;
    assert_eq!(reply.problem(404)["code"], "not_found");
    let paths = there.get("/openapi.json").await.ok(200)["paths"].clone();
    let paths: Vec<_> = paths.as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, ["/healthz", "/readyz"]);
}

#[tokio::test]
async fn a_streamer_that_has_nothing_to_read_does_not_start() {
    let stores = TestStores::new().await;
    let error = App::start(stores.config(&["--roles=streamer"])).await.unwrap_err();
    let error = format!("{:#}", anyhow::Error::new(error));
    assert!(error.contains("STREAMER_SOURCE"), "{error}");
}
