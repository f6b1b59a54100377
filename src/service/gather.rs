//! Shares work: one task owns what waits for each key, and while as many pieces of work are under way as may be, what
//! arrives for the same key gathers for the next. Who comes alone does not wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};

use crate::error::Error;
use crate::watch::Watch;

/// Work that can be done for many at once.
pub trait Together: Send + 'static {
    /// What a piece of it is called where tasks are watched.
    const NAME: &'static str;
    /// Pieces of one key that may be under way at once: one where sharing saves the most, some where waiting costs more.
    const AT_ONCE: usize;
    /// What is done together.
    type Key: Copy + Eq + Hash + Send + 'static;
    /// What waits.
    type Item: Send + 'static;

    /// For how many of those who wait, from the first on, the next piece is; one is always taken.
    fn fitting(waiting: &[Self::Item]) -> usize;

    /// Does it for all of these, and answers them.
    fn work(&self, key: Self::Key, items: Vec<Self::Item>) -> impl Future<Output = ()> + Send + 'static;
}

/// Does what arrives until nobody is left who could bring more and everything is done.
pub async fn gather<W: Together>(together: W, watch: Watch, mut arrivals: mpsc::Receiver<(W::Key, W::Item)>) {
    let (lines, of) = (HashMap::new(), HashMap::new());
    let mut owner = Owner { together, watch, lines, pieces: JoinSet::new(), of };
    let mut open = true;
    while open || !owner.pieces.is_empty() {
        tokio::select! {
            arrival = arrivals.recv(), if open => match arrival {
                Some((key, item)) => owner.arrived(key, item),
                None => open = false,
            },
            Some(ended) = owner.pieces.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => {
                        tracing::error!(%error, work = W::NAME, "work that many share died");
                        error.id()
                    }
                };
                if let Some(key) = owner.of.remove(&id) {
                    owner.ended(key);
                }
            }
        }
    }
}

/// One error for each of those who share a piece of work.
pub fn shared(error: &Arc<Error>, what: &str) -> Error {
    let cause = anyhow!("{what}: {:#}", anyhow::Error::new(Arc::clone(error)));
    match error.as_ref() {
        Error::Unavailable(_) => Error::Unavailable(cause),
        _ => Error::Internal(cause),
    }
}

struct Line<T> {
    waiting: Vec<T>,
    /// Pieces under way, of which there is always one.
    pieces: usize,
}

struct Owner<W: Together> {
    together: W,
    watch: Watch,
    lines: HashMap<W::Key, Line<W::Item>>,
    pieces: JoinSet<()>,
    /// Which key each piece is of.
    of: HashMap<Id, W::Key>,
}

impl<W: Together> Owner<W> {
    fn arrived(&mut self, key: W::Key, item: W::Item) {
        let line = self.lines.entry(key).or_insert(Line { waiting: Vec::new(), pieces: 0 });
        if line.pieces < W::AT_ONCE {
            line.pieces += 1;
            self.begin(key, vec![item]);
        } else {
            line.waiting.push(item);
        }
    }

    fn ended(&mut self, key: W::Key) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        if line.waiting.is_empty() {
            line.pieces -= 1;
            if line.pieces == 0 {
                self.lines.remove(&key);
            }
            return;
        }
        let count = W::fitting(&line.waiting).clamp(1, line.waiting.len());
        let next = line.waiting.drain(..count).collect();
        self.begin(key, next);
    }

    fn begin(&mut self, key: W::Key, items: Vec<W::Item>) {
        let piece = self.watch.watched(W::NAME, self.together.work(key, items));
        self.of.insert(self.pieces.spawn(piece).id(), key);
    }
}
