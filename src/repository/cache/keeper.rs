//! The task that mends: it finds Redis again after an outage and repeats lost invalidations until they land.
//!
//! What was lost before it found Redis is repeated before anybody reads through it again. What is lost later is read
//! past key by key, so the breaker need not wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::breaker::{Breaker, State};
use super::key::CacheKey;
use super::link::{Dialer, Link};

/// Pause between two attempts to mend.
const PAUSE: Duration = Duration::from_millis(250);
/// Keys that are removed with one command, so that no single one keeps Redis busy for long.
const AT_ONCE: usize = 500;

/// Mends until the cache is dropped.
pub(super) async fn keep(breaker: Arc<Breaker>, dialer: Dialer, dropped: CancellationToken) {
    let mut states = breaker.watch();
    let mending = async {
        // The sender lives in `breaker`, so waiting never fails.
        while states.wait_for(State::needs_care).await.is_ok() {
            let away = breaker.link().is_none();
            if away {
                tokio::time::sleep(PAUSE).await;
            }
            if !mend(&breaker, &dialer).await && !away {
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    dropped.run_until_cancelled(mending).await;
}

/// Connects if need be, repeats what was lost and lets requests through; says whether all of it worked.
pub(super) async fn mend(breaker: &Breaker, dialer: &Dialer) -> bool {
    if let Some(link) = breaker.link() {
        return repeat(breaker, &link).await;
    }
    let link = match dialer.dial().await {
        Ok(link) => Arc::new(link),
        Err(error) => {
            tracing::debug!(cache.error = %error, "cache is still away");
            return false;
        }
    };
    let landed = repeat(breaker, &link).await;
    if landed {
        breaker.close(link);
    }
    landed
}

/// Repeats what was lost until now.
async fn repeat(breaker: &Breaker, link: &Arc<Link>) -> bool {
    let upto = breaker.losses();
    loop {
        let lost = breaker.stale(upto, AT_ONCE);
        if lost.is_empty() {
            return true;
        }
        let keys: Vec<CacheKey> = lost.iter().map(|(key, _)| key.clone()).collect();
        if breaker.ask(link, link.unlink(&keys)).await.is_none() {
            return false;
        }
        breaker.landed(&lost);
    }
}
