//! What can be said on the command line, after `cargo bench --bench runs --` or in `BENCH_ARGS`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

use crate::mix::Part;
use crate::payload::Shape;

/// Measures runs on a release build.
#[derive(Debug, Parser)]
pub struct Options {
    /// Rounds of each measurement, in place of the usual 7, or 5 with large bodies.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub rounds: Option<u16>,
    /// Only these, separated by commas: start, 500x10, 50x100, 500x100, 50x1000, small, cached, uncached, list, tasks,
    /// favorites, queue, telemetry, memory, overhead.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Scenario>,
    /// On these stores alone, separated by commas: embedded, distributed.
    #[arg(long, value_delimiter = ',')]
    pub stores: Vec<Stores>,
    /// A quick look: few rounds and requests; the numbers are not kept.
    #[arg(long)]
    pub quick: bool,
    /// The memory that the server takes in each scenario, at rest and at most, in place of its figures; one round.
    #[arg(long, conflicts_with = "profile")]
    pub memory: bool,
    /// Takes a profile of the server under a mix of loads, in place of measuring, and leaves it in `profiles`.
    #[arg(long, conflicts_with = "only")]
    pub profile: Option<Profile>,
    /// How long the profile takes.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// The loads that the profile is of, all at once, separated by commas: ingest, small, cached, tasks, queue.
    #[arg(long, value_delimiter = ',', default_value = "small,cached,tasks,queue", hide_possible_values = true)]
    pub mix: Vec<Part>,
    /// PostgreSQL for the distributed stores; `scripts/with-stores.sh` sets it.
    #[arg(long, env = "TEST_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Redis for the distributed stores; `scripts/with-stores.sh` sets it.
    #[arg(long, env = "TEST_CACHE_URL", hide_env_values = true)]
    pub cache_url: Option<String>,
    /// The program that measures PostgreSQL alone.
    #[arg(long, env = "PGBENCH", default_value = "pgbench")]
    pub pgbench: PathBuf,
    /// How long a transaction is held open beside the queue.
    #[arg(long, default_value_t = 30)]
    pub held_seconds: u64,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Which child process to be.
    #[arg(long, hide = true)]
    pub helper: Option<Helper>,
    /// Where a child process keeps its files.
    #[arg(long, hide = true, default_value = ".")]
    pub folder: PathBuf,
}

/// The two kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stores {
    /// SQLite, files, and a cache in the process.
    Embedded,
    /// PostgreSQL, S3 and Redis.
    Distributed,
}

/// What a profile is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Where the processor's time goes.
    Cpu,
    /// Who asks for memory.
    Heap,
}

/// The child processes that this program can be.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Helper {
    /// Writes bodies to files.
    Sink,
    /// An S3 server.
    S3,
    /// Takes traces and forgets them.
    Receiver,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scenario {
    /// Time to ready, and memory then.
    Start,
    /// One large body at a time, beside a sink.
    Ingest(Shape),
    /// Many clients with one small run each.
    Small,
    /// One run that is in the cache, beside `/healthz`.
    Cached,
    /// Runs that nobody has read before.
    Uncached,
    /// The list.
    List,
    /// Tasks, one by one and by many readers.
    Tasks,
    /// Favorites, one by one and a million at once.
    Favorites,
    /// The queue, with many consumers and an old transaction too.
    Queue,
    /// Samples of GPUs, from the queue to an answer.
    Telemetry,
    /// Memory while four large bodies arrive.
    Memory,
    /// What it costs to look at the server while it works.
    Overhead,
}

impl Scenario {
    /// All of them, in the order in which they are measured.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Start];
        all.extend(Shape::ALL.map(Self::Ingest));
        all.extend([Self::Small, Self::Cached, Self::Uncached, Self::List, Self::Tasks, Self::Favorites]);
        all.extend([Self::Queue, Self::Telemetry, Self::Memory, Self::Overhead]);
        all
    }

    /// What the command line calls it.
    pub fn name(self) -> String {
        match self {
            Self::Start => "start".to_owned(),
            Self::Ingest(shape) => format!("{}x{}", shape.runs, shape.kilobytes),
            Self::Small => "small".to_owned(),
            Self::Cached => "cached".to_owned(),
            Self::Uncached => "uncached".to_owned(),
            Self::List => "list".to_owned(),
            Self::Tasks => "tasks".to_owned(),
            Self::Favorites => "favorites".to_owned(),
            Self::Queue => "queue".to_owned(),
            Self::Telemetry => "telemetry".to_owned(),
            Self::Memory => "memory".to_owned(),
            Self::Overhead => "overhead".to_owned(),
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = Self::all();
        all.iter().copied().find(|scenario| scenario.name() == text).ok_or_else(|| {
            let names: Vec<_> = all.into_iter().map(Self::name).collect();
            format!("one of {}", names.join(", "))
        })
    }
}

impl Options {
    /// What to measure, in order.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios = Scenario::all();
        scenarios.retain(|scenario| self.only.is_empty() || self.only.contains(scenario));
        scenarios
    }

    /// Rounds of a measurement that usually takes so many.
    pub fn rounds(&self, usual: usize) -> usize {
        // A peak is looked for, not a median.
        let usual = if self.memory { 1 } else { usual };
        let usual = if self.quick { usual.min(2) } else { usual };
        self.rounds.map_or(usual, usize::from)
    }

    /// Requests of a round that usually has so many.
    pub fn requests(&self, usual: usize) -> usize {
        if self.quick { usual / 10 } else { usual }
    }
}
