//! What it costs to look at the server while it works: profiles, traces and metrics, each beside the same load without.
//!
//! Both sides take turns, and take turns at who comes first: the stores grow all the time, and the machine has moods.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join;
use tokio::time::{interval, sleep};

use crate::children::{Server, no_rates};
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

/// What one side's turn found.
struct Turn {
    /// Requests a second.
    rate: f64,
    /// The server's processor time for a request, in µs: others on the machine change it far less than the rate.
    cost: f64,
}

/// One figure of a turn: its name, its unit, and where it is.
type Figure = (&'static str, &'static str, fn(&Turn) -> f64);

const FIGURES: [Figure; 2] =
    [("requests a second", "/s", |turn| turn.rate), ("processor time a request", "µs", |turn| turn.cost)];

/// What one side has and the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// A CPU profile is taken.
    Cpu,
    /// Memory is sampled.
    Heap,
    /// Memory could be sampled, and is not.
    Unsampled,
    /// Every request is traced.
    Traces,
    /// The metrics are asked for each second, of a server that has an operator.
    Metrics,
}

impl Extra {
    const ALL: [Self; 5] = [Self::Cpu, Self::Heap, Self::Unsampled, Self::Traces, Self::Metrics];

    /// The names of the two sides.
    fn names(self, seconds: u64) -> (String, &'static str) {
        match self {
            Self::Cpu => (format!("a CPU profile of {seconds} s is taken"), "no profile"),
            Self::Heap => ("memory is sampled".to_owned(), "not sampled"),
            Self::Unsampled => ("memory could be sampled and is not".to_owned(), "it cannot be"),
            Self::Traces => ("every request is traced".to_owned(), "not traced"),
            Self::Metrics => ("metrics are scraped each second".to_owned(), "not scraped"),
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
    /// With an allocator that cannot sample.
    unsampled: Served,
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
        let server = Server::start_with(kind, peaks, &[variables, &no_rates()].concat()).await?;
        Ok(Self { key: server.api_key().await?, server })
    }

    async fn side(&self, part: Part, clients: usize) -> Result<Side<'_>> {
        let load = Load::prepare(part, self.server.address, &self.key).await?;
        Ok(Side { server: &self.server, load, clients })
    }
}

/// Measures all of it on the first of the stores: others only add work that is not the server's.
pub async fn measure(options: &Options, kinds: &[Kind], report: &mut Report) -> Result<()> {
    let kind = kinds.first().context("no stores")?;
    let (operator, receiver) = (Operator::new(), Receiver::start()?);
    let servers = Servers {
        plain: Served::start(kind, report.peaks(), &[]).await?,
        operated: Served::start(kind, report.peaks(), &operator.variables()).await?,
        unsampled: Served::start(kind, report.peaks(), &[("_RJEM_MALLOC_CONF", "prof:false".to_owned())]).await?,
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
            let mut turns = Vec::new();
            for round in 0..options.rounds(5) {
                turns.push(sides.both(profile, turn, round % 2 == 0).await?);
            }
            let (with, without) = extra.names(profile);
            for (figure, unit, of) in FIGURES {
                let ours: Vec<f64> = turns.iter().map(|(with, _)| of(with)).collect();
                let others: Vec<f64> = turns.iter().map(|(_, without)| of(without)).collect();
                report.add(Row {
                    scenario: format!("{name}, {with}: {figure}"),
                    stores: kind.name().to_owned(),
                    unit: unit.to_owned(),
                    ours: Spread::of(&ours),
                    other: Some(Other { name: without.to_owned(), spread: Spread::of(&others) }),
                    ratio: Some(Spread::of_ratios(&ours, &others)),
                });
            }
        }
    }
    Ok(())
}

/// The same load on two servers, or twice on the same.
struct Sides<'a> {
    servers: &'a Servers,
    extra: Extra,
    with: Side<'a>,
    without: Side<'a>,
}

struct Side<'a> {
    server: &'a Server,
    load: Load,
    clients: usize,
}

impl<'a> Sides<'a> {
    async fn prepare(servers: &'a Servers, part: Part, clients: usize, extra: Extra) -> Result<Self> {
        let (with, without) = match extra {
            // The same server, since one that has stored more is slower for that.
            Extra::Cpu | Extra::Heap | Extra::Metrics => (&servers.operated, &servers.operated),
            Extra::Unsampled => (&servers.plain, &servers.unsampled),
            Extra::Traces => (&servers.traced, &servers.plain),
        };
        let (with, without) = (with.side(part, clients).await?, without.side(part, clients).await?);
        Ok(Self { servers, extra, with, without })
    }

    /// What is found with it and without it.
    async fn both(&self, profile: u64, turn: Duration, with_first: bool) -> Result<(Turn, Turn)> {
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

    async fn without(&self, turn: Duration) -> Result<Turn> {
        self.without
            .turn(async {
                sleep(turn).await;
                Ok(())
            })
            .await
    }

    async fn with(&self, profile: u64, turn: Duration) -> Result<Turn> {
        let (operator, address) = (&self.servers.operator, self.servers.operated.server.address);
        let wait = async {
            sleep(turn).await;
            anyhow::Ok(())
        };
        match self.extra {
            Extra::Cpu => {
                // Until it has come: finding the names of functions is a part of what it costs.
                let profile = async { operator.cpu(address, profile).await.map(drop) };
                self.with.turn(profile).await
            }
            Extra::Heap => {
                operator.begin_sampling(address).await?;
                let found = self.with.turn(wait).await?;
                operator.end_sampling(address).await?;
                Ok(found)
            }
            Extra::Traces | Extra::Unsampled => self.with.turn(wait).await,
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
                self.with.turn(scrapes).await
            }
        }
    }
}

impl Side<'_> {
    /// Its load, until something has ended.
    async fn turn(&self, end: impl Future<Output = Result<()>>) -> Result<Turn> {
        let (stopped, begun, before) = (Cell::new(false), Instant::now(), self.server.processor_seconds()?);
        let ending = async {
            end.await?;
            stopped.set(true);
            Ok(())
        };
        let (count, ()) = try_join(self.load.run(self.clients, &stopped), ending).await?;
        let (elapsed, taken) = (begun.elapsed().as_secs_f64(), self.server.processor_seconds()? - before);
        Ok(Turn { rate: count as f64 / elapsed, cost: taken * 1e6 / count as f64 })
    }
}
