//! A local log that is shipped to a remote one.
//!
//! *Books* say what waits and whose turn it is, each thread with an *account*; the *shipper* is the one
//! thread that sends couriers. Whoever appends writes into the local log and then into the books.

mod account;
mod books;
mod config;
mod lag;
mod runs;
mod shipper;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bus_core::{TenantId, ThreadKey};
use futures_timer::Delay;
use futures_util::future::{Either, select};

use crate::panic::caught;
use crate::replicate::Pauses;
use crate::{
    Bounds, Entry, Expect, LogError, LogErrorKind, Page, Recorded, Result, SessionLog,
    ThreadSummary, encoded_bytes,
};
use shipper::{Shared, Shipper, not_shipped};

pub use config::ShippingConfig;
pub use lag::ShippingLag;

/// Pauses between two calls of the remote log that somebody waits for.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A log that is durable here at once, and there soon: appends go to a local log and from it, in the
/// background, to a remote one.
///
/// It is a [`SessionLog`]: a bus, a [`LogSink`](crate::LogSink) and a
/// [`SessionAuditSink`](crate::SessionAuditSink) take it like any other. `Ok` means what it means for the
/// local log, which as a rule is the file log. Reads are served by the local log. Whoever emits does not
/// notice that the remote log is slow or away.
///
/// # What is shipped
///
/// Everything that the local log has and the remote one has not, each thread in its order, at the same
/// ordinals and as the same bytes; also what was there before, and what others write into the local log.
/// Nothing is kept about it anywhere: the remote log's last ordinal says how far it is. So nothing is lost
/// or written twice, whenever the program is killed; the rest is shipped when the log is opened again.
///
/// One session has one writing host at a time. Where the remote log has more of a thread than the local
/// one, or other events, that thread is *stopped*: it goes on here and is left as it is there,
/// [`lag`](Self::lag) names it, and a `warn` tells of it once. The others go on, and what it has takes no room from
/// them. It is tried again each time that the local log is looked through; one that the remote log was ahead of goes on
/// only where the last event that both have can be compared.
///
/// A remote log may come back from an outage without the end of what it had. So it is asked for all its threads after each
/// outage, by each flush, and now and then; what it has lost is shipped again, a `warn` tells of it, and
/// [`lag`](Self::lag) counts it.
///
/// [`erase`](SessionLog::erase) is passed on. [`archive_before`](SessionLog::archive_before) is not: it
/// gives back local space, and waits until what it hides is shipped. (Of a thread that was ever erased it is
/// passed on, as its events' absence can't be told from erasure.)
///
/// # When the remote log is away
///
/// It is tried again after 50 ms, then after twice as long each time, up to
/// [`longest_pause`](ShippingConfig::longest_pause), half of it by chance, by one thread at a time. What
/// waits is bounded by [`budget`](ShippingConfig::budget): where that is used up, appends fail with
/// `Unavailable` and nothing is written, until some of it is shipped; a sink over the log then waits and
/// warns as for any log that is down. Nothing that was acknowledged is ever dropped. Reads go on. What waits
/// from before the program was started counts too as long as the remote log is away, by events of average size.
///
/// What the remote log refuses of one thread alone is that thread's trouble: the others go on, [`lag`](Self::lag)
/// names it, a `warn` tells of it once, and it is tried again after a pause that grows to 10 s. A remote log that takes
/// nothing of any thread counts as away, whatever it says.
///
/// # The thread
///
/// One thread `bus-log-shipper`, with a runtime of its own. It ends, at once, and is joined when the log is
/// dropped; whoever wants all to be shipped by then calls [`flush`](Self::flush) before. It keeps some 300
/// bytes for each thread that the local log has, and a page for each that is on its way.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use std::time::{Duration, Instant};
/// use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, ShippingLog, TenantId, ThreadKey};
///
/// let (local, remote) = (Arc::new(InMemorySessionLog::new()), Arc::new(InMemorySessionLog::new()));
/// let log = ShippingLog::new(local, remote.clone())?;
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
///
/// log.flush(Instant::now() + Duration::from_secs(10)).await?;
/// assert_eq!(remote.bounds(&key).await?.last, 1);
/// assert!(log.lag().is_level());
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
pub struct ShippingLog {
    shipper: Shipper,
}

impl ShippingLog {
    /// Appends to `local`, and ships what it has to `remote`, with defaults.
    ///
    /// # Errors
    ///
    /// `Internal` if the system gives no thread.
    pub fn new(local: Arc<dyn SessionLog>, remote: Arc<dyn SessionLog>) -> Result<Self> {
        Self::with_config(local, remote, ShippingConfig::default())
    }

    /// Appends to `local`, and ships what it has to `remote`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_config(
        local: Arc<dyn SessionLog>,
        remote: Arc<dyn SessionLog>,
        config: ShippingConfig,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(local, remote, config));
        Ok(Self {
            shipper: Shipper::start(shared)?,
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shipper.shared()
    }

    /// The log that is written and read.
    #[must_use]
    pub fn local(&self) -> &Arc<dyn SessionLog> {
        &self.shared().local
    }

    /// The log that it is shipped to.
    #[must_use]
    pub fn remote(&self) -> &Arc<dyn SessionLog> {
        &self.shared().remote
    }

    /// How far the remote log is behind. It looks at every thread that it knows: not for every event.
    #[must_use]
    pub fn lag(&self) -> ShippingLag {
        self.shared().lag()
    }

    /// Waits until all that the local log had when it was called is shipped, and asks the remote log whether it still has
    /// what it took. Under any executor; it may be given up at any time.
    ///
    /// # Errors
    ///
    /// `Unavailable` at the deadline, and sooner where a thread that was tried since is stopped, or the local log
    /// can't name all its threads; it says how much is not shipped, and its source why, where that is known.
    pub async fn flush(&self, deadline: Instant) -> Result<()> {
        let shared = self.shared();
        let mut moves = shared.moves();
        // What others wrote to the local log is known only once it is looked through, and what the remote log has lost
        // only once it was asked.
        let (look, check) = shared.want_look();
        let (waiting, unnamed) = loop {
            moves.borrow_and_update();
            let found = shared.books().found_by(look, check);
            match found {
                Some(found) => break found,
                None => self.moved(&mut moves, deadline, None).await?,
            }
        };
        for (key, last) in waiting {
            self.shipped(&key, last, deadline).await?;
        }
        match unnamed {
            // What it could not name may wait.
            Some(why) => Err(self.unshipped(Some(why))),
            None => Ok(()),
        }
    }

    /// Waits until a thread is shipped up to an ordinal.
    async fn shipped(&self, key: &ThreadKey, ordinal: u64, deadline: Instant) -> Result<()> {
        let shared = self.shared();
        let mut moves = shared.moves();
        loop {
            moves.borrow_and_update();
            let is_shipped = shared.books().is_shipped(key, ordinal);
            match is_shipped {
                Ok(true) => return Ok(()),
                Ok(false) => self.moved(&mut moves, deadline, Some(key)).await?,
                Err(why) => return Err(self.unshipped(Some(why))),
            }
        }
    }

    /// Erases a thread that only the remote log may know. An unknown one leaves no trace.
    async fn erase_remote(&self, key: &ThreadKey) -> Result<()> {
        let remote = self.remote();
        let deadline = Instant::now() + self.shared().config.patience;
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let last = self.local().bounds(key).await?.last;
            if last > 0 {
                // Appended to meanwhile: it is shipped, and erased there as any other.
                let shared = self.shared();
                let _look = LookAfter { shared, key, last };
                return self.local().erase(key).await;
            }
            let erasing = std::pin::pin!(caught(async {
                let bounds = remote.bounds(key).await?;
                if bounds.is_known() {
                    remote.erase(key).await?;
                }
                Ok(())
            }));
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match select(erasing, Delay::new(left)).await {
                Either::Left((Ok(Ok(())), _)) => return Ok(()),
                Either::Left((Ok(Err(error)) | Err(error), _)) => error,
                Either::Right(_) => LogError::unavailable("no answer in time"),
            };
            let pause = pauses.take();
            let may_pass = matches!(error.kind(), LogErrorKind::Unavailable | LogErrorKind::Busy);
            if !may_pass || Instant::now() + pause >= deadline {
                let message = "unknown here, and can't be erased in the remote log";
                return Err(LogError::unavailable(message).with_source(error));
            }
            Delay::new(pause).await;
        }
    }

    async fn moved(
        &self,
        moves: &mut tokio::sync::watch::Receiver<u64>,
        deadline: Instant,
        key: Option<&ThreadKey>,
    ) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let moved = std::pin::pin!(moves.changed());
        match select(moved, Delay::new(left)).await {
            Either::Left((Ok(()), _)) if !left.is_zero() => Ok(()),
            _ => {
                let why = self.shared().books().why(key);
                Err(self.unshipped(why))
            }
        }
    }

    fn unshipped(&self, why: Option<Arc<crate::ReplicateError>>) -> LogError {
        let lag = self.lag();
        let (events, threads) = (lag.events, lag.threads);
        not_shipped(
            format!("not shipped yet: {events} events of {threads} threads"),
            why,
        )
    }
}

/// An append on its way into the local log: dropped before it is told, nobody knows what became of it.
struct OnItsWay<'a> {
    shared: &'a Shared,
    key: &'a ThreadKey,
    bytes: u64,
    is_told: bool,
}

impl OnItsWay<'_> {
    fn written(mut self, last: u64, count: u64) {
        self.is_told = true;
        self.shared
            .tell(|books| books.appended(self.key, last, count, self.bytes));
    }

    fn refused(mut self) {
        self.is_told = true;
        self.shared.books().withdrawn(self.bytes);
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.shared
                .tell(|books| books.in_doubt(self.key, self.bytes));
        }
    }
}

/// Looks at a thread when it is dropped, whatever happened meanwhile.
struct LookAfter<'a> {
    shared: &'a Shared,
    key: &'a ThreadKey,
    last: u64,
}

impl Drop for LookAfter<'_> {
    fn drop(&mut self) {
        self.shared.tell(|books| books.look_at(self.key, self.last));
    }
}

#[async_trait]
impl SessionLog for ShippingLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let shared = &**self.shared();
        if entries.is_empty() {
            return shared.local.append_entries(key, expect, entries).await;
        }
        let sizes = entries.iter().map(|entry| encoded_bytes(entry) as u64);
        let bytes = sizes.fold(0, u64::saturating_add);
        let admitted = shared.books().admit(entries.len() as u64, bytes);
        admitted.map_err(|(waiting, why)| {
            let budget = shared.config.budget.unwrap_or(u64::MAX);
            let message = format!("{waiting} bytes wait to be shipped, the budget is {budget}");
            not_shipped(message, why)
        })?;
        let append = OnItsWay {
            shared,
            key,
            bytes,
            is_told: false,
        };
        let appended = shared.local.append_entries(key, expect, entries).await;
        match &appended {
            Ok(last) => append.written(*last, entries.len() as u64),
            Err(error) => match error.kind() {
                LogErrorKind::Conflict
                | LogErrorKind::Invalid
                | LogErrorKind::Busy
                | LogErrorKind::Unsupported
                | LogErrorKind::Corrupt
                | LogErrorKind::Closed => append.refused(),
                _ => drop(append),
            },
        }
        appended
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.local().read(key, cursor, limit).await
    }

    /// Hides events in the local log, once they are shipped: it waits for that, at most
    /// [`patience`](ShippingConfig::patience), and fails with `Unavailable` if they are not. The remote log is asked each
    /// time, as it may have lost what it had: while it is away nothing is hidden. Nor is anything while it has itself hidden
    /// events of the thread that were never compared: they may be somebody else's.
    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let shared = self.shared();
        let bounds = shared.local.bounds(key).await?;
        let until = watermark.min(bounds.last);
        if until > bounds.watermark {
            // What the remote log said before it may have lost since.
            shared.tell(|books| books.look_at(key, bounds.last));
            let deadline = Instant::now() + shared.config.patience;
            self.shipped(key, until, deadline).await?;
            let uncompared = shared.books().uncompared(key);
            if uncompared > bounds.watermark {
                let message = "the remote log has hidden events that were never compared, the local ones may be the only copies: up to ordinal";
                return Err(LogError::unavailable(format!("{message} {uncompared}")));
            }
        }
        // No further than what was seen to be shipped.
        let archived = shared.local.archive_before(key, until).await?;
        if bounds.erased {
            shared.tell(|books| books.look_at(key, bounds.last));
        }
        Ok(archived)
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.local().bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.local().list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.local().tenants(after, limit).await
    }

    /// Erases the thread in the local log, and in the remote one as soon as it can be reached. One that the local log does
    /// not know is erased in the remote log before it returns, or it fails with `Unavailable` after
    /// [`patience`](ShippingConfig::patience): nothing here could remember it. One that is stopped as the remote log is
    /// ahead, or differs, is somebody else's there, and erased here only.
    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        let last = self.local().bounds(key).await?.last;
        let shared = self.shared();
        if last > 0 {
            let _look = LookAfter { shared, key, last };
            return self.local().erase(key).await;
        }
        self.local().erase(key).await?;
        self.erase_remote(key).await
    }

    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        self.local().load_since(key, cursor).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.local().read_raw(key, cursor, limit).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.local().changed(key, after, deadline).await
    }
}

impl fmt::Debug for ShippingLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShippingLog")
            .field("config", &self.shared().config)
            .finish_non_exhaustive()
    }
}
