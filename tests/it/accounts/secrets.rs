//! The secret of the tokens: changed without signing anybody out, never too short, made and kept when none is given.

use std::os::unix::fs::PermissionsExt;

use runyard::app::App;
use runyard::config::Config;

use crate::support::redis::distributed;
use crate::support::{TestApp, TestStores};

const OLD: &str = "an old secret of more than 32 bytes";
const NEW: &str = "a new secret and also of more than 32 bytes";

#[tokio::test]
async fn a_secret_is_changed_without_signing_anybody_out() {
    let app = TestApp::with(&[&format!("--jwt-secret={OLD}")]).await;
    let ada = app.user("ada").await;

    let app = TestApp::over(app.stop().await, &[&format!("--jwt-secret={NEW},{OLD}")]).await;
    let by_old = app.client().with("authorization", &format!("Bearer {}", ada.token));
    by_old.get("/me").await.ok(200);
    let by_new = app.client().logged_in("ada@example.com").await;
    by_new.get("/me").await.ok(200);

    let app = TestApp::over(app.stop().await, &[&format!("--jwt-secret={NEW}")]).await;
    let by_old = app.client().with("authorization", &format!("Bearer {}", ada.token));
    by_old.get("/me").await.problem(401);
    let by_new = app.client().with("authorization", &format!("Bearer {}", by_new.token));
    by_new.get("/me").await.ok(200);
}

#[tokio::test]
async fn a_secret_of_less_than_32_bytes_starts_no_server() {
    let stores = TestStores::new().await;
    let whole = "x".repeat(32);
    for secret in ["", "x", &whole[1..], &format!("{whole},short"), &format!("{whole},"), ","] {
        let error = App::start(stores.config(&[&format!("--jwt-secret={secret}")])).await.unwrap_err();
        let text = format!("{:#}", anyhow::Error::new(error));
        assert!(text.contains("JWT_SECRET must have at least 32 bytes"), "{secret}: {text}");
    }
    App::start(stores.config(&[&format!("--jwt-secret={whole}")])).await.unwrap();
}

/// The configuration of a server to which no secret is given.
fn without_secret(stores: &TestStores) -> Config {
    let arguments = stores.arguments(&[]).into_iter().filter(|argument| !argument.starts_with("--jwt-secret"));
    Config::from_args(std::iter::once("runyard".to_owned()).chain(arguments)).unwrap()
}

#[tokio::test]
async fn a_secret_that_nobody_gave_is_made_kept_and_hidden() {
    let stores = TestStores::new().await;
    if distributed() {
        // Replicas could not agree on one.
        let error = App::start(without_secret(&stores)).await.unwrap_err();
        assert!(format!("{:#}", anyhow::Error::new(error)).contains("JWT_SECRET is required"));
        return;
    }
    let app = TestApp::under(stores.clone(), without_secret(&stores)).await;
    let ada = app.user("ada").await;
    let file = stores.folder().join("jwt_secret");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(secret.len() >= 32);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let stores = app.stop().await;
    let app = TestApp::under(stores.clone(), without_secret(&stores)).await;
    app.client().with("authorization", &format!("Bearer {}", ada.token)).get("/me").await.ok(200);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
    let left: Vec<_> = std::fs::read_dir(stores.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let beside = left.iter().filter(|name| name.to_string_lossy().starts_with("jwt_secret"));
    assert_eq!(beside.count(), 1, "{left:?}");
}

#[tokio::test]
async fn two_servers_have_two_secrets() {
    if distributed() {
        return;
    }
    let (one, other) = (TestStores::new().await, TestStores::new().await);
    for stores in [&one, &other] {
        App::start(without_secret(stores)).await.unwrap();
    }
    let secret = |stores: &TestStores| std::fs::read_to_string(stores.folder().join("jwt_secret")).unwrap();
    assert_ne!(secret(&one), secret(&other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_together_on_one_folder_agree_on_the_secret() {
    if distributed() {
        return;
    }
    let stores = TestStores::new().await;
    let starting = (0..8).map(|_| {
        let stores = stores.clone();
        tokio::spawn(async move { TestApp::under(stores.clone(), without_secret(&stores)).await })
    });
    let mut servers = Vec::new();
    for started in starting.collect::<Vec<_>>() {
        servers.push(started.await.unwrap());
    }
    let ada = servers[0].user("ada").await;
    for server in &servers {
        server.client().with("authorization", &format!("Bearer {}", ada.token)).get("/me").await.ok(200);
    }
}
