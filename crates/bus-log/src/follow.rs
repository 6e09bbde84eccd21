//! A thread's events as they come.

mod follower;
mod followers;
mod shared;
mod watched;

use std::sync::Arc;

use bus_core::ThreadKey;
use futures_core::Stream;
use futures_util::StreamExt;

use crate::{Recorded, Result, SessionLog};

pub use follower::Follower;
pub use followers::Followers;

/// Every event after `cursor`, exactly once and in order: those that are there, then those that are
/// appended, also by other processes. It never ends by itself; archived and erased events, which
/// can't be read any more, are passed over.
///
/// # Errors
///
/// An error is an item: any that [`SessionLog::read`] or [`SessionLog::changed`] gives. After `Unavailable` and
/// `Busy` the stream goes on where it was, after a short pause; after any other error, such as `Corrupt` or
/// `Closed`, it ends.
///
/// # Many followers
///
/// Each call waits for itself. Where many follow one log, make them of one [`Followers`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, TenantId, ThreadKey, follow};
/// use futures_util::StreamExt;
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// log.append(&key, &[SessionEvent::Thinking.into()]).await?;
///
/// let mut events = std::pin::pin!(follow(log.clone(), key.clone(), 0));
/// assert_eq!(events.next().await.unwrap()?.ordinal, 1);
/// log.append(&key, &[SessionEvent::Done.into()]).await?;
/// assert_eq!(events.next().await.unwrap()?.ordinal, 2);
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
pub fn follow(
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    cursor: u64,
) -> impl Stream<Item = Result<Recorded>> + Send {
    owned(Followers::new(log).follow(&key, cursor))
}

/// As [`follow`], with every event as [`SessionLog::read_raw`] gives it: for what passes events on
/// without reading them.
///
/// # Errors
///
/// As [`follow`].
pub fn follow_raw(
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    cursor: u64,
) -> impl Stream<Item = Result<Recorded>> + Send {
    owned(Followers::new(log).follow_raw(&key, cursor))
}

fn owned(follower: Follower) -> impl Stream<Item = Result<Recorded>> + Send {
    follower
        .alone()
        .map(|event| event.map(Arc::unwrap_or_clone))
}

#[cfg(test)]
mod tests;
