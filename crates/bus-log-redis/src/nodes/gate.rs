//! The way to one thing that many share, and that is had by an attempt: a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_log::{LogError, Result};

/// One thing, got by whoever comes first while the others wait. An attempt that fails fails for all who waited for it: a
/// thousand that tried one after the other would each wait for the time limits of all before.
pub(crate) struct Gate<T> {
    held: tokio::sync::Mutex<Option<T>>,
    attempts: AtomicU64,
    failure: Mutex<Option<LogError>>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self {
            held: tokio::sync::Mutex::default(),
            attempts: AtomicU64::default(),
            failure: Mutex::default(),
        }
    }
}

impl<T: Clone> Gate<T> {
    /// The thing; got anew if there is none that is good.
    ///
    /// # Errors
    ///
    /// What the attempt gives.
    pub(crate) async fn get(
        &self,
        is_good: impl Fn(&T) -> bool,
        attempt: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let seen = self.attempts.load(Ordering::SeqCst);
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| is_good(held)) {
            return Ok(held.clone());
        }
        *held = None;
        if self.attempts.load(Ordering::SeqCst) != seen
            && let Some(failure) = self.failure().clone()
        {
            return Err(failure);
        }
        let got = attempt.await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        *self.failure() = got.as_ref().err().cloned();
        let got = got?;
        *held = Some(got.clone());
        Ok(got)
    }

    fn failure(&self) -> MutexGuard<'_, Option<LogError>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
