//! The program as people run it: what it prints, what it refuses, and which files it reads.

use std::path::Path;

use runyard::config::{env_example, markdown_table};
use serde_json::Value;

use crate::support::program::{Ended, Serving, run};
use crate::support::redis::distributed;
use crate::support::{PASSWORD, TestStores};

const SECRET: &str = "a-secret-that-nothing-may-ever-print";

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The program over these stores.
fn over(stores: &TestStores, command: &str, more: &[&str], input: &str) -> Ended {
    let arguments: Vec<_> = words(command).into_iter().chain(stores.arguments(more)).collect();
    run(stores.folder(), &[], &arguments, input)
}

#[tokio::test]
async fn check_prints_the_configuration_with_stars_for_secrets_and_reaches_every_store() {
    let stores = TestStores::new().await;
    let text = over(&stores, "check", &[&format!("--jwt-secret={SECRET}")], "").ok();
    for line in ["database: ok", "blob: ok", "cache: ok"] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
    assert!(text.contains("jwt_secret") && text.contains("max_batch: 10000"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("runyard-test-secret"), "{text}");
}

#[tokio::test]
async fn check_says_which_stores_are_not_reached() {
    let stores = TestStores::new().await;
    // Nobody listens on port 1.
    let away = [
        "--database-url=postgres://ada:pass-word-1@127.0.0.1:1/none",
        "--cache-url=redis://:pass-word-2@127.0.0.1:1",
        "--upstream-timeout=1s",
    ];
    let ended = over(&stores, "check", &away, "");
    assert_eq!(ended.status, 1);
    assert!(ended.stdout.contains("\nblob: ok\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("not reached: database, cache"), "{}", ended.stderr);
    let all = ended.stdout + &ended.stderr;
    assert!(!all.contains("pass-word"), "{all}");
    assert!(all.contains("postgres://ada:***@127.0.0.1:1/none"), "{all}");
}

#[tokio::test]
async fn check_says_that_a_blob_store_is_not_reached() {
    let stores = TestStores::new().await;
    let (away, credentials) = ("--aws-endpoint-url=http://127.0.0.1:1", "--aws-access-key-id=x");
    let secret = format!("--aws-secret-access-key={SECRET}");
    let more = ["--blob-url=s3://bucket/prefix", away, credentials, &secret, "--upstream-timeout=1s"];
    let ended = over(&stores, "check", &more, "");
    assert_eq!(ended.status, 1);
    for line in ["\ndatabase: ok\n", "\nblob: ", "\ncache: ok\n"] {
        assert!(ended.stdout.contains(line), "{}{}", ended.stdout, ended.stderr);
    }
    assert!(ended.stderr.contains("not reached: blob"), "{}", ended.stderr);
    assert!(!(ended.stdout + &ended.stderr).contains(SECRET));
}

#[tokio::test]
async fn a_user_is_created_also_when_sign_up_is_closed() {
    let stores = TestStores::new().await;
    let create =
        |email: &str, password: &str| over(&stores, &format!("user create {email}"), &["--signup=closed"], password);
    let first = create("ADA@example.com", &format!("{PASSWORD}\n")).ok();
    assert!(first.contains(" ada@example.com in workspace "), "{first}");
    create("bob@example.com", &format!("{PASSWORD}\r\n")).ok();
    create("eve@example.com", PASSWORD).ok();
    assert!(create("bob@example.com", PASSWORD).failed().contains("log in instead"));
    assert!(create("carol@example.com", "short\n").failed().contains("8 to 72 bytes"));
    assert!(create("carol", PASSWORD).failed().contains("e-mail"));
    assert!(create("carol@example.com", "").failed().contains("password"));

    let server = Serving::start(stores.folder(), &stores.arguments(&["--signup=closed"])).await;
    for (name, operator) in [("ada", true), ("bob", false), ("eve", false)] {
        let me = server.client().logged_in(&format!("{name}@example.com")).await.get("/me").await.ok(200);
        assert_eq!(me["operator"], operator, "{name}");
    }
    assert_eq!(server.stop().status, 0);
}

#[tokio::test]
async fn the_program_prints_its_documents() {
    let folder = tempfile::tempdir().unwrap();
    let print = |command: &str| run(folder.path(), &[], &words(command), "").ok();
    let document: Value = serde_json::from_str(&print("openapi")).unwrap();
    assert_eq!(document["info"]["title"], "Runyard");
    assert_eq!(print("env-example"), env_example());
    assert_eq!(print("config-table"), markdown_table());
    // None of this needs, or leaves, anything.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn help_never_shows_the_value_of_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("JWT_SECRET", SECRET),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", SECRET),
        ("DATABASE_URL", "postgres://ada:a-secret-that-nothing-may-ever-print@db/x"),
        ("CACHE_URL", "redis://:a-secret-that-nothing-may-ever-print@cache"),
    ];
    for command in ["--help", "-h", "serve --help", "check --help"] {
        let text = run(folder.path(), &environment, &words(command), "").ok();
        assert!(text.contains("JWT_SECRET") && text.contains("DATABASE_URL"), "{command}: {text}");
        assert!(!text.contains(SECRET), "{command}: {text}");
    }
}

#[tokio::test]
async fn a_bad_value_is_refused_with_its_name_and_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [
        ("PORT", "eighty", "--port"),
        ("HOST", "localhost:80", "--host"),
        ("DATABASE_URL", "mysql://x", "expected sqlite://PATH or postgres://"),
        ("BLOB_URL", "ftp://x", "expected file://PATH or s3://bucket/prefix"),
        ("CACHE_URL", "memcached://x", "expected memory://, redis://"),
        ("CACHE_TTL", "soon", "--cache-ttl"),
        ("MAX_BODY", "lots", "--max-body"),
        ("SIGNUP", "maybe", "[possible values: open, closed]"),
        ("PASSWORD_COST", "3", "4..=16"),
        ("MIGRATE", "perhaps", "--migrate"),
    ];
    for (name, value, expected) in bad {
        let ended = run(folder.path(), &[(name, value)], &words("check"), "");
        assert_eq!(ended.status, 2, "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
    }
    assert_eq!(run(folder.path(), &[], &words("fly"), "").status, 2);
    let ended = run(folder.path(), &[("LOG_LEVEL", "runyard=loud")], &words("serve --port 0"), "");
    assert!(ended.failed().contains("LOG_LEVEL"));
    let ended = run(folder.path(), &[("JWT_SECRET", "short")], &words("serve --port 0"), "");
    assert!(ended.failed().contains("JWT_SECRET must have at least 32 bytes"));
}

#[tokio::test]
async fn a_bad_value_with_a_password_in_it_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("DATABASE_URL", "mysql://ada:a-secret-that-nothing-may-ever-print@db/x"),
        ("CACHE_URL", "valkey://:a-secret-that-nothing-may-ever-print@cache"),
    ] {
        let stderr = run(folder.path(), &[(name, value)], &words("check"), "").failed();
        assert!(stderr.contains("expected ") && !stderr.contains(SECRET), "{stderr}");
    }
}

fn data_folder(folder: &Path, environment: &[(&str, &str)]) -> String {
    let text = run(folder, environment, &words("check"), "").ok();
    let line = text.lines().find(|line| line.contains("data_dir: ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn the_file_of_the_environment_that_is_meant_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(data_folder(path, &[]), "./data");
    std::fs::write(path.join(".env"), "DATA_DIR=./from-env\n").unwrap();
    std::fs::write(path.join(".env.test"), "# for tests\nDATA_DIR=./from-env-test\n").unwrap();
    assert_eq!(data_folder(path, &[]), "./from-env");
    assert_eq!(data_folder(path, &[("RUN_HANDLER_ENV", "test")]), "./from-env-test");
    assert_eq!(data_folder(path, &[("RUN_HANDLER_ENV", "production")]), "./from-env");
    // What the environment says already wins.
    assert_eq!(data_folder(path, &[("RUN_HANDLER_ENV", "test"), ("DATA_DIR", "./given")]), "./given");
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_what_to_do() {
    let stores = TestStores::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    let stderr = over(&stores, "serve", &[&port], "").failed();
    assert!(stderr.contains("is it in use? choose another with PORT"), "{stderr}");
}

#[tokio::test]
async fn the_probe_of_the_program_tells_by_its_exit_status() {
    let stores = TestStores::new().await;
    let server = Serving::start(stores.folder(), &stores.arguments(&[])).await;
    let port = format!("--port={}", server.address.port());
    over(&stores, "health", &[&port], "").ok();
    server.stop();
    assert!(over(&stores, "health", &[&port], "").failed().contains("connecting to the server"));
}

#[tokio::test]
async fn a_server_without_any_configuration_keeps_everything_in_its_data_folder() {
    if distributed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(folder.path(), &words("serve --port 0")).await;
    server.client().signed_up("ada@example.com").await;
    assert_eq!(server.stop().status, 0);
    let names = |path: &Path| {
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["data"]);
    let inside = names(&folder.path().join("data"));
    for expected in ["blobs", "jwt_secret", "runyard.db"] {
        assert!(inside.iter().any(|name| name == expected), "{inside:?}");
    }
}
