//! One POST of a large body at a time, in turns with the same body sent to a sink.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::children::Server;
use crate::client::{Connection, Request};
use crate::figures::{Spread, milliseconds};
use crate::options::Options;
use crate::payload::Shape;
use crate::report::{Other, Report, Row};
use crate::sink::Sink;
use crate::stores::Kind;

/// Bodies beyond this size get fewer rounds.
const LARGE: usize = 100_000_000;

/// Measures one shape.
pub async fn measure(options: &Options, kinds: &[Kind], shape: Shape, report: &mut Report) -> Result<()> {
    let body = shape.body();
    let rounds = options.rounds(if body.len() > LARGE { 5 } else { 7 });
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let sink = Sink::start()?;
        let key = server.api_key().await?;
        let request = Request::post("/runs", &[("x-api-key", &key)], body.clone());
        let mut ours = Connection::open(server.address).await?;
        let mut theirs = Connection::open(sink.address).await?;
        let (mut times, mut others) = (Vec::new(), Vec::new());
        // The first round only warms up.
        for round in 0..=rounds {
            let begun = Instant::now();
            let answer = ours.send(&request).await?;
            let time = milliseconds(begun.elapsed());
            ensure!(ids(&answer.expect(201)?)? == shape.runs, "not every run got an id");
            server.stores.settle()?;

            let begun = Instant::now();
            let answer = theirs.send(&request).await?;
            let other = milliseconds(begun.elapsed());
            ensure!(answer.expect(200)? == body.len().to_string().into_bytes(), "the sink lost something");
            sink.clear()?;

            if round > 0 {
                times.push(time);
                others.push(other);
            }
        }
        report.add(Row {
            scenario: format!(
                "POST /runs, {} × {} KB ({:.1} MB)",
                shape.runs,
                shape.kilobytes,
                body.len() as f64 / 1e6
            ),
            stores: kind.name().to_owned(),
            unit: "ms".to_owned(),
            ours: Spread::of(&times),
            other: Some(Other { name: "sink".to_owned(), spread: Spread::of(&others) }),
            ratio: Some(Spread::of_ratios(&times, &others)),
        });
    }
    Ok(())
}

/// How many ids an answer has.
pub fn ids(answer: &[u8]) -> Result<usize> {
    let answer: Value = serde_json::from_slice(answer)?;
    answer["ids"].as_array().map(Vec::len).context("an answer without ids")
}
