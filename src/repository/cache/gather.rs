//! Readers who ask at the same moment share a question: while one is under way the next ones gather, so that Redis and
//! its connection see few large commands instead of many small ones. An idle reader asks at once.
//!
//! A reader's question is asked after the reader came, never joined to one that was asked before: what it answers is
//! never older than the reader.

use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};

/// Keys that one command asks for.
const AT_ONCE: usize = 32;
/// Most readers who may be waiting; the others read past. It bounds what a frozen Redis holds up.
const SEATS: usize = 1024;

/// What stands under a key.
pub(super) type Stored = RedisResult<Option<Vec<u8>>>;

struct Question {
    name: String,
    answer: oneshot::Sender<Stored>,
}

/// Asks on one connection.
pub(super) struct Gatherer(mpsc::Sender<Question>);

impl Gatherer {
    /// On this connection, with answers awaited for `patience`.
    pub fn new(connection: MultiplexedConnection, patience: Duration) -> Self {
        let (sender, questions) = mpsc::channel(SEATS);
        tokio::spawn(ask(connection, patience, questions));
        Self(sender)
    }

    /// Asks what stands under the key of this name; nothing when too many are waiting. An answer that does not come in
    /// time never comes.
    pub fn ask(&self, name: String) -> Option<oneshot::Receiver<Stored>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Question { name, answer }).ok()?;
        Some(answered)
    }
}

/// Asks what has gathered, until nobody can ask any more.
async fn ask(mut connection: MultiplexedConnection, patience: Duration, mut questions: mpsc::Receiver<Question>) {
    let mut gathered = Vec::with_capacity(AT_ONCE);
    while questions.recv_many(&mut gathered, AT_ONCE).await > 0 {
        let mut command = redis::cmd("MGET");
        for question in &gathered {
            command.arg(&question.name);
        }
        let asked = command.query_async::<Vec<Option<Vec<u8>>>>(&mut connection);
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(stored)) => {
                for (question, stored) in gathered.drain(..).zip(stored) {
                    // A reader who has gone needs no answer.
                    let _ = question.answer.send(Ok(stored));
                }
            }
            Ok(Err(error)) => {
                for question in gathered.drain(..) {
                    let _ = question.answer.send(Err(error.clone()));
                }
            }
            Err(_) => {
                // Who came meanwhile has waited, too; asking for them would only hold them up once more.
                gathered.clear();
                while questions.try_recv().is_ok() {}
            }
        }
    }
}
