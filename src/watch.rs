//! Watches the server's own tasks: how often each is polled, how long a poll keeps its thread, and since when nothing
//! has happened.
//!
//! A poll costs two looks at a clock and a few stores that nobody else makes. One task owns the list; whoever wants
//! to see it asks, and only then is anything gathered.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use quanta::Instant;
use tokio::sync::{mpsc, oneshot};

/// A poll that takes longer keeps its thread from everything else that waits for it.
pub const SLOW: Duration = Duration::from_millis(10);
/// Ended tasks that stay in the list before it is tidied, at least.
const TIDY_FROM: usize = 64;

/// Lets tasks be watched, and shows them; clones share the list.
#[derive(Debug, Clone)]
pub struct Watch {
    begun: Instant,
    messages: mpsc::UnboundedSender<Message>,
}

#[derive(Debug)]
enum Message {
    Begun(Arc<Record>),
    Look(oneshot::Sender<Tasks>),
}

/// The tasks as they are.
#[derive(Debug, Default)]
pub struct Tasks {
    /// Those that live, oldest first.
    pub live: Vec<Task>,
    /// Those that have ended, summed up by where they came from.
    pub ended: Vec<(Origin, Work)>,
}

/// One task that lives.
#[derive(Debug, Clone)]
pub struct Task {
    /// Where it came from.
    pub origin: Origin,
    /// How long ago it was made.
    pub age: Duration,
    /// What it did so far.
    pub work: Work,
    /// Since when it rests; nothing when it was never polled.
    pub resting: Option<Duration>,
    /// Since when its present poll takes; nothing while it rests.
    pub polling: Option<Duration>,
}

/// Where a task comes from: what it is called, and where it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// What it is called.
    pub name: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
}

/// What tasks did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// How many tasks.
    pub tasks: u64,
    /// How often they were polled.
    pub polls: u64,
    /// How long all polls took.
    pub busy: Duration,
    /// How long the longest poll took.
    pub longest: Duration,
    /// Polls that took longer than [`SLOW`].
    pub slow: u64,
    /// How long those took.
    pub slow_for: Duration,
}

impl Work {
    fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.polls += other.polls;
        self.busy += other.busy;
        self.longest = self.longest.max(other.longest);
        self.slow += other.slow;
        self.slow_for += other.slow_for;
    }
}

/// What is noted of one task. It alone writes, so that nothing has to be locked; times are nanoseconds since the watch
/// began, and one more, so that 0 is never.
#[derive(Debug)]
struct Record {
    origin: Origin,
    made: Instant,
    polls: AtomicU64,
    busy: AtomicU64,
    longest: AtomicU64,
    slow: AtomicU64,
    slow_for: AtomicU64,
    rests_since: AtomicU64,
    polled_since: AtomicU64,
}

fn read(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Record {
    fn polled(&self, watch_begun: Instant, begun: Instant, ended: Instant) {
        let took = nanoseconds(ended.duration_since(begun));
        let add = |value: &AtomicU64, more| value.store(read(value).saturating_add(more), Ordering::Relaxed);
        add(&self.polls, 1);
        add(&self.busy, took);
        if took > read(&self.longest) {
            self.longest.store(took, Ordering::Relaxed);
        }
        if took > nanoseconds(SLOW) {
            add(&self.slow, 1);
            add(&self.slow_for, took);
        }
        self.rests_since.store(nanoseconds(ended.duration_since(watch_begun)).max(1), Ordering::Relaxed);
        self.polled_since.store(0, Ordering::Relaxed);
    }

    fn work(&self) -> Work {
        let time = |value| Duration::from_nanos(read(value));
        Work {
            tasks: 1,
            polls: read(&self.polls),
            busy: time(&self.busy),
            longest: time(&self.longest),
            slow: read(&self.slow),
            slow_for: time(&self.slow_for),
        }
    }

    fn task(&self, watch_begun: Instant, now: Instant) -> Task {
        let since = |value| {
            let then = Some(read(value)).filter(|then| *then > 0)?;
            Some(now.duration_since(watch_begun).saturating_sub(Duration::from_nanos(then)))
        };
        let polling = since(&self.polled_since);
        let resting = since(&self.rests_since).filter(|_| polling.is_none());
        Task { origin: self.origin, age: now.duration_since(self.made), work: self.work(), resting, polling }
    }
}

impl Watch {
    /// A watch, and the task to be run that owns its list; it ends when nobody can add to it or ask for it.
    pub fn new() -> (Self, impl Future<Output = ()> + Send + 'static) {
        // Without a bound, because tasks are also made where nobody can wait: no more is ever in it than tasks have
        // been made since the owner was last polled.
        let (messages, arriving) = mpsc::unbounded_channel();
        let begun = Instant::now();
        (Self { begun, messages }, own(begun, arriving))
    }

    /// The same future, watched; it is named, and known by the place that calls this.
    #[track_caller]
    pub fn watched<F: Future>(&self, name: &'static str, future: F) -> Watched<F> {
        let place = Location::caller();
        let record = Arc::new(Record {
            origin: Origin { name, file: place.file(), line: place.line() },
            made: Instant::now(),
            polls: AtomicU64::default(),
            busy: AtomicU64::default(),
            longest: AtomicU64::default(),
            slow: AtomicU64::default(),
            slow_for: AtomicU64::default(),
            rests_since: AtomicU64::default(),
            polled_since: AtomicU64::default(),
        });
        // Without its owner the list is gone, and the task works all the same.
        let _ = self.messages.send(Message::Begun(Arc::clone(&record)));
        Watched { watch_begun: self.begun, record, future: Box::pin(future) }
    }

    /// The tasks as they are now.
    pub async fn look(&self) -> Tasks {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.send(Message::Look(reply));
        answer.await.unwrap_or_default()
    }
}

/// Owns the list.
async fn own(begun: Instant, mut arriving: mpsc::UnboundedReceiver<Message>) {
    let mut list = List { records: Vec::new(), ended: BTreeMap::new(), tidy_at: TIDY_FROM };
    while let Some(message) = arriving.recv().await {
        match message {
            Message::Begun(record) => {
                list.records.push(record);
                if list.records.len() >= list.tidy_at {
                    list.tidy();
                }
            }
            Message::Look(reply) => {
                list.tidy();
                let now = Instant::now();
                let live = list.records.iter().map(|record| record.task(begun, now)).collect();
                let ended = list.ended.iter().map(|(origin, work)| (*origin, *work)).collect();
                // Whoever has gone away does not hear it.
                let _ = reply.send(Tasks { live, ended });
            }
        }
    }
}

struct List {
    records: Vec<Arc<Record>>,
    ended: BTreeMap<Origin, Work>,
    tidy_at: usize,
}

impl List {
    /// Sums up the tasks that have ended: those whose record nobody else has any more.
    fn tidy(&mut self) {
        let ended = &mut self.ended;
        self.records.retain(|record| {
            let lives = Arc::strong_count(record) > 1;
            if !lives {
                ended.entry(record.origin).or_default().add(record.work());
            }
            lives
        });
        self.tidy_at = TIDY_FROM.max(self.records.len() * 2);
    }
}

/// A future that is watched.
pub struct Watched<F> {
    watch_begun: Instant,
    record: Arc<Record>,
    future: Pin<Box<F>>,
}

impl<F> fmt::Debug for Watched<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("origin", &self.record.origin).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let begun = Instant::now();
        let since = nanoseconds(begun.duration_since(self.watch_begun)).max(1);
        self.record.polled_since.store(since, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(context);
        self.record.polled(self.watch_begun, begun, Instant::now());
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_seen_with_its_polls_while_it_lives_and_summed_up_after() {
        let (watch, owner) = Watch::new();
        tokio::spawn(owner);
        let (go, gone) = oneshot::channel::<()>();
        let task = tokio::spawn(watch.watched("waiting", async {
            tokio::task::yield_now().await;
            let _ = gone.await;
        }));
        tokio::task::yield_now().await;
        while watch.look().await.live.first().is_none_or(|task| task.work.polls < 2) {
            tokio::task::yield_now().await;
        }
        let tasks = watch.look().await;
        let [seen] = tasks.live.as_slice() else { panic!("{tasks:?}") };
        assert_eq!((seen.origin.name, seen.origin.file), ("waiting", file!()));
        assert!(seen.resting.is_some() && seen.polling.is_none() && seen.work.busy >= seen.work.longest, "{seen:?}");
        go.send(()).unwrap();
        task.await.unwrap();
        let tasks = watch.look().await;
        assert!(tasks.live.is_empty(), "{tasks:?}");
        let [(origin, work)] = tasks.ended.as_slice() else { panic!("{tasks:?}") };
        assert_eq!((origin.name, work.tasks, work.polls), ("waiting", 1, 3));
    }
}
