//! Waiting for replicas: `WAIT`, which tells how many have what was written on its connection so far. What was only
//! read there counts before Redis 7.2 alone: whoever waits for what others wrote writes a mark first.
//!
//! While it waits, the server takes nothing else of that connection. So changes that wait have one of their own, and
//! each `WAIT` is short: between two of them the server takes what has queued up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_log::{LogError, Result};
use redis::{Cmd, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Link, silent};
use crate::error;

/// How long the server waits at once.
const SLICE: Duration = Duration::from_millis(250);

/// How much later than it was told to it may answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the replicas have followed.
#[derive(Default)]
pub(super) struct Replicated {
    /// Changes that were answered.
    answered: AtomicU64,
    waited: Mutex<Waited>,
}

#[derive(Default)]
struct Waited {
    /// Of the changes that were answered, how many are known to have reached enough replicas.
    reached: u64,
    /// How many replicas had all of them when that was last asked.
    had: u64,
}

impl Link {
    /// Waits until so many replicas have what was answered here so far. One wait covers all changes before it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if they do not have it in time.
    pub(crate) async fn replicated(&self, replicas: u32) -> Result<()> {
        let deadline = Instant::now() + self.call_timeout;
        let mine = self.replicated.answered.fetch_add(1, Ordering::SeqCst) + 1;
        let mut had = 0;
        loop {
            let waited = timeout_at(deadline, self.replicated.waited.lock()).await;
            let left = deadline.saturating_duration_since(Instant::now());
            let mut waited = match waited {
                Ok(waited) if waited.reached >= mine => return Ok(()),
                Ok(waited) if !left.is_zero() => waited,
                _ => return Err(self.too_few(had, replicas)),
            };
            let covered = self.replicated.answered.load(Ordering::SeqCst);
            had = self.wait(replicas, left).await?;
            waited.had = had;
            if had >= u64::from(replicas) {
                waited.reached = covered;
            }
        }
    }

    /// Lets the server wait once; how many replicas have it.
    async fn wait(&self, replicas: u32, left: Duration) -> Result<u64> {
        let slice = left.min(SLICE).min(self.call_timeout / 4);
        // 0 would be for ever.
        let millis = u64::try_from(slice.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut wait = Cmd::new();
        wait.arg("WAIT").arg(replicas).arg(millis);
        // A server looks at its clock ten times a second; one that says nothing for so long is of no use.
        let limit = left + PATIENCE;
        let said = timeout(limit, self.for_changes().send(&wait)).await;
        let said = match said {
            Ok(Ok(said)) => return number(said),
            // A permission that is missing says nothing against the server.
            Ok(Err(error)) if error::code(&error) == "NOPERM" => {
                return Err(error::not_replicated(error));
            }
            Ok(Err(error)) => error::not_replicated(error),
            Err(_) => silent(limit),
        };
        // It may have become a replica, which has what another primary has, and not what it had itself.
        self.close();
        Err(said)
    }

    fn too_few(&self, had: u64, replicas: u32) -> LogError {
        LogError::unavailable(format!(
            "only {had} of {replicas} replicas have what the server has after {:?}",
            self.call_timeout
        ))
    }
}

fn number(said: Value) -> Result<u64> {
    let number = redis::from_redis_value(said);
    number.map_err(|error| error::refused("replicas can't be counted", error.into()))
}
