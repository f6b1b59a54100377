//! The one task that owns who waits for messages, of every topic.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::line::{Line, Outcome, Waiting};
use super::{Call, Leased};
use crate::error::Result;
use crate::repository::QueueRepository;
use crate::repository::queue::{LeasedMessage, Settlement};
use crate::service::time;

/// A topic that nobody has waited for in this time is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// What claims, and for whom.
pub struct Owner {
    queue: QueueRepository,
    closing: CancellationToken,
    lines: HashMap<i64, Line>,
    bells: HashMap<i64, Vec<Arc<Notify>>>,
    claims: JoinSet<Outcome>,
    /// Which topic each claim is of.
    of: HashMap<Id, i64>,
}

impl Owner {
    /// Nobody waits yet.
    pub fn new(queue: QueueRepository, closing: CancellationToken) -> Self {
        let (lines, bells, of) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { queue, closing, lines, bells, claims: JoinSet::new(), of }
    }

    /// Claims until the last way in is gone and every claim has come back. When `closing` is cancelled, nobody waits
    /// any longer.
    pub async fn run(mut self, mut arrivals: mpsc::UnboundedReceiver<Call>) {
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
                let line = self.lines.entry(waiting.topic.id);
                let line = line.or_insert_with(|| Line::new(waiting.topic.clone(), waiting.since));
                line.topic = waiting.topic.clone();
                line.used = waiting.since;
                line.waiting.push_back(*waiting);
            }
            Call::Ready { topic, rank } => {
                if let Some(line) = self.lines.get_mut(&topic) {
                    line.ready(rank);
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
                    line.died();
                }
            }
        }
    }

    fn claimed(&mut self, outcome: Outcome) {
        let Some(line) = self.lines.get_mut(&outcome.topic) else { return };
        let now = Instant::now();
        line.ended(&outcome, now);
        // However much is announced meanwhile: for whoever was part of it, this look has told all.
        let is_all = outcome.is_look() && line.is_idle();
        let Outcome { waiting, claimed, .. } = outcome;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
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
                None if is_all && waiting.deadline() <= now => answer_nothing(waiting),
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
            if line.is_busy() {
                continue;
            }
            let mut rest = VecDeque::with_capacity(line.waiting.len());
            for waiting in std::mem::take(&mut line.waiting) {
                if closing || (waiting.deadline() <= now && line.has_seen_all(waiting.since)) {
                    answer_nothing(waiting);
                } else {
                    rest.push_back(waiting);
                }
            }
            line.waiting = rest;
            while let Some(reach) = line.reach(now) {
                let claim = line.begin(self.queue.clone(), reach, now);
                self.of.insert(self.claims.spawn(claim).id(), *id);
            }
        }
        self.lines.retain(|_, line| !line.is_forgotten(now - FORGET));
    }
}

fn answer_nothing(waiting: Waiting) {
    let nothing = Leased { lease_id: Uuid::nil(), lease_until: time::now(), messages: Vec::new() };
    let _ = waiting.reply.send(Ok(nothing));
}

async fn release(queue: QueueRepository, workspace: Uuid, lease: Uuid) {
    if let Err(error) = queue.settle(lease, workspace, &[], Settlement::Release, time::now()).await {
        let error = format!("{:#}", anyhow::Error::new(error));
        tracing::debug!(%error, "messages of a consumer who went away come when their lease ends");
    }
}
