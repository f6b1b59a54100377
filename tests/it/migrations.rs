//! Migrations: up, down and up again on either database, by many at once, and from the command line.

use std::time::Duration;

use futures_util::future::join_all;
use runyard::app::open_database;
use runyard::repository::Database;
use runyard::repository::entity::{
    api_key, favorite, favorite_shelf, gpu, member, project, refresh_token, run, sample_block, segment, series,
    session, task, task_change, task_counter, user, workspace,
};
use sea_orm::{EntityTrait, QuerySelect};
use serde_json::json;

use crate::support::{TestApp, TestStores, program};

/// Whether the table of an entity can be read, with all of its columns.
async fn exists<E: EntityTrait>(database: &Database) -> bool {
    E::find().limit(1).all(database.reader()).await.is_ok()
}

/// Whether each table is there.
async fn tables(database: &Database) -> Vec<(&'static str, bool)> {
    vec![
        ("workspaces", exists::<workspace::Entity>(database).await),
        ("users", exists::<user::Entity>(database).await),
        ("members", exists::<member::Entity>(database).await),
        ("sessions", exists::<session::Entity>(database).await),
        ("refresh_tokens", exists::<refresh_token::Entity>(database).await),
        ("api_keys", exists::<api_key::Entity>(database).await),
        ("projects", exists::<project::Entity>(database).await),
        ("segments", exists::<segment::Entity>(database).await),
        ("runs", exists::<run::Entity>(database).await),
        ("task_counters", exists::<task_counter::Entity>(database).await),
        ("tasks", exists::<task::Entity>(database).await),
        ("task_changes", exists::<task_change::Entity>(database).await),
        ("favorite_shelves", exists::<favorite_shelf::Entity>(database).await),
        ("favorites", exists::<favorite::Entity>(database).await),
        ("gpus", exists::<gpu::Entity>(database).await),
        ("series", exists::<series::Entity>(database).await),
        ("sample_blocks", exists::<sample_block::Entity>(database).await),
    ]
}

async fn applied(database: &Database) -> Vec<bool> {
    database.migrations().await.unwrap().into_iter().map(|(_, applied)| applied).collect()
}

async fn fresh() -> (TestStores, Database) {
    let stores = TestStores::new().await;
    let database = open_database(&stores.config(&[])).await.unwrap();
    (stores, database)
}

#[tokio::test]
async fn the_schema_goes_up_and_down_and_up_again() {
    let (stores, database) = fresh().await;
    let steps = applied(&database).await.len();
    assert!(steps >= 2);
    for round in 0..2 {
        assert_eq!(applied(&database).await, vec![false; steps], "{round}");
        assert!(tables(&database).await.iter().all(|(_, exists)| !exists), "{:?}", tables(&database).await);
        database.migrate_up().await.unwrap();
        assert_eq!(applied(&database).await, vec![true; steps], "{round}");
        assert!(tables(&database).await.iter().all(|(_, exists)| *exists), "{:?}", tables(&database).await);
        for left in (0..steps).rev() {
            database.migrate_down().await.unwrap();
            assert_eq!(applied(&database).await.iter().filter(|applied| **applied).count(), left);
        }
    }
    // Down on nothing is nothing.
    database.migrate_down().await.unwrap();
    database.migrate_up().await.unwrap();
    let app = TestApp::over(stores, &["--migrate=false"]).await;
    let ada = app.user("ada").await;
    let id = ada.create(&json!([crate::support::run(None, "Weather Query")])).await.remove(0);
    assert_eq!(ada.get(&format!("/runs/{id}")).await.ok(200)["name"], "Weather Query");
}

#[tokio::test]
async fn applying_what_is_applied_changes_nothing() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let database = open_database(&app.config()).await.unwrap();
    database.migrate_up().await.unwrap();
    ada.get("/me").await.ok(200);
    let app = TestApp::over(app.stop().await, &[]).await;
    app.client().logged_in("ada@example.com").await.get("/me").await.ok(200);
}

#[tokio::test]
async fn the_latest_step_goes_first_and_leaves_the_others() {
    let (_stores, database) = fresh().await;
    database.migrate_up().await.unwrap();
    let names = |steps: Vec<(String, bool)>| steps.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let names = names(database.migrations().await.unwrap());
    database.migrate_down().await.unwrap();
    let after = database.migrations().await.unwrap();
    let pending: Vec<_> = after.iter().filter(|(_, applied)| !applied).map(|(name, _)| name).collect();
    assert_eq!(pending, [names.last().unwrap()]);
    assert!(exists::<user::Entity>(&database).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_together_on_a_fresh_database_all_come_up() {
    let stores = TestStores::new().await;
    let starting = (0..4).map(|_| {
        let stores = stores.clone();
        tokio::spawn(async move { TestApp::over(stores, &[]).await })
    });
    let mut replicas = Vec::new();
    for started in starting.collect::<Vec<_>>() {
        replicas.push(started.await.unwrap());
    }
    replicas[0].user("ada").await;
    let logged_in = replicas.iter().map(|replica| replica.client().logged_in("ada@example.com"));
    for client in join_all(logged_in).await {
        client.get("/me").await.ok(200);
    }
}

#[tokio::test]
async fn a_server_that_must_not_migrate_does_not() {
    let (stores, database) = fresh().await;
    let app = TestApp::over(stores, &["--migrate=false"]).await;
    assert!(applied(&database).await.iter().all(|applied| !applied));
    let form = json!({"email": "ada@example.com", "password": "12345678"});
    app.client().post("/signup", &form).await.problem(500);
    database.migrate_up().await.unwrap();
    app.client().post("/signup", &form).await.ok(201);
}

#[tokio::test]
async fn a_migration_may_take_longer_than_a_call_to_a_store() {
    let (stores, _) = fresh().await;
    let mut config = stores.config(&[]);
    config.upstream_timeout.0 = Duration::from_millis(200);
    let database = open_database(&config).await.unwrap();
    database.migrate_up().await.unwrap();
    assert!(applied(&database).await.iter().all(|applied| *applied));
}

#[tokio::test]
async fn the_program_migrates_up_and_down_and_says_where_the_database_is() {
    let stores = TestStores::new().await;
    let migrate = |direction: &str| {
        let arguments = ["migrate", direction].map(str::to_owned).into_iter().chain(stores.arguments(&[]));
        program::run(stores.folder(), &[], &arguments.collect::<Vec<_>>(), "").ok()
    };
    let status = migrate("status");
    let names: Vec<_> = status.lines().map(|line| line.strip_prefix("pending ").unwrap().to_owned()).collect();
    assert!(names.len() >= 2 && names.is_sorted(), "{names:?}");
    let listed = |applied: usize| -> String {
        let line = |(number, name)| format!("{} {name}\n", if number < applied { "applied" } else { "pending" });
        names.iter().enumerate().map(line).collect()
    };
    assert_eq!(migrate("up"), listed(names.len()));
    assert_eq!(migrate("up"), listed(names.len()));
    assert_eq!(migrate("down"), listed(names.len() - 1));
    assert_eq!(migrate("status"), listed(names.len() - 1));
    assert_eq!(migrate("up"), listed(names.len()));
}
