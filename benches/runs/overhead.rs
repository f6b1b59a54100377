//! What it costs to look at the server while it works: profiles, traces and metrics, each beside the same load without.
//!
//! Both sides take turns, and take turns at who comes first: the stores grow all the time, and the machine has moods.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join;
use tokio::time::{interval, sleep};

use crate::children::Server;
use crate::figures::Spread;
use crate::mix::{Load, Part};
use crate::operator::Operator;
use crate::options::Options;
use crate::peaks::Peaks;
use crate::receiver::Receiver;
use crate::report::{Other, Report, Row};
use crate::stores::Kind;

/// The loads, with the clients that they have in their own scenarios.
const LOADS: [(Part, &str, usize); 2] = [
    (Part::Cached, "GET /runs/{id}, cached, 1 KB, 32 clients", 32),
    (Part::Small, "POST /runs, one 2 KB run, 64 clients", 64),
];
/// How long the CPU profile takes.
const PROFILE: u64 = 10;
/// How long one side's turn is, where nothing else says so.
const TURN: Duration = Duration::from_secs(3);
const SCRAPES: Duration = Duration::from_secs(1);

/// What one side has and the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// A CPU profile is taken.
    Cpu,
    /// Memory is sampled.
    Heap,
    /// Every request is traced.
    Traces,
    /// The metrics are asked for each second, of a server that has an operator.
    Metrics,
}

impl Extra {
    const ALL: [Self; 4] = [Self::Cpu, Self::Heap, Self::Traces, Self::Metrics];

    /// The names of the two sides.
    fn names(self, seconds: u64) -> (String, &'static str) {
        match self {
            Self::Cpu => (format!("a CPU profile of {seconds} s is taken"), "no profile"),
            Self::Heap => ("memory is sampled".to_owned(), "not sampled"),
            Self::Traces => ("every request is traced".to_owned(), "not traced"),
            Self::Metrics => ("metrics are scraped each second".to_owned(), "no metrics"),
        }
    }
}

/// The servers, alike but for what they are told.
struct Servers {
    /// The default configuration.
    plain: Served,
    /// With an operator.
    operated: Served,
    operator: Operator,
    /// With a receiver for its traces.
    traced: Served,
    _receiver: Receiver,
}

struct Served {
    server: Server,
    key: String,
}

impl Served {
    async fn start(kind: &Kind, peaks: &Peaks, variables: &[(&str, String)]) -> Result<Self> {
        let server = Server::start_with(kind, peaks, variables).await?;
        Ok(Self { key: server.api_key().await?, server })
    }

    async fn load(&self, part: Part) -> Result<Load> {
        Load::prepare(part, self.server.address, &self.key).await
    }
}

/// Measures all of it on the first of the stores: others only add work that is not the server's.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let kind = kinds.first().context("no stores")?;
    let (operator, receiver) = (Operator::new(), Receiver::start()?);
    let servers = Servers {
        plain: Served::start(kind, report.peaks(), &[]).await?,
        operated: Served::start(kind, report.peaks(), &operator.variables()).await?,
        traced: Served::start(kind, report.peaks(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.clone())])
            .await?,
        operator,
        _receiver: receiver,
    };
    let (profile, turn) = if options.quick { (PROFILE / 5, TURN / 3) } else { (PROFILE, TURN) };
    for (part, name, clients) in LOADS {
        for extra in Extra::ALL {
            let sides = Sides::prepare(&servers, part, clients, extra).await?;
            // The first round only warms up.
            sides.both(1, TURN / 3, true).await?;
            let (mut ours, mut others) = (Vec::new(), Vec::new());
            for round in 0..options.rounds(5) {
                let (our, other) = sides.both(profile, turn, round % 2 == 0).await?;
                ours.push(our);
                others.push(other);
            }
            let (with, without) = extra.names(profile);
            report.add(Row {
                scenario: format!("{name}: {with}"),
                stores: kind.name().to_owned(),
                unit: "/s".to_owned(),
                ours: Spread::of(&ours),
                other: Some(Other { name: without.to_owned(), spread: Spread::of(&others) }),
                ratio: Some(Spread::of_ratios(&ours, &others)),
            });
        }
    }
    Ok(())
}

/// The same load on two servers, or twice on the same.
struct Sides<'a> {
    servers: &'a Servers,
    extra: Extra,
    clients: usize,
    with: Load,
    without: Load,
}

impl<'a> Sides<'a> {
    async fn prepare(servers: &'a Servers, part: Part, clients: usize, extra: Extra) -> Result<Self> {
        let (with, without) = match extra {
            Extra::Cpu | Extra::Heap => (&servers.operated, &servers.operated),
            Extra::Traces => (&servers.traced, &servers.plain),
            Extra::Metrics => (&servers.operated, &servers.plain),
        };
        Ok(Self { servers, extra, clients, with: with.load(part).await?, without: without.load(part).await? })
    }

    /// Requests a second with it and without it.
    async fn both(&self, profile: u64, turn: Duration, with_first: bool) -> Result<(f64, f64)> {
        // A turn beside a profile is as long as the profile.
        let turn = if self.extra == Extra::Cpu { Duration::from_secs(profile) } else { turn };
        if with_first {
            let with = self.with(profile, turn).await?;
            Ok((with, self.without(turn).await?))
        } else {
            let without = self.without(turn).await?;
            Ok((self.with(profile, turn).await?, without))
        }
    }

    async fn without(&self, turn: Duration) -> Result<f64> {
        rate(&self.without, self.clients, async {
            sleep(turn).await;
            Ok(())
        })
        .await
    }

    async fn with(&self, profile: u64, turn: Duration) -> Result<f64> {
        let (operator, address) = (&self.servers.operator, self.servers.operated.server.address);
        let wait = async {
            sleep(turn).await;
            anyhow::Ok(())
        };
        match self.extra {
            Extra::Cpu => {
                // Until it has come: finding the names of functions is a part of what it costs.
                let profile = async { operator.cpu(address, profile).await.map(drop) };
                rate(&self.with, self.clients, profile).await
            }
            Extra::Heap => {
                operator.begin_sampling(address).await?;
                let rate = rate(&self.with, self.clients, wait).await?;
                operator.end_sampling(address).await?;
                Ok(rate)
            }
            Extra::Traces => rate(&self.with, self.clients, wait).await,
            Extra::Metrics => {
                let scrapes = async {
                    let mut seconds = interval(SCRAPES);
                    seconds.tick().await;
                    for _ in 0..turn.as_secs().max(1) {
                        operator.scrape(address).await?;
                        seconds.tick().await;
                    }
                    Ok(())
                };
                rate(&self.with, self.clients, scrapes).await
            }
        }
    }
}

/// Requests a second of a load until something has ended.
async fn rate(load: &Load, clients: usize, end: impl Future<Output = Result<()>>) -> Result<f64> {
    let (stopped, begun) = (Cell::new(false), Instant::now());
    let ending = async {
        end.await?;
        stopped.set(true);
        Ok(())
    };
    let (count, ()) = try_join(load.run(clients, &stopped), ending).await?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
