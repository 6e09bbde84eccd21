//! The way to one thing that many share, and that is had by an attempt: a connection.

use std::time::Instant;

use bus_log::{LogError, Result};
use tokio::sync::Mutex;

/// One thing, got by whoever comes first while the others wait. An attempt that fails fails for all who waited for it: a
/// thousand that tried one after the other would each wait for the time limits of all before.
pub(crate) struct Gate<T>(Mutex<Held<T>>);

struct Held<T> {
    thing: Option<T>,
    /// The last attempt's, and when it ended.
    failure: Option<(Instant, LogError)>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self(Mutex::new(Held {
            thing: None,
            failure: None,
        }))
    }
}

impl<T: Clone> Gate<T> {
    /// The thing; got anew if there is none that is good, unless an attempt has failed since the caller began.
    ///
    /// # Errors
    ///
    /// What the attempt gives.
    pub(crate) async fn get(
        &self,
        begun: Instant,
        is_good: impl Fn(&T) -> bool,
        attempt: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut held = self.0.lock().await;
        if let Some(thing) = held.thing.as_ref().filter(|thing| is_good(thing)) {
            return Ok(thing.clone());
        }
        held.thing = None;
        if let Some((ended, failure)) = &held.failure
            && *ended > begun
        {
            return Err(failure.clone());
        }
        let got = attempt.await;
        let failure = got.as_ref().err();
        held.failure = failure.map(|failure| (Instant::now(), failure.clone()));
        held.thing = got.as_ref().ok().cloned();
        got
    }

    /// The thing if there is one that is good, without waiting.
    pub(crate) fn there(&self, is_good: impl Fn(&T) -> bool) -> Option<T> {
        let held = self.0.try_lock().ok()?;
        held.thing.as_ref().filter(|thing| is_good(thing)).cloned()
    }
}

#[cfg(test)]
mod tests;
