//! Password hashing: off the async threads, a bounded number at once, and in the same time whether a user exists.

use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::AuthConfig;
use crate::error::{Error, Result};

/// bcrypt, bounded.
#[derive(Debug, Clone)]
pub struct Passwords {
    cost: u32,
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
    /// How many may be computed or wait.
    places: usize,
    /// What is compared for a user who does not exist, so that the answer takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    /// With the cost and the bounds of the configuration.
    pub fn new(config: &AuthConfig) -> Result<Self> {
        let decoy = bcrypt::hash("nobody has this password", config.password_cost).context("hashing a password")?;
        let places = (config.password_queue + config.password_concurrency) as usize;
        Ok(Self {
            cost: config.password_cost,
            running: Arc::new(Semaphore::new(config.password_concurrency as usize)),
            queued: Arc::new(Semaphore::new(places)),
            places,
            decoy: decoy.into(),
        })
    }

    /// The hash to keep for a password.
    pub async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        self.run(move || {
            ensure!(is_seen_whole(&password), "a password of which bcrypt sees a part");
            bcrypt::hash(password, cost).context("hashing a password")
        })
        .await
    }

    /// Whether the password is the one of the hash; never, in the same time, when there is no hash.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let decoy = Arc::clone(&self.decoy);
        self.run(move || {
            let may_be_right = hash.is_some() && is_seen_whole(&password);
            let right = bcrypt::verify(password.as_bytes(), hash.as_deref().unwrap_or(&decoy));
            Ok(right.context("comparing a password")? && may_be_right)
        })
        .await
    }

    /// How many hashes are computed or wait.
    pub fn in_hand(&self) -> usize {
        self.places - self.queued.available_permits()
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
        let full = || Error::unavailable(anyhow!("too many password hashes are waiting"));
        let _place: OwnedSemaphorePermit = Arc::clone(&self.queued).try_acquire_owned().map_err(|_| full())?;
        let turn = Arc::clone(&self.running).acquire_owned().await.context("waiting for a password hash")?;
        // The turn moves into the work: a caller who goes away must not let more hashes run than are allowed.
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        Ok(task.await.context("running a password hash")??)
    }
}

/// bcrypt stops at 72 bytes, and takes a password for the same as itself repeated after U+0000.
fn is_seen_whole(password: &str) -> bool {
    password.len() <= 72 && !password.contains('\0')
}
