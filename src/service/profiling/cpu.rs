//! Where the processor's time goes: a signal looks at the stack of whoever works, so many times a second.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pprof::{ProfilerGuard, ProfilerGuardBuilder, Report};

use super::profile::{Frame, Profile, Stack};
use crate::error::{Error, Result};
use crate::service::time;

/// Parts of the names of those who look for the stack, and stand on it themselves.
const SAMPLER: [&str; 3] = ["backtrace::", "pprof::", "__restore_rt"];

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
    // Naming the functions reads the program's own tables, which is no work for the threads that serve.
    let report = tokio::task::spawn_blocking(move || {
        let report = guard.report().build();
        // What was read of the tables is large, and the next profile may be far away.
        backtrace::clear_symbol_cache();
        report
    });
    let report = report.await.context("reading a profile")?.context("reading a profile")?;
    Ok(Profile {
        title: "CPU",
        kinds: vec![("samples", "count"), ("cpu", "nanoseconds")],
        shown: 1,
        stacks: stacks(&report, hz),
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

fn stacks(report: &Report, hz: u32) -> Vec<Stack> {
    let stack = |(frames, count): (&pprof::Frames, &isize)| {
        let symbols = frames.frames.iter().flatten();
        let frame = |symbol: &pprof::Symbol| Frame {
            function: symbol.name(),
            file: symbol.filename.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
            line: symbol.lineno(),
        };
        let count = *count as i64;
        let named = symbols.map(|symbol| Arc::new(frame(symbol)));
        Stack {
            frames: named.skip_while(|frame| is_sampler(&frame.function)).collect(),
            values: vec![count, count * period(hz)],
            thread: Some(frames.thread_name_or_id()),
        }
    };
    report.data.iter().map(stack).filter(|stack| !stack.frames.is_empty()).collect()
}
