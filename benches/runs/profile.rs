//! `make bench-cpu` and `make bench-heap`: a profile of the server under a mix of loads, as a file.
//!
//! It comes over the operator's own routes, as from any server that runs.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::{try_join, try_join_all};
use tokio::time::sleep;

use crate::children::{Server, no_rates};
use crate::mix::{Load, Part};
use crate::operator::Operator;
use crate::options::{Options, Profile};
use crate::peaks::Peaks;
use crate::report::commit;
use crate::stores::Kind;

/// After this time connections are made, and what is to be in the caches is there.
const WARM: Duration = Duration::from_secs(2);

/// Takes it on the first of the stores, and says what to do with it.
pub async fn take(options: &Options, kinds: &[Kind], profile: Profile) -> Result<()> {
    let kind = kinds.first().context("no stores")?;
    let operator = Operator::new();
    let server = Server::start_with(kind, &Peaks::unasked(), &[operator.variables(), no_rates()].concat()).await?;
    if profile == Profile::Heap {
        // From the beginning, so that what is kept from the warming up is seen as well.
        operator.begin_sampling(server.address).await?;
    }
    let key = server.api_key().await?;
    let loads = options.mix.iter().map(|part| Load::prepare(*part, server.address, &key));
    let loads = try_join_all(loads).await?;
    let seconds = options.seconds;
    let names: Vec<String> = options.mix.iter().copied().map(Part::name).collect();
    let mix = format!("{} on the {} stores", names.join(" + "), kind.name());
    eprintln!("{seconds} s of {mix}");

    let (stopped, begun) = (Cell::new(false), Instant::now());
    let work = loads.iter().zip(&options.mix).map(|(load, part)| load.run(part.clients(), &stopped));
    let taking = async {
        sleep(WARM).await;
        let taken = match profile {
            Profile::Cpu => operator.cpu(server.address, seconds).await?,
            Profile::Heap => {
                sleep(Duration::from_secs(seconds)).await;
                operator.heap(server.address).await?
            }
        };
        stopped.set(true);
        Ok(taken)
    };
    let (counts, taken) = try_join(try_join_all(work), taking).await?;
    let elapsed = begun.elapsed().as_secs_f64();

    let (name, samples) = match profile {
        Profile::Cpu => ("cpu", "cpu"),
        Profile::Heap => ("heap", "inuse_space"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let path = folder.join(format!("{name}.pb.gz"));
    let write = || fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &taken));
    write().with_context(|| format!("writing {}", path.display()))?;

    println!("\nprofiles/{name}.pb.gz: {seconds} s of {mix}, commit {}", commit());
    for (part, count) in names.iter().zip(&counts) {
        println!("  {part}: {:.0} requests a second", *count as f64 / elapsed);
    }
    println!("\nWhat it says (Go's tools; on Debian `apt-get install golang-go`, and graphviz for the graph):");
    println!("  go tool pprof -top -sample_index={samples} profiles/{name}.pb.gz");
    println!("  go tool pprof -top -cum -show='runyard::' -sample_index={samples} profiles/{name}.pb.gz");
    println!("  go tool pprof -http : profiles/{name}.pb.gz");
    if profile == Profile::Heap {
        println!("  go tool pprof -top -sample_index=alloc_space profiles/{name}.pb.gz");
    }
    Ok(())
}
