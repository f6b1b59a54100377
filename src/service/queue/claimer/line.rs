//! Who waits for messages of one topic, and what is known of it: two ranks that save a claim from stepping over what
//! is taken or done, neither of which is believed for long.
//!
//! Before the hint nothing was ready, and before the floor nothing lived, when they were last looked at; what is
//! announced since lowers both. A lease that ends is found by a look from the floor on, which is never older than
//! [`LOOK`] while somebody waits. What came before the floor unannounced (the commit of another process that was late,
//! its announcement lost) is found by a search through everything, which is made the more seldom the longer it takes.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Leased, Wish};
use crate::error::{Error, Result};
use crate::repository::QueueRepository;
use crate::repository::queue::{Claimed, Taker, Topic};
use crate::service::time;

/// Longest between two looks from the floor on while somebody waits.
const LOOK: Duration = Duration::from_millis(400);
/// Least time between two searches through everything.
const SEARCH: Duration = Duration::from_secs(5);
/// After a search there is none for so many times as long as it took, within reason.
const PATIENCE: u32 = 20;
/// Most time between two searches.
const LATEST_SEARCH: Duration = Duration::from_secs(60);
/// The floor is so much before the first message that lives: clocks differ, and so does how long a commit takes.
const SKEW: TimeDelta = TimeDelta::seconds(1);
/// Messages that one claim takes for several consumers.
const PLACES: usize = 1_000;
/// Claims that are under way at once while there is plenty: one alone would get the share of one publisher among many.
const AT_ONCE: usize = 4;
/// What a claim brings at least for there to be plenty: small ones cost less when they are made together.
const PLENTY: usize = 64;

/// A consumer who waits.
#[derive(Debug)]
pub struct Waiting {
    /// Where it waits.
    pub topic: Topic,
    /// For what.
    pub wish: Wish,
    /// Since when.
    pub since: Instant,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Leased, std::sync::Arc<Error>>>,
}

impl Waiting {
    /// Until when.
    pub fn deadline(&self) -> Instant {
        self.since + self.wish.wait
    }
}

/// From where on a claim looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From the hint on.
    Hint,
    /// From the floor on.
    Floor,
    /// Everywhere.
    Everything,
}

/// Who waits for messages of one topic, and what is known of it.
#[derive(Debug)]
pub struct Line {
    /// The topic, as it was last asked for.
    pub topic: Topic,
    /// Those who wait, longest first.
    pub waiting: VecDeque<Waiting>,
    /// The rank before which nothing was ready; the greatest for nothing at all.
    hint: i64,
    /// The rank before which nothing lived.
    floor: i64,
    /// Claims that are under way.
    claims: Vec<Flight>,
    /// Whether the last claim was large and got all that it wanted, so that there is more.
    plenty: bool,
    /// When the last look from the floor on, or from before it, began.
    looked: Option<Instant>,
    /// Whether it is under way.
    looking: bool,
    /// When the last one that has come back began.
    seen: Option<Instant>,
    /// When everything may be searched again.
    search: Instant,
    /// When somebody last came.
    pub used: Instant,
}

/// A claim that is under way.
#[derive(Debug)]
struct Flight {
    id: Uuid,
    /// The least rank that was announced since it began, which it may not have seen.
    announced: i64,
}

/// A claim that has come back.
#[derive(Debug)]
pub struct Outcome {
    /// Of which topic.
    pub topic: i64,
    id: Uuid,
    reach: Reach,
    began: Instant,
    from: i64,
    wanted: usize,
    /// The rank of the first message that lives, if that was looked for and there is one.
    living: Option<i64>,
    /// For whom, each with what it was to get.
    pub waiting: Vec<(Waiting, Taker)>,
    /// What came of it.
    pub claimed: Result<Claimed>,
}

impl Outcome {
    /// Whether it has seen all that was there when it began.
    pub fn is_look(&self) -> bool {
        self.reach != Reach::Hint && self.claimed.is_ok()
    }
}

impl Line {
    /// Of a topic of which nothing is known.
    pub fn new(topic: Topic, now: Instant) -> Self {
        Self {
            topic,
            waiting: VecDeque::new(),
            hint: i64::MIN,
            floor: i64::MIN,
            claims: Vec::new(),
            plenty: false,
            looked: None,
            looking: false,
            seen: None,
            search: now,
            used: now,
        }
    }

    /// There may be messages ready from this rank on.
    pub fn ready(&mut self, rank: i64) {
        for claim in &mut self.claims {
            claim.announced = claim.announced.min(rank);
        }
        self.lower(rank);
    }

    fn lower(&mut self, rank: i64) {
        self.hint = self.hint.min(rank);
        self.floor = self.floor.min(rank);
    }

    /// A claim died, and nobody knows which, or what it did.
    pub fn died(&mut self) {
        *self = Self { waiting: std::mem::take(&mut self.waiting), ..Self::new(self.topic.clone(), self.used) };
    }

    /// Whether nothing is known of it that would be missed.
    pub fn is_forgotten(&self, before: Instant) -> bool {
        self.claims.is_empty() && self.waiting.is_empty() && self.used <= before
    }

    /// Whether whoever waited since then has been told all that there is.
    pub fn has_seen_all(&self, since: Instant) -> bool {
        self.hint == i64::MAX && self.seen.is_some_and(|seen| seen >= since)
    }

    /// When something is to be done although nobody comes.
    pub fn next(&self) -> Option<Instant> {
        if !self.claims.is_empty() || self.waiting.is_empty() {
            return None;
        }
        let deadlines = self.waiting.iter().map(Waiting::deadline);
        deadlines.chain(self.looked.map(|looked| looked + LOOK)).min()
    }

    /// Whether no claim is under way.
    pub fn is_idle(&self) -> bool {
        self.claims.is_empty()
    }

    /// Whether another claim has to wait for one that is under way.
    pub fn is_busy(&self) -> bool {
        self.claims.len() >= if self.plenty { AT_ONCE } else { 1 }
    }

    /// From where on the next claim is to look; nowhere when nobody waits, or nothing is known to be ready.
    pub fn reach(&self, now: Instant) -> Option<Reach> {
        if self.is_busy() || self.waiting.is_empty() {
            return None;
        }
        if self.looking || !self.is_look_due(now) {
            return (self.hint < i64::MAX).then_some(Reach::Hint);
        }
        Some(if self.search <= now { Reach::Everything } else { Reach::Floor })
    }

    /// Whether a look is due: the last one is old, or nothing is known to be ready and it is older than somebody who
    /// does not wait any longer.
    fn is_look_due(&self, now: Instant) -> bool {
        let is_late =
            |looked: Instant| self.waiting.iter().any(|waiting| waiting.deadline() <= now && waiting.since > looked);
        self.looked.is_none_or(|looked| looked + LOOK <= now || (self.hint == i64::MAX && is_late(looked)))
    }

    /// The claim for those who have waited longest.
    pub fn begin(
        &mut self,
        queue: QueueRepository,
        reach: Reach,
        now: Instant,
    ) -> impl Future<Output = Outcome> + use<> {
        let from = match reach {
            Reach::Hint => self.hint,
            Reach::Floor => self.floor,
            Reach::Everything => i64::MIN,
        };
        if reach != Reach::Hint {
            self.looked = Some(now);
            self.looking = true;
        }
        let id = Uuid::new_v4();
        self.claims.push(Flight { id, announced: i64::MAX });
        let moment = time::now();
        let (waiting, wanted) = self.choose(moment);
        let topic = self.topic.clone();
        async move {
            let takers: Vec<Taker> = waiting.iter().map(|(_, taker)| taker.clone()).collect();
            let mut living = None;
            let claimed = async {
                if reach != Reach::Hint {
                    living = queue.first_living(&topic, from, moment).await?;
                }
                queue.claim(&topic, &takers, living.unwrap_or(from), moment).await
            };
            let claimed = claimed.await;
            Outcome { topic: topic.id, id, reach, began: now, from, wanted, living, waiting, claimed }
        }
    }

    /// Takes those out who fit in one claim, and says how many messages they want.
    fn choose(&mut self, moment: DateTime<Utc>) -> (Vec<(Waiting, Taker)>, usize) {
        let (mut chosen, mut wanted) = (Vec::new(), 0);
        while let Some(next) = self.waiting.pop_front() {
            if wanted > 0 && wanted + next.wish.max > PLACES {
                self.waiting.push_front(next);
                break;
            }
            wanted += next.wish.max;
            let length = TimeDelta::from_std(next.wish.lease).unwrap_or(TimeDelta::MAX);
            let until = moment.checked_add_signed(length).unwrap_or(DateTime::<Utc>::MAX_UTC);
            let (lease, consumer) = (Uuid::new_v4(), next.wish.consumer.clone());
            let taker = Taker { lease, consumer, max: next.wish.max, until };
            chosen.push((next, taker));
        }
        (chosen, wanted)
    }

    /// Learns from a claim that has come back.
    pub fn ended(&mut self, outcome: &Outcome, now: Instant) {
        let place = self.claims.iter().position(|claim| claim.id == outcome.id);
        let Some(Flight { announced, .. }) = place.map(|place| self.claims.swap_remove(place)) else { return };
        match &outcome.claimed {
            Ok(claimed) => {
                let is_full = claimed.messages.len() == outcome.wanted;
                self.plenty = is_full && outcome.wanted >= PLENTY;
                let last = claimed.last.filter(|_| is_full).unwrap_or(i64::MAX);
                // Others who began at the same place may have gone further already.
                self.hint = self.hint.max(last);
                if outcome.reach != Reach::Hint && is_full {
                    // What was found before the hint may have more beside it.
                    self.ready(last);
                }
            }
            Err(_) => {
                self.hint = self.hint.min(outcome.from);
                // The others have stepped over what it had locked.
                for claim in &mut self.claims {
                    claim.announced = claim.announced.min(outcome.from);
                }
            }
        }
        if let Some(living) = outcome.living {
            self.floor = living.saturating_sub(SKEW.num_microseconds().unwrap_or(0));
        }
        if outcome.reach == Reach::Everything && outcome.claimed.is_ok() {
            let took = now.duration_since(outcome.began);
            self.search = now + (took * PATIENCE).clamp(SEARCH, LATEST_SEARCH);
        }
        if outcome.reach != Reach::Hint {
            self.looking = false;
            match outcome.claimed {
                Ok(_) => self.seen = Some(outcome.began),
                Err(_) => self.looked = None,
            }
        }
        self.lower(announced);
    }
}
