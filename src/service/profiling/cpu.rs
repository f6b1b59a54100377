//! Where the processor's time goes: a signal looks at the stack of whoever works, so many times a second.

use std::time::Duration;

use anyhow::Context;
use pprof::{ProfilerGuard, ProfilerGuardBuilder, UnresolvedReport};

use super::names::{Names, with_names};
use super::profile::{Profile, Stack};
use crate::error::{Error, Result};
use crate::service::time;

/// Parts of the names of those who look for the stack, and stand on it themselves.
const SAMPLER: [&str; 4] = ["backtrace::backtrace::", "pprof::", "perf_signal_handler", "__restore_rt"];

/// Where a signal must not look for its stack: in whoever is looking for one already.
const BLIND_SPOTS: [&str; 3] = ["libgcc", "ld-linux", "vdso"];

/// Samples for this long, this many times a second.
///
/// # Errors
/// [`Error::Conflict`] when somebody else of this process samples.
pub async fn sample(duration: Duration, hz: u32) -> Result<Profile> {
    let taken_at = time::now();
    let guard = start(hz)?;
    tokio::time::sleep(duration).await;
    let report = guard.report().build_unresolved().context("reading a profile")?;
    drop(guard);
    // Naming the functions reads the program's own tables, which is no work for the threads that serve.
    let stacks = tokio::task::spawn_blocking(move || with_names(|names| stacks(&report, hz, names)));
    let stacks = stacks.await.context("reading a profile")?;
    Ok(Profile {
        title: "CPU",
        kinds: vec![("samples", "count"), ("cpu", "nanoseconds")],
        shown: 1,
        stacks,
        taken_at,
        duration,
        period: Some((("cpu", "nanoseconds"), period(hz))),
        text: None,
    })
}

fn start(hz: u32) -> Result<ProfilerGuard<'static>> {
    let hz = i32::try_from(hz).context("starting a profile")?;
    match ProfilerGuardBuilder::default().frequency(hz).blocklist(&BLIND_SPOTS).build() {
        Ok(guard) => Ok(guard),
        Err(pprof::Error::Running) => Err(super::busy()),
        Err(error) => Err(Error::Internal(anyhow::Error::new(error).context("starting a profile"))),
    }
}

fn is_sampler(function: &str) -> bool {
    SAMPLER.iter().any(|part| function.contains(part))
}

fn period(hz: u32) -> i64 {
    1_000_000_000 / i64::from(hz.max(1))
}

fn stacks(report: &UnresolvedReport, hz: u32, names: &mut Names<'_>) -> Vec<Stack> {
    let stacks = report.data.iter().map(|(sampled, count)| {
        let mut frames = Vec::new();
        for frame in &sampled.frames {
            frames.extend(names.frames(frame.ip() as usize).iter().cloned());
        }
        // From inside out: whoever looked, the signal, and then what was going on.
        let looking = frames.iter().rposition(|frame| is_sampler(&frame.function)).map_or(0, |last| last + 1);
        frames.drain(..looking);
        let count = *count as i64;
        let thread = sampled.thread_name.get(..sampled.thread_name_length).map(String::from_utf8_lossy);
        Stack { frames, values: vec![count, count * period(hz)], thread: thread.map(std::borrow::Cow::into_owned) }
    });
    stacks.filter(|stack: &Stack| !stack.frames.is_empty()).collect()
}
