//! What is alive in the process: its tasks, what kept their threads, and the threads themselves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;

use super::profile::{Frame, Kind, Profile, Stack};
use crate::error::Result;
use crate::service::time;
use crate::watch::{Origin, SLOW, Task, Tasks, Work};

/// Tasks that a page of text shows.
const ROWS: usize = 1_000;
/// What is counted of whatever keeps others waiting, in the words of pprof's own profiles of it.
const CONTENTION: [Kind; 2] = [("contentions", "count"), ("delay", "nanoseconds")];

/// The tasks that live.
pub fn tasks(tasks: &Tasks) -> Profile {
    let stack = |task: &Task| Stack {
        frames: vec![frame(task.origin)],
        values: vec![1, count(task.work.polls), nanoseconds(task.work.busy), nanoseconds(task.work.longest)],
        thread: None,
    };
    let kinds =
        [("tasks", "count"), ("polls", "count"), ("busy", "nanoseconds"), ("longest_poll", "nanoseconds")].to_vec();
    profile("tasks", kinds, 0, tasks.live.iter().map(stack).collect(), page(tasks))
}

/// The polls that kept their thread for long, of tasks that live and of those that have ended.
pub fn slow_polls(tasks: &Tasks) -> Profile {
    let mut origins: BTreeMap<Origin, (u64, Duration)> = BTreeMap::new();
    let live = tasks.live.iter().map(|task| (task.origin, task.work));
    for (origin, work) in tasks.ended.iter().copied().chain(live).filter(|(_, work)| work.slow > 0) {
        let slow = origins.entry(origin).or_default();
        slow.0 += work.slow;
        slow.1 += work.slow_for;
    }
    let mut text = format!(
        "polls that kept a thread for longer than {} ms, by where their task was made\n\n{:>10} {:>12}  task\n",
        SLOW.as_millis(),
        "polls",
        "time"
    );
    for (origin, (slow, time)) in &origins {
        let _ = writeln!(text, "{slow:>10} {:>12}  {}  {}:{}", span(*time), origin.name, origin.file, origin.line);
    }
    let stack = |(origin, (slow, time)): (&Origin, &(u64, Duration))| Stack {
        frames: vec![frame(*origin)],
        values: vec![count(*slow), nanoseconds(*time)],
        thread: None,
    };
    profile("slow polls", CONTENTION.to_vec(), 1, origins.iter().map(stack).collect(), text)
}

/// Waiting for locks, of which the server has none of its own.
pub fn locks() -> Profile {
    let text = "The server holds no lock of its own: tasks own their state and are asked over channels.\n\
        What keeps a thread is at /debug/pprof/block, what a task does at /debug/pprof/tasks.\n";
    profile("locks", CONTENTION.to_vec(), 1, Vec::new(), text.to_owned())
}

/// The threads of the process, by name.
///
/// # Errors
/// The system does not tell.
pub async fn threads() -> Result<Profile> {
    let names = tokio::task::spawn_blocking(thread_names).await.context("listing threads")??;
    let mut text = format!("{} threads\n\n", names.values().sum::<u64>());
    for (name, number) in &names {
        let _ = writeln!(text, "{number:>6}  {name}");
    }
    let stack = |(name, number): (&String, &u64)| Stack {
        frames: vec![Arc::new(Frame { function: name.clone(), file: String::new(), line: 0 })],
        values: vec![count(*number)],
        thread: None,
    };
    Ok(profile("threads", vec![("threadcreate", "count")], 0, names.iter().map(stack).collect(), text))
}

fn thread_names() -> anyhow::Result<BTreeMap<String, u64>> {
    let mut names = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task").context("listing threads")? {
        // One that has ended meanwhile has no name any more.
        if let Ok(name) = fs::read_to_string(thread.context("listing threads")?.path().join("comm")) {
            *names.entry(name.trim().to_owned()).or_default() += 1;
        }
    }
    Ok(names)
}

fn profile(title: &'static str, kinds: Vec<Kind>, shown: usize, stacks: Vec<Stack>, text: String) -> Profile {
    Profile {
        title,
        kinds,
        shown,
        stacks,
        taken_at: time::now(),
        duration: Duration::ZERO,
        period: None,
        text: Some(text),
    }
}

fn frame(origin: Origin) -> Arc<Frame> {
    Arc::new(Frame { function: origin.name.to_owned(), file: origin.file.to_owned(), line: origin.line })
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// A time as somebody compares it with others.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        1.0.. => format!("{seconds:.1} s"),
        0.001.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.1} µs", seconds * 1e6),
    }
}

/// The runtime, a line for each place that tasks come from, and a line for each task.
fn page(tasks: &Tasks) -> String {
    let runtime = Handle::current().metrics();
    let busy = |worker| span(runtime.worker_total_busy_duration(worker));
    let busy: Vec<String> = (0..runtime.num_workers()).map(busy).collect();
    let alive = runtime.num_alive_tasks();
    let mut page = format!(
        "runtime: {alive} tasks alive, {} of them watched; {} in the common queue; {} workers, busy for {}\n\n\
         {:>8} {:>8} {:>12} {:>10} {:>10} {:>7}  by origin\n",
        tasks.live.len(),
        runtime.global_queue_depth(),
        busy.len(),
        busy.join(", "),
        "alive",
        "ended",
        "polls",
        "busy",
        "longest",
        "slow",
    );
    let mut origins: BTreeMap<Origin, (u64, Vec<Work>)> = BTreeMap::new();
    for task in &tasks.live {
        let origin = origins.entry(task.origin).or_default();
        origin.0 += 1;
        origin.1.push(task.work);
    }
    for (origin, work) in &tasks.ended {
        origins.entry(*origin).or_default().1.push(*work);
    }
    for (origin, (alive, work)) in &origins {
        let sum = |value: fn(&Work) -> u64| work.iter().map(value).sum::<u64>();
        let busy: Duration = work.iter().map(|work| work.busy).sum();
        let longest = work.iter().map(|work| work.longest).max().unwrap_or_default();
        let _ = writeln!(
            page,
            "{alive:>8} {:>8} {:>12} {:>10} {:>10} {:>7}  {}  {}:{}",
            sum(|work| work.tasks) - alive,
            sum(|work| work.polls),
            span(busy),
            span(longest),
            sum(|work| work.slow),
            origin.name,
            origin.file,
            origin.line,
        );
    }
    let heads = ["age", "polls", "busy", "longest", "last poll"];
    let _ =
        writeln!(page, "\n{:>10} {:>12} {:>10} {:>10} {:>16}  task", heads[0], heads[1], heads[2], heads[3], heads[4]);
    for task in tasks.live.iter().take(ROWS) {
        let last = match (task.polling, task.resting) {
            (Some(since), _) => format!("now, for {}", span(since)),
            (None, Some(since)) => format!("{} ago", span(since)),
            (None, None) => "never".to_owned(),
        };
        let (work, origin) = (task.work, task.origin);
        let (age, busy, longest) = (span(task.age), span(work.busy), span(work.longest));
        let _ = writeln!(
            page,
            "{age:>10} {:>12} {busy:>10} {longest:>10} {last:>16}  {}  {}:{}",
            work.polls, origin.name, origin.file, origin.line
        );
    }
    if tasks.live.len() > ROWS {
        let _ = writeln!(page, "… and {} more", tasks.live.len() - ROWS);
    }
    page
}
