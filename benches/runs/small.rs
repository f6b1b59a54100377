//! Many clients that post one small run each: how many a second, how long each waits, how many share a blob.

use anyhow::Result;

use crate::children::Server;
use crate::client::{Fleet, Request};
use crate::figures::{Spread, percentile};
use crate::options::Options;
use crate::payload::single;
use crate::report::{Report, Row};
use crate::stores::Kind;

const CLIENTS: usize = 64;
const REQUESTS: usize = 4_000;
const CHARACTERS: usize = 2048;

/// Measures it.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let count = options.requests(REQUESTS);
    for kind in kinds {
        let server = Server::start(kind, report.peaks()).await?;
        let key = server.api_key().await?;
        let request = Request::post("/runs", &[("x-api-key", &key)], single(CHARACTERS));
        let mut fleet = Fleet::open(server.address, CLIENTS).await?;
        fleet.run(count / 4, 201, |_| &request).await?;

        let (mut rates, mut p50, mut p99, mut writes, mut shared) =
            <(Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        for _ in 0..options.rounds(7) {
            let before = server.stores.blob_writes()?;
            let load = fleet.run(count, 201, |_| &request).await?;
            let blobs = (server.stores.blob_writes()? - before) as f64;
            rates.push(load.rate());
            p50.push(percentile(&load.latencies, 50));
            p99.push(percentile(&load.latencies, 99));
            writes.push(blobs / load.elapsed.as_secs_f64());
            shared.push(count as f64 / blobs);
        }
        let figures = [
            ("requests a second", "/s", rates),
            ("p50", "ms", p50),
            ("p99", "ms", p99),
            ("blob writes a second", "/s", writes),
            ("requests a blob write", "", shared),
        ];
        for (figure, unit, values) in figures {
            report.add(Row {
                scenario: format!("POST /runs, {CLIENTS} clients, one 2 KB run each: {figure}"),
                stores: kind.name().to_owned(),
                unit: unit.to_owned(),
                ours: Spread::of(&values),
                other: None,
                ratio: None,
            });
        }
    }
    Ok(())
}
