//! Who asks for memory: the allocator's own profiler, which is built in and asleep until it is woken.
//!
//! It is of the whole process, whichever server in it is asked.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use jemalloc_pprof::PROF_CTL;

use super::names::{Names, with_names};
use super::profile::{Profile, Stack};
use crate::error::{Error, Result};
use crate::service::time;

/// Functions of the allocator and of what stands before it, which are at the inner end of every stack.
const ALLOCATOR: [&str; 23] = [
    "_rjem_",
    "calloc",
    "do_rallocx",
    "malloc",
    "mallocx",
    "rallocx",
    "realloc",
    "je_",
    "prof_",
    "imalloc",
    "ialloc",
    "iralloc",
    "arena_",
    "tcache_",
    "__rust_",
    "__rustc",
    "tikv_jemallocator",
    "<tikv_jemallocator",
    "alloc::alloc::",
    "alloc::raw_vec::",
    "<alloc::raw_vec::",
    "alloc::boxed::",
    "core::alloc::",
];

/// Whether the profiler is awake.
///
/// # Errors
/// [`Error::NotFound`] when the program was built without it.
pub async fn is_awake() -> Result<bool> {
    Ok(PROF_CTL.as_ref().ok_or(NOT_BUILT)?.lock().await.activated())
}

const NOT_BUILT: Error = Error::NotFound("heap profiler");

/// Wakes the profiler, or puts it to sleep, which also forgets what it has sampled.
///
/// # Errors
/// [`Error::NotFound`] when the program was built without it.
pub async fn wake(awake: bool) -> Result<()> {
    let mut profiler = PROF_CTL.as_ref().ok_or(NOT_BUILT)?.lock().await;
    let is_awake = profiler.activated();
    let done = match awake {
        true if !is_awake => profiler.activate(),
        false if is_awake => profiler.deactivate(),
        _ => Ok(()),
    };
    done.map_err(|error| Error::Internal(anyhow!("the allocator's profiler: {error}")))
}

/// What has been sampled since the profiler was woken; what is `shown` is one of its four kinds.
///
/// # Errors
/// [`Error::NotFound`] when the program was built without it.
pub async fn dump(shown: usize, duration: Duration) -> Result<Profile> {
    let taken_at = time::now();
    let profiler = Arc::clone(PROF_CTL.as_ref().ok_or(NOT_BUILT)?);
    let reading = tokio::task::spawn_blocking(move || {
        let (file, interval) = {
            let mut profiler = profiler.blocking_lock();
            (profiler.dump()?, profiler.lg_sample())
        };
        let samples = parse(BufReader::new(file))?;
        let stacks = with_names(|names| named(samples, names));
        Ok::<_, anyhow::Error>((stacks, 1_i64 << interval))
    });
    let (stacks, interval) = reading.await.context("reading a heap profile")??;
    Ok(Profile {
        title: "memory",
        kinds: KINDS.to_vec(),
        shown,
        stacks,
        taken_at,
        duration,
        period: Some((("space", "bytes"), interval)),
        text: None,
    })
}

/// What is counted of memory, in the order that pprof's readers know.
const KINDS: [super::profile::Kind; 4] =
    [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")];

/// One stack of the dump, as addresses, with what it stands for.
#[derive(Debug, PartialEq)]
struct Sampled {
    addresses: Vec<usize>,
    values: [i64; 4],
}

/// Reads the allocator's dump: `heap_v2/INTERVAL`, then for each stack `@ 0x… 0x…` and below it
/// `t*: OBJECTS: BYTES [OBJECTS: BYTES]`, in use and, in brackets, ever.
fn parse(dump: impl BufRead) -> anyhow::Result<Vec<Sampled>> {
    let mut lines = dump.lines();
    let head = lines.next().context("an empty dump")??;
    let interval: f64 = head.strip_prefix("heap_v2/").context("an unknown dump")?.trim().parse()?;
    let (mut samples, mut addresses) = (Vec::new(), None);
    for line in lines {
        let line = line?;
        let line = line.trim();
        if let Some(stack) = line.strip_prefix('@') {
            let hexadecimal = |text: &str| usize::from_str_radix(text.trim_start_matches("0x"), 16);
            addresses = Some(stack.split_whitespace().map(hexadecimal).collect::<Result<Vec<_>, _>>()?);
        } else if let Some(counts) = line.strip_prefix("t*:") {
            // The first one, before any stack, is the sum of all.
            let Some(addresses) = addresses.take() else { continue };
            let numbers = counts.split(|character: char| !character.is_ascii_digit()).filter(|text| !text.is_empty());
            let numbers = numbers.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            let [live_objects, live_bytes, objects, bytes] = numbers[..] else {
                anyhow::bail!("a stack without its counts");
            };
            let (live, ever) = (estimate(live_objects, live_bytes, interval), estimate(objects, bytes, interval));
            samples.push(Sampled { addresses, values: [ever.0, ever.1, live.0, live.1] });
        } else if line.starts_with("MAPPED_LIBRARIES") {
            break;
        }
    }
    Ok(samples)
}

/// What a number of samples stands for: an allocation is sampled the more likely the larger it is.
fn estimate(objects: f64, bytes: f64, interval: f64) -> (i64, i64) {
    if objects == 0.0 {
        return (0, 0);
    }
    let scale = 1.0 / (1.0 - (-(bytes / objects) / interval).exp());
    ((objects * scale).round() as i64, (bytes * scale).round() as i64)
}

/// The stacks with the names of their functions, from where the allocator was called.
fn named(samples: Vec<Sampled>, names: &mut Names<'_>) -> Vec<Stack> {
    let stack = |sampled: Sampled| {
        let mut frames = Vec::new();
        for address in sampled.addresses {
            frames.extend(names.frames(address).iter().cloned());
        }
        let inner = frames.iter().take_while(|frame| is_allocator(&frame.function)).count();
        // A stack that is nothing else is the allocator's own.
        if inner < frames.len() {
            frames.drain(..inner);
        }
        Stack { frames, values: sampled.values.to_vec(), thread: None }
    };
    samples.into_iter().map(stack).filter(|stack| !stack.frames.is_empty()).collect()
}

fn is_allocator(function: &str) -> bool {
    ALLOCATOR.iter().any(|start| function.starts_with(start))
        || function.contains("alloc::alloc::Global")
        || function == "alloc"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_with_what_its_samples_stand_for() {
        let dump = "heap_v2/524288\n  t*: 3: 1600000 [9: 4800000]\n  t0: 3: 1600000 [9: 4800000]\n\
            @ 0x10 0x2f\n  t*: 1: 524288 [2: 1048576]\n  t1: 1: 524288 [2: 1048576]\n\
            @ 0x10 0x30\n  t*: 0: 0 [7: 70000000]\n\nMAPPED_LIBRARIES:\n@ nonsense\n";
        let samples = parse(dump.as_bytes()).unwrap();
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].addresses, [0x10, 0x2f]);
        // One of the very size of the interval is sampled in 63 of 100 cases.
        assert_eq!(samples[0].values, [3, 1_658_823, 2, 829_411]);
        assert_eq!(samples[1].values, [7, 70_000_000, 0, 0]);
    }

    #[test]
    fn a_dump_of_another_form_is_an_error() {
        for dump in ["", "heap_v3/1\n", "heap_v2/1\n@ 0x1\n t*: 1: 2\n", "heap_v2/1\n@ zz\n"] {
            assert!(parse(dump.as_bytes()).is_err(), "{dump:?}");
        }
    }
}
