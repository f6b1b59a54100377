//! Reading: one run again and again, runs that nobody has read, the list.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::children::Server;
use crate::client::{Connection, Fleet, Load, Request};
use crate::figures::{Spread, percentile};
use crate::options::Options;
use crate::payload::{Shape, single};
use crate::report::{Other, Report, Row};
use crate::stores::Kind;

const CLIENTS: usize = 32;

/// One 1 KB run that is in the cache, in turns with `/healthz` of the same server.
pub async fn cached(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let count = options.requests(10_000);
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let credentials = [("x-api-key", key.as_str())];
        let mut connection = Connection::open(server.address).await?;
        let ids = post(&mut connection, &Request::post("/runs", &credentials, single(1024))).await?;
        let id = ids.first().context("no id")?;
        let run = Request::get(&format!("/runs/{id}"), &credentials);
        let health = Request::get("/healthz", &[]);
        let mut fleet = Fleet::open(server.address, CLIENTS).await?;
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        // The first round only warms up.
        for round in 0..=options.rounds(7) {
            let (our, other) = (fleet.run(count, 200, |_| &run).await?, fleet.run(count, 200, |_| &health).await?);
            if round > 0 {
                ours.push(our.rate());
                others.push(other.rate());
            }
        }
        report.add(Row {
            scenario: format!("GET /runs/{{id}}, cached, 1 KB, {CLIENTS} clients"),
            stores: kind.name().to_owned(),
            unit: "/s".to_owned(),
            ours: Spread::of(&ours),
            other: Some(Other { name: "/healthz".to_owned(), spread: Spread::of(&others) }),
            ratio: Some(Spread::of_ratios(&ours, &others)),
        });
    }
    Ok(())
}

/// Runs of the shape 500 × 10 KB, each read once.
pub async fn uncached(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let [shape, ..] = Shape::ALL;
    let body = shape.body();
    let rounds = options.rounds(5);
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let credentials = [("x-api-key", key.as_str())];
        let mut connection = Connection::open(server.address).await?;
        let create = Request::post("/runs", &credentials, body.clone());
        let mut loads = Vec::new();
        let mut fleet = Fleet::open(server.address, CLIENTS).await?;
        for _ in 0..rounds {
            let ids = post(&mut connection, &create).await?;
            let runs: Vec<Request> = ids.iter().map(|id| Request::get(&format!("/runs/{id}"), &credentials)).collect();
            // A prime step: neighbours in a blob are not read one after another.
            loads.push(fleet.run(runs.len(), 200, |index| &runs[index * 211 % runs.len()]).await?);
        }
        let scenario = format!("GET /runs/{{id}}, not cached, {} KB a field, {CLIENTS} clients", shape.kilobytes);
        add_load(report, &scenario, kind, &loads);
    }
    Ok(())
}

/// The newest 100 of 1,000 runs.
pub async fn list(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let [shape, ..] = Shape::ALL;
    let body = shape.body();
    let count = options.requests(1_000);
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let credentials = [("x-api-key", key.as_str())];
        let mut connection = Connection::open(server.address).await?;
        let create = Request::post("/runs", &credentials, body.clone());
        post(&mut connection, &create).await?;
        post(&mut connection, &create).await?;
        let page = Request::get("/runs?limit=100", &credentials);
        let mut fleet = Fleet::open(server.address, CLIENTS).await?;
        fleet.run(CLIENTS, 200, |_| &page).await?;
        let mut loads = Vec::new();
        for _ in 0..options.rounds(5) {
            loads.push(fleet.run(count, 200, |_| &page).await?);
        }
        add_load(report, &format!("GET /runs?limit=100 of 1,000 runs, {CLIENTS} clients"), kind, &loads);
    }
    Ok(())
}

fn add_load(report: &mut Report, scenario: &str, kind: &Kind, loads: &[Load]) {
    let rates: Vec<f64> = loads.iter().map(Load::rate).collect();
    let p99: Vec<f64> = loads.iter().map(|load| percentile(&load.latencies, 99)).collect();
    for (figure, unit, values) in [("requests a second", "/s", rates), ("p99", "ms", p99)] {
        report.add(Row {
            scenario: format!("{scenario}: {figure}"),
            stores: kind.name().to_owned(),
            unit: unit.to_owned(),
            ours: Spread::of(&values),
            other: None,
            ratio: None,
        });
    }
}

/// Stores runs and returns their ids.
async fn post(connection: &mut Connection, request: &Request) -> Result<Vec<String>> {
    let answer: Value = serde_json::from_slice(&connection.send(request).await?.expect(201)?)?;
    let ids = answer["ids"].as_array().context("an answer without ids")?;
    Ok(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}
