//! The upkeep of the queue, a role: settled messages are removed in bulk, old ones expire, and what nobody asks for
//! any more is forgotten. Any number of processes may do it at once.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::QueueService;
use crate::error::Result;
use crate::repository::QueueRepository;
use crate::repository::queue::{Expiry, LOOK, Place, REST, Rows};
use crate::service::roles::{Step, Worker};

/// When what is in the queue is put in order.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepPlan {
    /// Rows at which a slot is closed and the next one is opened.
    pub slot_rows: i64,
    /// Age at which a slot is closed that has anything to be removed.
    pub slot_age: TimeDelta,
    /// Living messages that may be moved out of a slot while everybody else has to wait, beside one in fifty of those in it.
    pub stragglers: u64,
    /// Pause between two looks for what is too old.
    pub old_every: TimeDelta,
    /// A slot in which a look took long is left alone for so many times as long.
    pub patience: u32,
}

impl Default for UpkeepPlan {
    fn default() -> Self {
        Self {
            slot_rows: 50_000,
            slot_age: TimeDelta::seconds(15),
            stragglers: 1_000,
            old_every: TimeDelta::seconds(60),
            patience: 20,
        }
    }
}

/// Pause between two looks while something happens.
const BUSY: Duration = Duration::from_millis(500);
/// Pause between two looks while nothing does.
const QUIET: Duration = Duration::from_secs(5);
/// Messages that one statement lets go.
const CHUNK: u64 = 5_000;
/// One living message among so many may be moved, too.
const SHARE: u64 = 50;
/// Statements of one sweep through a slot, each over some thousand rows; the next one goes on from there.
const SWEEPS: usize = 100;

/// What a process remembers of its upkeep; the next one starts anew.
#[derive(Debug)]
pub struct Upkeep {
    queue: QueueRepository,
    plan: UpkeepPlan,
    pause: Duration,
    /// How many rows the open slot had.
    rows: i64,
    /// When it was last looked for what is too old.
    looked: Option<DateTime<Utc>>,
    /// What is known of each slot.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Before when it is not looked at again, since something in it has to end first.
    not_before: DateTime<Utc>,
    /// How far it is swept.
    swept: Place,
    /// How far all in it is settled, since it was closed.
    settled: Place,
}

impl QueueService {
    /// Its upkeep.
    pub fn upkeep(&self, plan: UpkeepPlan) -> Upkeep {
        let slots = usize::try_from(REST).unwrap_or(0) + 1;
        let slots =
            vec![Slot { not_before: DateTime::<Utc>::MIN_UTC, swept: Place::START, settled: Place::START }; slots];
        Upkeep { queue: self.queue.clone(), plan, pause: BUSY, rows: 0, looked: None, slots }
    }
}

impl Worker for Upkeep {
    const NAME: &'static str = "queue";

    fn pause(&self) -> Duration {
        self.pause
    }

    async fn step(&mut self, now: DateTime<Utc>) -> Result<Step> {
        let mut active = if self.queue.slots() > 0 { self.turn(now).await? } else { self.sweep(0, now).await? };
        if self.looked.is_none_or(|looked| looked + self.plan.old_every <= now) {
            active |= self.sweep(REST, now).await?;
            self.expire(now).await?;
            while self.queue.forget_leases(now).await? > 0 {}
            while self.queue.forget_keys(now).await? > 0 {}
            self.looked = Some(now);
        }
        self.pause = if active { BUSY } else { QUIET };
        Ok(Step::Idle)
    }
}

impl Upkeep {
    /// Turns the slots: closes the open one when it is full or old, and empties those that are closed. Whether there
    /// was anything.
    async fn turn(&mut self, now: DateTime<Utc>) -> Result<bool> {
        let slots = self.queue.slots();
        let (open, since) = self.queue.open_slot().await?;
        let mut active = false;
        for slot in (0..slots).filter(|slot| *slot != open) {
            active |= self.clear(slot, now).await?;
        }
        let rows = self.queue.count_slot(open, Rows::All, self.plan.slot_rows).await?;
        let old = since.is_none_or(|since| since + self.plan.slot_age <= now);
        let due = rows >= self.plan.slot_rows
            || (old && rows > 0 && self.queue.count_slot(open, Rows::Settled, 1).await? > 0);
        if due && let Some(next) = self.find_empty(open).await? {
            self.queue.rotate(open, next, now).await?;
            active = true;
        } else if due {
            // Nowhere to go: what lives in the others is not done yet. Then rows go one by one.
            active |= self.sweep(open, now).await?;
        }
        active |= rows != self.rows;
        self.rows = rows;
        Ok(active)
    }

    /// The next slot after the open one that nothing lies in.
    async fn find_empty(&self, open: i64) -> Result<Option<i64>> {
        let slots = self.queue.slots();
        for slot in (1..slots).map(|step| (open + step) % slots) {
            if self.queue.count_slot(slot, Rows::All, 1).await? == 0 {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Empties a closed slot, if what lives in it is little.
    async fn clear(&mut self, slot: i64, now: DateTime<Utc>) -> Result<bool> {
        if self.slot(slot).is_none_or(|slot| slot.not_before > now) {
            return Ok(false);
        }
        if self.queue.count_slot(slot, Rows::All, 1).await? == 0 {
            return Ok(false);
        }
        // What is found to be settled is not looked at again, so that only the rest of a look has to be rare.
        let mut begun = Instant::now();
        let done = self.try_clear(slot, &mut begun, now).await;
        if !matches!(done, Ok(true)) {
            self.wait(slot, begun, now);
        }
        done
    }

    async fn try_clear(&mut self, slot: i64, begun: &mut Instant, now: DateTime<Utc>) -> Result<bool> {
        let mut after = self.slot(slot).map_or(Place::START, |slot| slot.settled);
        let (mut living, mut allowed) = (0, self.plan.stragglers);
        loop {
            let looked = self.queue.lay_to_rest(slot, after, now).await?;
            living += looked.living;
            allowed += LOOK.unsigned_abs() / SHARE;
            let Some(last) = looked.last else { break };
            if living > allowed {
                return Ok(false);
            }
            after = last;
            if living == 0
                && let Some(slot) = self.slot(slot)
            {
                slot.settled = last;
                *begun = Instant::now();
            }
        }
        // Whether it succeeds or others came into it meanwhile: the next look begins at its start.
        if let Some(slot) = self.slot(slot) {
            slot.settled = Place::START;
        }
        // Some come to life, or end, between the looks and the lock.
        self.queue.empty_slot(slot, 2 * allowed).await
    }

    /// Deletes what is settled in a slot; whether there was anything.
    async fn sweep(&mut self, slot: i64, now: DateTime<Utc>) -> Result<bool> {
        if self.slot(slot).is_none_or(|slot| slot.not_before > now) {
            return Ok(false);
        }
        let begun = Instant::now();
        let swept = self.try_sweep(slot, now).await;
        self.wait(slot, begun, now);
        swept
    }

    /// A bounded part of a slot after the other, so that a backlog that nobody works costs no more than a small one.
    async fn try_sweep(&mut self, slot: i64, now: DateTime<Utc>) -> Result<bool> {
        let mut count = 0;
        for _ in 0..SWEEPS {
            let Some(place) = self.slot(slot).map(|slot| slot.swept) else { break };
            let swept = self.queue.sweep(slot, place, now).await?;
            count += swept.count;
            if let Some(slot) = self.slot(slot) {
                slot.swept = swept.last.unwrap_or(Place::START);
            }
            if swept.last.is_none() {
                break;
            }
        }
        Ok(count > 0)
    }

    fn slot(&mut self, slot: i64) -> Option<&mut Slot> {
        usize::try_from(slot).ok().and_then(|place| self.slots.get_mut(place))
    }

    /// Leaves a slot alone for a time in proportion to what the look at it took, so that the looks take a few percent
    /// of the time at most, however much lives in it.
    fn wait(&mut self, slot: i64, begun: Instant, now: DateTime<Utc>) {
        let wait = TimeDelta::from_std(begun.elapsed() * self.plan.patience).unwrap_or(TimeDelta::zero());
        if let Some(slot) = self.slot(slot) {
            slot.not_before = now + wait;
        }
    }

    /// Lets messages go that their topics do not keep any longer.
    async fn expire(&self, now: DateTime<Utc>) -> Result<()> {
        for topic in self.queue.list_overdue(now).await? {
            let before = now - TimeDelta::try_seconds(topic.retention_seconds).unwrap_or(TimeDelta::zero());
            let (mut after, mut count) = (None, 0);
            loop {
                let expired = self.queue.expire(&topic, Expiry::Retention, before, after, CHUNK, now).await?;
                after = expired.next;
                count += expired.count;
                if after.is_none() {
                    break;
                }
            }
            tracing::info!(topic.id = topic.id, count, "messages were too old");
        }
        Ok(())
    }
}
