//! Copying threads from one log into another, ordinal by ordinal.
//!
//! *Courier* moves one thread and is all there is to it; a [`Replication`] sends couriers for many
//! threads, and the [`ShippingLog`](crate::ShippingLog) for those that were written.

mod compare;
mod courier;
mod error;
mod many;
mod pause;
mod progress;
mod remembered;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bus_core::TenantId;

use crate::SessionLog;
use remembered::Remembered;

pub use compare::{Comparison, compare};
pub(crate) use courier::{Courier, Hides, Level, Moved, News, Step};
pub use error::ReplicateError;
pub(crate) use many::Names;
pub(crate) use pause::{Pauses, give_way};
pub use progress::{Copied, ReplicateProgress, ThreadCopied};

/// Threads that are copied at once, by default.
const AT_ONCE: usize = 8;

/// Copies threads of one log into another: the same ordinals, times, metas and bytes.
///
/// It keeps no state of its own: the target's last ordinal *is* how far the copy has come. So it may be
/// killed or dropped at any moment and begun again, it may run twice, and two may run at once; every
/// append says which ordinal it expects, and nothing is written twice. A source whose first events are
/// archived is met by [`Expect::StartAt`](crate::Expect::StartAt).
///
/// # What it never does
///
/// It overwrites nothing. A target that has more than its source, or another event at the same
/// ordinal, is an error that names the thread and the ordinal ([`ReplicateError::Ahead`],
/// [`ReplicateError::Differs`]), and that thread is left as it is. Before the first append to a thread
/// the last event that both have is compared; to compare all of them there is [`compare`]. What the target
/// has archived is no difference. Nor does it hide anything in the target, unless it is told to
/// [mirror](Self::mirroring).
///
/// # When a log fails
///
/// `Unavailable` and `Busy` are tried again as long as [`with_retry_for`](Self::with_retry_for) says,
/// not at all by default: after 50 ms, then twice as long each time, up to 5 s, of which half is by
/// chance. The time begins with the first failure, and a page that moves ends it. What fails after that ends the call, if it concerns
/// the whole log; an error of one thread stops that thread alone and is told in [`Copied::failed`].
///
/// # Memory
///
/// One page (1,024 events, 4 MiB) for each thread under way, of which there are
/// [8 by default](Self::with_threads_at_once), and a page of names. Its futures need no particular
/// executor, and there is no task behind it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{InMemorySessionLog, Replication, SessionEvent, SessionLog, TenantId, ThreadKey};
///
/// let (from, to) = (Arc::new(InMemorySessionLog::new()), Arc::new(InMemorySessionLog::new()));
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// from.append(&key, &[SessionEvent::Thinking.into(), SessionEvent::Done.into()]).await?;
/// from.archive_before(&key, 1).await?;
///
/// let copied = Replication::new(from.clone(), to.clone()).all().await?;
/// assert_eq!((copied.threads, copied.events), (1, 1));
/// assert_eq!(to.bounds(&key).await?, from.bounds(&key).await?);
/// assert_eq!(to.load_since(&key, 0).await?[0].ordinal, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Replication {
    from: Arc<dyn SessionLog>,
    to: Arc<dyn SessionLog>,
    hides: Hides,
    threads_at_once: usize,
    retry_for: Duration,
    on_progress: Option<Arc<OnProgress>>,
    /// What became of threads before, if that is kept.
    remembered: Option<Remembered>,
}

type OnProgress = dyn Fn(ReplicateProgress<'_>) + Send + Sync;

/// Which threads.
enum Scope<'a> {
    Tenant(&'a TenantId),
    All,
}

impl Replication {
    /// From one log into another. Nothing happens until one of its methods is called.
    #[must_use]
    pub fn new(from: Arc<dyn SessionLog>, to: Arc<dyn SessionLog>) -> Self {
        Self {
            from,
            to,
            hides: Hides::Nothing,
            threads_at_once: AT_ONCE,
            retry_for: Duration::ZERO,
            on_progress: None,
            remembered: None,
        }
    }

    /// The same, and the target hides what its source hides: what is archived there is archived here,
    /// and what is erased there is erased here.
    ///
    /// Ordinals that were hidden before they were copied are then no gap: they are taken up by events
    /// of type `bus.hidden`, which are hidden at once. Not so where the target can still read events before them, which were not
    /// erased: that is a [`Gap`](ReplicateError::Gap), as these may be the only copies. Never mirror a log that gives back what it has shipped
    /// ([`ShippingConfig::with_keep`](crate::ShippingConfig::with_keep)).
    ///
    /// Where threads are erased and written again at the same time, only one mirror may be at work: an
    /// erasure that comes late from a second one takes what was copied since. All else any number may do.
    #[must_use]
    pub const fn mirroring(mut self) -> Self {
        self.hides = Hides::All;
        self
    }

    /// Sets how many threads are copied at once; 0 is taken as 1.
    #[must_use]
    pub const fn with_threads_at_once(mut self, threads: usize) -> Self {
        self.threads_at_once = if threads == 0 { 1 } else { threads };
        self
    }

    /// The same, trying again for so long what may pass, counted from the first failure since a page moved.
    #[must_use]
    pub const fn with_retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// The same, telling how it goes. It is called between two pages, so it must not block.
    #[must_use]
    pub fn with_progress(
        mut self,
        on: impl Fn(ReplicateProgress<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_progress = Some(Arc::new(on));
        self
    }

    /// The same for who calls [`tenant`](Self::tenant) or [`all`](Self::all) again and again: it keeps how
    /// far each thread had come, and passes over those of which the source has nothing new, without asking
    /// the target. About 150 bytes a thread. The target may lose what it took: after an outage of it that was noticed, it is
    /// asked about all of them again, and its list is looked through in every tenth call.
    ///
    /// A thread that can't be copied is then left alone for a while, from a second to a minute, longer each time; until it is
    /// tried again its error is in [`Copied::failed`] once more. It holds up nobody: what a log says of one thread is not
    /// [tried again](Self::with_retry_for) at once where the log answers otherwise.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.remembered = Some(Remembered::default());
        self
    }

    fn tell(&self, progress: ReplicateProgress<'_>) {
        if let Some(on) = &self.on_progress {
            on(progress);
        }
    }
}

impl fmt::Debug for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replication")
            .field("hides", &self.hides)
            .field("threads_at_once", &self.threads_at_once)
            .field("retry_for", &self.retry_for)
            .finish_non_exhaustive()
    }
}
