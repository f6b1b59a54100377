//! Profiles of the running process, one at a time: where its time goes, who asks for memory, what its tasks do.

mod cpu;
mod encode;
mod heap;
mod names;
mod profile;
mod show;
mod tasks;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::{Error, Result};
use crate::watch::Watch;

pub use profile::Profile;

/// How long a profile may take.
const SECONDS: RangeInclusive<u64> = 1..=60;
/// How often a second a CPU profile may look.
const HZ: RangeInclusive<u32> = 1..=1_000;
/// How long a CPU profile takes, and how often it looks, unless it is said; what Go's do.
const CPU_SECONDS: u64 = 30;
const CPU_HZ: u32 = 100;
/// How long memory is sampled for a profile, unless it is said.
const HEAP_SECONDS: u64 = 10;

/// Which side of memory a profile shows first; it has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// What is still in use.
    InUse,
    /// All that was asked for.
    Asked,
}

/// A form that a profile goes out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What pprof's tools read.
    Pprof,
    /// A table.
    Text,
    /// A flame graph.
    Svg,
}

/// Whether memory is sampled without a profile being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Whether it is.
    pub active: bool,
}

/// Takes profiles.
#[derive(Debug, Clone)]
pub struct ProfilingService {
    /// The one seat: what is sampled twice at once is sampled wrong.
    seat: Arc<Semaphore>,
    watch: Watch,
}

/// The error of who comes while somebody else takes a profile.
fn busy() -> Error {
    Error::conflict("", "a profile is being taken; there is one at a time, try again when it is done")
}

fn within<T: PartialOrd + std::fmt::Display>(name: &'static str, value: T, range: &RangeInclusive<T>) -> Result<T> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Error::invalid(name, format!("must be from {} to {}", range.start(), range.end())))
}

impl ProfilingService {
    /// Over the tasks of this watch.
    pub fn new(watch: Watch) -> Self {
        Self { seat: Arc::new(Semaphore::new(1)), watch }
    }

    fn sit(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.seat).try_acquire_owned().map_err(|_| busy())
    }

    /// Where the processor's time goes, from now on. Ends with whoever waits for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond the bounds, [`Error::Conflict`] while another profile is taken.
    pub async fn cpu(&self, seconds: Option<u64>, hz: Option<u32>) -> Result<Profile> {
        let seconds = within("seconds", seconds.unwrap_or(CPU_SECONDS), &SECONDS)?;
        let hz = within("hz", hz.unwrap_or(CPU_HZ), &HZ)?;
        let _seat = self.sit()?;
        tracing::info!(seconds, hz, "taking a CPU profile");
        cpu::sample(Duration::from_secs(seconds), hz).await
    }

    /// Who asks for memory. Where sampling is on already, what it knows by now, or after these seconds; else it is
    /// on for these seconds.
    ///
    /// # Errors
    /// Those of [`Self::cpu`], and [`Error::NotFound`] when the program was built without it.
    pub async fn heap(&self, seconds: Option<u64>, memory: Memory) -> Result<Profile> {
        let seconds = seconds.map(|seconds| within("seconds", seconds, &SECONDS)).transpose()?;
        let seat = self.sit()?;
        let awake = heap::is_awake().await?;
        let wait = Duration::from_secs(seconds.unwrap_or(if awake { 0 } else { HEAP_SECONDS }));
        tracing::info!(seconds = wait.as_secs(), awake, "taking a heap profile");
        let shown = match memory {
            Memory::Asked => 1,
            Memory::InUse => 3,
        };
        // A task of its own: the profiler goes back to sleep also when the caller has gone away.
        let (_caller, gone) = oneshot::channel::<()>();
        let taking = self.watch.watched("heap profile", async move {
            let _seat = seat;
            if !awake {
                heap::wake(true).await?;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = gone => {}
            }
            let dumped = heap::dump(shown, wait).await;
            if !awake {
                heap::wake(false).await?;
            }
            dumped
        });
        tokio::spawn(taking).await.context("taking a heap profile")?
    }

    /// Whether memory is sampled all the time.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the program was built without it.
    pub async fn sampling(&self) -> Result<Sampling> {
        Ok(Sampling { active: heap::is_awake().await? })
    }

    /// Has memory sampled all the time, or no longer; what was sampled is forgotten then.
    ///
    /// # Errors
    /// Those of [`Self::heap`].
    pub async fn set_sampling(&self, sampling: Sampling) -> Result<Sampling> {
        let _seat = self.sit()?;
        heap::wake(sampling.active).await?;
        tracing::info!(active = sampling.active, "the operator has memory sampled, or no longer");
        self.sampling().await
    }

    /// The tasks that live.
    pub async fn tasks(&self) -> Profile {
        tasks::tasks(&self.watch.look().await)
    }

    /// Where a poll kept its thread for long.
    pub async fn slow_polls(&self) -> Profile {
        tasks::slow_polls(&self.watch.look().await)
    }

    /// Waiting for locks.
    pub fn locks(&self) -> Profile {
        tasks::locks()
    }

    /// The threads.
    ///
    /// # Errors
    /// The system does not tell.
    pub async fn threads(&self) -> Result<Profile> {
        tasks::threads().await
    }

    /// The name of the function at an address of the program.
    pub fn symbol(&self, address: usize) -> Option<String> {
        // As it is: an address that somebody names is not one that a call comes back to.
        let address = address.checked_add(1)?;
        names::with_names(|names| names.frames(address).last().map(|frame| frame.function.clone()))
    }

    /// A profile in a form, made off the threads that serve.
    ///
    /// # Errors
    /// It cannot be drawn.
    pub async fn render(&self, profile: Profile, form: Form) -> Result<Vec<u8>> {
        let rendering = tokio::task::spawn_blocking(move || match form {
            Form::Pprof => encode::encode(&profile),
            Form::Text => Ok(show::text(&profile).into_bytes()),
            Form::Svg => show::flame_graph(&profile),
        });
        rendering.await.context("rendering a profile")?
    }
}
