//! PostgreSQL stopped, crashed, frozen under a server: writes are refused, nothing is half, and it heals by itself.
//! There is no server to take away from SQLite, so on embedded stores these tests have nothing to do.

use runyard::error::Error;
use runyard::repository::Database;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::*;
use crate::support::network::Network;
use crate::support::postgres::PostgresServer;
use crate::support::{TestApp, TestStores};

/// A server on a PostgreSQL of its own.
async fn app() -> Option<(TestApp, Client, PostgresServer)> {
    let postgres = PostgresServer::start().await?;
    let stores = TestStores::new().await;
    let app = TestApp::over(stores, &[&postgres.argument(), "--upstream-timeout=1s"]).await;
    let ada = app.user("ada").await;
    Some((app, ada, postgres))
}

/// Waits until the outage is over, and looks at everything that was answered meanwhile.
async fn recovers(ada: &Client, load: Load) {
    until_readiness(ada, "database", 200, "ok").await;
    load.answers(100).await;
    let refused = load.refused();
    load.answers(100).await;
    assert_eq!(load.refused(), refused, "requests are refused after the recovery");
    load.finish().await.assert_whole(ada).await;
}

#[tokio::test]
async fn a_postgres_that_is_restarted_under_load_is_found_again_by_the_same_process() {
    let Some((_app, ada, mut postgres)) = app().await else { return };
    let load = Load::start(&ada, 8);
    load.answers(50).await;
    postgres.stop();
    load.refusals(16).await;
    until_readiness(&ada, "database", 503, "unavailable").await;
    postgres.restart().await;
    recovers(&ada, load).await;
}

#[tokio::test]
async fn a_postgres_that_crashes_under_load_is_found_again_by_the_same_process() {
    let Some((_app, ada, mut postgres)) = app().await else { return };
    let load = Load::start(&ada, 8);
    load.answers(50).await;
    postgres.crash();
    load.refusals(16).await;
    postgres.restart().await;
    recovers(&ada, load).await;
}

#[tokio::test]
async fn a_postgres_that_is_frozen_is_given_up_in_time_and_used_again_when_it_goes_on() {
    let Some((_app, ada, postgres)) = app().await else { return };
    let load = Load::start(&ada, 8);
    load.answers(50).await;
    postgres.freeze();
    load.refusals(16).await;
    until_readiness(&ada, "database", 503, "unavailable").await;
    postgres.thaw();
    recovers(&ada, load).await;
}

#[tokio::test]
async fn connections_that_never_answer_again_are_replaced() {
    let Some(postgres) = PostgresServer::start().await else { return };
    let network = Network::to(postgres.address()).await;
    let url = |address| PostgresServer::url_at(address).parse().unwrap();
    let database = Database::open(&url(network.address), 2, Duration::from_secs(1)).await.unwrap();
    let beside = Database::open(&url(postgres.address()), 1, Duration::from_secs(20)).await.unwrap();
    // It has one connection, which keeps the lock.
    beside.reader().execute_unprepared("SELECT pg_advisory_lock(1)").await.unwrap();
    let asking = [(); 2].map(|()| {
        let database = database.clone();
        tokio::spawn(async move {
            // No answer comes before the network forgets its connection.
            let wait = "SET statement_timeout = 0; SELECT pg_advisory_lock(1)";
            database.bounded(async { Ok(database.reader().execute_unprepared(wait).await?) }).await
        })
    });
    until("every connection is in use", async || {
        let text = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'";
        let statement = Statement::from_string(DbBackend::Postgres, text);
        beside.reader().query_all_raw(statement).await.unwrap().len() == 2
    })
    .await;
    network.forget_connections();
    for asked in asking {
        assert!(matches!(asked.await.unwrap(), Err(Error::Unavailable(_))));
    }
    until("there are connections again", async || database.ping().await.is_ok()).await;
}
