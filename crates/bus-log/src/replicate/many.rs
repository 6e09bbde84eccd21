//! Copying one thread to its end, and many at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};
use futures_timer::Delay;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, unfold};

use super::courier::Moved;
use super::remembered::Remembered;
use super::{
    Copied, Courier, Pauses, ReplicateError, ReplicateProgress, Replication, Scope, Step,
    ThreadCopied, give_way,
};
use crate::panic::caught;
use crate::{SessionLog, ThreadSummary};

/// Threads and tenants of one page.
const NAMES: usize = 1000;

/// Threads that may fail one after the other, as a log does that is away, before it counts as away although it
/// answers: one that takes no writes, say.
const REFUSED_IN_A_ROW: usize = 16;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Replication {
    /// Copies one thread, until the target has all that the source has. A thread that the source does
    /// not know is none to copy: its last ordinal is 0.
    ///
    /// # Errors
    ///
    /// As [`ReplicateError`] says. What was moved before stays.
    pub async fn thread(&self, key: &ThreadKey) -> Result<ThreadCopied, ReplicateError> {
        if let Some(error) = self.rests(key) {
            return Err(error);
        }
        self.tell(ReplicateProgress::Begun { key });
        let copied = self.carry(key).await;
        match &copied {
            Ok(thread) => self.tell(ReplicateProgress::Done { thread }),
            Err(error) => {
                if !error.is_outage() {
                    self.leave_alone(key, error);
                }
                self.tell(ReplicateProgress::Failed { error });
            }
        }
        copied
    }

    /// Copies all threads of a tenant.
    ///
    /// # Errors
    ///
    /// If a whole log fails ([`ReplicateError::is_outage`]); what was moved before stays. Threads that
    /// fail alone are in [`Copied::failed`], also those that a log refuses as it does when it is away, while
    /// it answers otherwise, and a target takes others; 16 of these in a row are the whole log.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Copied, ReplicateError> {
        self.many(Scope::Tenant(tenant)).await
    }

    /// Copies all threads of all tenants.
    ///
    /// # Errors
    ///
    /// As [`tenant`](Self::tenant).
    pub async fn all(&self) -> Result<Copied, ReplicateError> {
        self.many(Scope::All).await
    }

    async fn many(&self, scope: Scope<'_>) -> Result<Copied, ReplicateError> {
        if let Some(remembered) = &self.remembered {
            remembered.pass(&*self.to).await;
        }
        let names = Names::new(&*self.from, scope);
        // Its next name may take long to come: that is no time of the copies under way.
        let mut names = std::pin::pin!(unfold(names, |mut names| async {
            let next = match self.next_of(&mut names).await {
                Ok(Some(summary)) => Ok(summary),
                Ok(None) => return None,
                Err(error) => {
                    names.pass_over();
                    Err(error)
                }
            };
            Some((next, names))
        }));
        let mut are_all_named = false;
        let mut copied = Copied::default();
        let mut going = FuturesUnordered::new();
        let mut refused = 0;
        loop {
            let names_one = !are_all_named && going.len() < self.threads_at_once;
            let next = match (going.is_empty(), names_one) {
                (true, false) => return Ok(copied),
                (true, true) => Next::Named(names.next().await),
                (false, false) => Next::Copied(going.next().await),
                (false, true) => match select(going.next(), names.next()).await {
                    Either::Left((done, _)) => Next::Copied(done),
                    Either::Right((named, _)) => Next::Named(named),
                },
            };
            let (summary, outcome, rested, outages) = match next {
                Next::Copied(Some(done)) => done,
                Next::Copied(None) => continue,
                Next::Named(None) => {
                    are_all_named = true;
                    continue;
                }
                Next::Named(Some(Ok(summary))) => {
                    if self.is_level(&summary) {
                        copied.threads += 1;
                        continue;
                    }
                    going.push(async move {
                        let outages = self.outages();
                        if let Some(error) = self.rests(&summary.key) {
                            return (summary, Err(error), true, outages);
                        }
                        let copied = self.thread(&summary.key).await;
                        (summary, copied, false, outages)
                    });
                    continue;
                }
                Next::Named(Some(Err(error))) => {
                    if self.ends(&error, &copied, &mut refused).await {
                        return Err(error);
                    }
                    self.tell(ReplicateProgress::Failed { error: &error });
                    copied.failed.push(error);
                    continue;
                }
            };
            copied.threads += 1;
            match outcome {
                Ok(thread) => {
                    refused = 0;
                    if let Some(remembered) = &self.remembered {
                        remembered.copied(summary, outages);
                    }
                    copied.events += thread.events;
                    copied.bytes += thread.bytes;
                }
                Err(error) if rested => copied.failed.push(error),
                Err(error) if self.ends(&error, &copied, &mut refused).await => return Err(error),
                Err(error) => {
                    if error.is_outage() {
                        self.leave_alone(&summary.key, &error);
                    }
                    copied.failed.push(error);
                }
            }
        }
    }

    /// Whether an error ends it all: the log that has failed is away. One that answers, and a target that has
    /// taken something, has refused a thread alone, of which there were `refused` in a row.
    async fn ends(&self, error: &ReplicateError, copied: &Copied, refused: &mut usize) -> bool {
        if !error.is_outage() {
            return false;
        }
        *refused += 1;
        let is_target = matches!(error, ReplicateError::Target { .. });
        if is_target && copied.events == 0 && self.remembered.is_none() {
            return true;
        }
        *refused >= REFUSED_IN_A_ROW || !self.answers(error).await
    }

    /// Whether the log that has failed answers otherwise.
    async fn answers(&self, error: &ReplicateError) -> bool {
        let log = match error {
            ReplicateError::Target { .. } => &self.to,
            _ => &self.from,
        };
        let answer = caught(log.tenants(None, 1)).await.unwrap_or_else(Err);
        answer.is_ok()
    }

    /// Whether a thread is not tried again now: who comes again later holds up nobody for it.
    async fn leaves_alone(&self, error: &ReplicateError) -> bool {
        self.remembered.is_some() && self.answers(error).await
    }

    /// The next thread; a log that may answer yet is asked again.
    async fn next_of(
        &self,
        names: &mut Names<'_>,
    ) -> Result<Option<ThreadSummary>, ReplicateError> {
        let mut failing = Failing::new(self.retry_for);
        loop {
            match names.next().await {
                Err(error) if error.is_transient() && failing.may_pass() => {
                    self.tell(ReplicateProgress::Retrying { error: &error });
                    failing.pause().await;
                }
                next => return next,
            }
        }
    }

    async fn carry(&self, key: &ThreadKey) -> Result<ThreadCopied, ReplicateError> {
        let (from, to) = (self.from.clone(), self.to.clone());
        let warned = self.remembered.as_ref().map(|known| known.warned(key));
        let warned = warned.unwrap_or_default();
        let mut courier = Courier::new(from, to, key.clone(), self.hides)
            .suspecting(warned.differed)
            .distrusting(warned.was_ahead);
        let mut failing = Failing::new(self.retry_for);
        let mut copied = ThreadCopied {
            key: key.clone(),
            events: 0,
            bytes: 0,
            last: 0,
        };
        loop {
            match courier.step().await {
                Ok(Step::Moved(moved)) => {
                    let Moved {
                        first, last, bytes, ..
                    } = moved;
                    copied.events += last - first + 1;
                    copied.bytes += bytes;
                    copied.last = last;
                    self.tell(ReplicateProgress::Moved {
                        key,
                        first,
                        last,
                        bytes,
                    });
                    if !moved.more {
                        break;
                    }
                    failing.is_over();
                    give_way().await;
                }
                Ok(Step::Compared) => {
                    failing.is_over();
                    give_way().await;
                }
                Ok(Step::Level(level)) => {
                    copied.last = level.target;
                    break;
                }
                Err(error) => {
                    self.was_away(&error);
                    let may_pass = error.is_transient() && failing.may_pass();
                    if !may_pass || self.leaves_alone(&error).await {
                        return Err(error);
                    }
                    self.tell(ReplicateProgress::Retrying { error: &error });
                    failing.pause().await;
                }
            }
        }
        Ok(copied)
    }

    /// What the target had it may have lost when it is back.
    fn was_away(&self, error: &ReplicateError) {
        if let Some(remembered) = &self.remembered
            && error.is_outage()
            && matches!(error, ReplicateError::Target { .. })
        {
            remembered.forget();
        }
    }

    /// Outages of the target that were noticed.
    fn outages(&self) -> u64 {
        self.remembered.as_ref().map_or(0, Remembered::outages)
    }

    fn is_level(&self, summary: &ThreadSummary) -> bool {
        let remembered = self.remembered.as_ref();
        remembered.is_some_and(|known| known.is_level(summary, self.hides))
    }

    /// Why a thread is left alone now, if it is.
    fn rests(&self, key: &ThreadKey) -> Option<ReplicateError> {
        self.remembered.as_ref()?.rests(key, Instant::now())
    }

    /// A thread failed alone: who comes again passes over it for a while.
    fn leave_alone(&self, key: &ThreadKey, error: &ReplicateError) {
        if let Some(remembered) = &self.remembered {
            remembered.failed(key, error, Instant::now());
        }
    }
}

/// What comes first.
enum Next<N, C> {
    /// A thread of the source, or that there are no more.
    Named(Option<N>),
    Copied(Option<C>),
}

/// Calls that fail one after the other, and how long they may.
struct Failing {
    retry_for: Duration,
    since: Option<Instant>,
    pauses: Pauses,
}

impl Failing {
    const fn new(retry_for: Duration) -> Self {
        Self {
            retry_for,
            since: None,
            pauses: Pauses::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// One succeeded.
    fn is_over(&mut self) {
        self.since = None;
        self.pauses.reset();
    }

    /// One failed: whether there is time for another.
    fn may_pass(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() < self.retry_for
    }

    async fn pause(&mut self) {
        let spent = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.retry_for.saturating_sub(spent);
        Delay::new(self.pauses.take().min(left)).await;
    }
}

/// The threads of a log, page by page.
pub(crate) struct Names<'a> {
    log: &'a dyn SessionLog,
    /// Tenants of the page, and the last of it; `None` once there are no more.
    tenants: VecDeque<TenantId>,
    after_tenant: Option<TenantId>,
    more_tenants: bool,
    tenant: Option<TenantId>,
    after_thread: Option<String>,
    threads: VecDeque<ThreadSummary>,
}

impl<'a> Names<'a> {
    pub(super) fn new(log: &'a dyn SessionLog, scope: Scope<'_>) -> Self {
        let tenant = match scope {
            Scope::Tenant(tenant) => Some(tenant.clone()),
            Scope::All => None,
        };
        Self {
            log,
            tenants: VecDeque::new(),
            after_tenant: None,
            more_tenants: tenant.is_none(),
            tenant,
            after_thread: None,
            threads: VecDeque::new(),
        }
    }

    /// All threads of all tenants.
    pub(crate) fn all(log: &'a dyn SessionLog) -> Self {
        Self::new(log, Scope::All)
    }

    /// The next thread. After an error that may pass, the same again; after another, the next tenant's.
    pub(crate) async fn next(&mut self) -> Result<Option<ThreadSummary>, ReplicateError> {
        loop {
            if let Some(summary) = self.threads.pop_front() {
                return Ok(Some(summary));
            }
            if let Some(tenant) = self.tenant.take() {
                self.next_threads(tenant).await?;
                continue;
            }
            self.tenant = match self.tenants.pop_front() {
                Some(tenant) => Some(tenant),
                None if self.more_tenants => {
                    self.next_tenants().await?;
                    continue;
                }
                None => return Ok(None),
            };
            self.after_thread = None;
        }
    }

    /// Leaves a tenant alone whose threads can't be listed.
    fn pass_over(&mut self) {
        self.tenant = None;
    }

    async fn next_threads(&mut self, tenant: TenantId) -> Result<(), ReplicateError> {
        let after = self.after_thread.as_deref();
        match caught(self.log.list(&tenant, after, NAMES))
            .await
            .unwrap_or_else(Err)
        {
            Ok(page) => {
                if let Some(last) = page.last() {
                    self.after_thread = Some(last.key.thread_id().to_owned());
                    self.threads = page.into();
                    self.tenant = Some(tenant);
                }
                Ok(())
            }
            Err(error) => {
                let failed = ReplicateError::List {
                    tenant: Some(tenant.clone()),
                    error,
                };
                self.tenant = Some(tenant).filter(|_| failed.is_transient());
                Err(failed)
            }
        }
    }

    async fn next_tenants(&mut self) -> Result<(), ReplicateError> {
        let after = self.after_tenant.as_ref();
        match caught(self.log.tenants(after, NAMES))
            .await
            .unwrap_or_else(Err)
        {
            Ok(page) => {
                self.more_tenants = !page.is_empty();
                self.after_tenant = page.last().cloned();
                self.tenants = page.into();
                Ok(())
            }
            Err(error) => {
                let failed = ReplicateError::List {
                    tenant: None,
                    error,
                };
                self.more_tenants = failed.is_transient();
                Err(failed)
            }
        }
    }
}
