//! `make bench`: measures the release build over loopback, on the embedded stores and on PostgreSQL, Redis and S3.
//!
//! The server, the S3 server and the sink that large bodies are compared with are processes of their own; the last
//! two are this program again, and so is the receiver of traces. Prints a table and keeps the numbers in
//! `benches/results`; or takes a profile of the server, or the peaks of its memory.

mod bare_publish;
mod children;
mod client;
mod favorites;
mod figures;
mod ingest;
mod memory;
mod mix;
mod operator;
mod options;
mod overhead;
mod payload;
mod peaks;
mod pgbench;
mod profile;
mod queue;
mod reads;
mod receiver;
mod report;
mod s3;
mod sink;
mod small;
mod stores;
mod tasks;
mod telemetry;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::runtime;

use options::{Helper, Options, Scenario};
use report::Report;
use stores::Kind;

// The sink gets the same allocator as the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<()> {
    let options = Options::parse();
    match options.helper {
        Some(Helper::Sink) => return sink::serve(&options.folder),
        Some(Helper::S3) => return s3::serve(&options.folder),
        Some(Helper::Receiver) => return receiver::serve(&options.folder),
        // `cargo test --all-targets` runs this too, and has no use for it.
        None if !options.bench => {
            println!("nothing measured: this runs under `cargo bench`");
            return Ok(());
        }
        None => {}
    }
    // One thread, so that the client takes as little as it can from the server.
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::select! {
            outcome = measure(&options) => outcome,
            () = runyard::app::stop_signal() => bail!("stopped by a signal; nothing is kept"),
        }
    })
}

async fn measure(options: &Options) -> Result<()> {
    let kinds = Kind::given(options)?;
    if let Some(profile) = options.profile {
        return profile::take(options, &kinds, profile).await;
    }
    let mut report = Report::begin(options, &kinds).await?;
    for scenario in options.scenarios() {
        match scenario {
            Scenario::Start => memory::start(options, &kinds, &mut report).await?,
            Scenario::Ingest(shape) => ingest::measure(options, &kinds, shape, &mut report).await?,
            Scenario::Small => small::measure(options, &kinds, &mut report).await?,
            Scenario::Cached => reads::cached(options, &kinds, &mut report).await?,
            Scenario::Uncached => reads::uncached(options, &kinds, &mut report).await?,
            Scenario::List => reads::list(options, &kinds, &mut report).await?,
            Scenario::Tasks => tasks::measure(options, &kinds, &mut report).await?,
            Scenario::Favorites => favorites::measure(options, &kinds, &mut report).await?,
            Scenario::Queue => queue::measure(options, &kinds, &mut report).await?,
            Scenario::Telemetry => telemetry::measure(options, &kinds, &mut report).await?,
            Scenario::Memory => memory::peak(options, &kinds, &mut report).await?,
            Scenario::Overhead => overhead::measure(options, &kinds, &mut report).await?,
        }
        report.add_peaks(scenario, &kinds);
    }
    report.end()
}
