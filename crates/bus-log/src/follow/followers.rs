//! Many followers of one log.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_core::ThreadKey;

use super::Follower;
use super::watched::Watched;
use crate::SessionLog;
use crate::weak_map::WeakMap;

/// Followers of one log that wait and read together.
///
/// However many follow one thread, the log is asked once for news of it
/// ([`changed`](SessionLog::changed)), and once for each page that they are at together. There is no
/// task and no thread behind it: whichever follower is polled drives what they share, under any
/// executor, and one that is dropped or not polled any more holds up nobody.
///
/// Cloning is cheap, and clones share everything. Keep one for each log, and make all followers of
/// that log from it; [`LogWriter::followers`](crate::LogWriter::followers) is the one that a bus on
/// the log uses. It keeps the log open.
///
/// A follower is given nothing that was read before it was made: what was erased before is not shown to
/// it. One that was there already may be given a page that was read for others up to a second ago.
///
/// **Memory:** per follower one page at most, which those at the same place share, and of an idle one
/// no more than 16 events and 64 KiB; per thread that is followed, one wait. Nothing for all other threads.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{Followers, InMemorySessionLog, SessionEvent, SessionLog, TenantId, ThreadKey};
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// let followers = Followers::new(log.clone());
/// let mut screens = [0, 0, 0].map(|cursor| followers.follow(&key, cursor));
///
/// log.append(&key, &[SessionEvent::Done.into()]).await?;
/// for screen in &mut screens {
///     assert_eq!(screen.next().await.unwrap()?.ordinal, 1);
/// }
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Followers {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn SessionLog>,
    threads: Mutex<WeakMap<ThreadKey, Watched>>,
}

impl Followers {
    /// Of `log`, none yet.
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>) -> Self {
        Self {
            inner: Arc::new(Inner {
                log,
                threads: Mutex::default(),
            }),
        }
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn SessionLog> {
        &self.inner.log
    }

    /// Every event of the thread after `cursor`, exactly once and in order, as [`follow`](super::follow)
    /// gives them: those that are there, then those that are appended, also by other processes.
    /// Errors are as there.
    pub fn follow(&self, key: &ThreadKey, cursor: u64) -> Follower {
        Follower::new(self.watched(key), cursor, false)
    }

    /// As [`follow`](Self::follow), with every event as [`SessionLog::read_raw`] gives it.
    pub fn follow_raw(&self, key: &ThreadKey, cursor: u64) -> Follower {
        Follower::new(self.watched(key), cursor, true)
    }

    fn watched(&self, key: &ThreadKey) -> Arc<Watched> {
        let new = || Watched::new(Arc::clone(&self.inner.log), key.clone());
        self.threads().get_or_insert_with(key, new)
    }

    fn threads(&self) -> MutexGuard<'_, WeakMap<ThreadKey, Watched>> {
        let threads = self.inner.threads.lock();
        threads.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followers").finish_non_exhaustive()
    }
}
