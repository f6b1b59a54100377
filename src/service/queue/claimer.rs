//! Claims messages for whoever waits: one task owns the waiting of every topic, so that while one claim is under way
//! the consumers who arrive gather for the next, and 256 of them cost what one does.
//!
//! For each topic it knows a hint: the rank before which it has seen nothing ready. A claim from there does not step
//! over what is taken. A hint is only that: what comes before it unseen (a lease that ends, a replica's commit that
//! comes late) is found by a look at everything, which is never older than [`LOOK`] while somebody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::repository::QueueRepository;
use crate::repository::queue::{Claimed, LeasedMessage, Settlement, Taker, Topic};
use crate::service::time;

/// Longest between two looks at everything while somebody waits; a message whose lease has ended comes within it.
const LOOK: Duration = Duration::from_millis(400);
/// Messages that one claim takes for several consumers.
const PLACES: usize = 1_000;
/// A topic that nobody has waited for in this time is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// What a consumer wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it calls itself.
    pub consumer: String,
    /// Messages that it takes at most.
    pub max: usize,
    /// How long it wants to have them.
    pub lease: Duration,
    /// How long it waits for the first one.
    pub wait: Duration,
}

/// What a consumer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The lease.
    pub lease_id: Uuid,
    /// When it ends.
    pub lease_until: DateTime<Utc>,
    /// Its messages; none when none came in time.
    pub messages: Vec<LeasedMessage>,
}

/// The way to the task that claims.
#[derive(Debug, Clone)]
pub struct Claimer {
    // Without a bound: what is in it are requests, which are bounded, and notices, which are taken out at once.
    door: mpsc::UnboundedSender<Call>,
}

/// A way in for those who only know of something.
#[derive(Debug)]
pub struct Hearsay(mpsc::WeakUnboundedSender<Call>);

impl Hearsay {
    /// Says that there may be messages ready from this rank on.
    pub fn ready(&self, topic: i64, rank: i64) {
        if let Some(door) = self.0.upgrade() {
            let _ = door.send(Call::Ready { topic, rank });
        }
    }
}

#[derive(Debug)]
enum Call {
    Lease(Box<Waiting>),
    Ready { topic: i64, rank: i64 },
    Watch { topic: i64, bell: Arc<Notify> },
}

#[derive(Debug)]
struct Waiting {
    topic: Topic,
    wish: Wish,
    since: Instant,
    reply: oneshot::Sender<Result<Leased, Arc<Error>>>,
}

impl Waiting {
    fn deadline(&self) -> Instant {
        self.since + self.wish.wait
    }
}

impl Claimer {
    /// The way in, and the task to be run, which ends after the last way in is gone. When `closing` is cancelled,
    /// nobody waits any longer.
    pub fn new(
        queue: QueueRepository,
        closing: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (door, arrivals) = mpsc::unbounded_channel();
        let owner = Owner {
            queue,
            closing,
            lines: HashMap::new(),
            bells: HashMap::new(),
            claims: JoinSet::new(),
            of: HashMap::new(),
        };
        (Self { door }, owner.run(arrivals))
    }

    /// Leases messages of a topic, waiting for the first one as long as is wished.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn lease(&self, topic: Topic, wish: Wish) -> Result<Leased> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::unavailable(anyhow!("the server is stopping"));
        let waiting = Waiting { topic, wish, since: Instant::now(), reply };
        self.door.send(Call::Lease(Box::new(waiting))).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|error| shared(&error))
    }

    /// Says that there may be messages ready from this rank on.
    pub fn ready(&self, topic: i64, rank: i64) {
        let _ = self.door.send(Call::Ready { topic, rank });
    }

    /// The same, without keeping the task from its end; nothing is left of it afterwards.
    pub fn hearsay(&self) -> Hearsay {
        Hearsay(self.door.downgrade())
    }

    /// A bell that rings whenever there may be messages ready.
    pub fn watch(&self, topic: i64) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.ring(topic, &bell);
        bell
    }

    /// Rings this bell whenever there may be messages ready, for as long as somebody else has it.
    pub fn ring(&self, topic: i64, bell: &Arc<Notify>) {
        let _ = self.door.send(Call::Watch { topic, bell: Arc::clone(bell) });
    }
}

/// One error for each of the consumers who share a claim.
fn shared(error: &Arc<Error>) -> Error {
    let cause = anyhow!("claiming messages: {:#}", anyhow::Error::new(Arc::clone(error)));
    match error.as_ref() {
        Error::Unavailable(_) => Error::Unavailable(cause),
        _ => Error::Internal(cause),
    }
}

/// Who waits for messages of one topic, and what is known of it.
#[derive(Debug)]
struct Line {
    topic: Topic,
    waiting: VecDeque<Waiting>,
    /// The rank before which nothing was ready when it was last looked at; the greatest for nothing at all.
    hint: i64,
    /// The least rank that was announced while a claim was under way, which may not have seen it.
    announced: i64,
    /// When the last look at everything began.
    looked: Option<Instant>,
    /// Whether a claim is under way.
    claiming: bool,
    /// When somebody last came or was announced.
    used: Instant,
}

impl Line {
    /// Whether a look at everything is due: an old one, or none since somebody came who does not wait any longer.
    fn is_look_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| {
            looked + LOOK <= now
                || self.waiting.iter().any(|waiting| waiting.deadline() <= now && waiting.since > looked)
        })
    }

    /// When something is to be done although nobody comes.
    fn next(&self) -> Option<Instant> {
        if self.claiming || self.waiting.is_empty() {
            return None;
        }
        let deadlines = self.waiting.iter().map(Waiting::deadline);
        deadlines.chain(self.looked.map(|looked| looked + LOOK)).min()
    }
}

/// A claim that has come back.
#[derive(Debug)]
struct Outcome {
    topic: i64,
    /// Whether it looked at everything.
    whole: bool,
    from: i64,
    wanted: usize,
    waiting: Vec<(Waiting, Taker)>,
    claimed: Result<Claimed>,
}

struct Owner {
    queue: QueueRepository,
    closing: CancellationToken,
    lines: HashMap<i64, Line>,
    bells: HashMap<i64, Vec<Arc<Notify>>>,
    claims: JoinSet<Outcome>,
    /// Which topic each claim is of.
    of: HashMap<Id, i64>,
}

impl Owner {
    async fn run(mut self, mut arrivals: mpsc::UnboundedReceiver<Call>) {
        let mut open = true;
        while open || !self.claims.is_empty() {
            let next = self.lines.values().filter_map(Line::next).min();
            let closing = self.closing.is_cancelled();
            tokio::select! {
                call = arrivals.recv(), if open => match call {
                    Some(call) => self.called(call),
                    None => open = false,
                },
                Some(ended) = self.claims.join_next_with_id() => self.ended(ended),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                () = self.closing.cancelled(), if !closing => {}
            }
            self.advance();
        }
    }

    fn called(&mut self, call: Call) {
        match call {
            Call::Lease(waiting) => {
                let line = self.lines.entry(waiting.topic.id).or_insert_with(|| Line {
                    topic: waiting.topic.clone(),
                    waiting: VecDeque::new(),
                    hint: i64::MIN,
                    announced: i64::MAX,
                    looked: None,
                    claiming: false,
                    used: waiting.since,
                });
                line.topic = waiting.topic.clone();
                line.used = waiting.since;
                line.waiting.push_back(*waiting);
            }
            Call::Ready { topic, rank } => {
                if let Some(line) = self.lines.get_mut(&topic) {
                    if line.claiming {
                        line.announced = line.announced.min(rank);
                    } else {
                        line.hint = line.hint.min(rank);
                    }
                }
                for bell in self.bells.get(&topic).into_iter().flatten() {
                    bell.notify_one();
                }
            }
            Call::Watch { topic, bell } => {
                let bells = self.bells.entry(topic).or_default();
                bells.retain(|bell| Arc::strong_count(bell) > 1);
                bells.push(bell);
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), tokio::task::JoinError>) {
        match ended {
            Ok((id, outcome)) => {
                self.of.remove(&id);
                self.claimed(outcome);
            }
            Err(error) => {
                tracing::error!(%error, "a claim died");
                let line = self.of.remove(&error.id()).and_then(|topic| self.lines.get_mut(&topic));
                if let Some(line) = line {
                    line.claiming = false;
                    line.hint = i64::MIN;
                }
            }
        }
    }

    fn claimed(&mut self, outcome: Outcome) {
        let Outcome { topic, whole, from, wanted, waiting, claimed } = outcome;
        let Some(line) = self.lines.get_mut(&topic) else { return };
        line.claiming = false;
        let hint = match &claimed {
            Ok(claimed) if claimed.messages.len() < wanted => i64::MAX,
            Ok(claimed) => claimed.last.unwrap_or(from),
            Err(_) => from,
        };
        line.hint = hint.min(line.announced);
        line.announced = i64::MAX;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                if whole {
                    line.looked = None;
                }
                let error = Arc::new(error);
                for (waiting, _) in waiting {
                    let _ = waiting.reply.send(Err(Arc::clone(&error)));
                }
                return;
            }
        };
        let mut messages: HashMap<Uuid, Vec<LeasedMessage>> = HashMap::new();
        for (lease, message) in claimed.messages {
            messages.entry(lease).or_default().push(message);
        }
        // Who got nothing waits on, before those who came later.
        for (waiting, taker) in waiting.into_iter().rev() {
            match messages.remove(&taker.lease) {
                None => line.waiting.push_front(waiting),
                Some(messages) => {
                    let workspace = line.topic.workspace_id;
                    let leased = Leased { lease_id: taker.lease, lease_until: taker.until, messages };
                    if waiting.reply.send(Ok(leased)).is_err() {
                        // Nobody is there to work on them, and nobody should have to wait for the lease to end.
                        tokio::spawn(release(self.queue.clone(), workspace, taker.lease));
                    }
                }
            }
        }
    }

    /// Answers who has waited long enough, and begins what claims there are to begin.
    fn advance(&mut self) {
        let now = Instant::now();
        let closing = self.closing.is_cancelled();
        for (id, line) in &mut self.lines {
            line.waiting.retain(|waiting| !waiting.reply.is_closed());
            if line.claiming {
                continue;
            }
            let looked = line.looked;
            let mut rest = VecDeque::with_capacity(line.waiting.len());
            for waiting in line.waiting.drain(..) {
                let seen = line.hint == i64::MAX && looked.is_some_and(|looked| looked >= waiting.since);
                if closing || (waiting.deadline() <= now && seen) {
                    let nothing = Leased { lease_id: Uuid::nil(), lease_until: time::now(), messages: Vec::new() };
                    let _ = waiting.reply.send(Ok(nothing));
                } else {
                    rest.push_back(waiting);
                }
            }
            line.waiting = rest;
            let whole = line.is_look_due(now);
            if line.waiting.is_empty() || !(whole || line.hint < i64::MAX) {
                continue;
            }
            let claim = begin(self.queue.clone(), line, whole, now);
            self.of.insert(self.claims.spawn(claim).id(), *id);
        }
        self.lines.retain(|_, line| line.claiming || !line.waiting.is_empty() || line.used + FORGET > now);
    }
}

/// The claim for those who have waited longest.
fn begin(queue: QueueRepository, line: &mut Line, whole: bool, now: Instant) -> impl Future<Output = Outcome> + use<> {
    let from = if whole { i64::MIN } else { line.hint };
    if whole {
        line.looked = Some(now);
    }
    line.claiming = true;
    let moment = time::now();
    let mut waiting: Vec<(Waiting, Taker)> = Vec::new();
    let mut wanted = 0;
    while let Some(next) = line.waiting.front() {
        if wanted > 0 && wanted + next.wish.max > PLACES {
            break;
        }
        let Some(next) = line.waiting.pop_front() else { break };
        wanted += next.wish.max;
        let length = TimeDelta::from_std(next.wish.lease).unwrap_or(TimeDelta::MAX);
        let until = moment.checked_add_signed(length).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let taker = Taker { lease: Uuid::new_v4(), consumer: next.wish.consumer.clone(), max: next.wish.max, until };
        waiting.push((next, taker));
    }
    let (topic, id) = (line.topic.clone(), line.topic.id);
    async move {
        let takers: Vec<Taker> = waiting.iter().map(|(_, taker)| taker.clone()).collect();
        let claimed = queue.claim(&topic, &takers, from, moment).await;
        Outcome { topic: id, whole, from, wanted, waiting, claimed }
    }
}

async fn release(queue: QueueRepository, workspace: Uuid, lease: Uuid) {
    if let Err(error) = queue.settle(lease, workspace, &[], Settlement::Release, time::now()).await {
        let error = format!("{:#}", anyhow::Error::new(error));
        tracing::debug!(%error, "messages of a consumer who went away come when their lease ends");
    }
}
