//! Logs that get some of their calls wrong.

use std::sync::Arc;
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, Page, Recorded, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};
use futures_util::future::BoxFuture;

type Call<'a, T> = BoxFuture<'a, Result<T>>;
type Log<'a> = &'a dyn SessionLog;
type Key<'a> = &'a ThreadKey;

type Append<S> = for<'a> fn(&'a S, Log<'a>, Key<'a>, Expect, &'a [Entry]) -> Call<'a, u64>;
type Read<S> = for<'a> fn(&'a S, Log<'a>, Key<'a>, u64, usize) -> Call<'a, Page>;
type Archive<S> = for<'a> fn(&'a S, Log<'a>, Key<'a>, u64) -> Call<'a, usize>;
type OfKey<S, T> = for<'a> fn(&'a S, Log<'a>, Key<'a>) -> Call<'a, T>;
type List<S> = for<'a> fn(
    &'a S,
    Log<'a>,
    &'a TenantId,
    Option<&'a str>,
    usize,
) -> Call<'a, Vec<ThreadSummary>>;
type Tenants<S> =
    for<'a> fn(&'a S, Log<'a>, Option<&'a TenantId>, usize) -> Call<'a, Vec<TenantId>>;
type Changed<S> = for<'a> fn(&'a S, Log<'a>, Key<'a>, u64, Instant) -> Call<'a, u64>;

/// What a [`Tampered`] log gets wrong; it passes every other call on. `S` is what it remembers from call to call.
///
/// ```
/// use std::sync::Arc;
/// use bus_log::{InMemorySessionLog, LogError, SessionLog};
/// use bus_testkit::{Tamper, Tampered, block_on, samples};
///
/// let tamper = Tamper::new().on_bounds(|_, _, _| {
///     Box::pin(async { Err(LogError::unavailable("the line is cut")) })
/// });
/// let log = Tampered::new(tamper, Arc::new(InMemorySessionLog::new()));
/// assert!(block_on(log.bounds(&samples::key("s"))).is_err());
/// ```
pub struct Tamper<S = ()> {
    state: S,
    append: Append<S>,
    read: Read<S>,
    read_raw: Read<S>,
    archive: Archive<S>,
    bounds: OfKey<S, Bounds>,
    erase: OfKey<S, ()>,
    list: List<S>,
    tenants: Tenants<S>,
    changed: Changed<S>,
    out: fn(&mut Recorded),
    key: fn(&ThreadKey) -> ThreadKey,
}

impl Default for Tamper {
    fn default() -> Self {
        Self::new()
    }
}

impl Tamper {
    /// Nothing is wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(())
    }
}

impl<S: Send + Sync + 'static> Tamper<S> {
    /// Nothing is wrong yet; remembers `state`.
    #[must_use]
    pub fn with(state: S) -> Self {
        Self {
            state,
            append: |_, log, key, expect, entries| log.append_entries(key, expect, entries),
            read: |_, log, key, cursor, limit| log.read(key, cursor, limit),
            read_raw: |_, log, key, cursor, limit| log.read_raw(key, cursor, limit),
            archive: |_, log, key, watermark| log.archive_before(key, watermark),
            bounds: |_, log, key| log.bounds(key),
            erase: |_, log, key| log.erase(key),
            list: |_, log, tenant, after, limit| log.list(tenant, after, limit),
            tenants: |_, log, after, limit| log.tenants(after, limit),
            changed: |_, log, key, after, deadline| log.changed(key, after, deadline),
            out: |_| {},
            key: Clone::clone,
        }
    }

    /// Answers `append_entries` by this function.
    #[must_use]
    pub fn on_append(self, append: Append<S>) -> Self {
        Self { append, ..self }
    }

    /// Answers `read` by this function.
    #[must_use]
    pub fn on_read(self, read: Read<S>) -> Self {
        Self { read, ..self }
    }

    /// Answers `read_raw` by this function.
    #[must_use]
    pub fn on_read_raw(self, read_raw: Read<S>) -> Self {
        Self { read_raw, ..self }
    }

    /// Answers `archive_before` by this function.
    #[must_use]
    pub fn on_archive(self, archive: Archive<S>) -> Self {
        Self { archive, ..self }
    }

    /// Answers `bounds` by this function.
    #[must_use]
    pub fn on_bounds(self, bounds: OfKey<S, Bounds>) -> Self {
        Self { bounds, ..self }
    }

    /// Answers `erase` by this function.
    #[must_use]
    pub fn on_erase(self, erase: OfKey<S, ()>) -> Self {
        Self { erase, ..self }
    }

    /// Answers `list` by this function.
    #[must_use]
    pub fn on_list(self, list: List<S>) -> Self {
        Self { list, ..self }
    }

    /// Answers `tenants` by this function.
    #[must_use]
    pub fn on_tenants(self, tenants: Tenants<S>) -> Self {
        Self { tenants, ..self }
    }

    /// Answers `changed` by this function.
    #[must_use]
    pub fn on_changed(self, changed: Changed<S>) -> Self {
        Self { changed, ..self }
    }

    /// Changes every event on its way out, by whichever method.
    #[must_use]
    pub fn on_the_way_out(self, out: fn(&mut Recorded)) -> Self {
        Self { out, ..self }
    }

    /// Takes one key for another.
    #[must_use]
    pub fn on_keys(self, key: fn(&ThreadKey) -> ThreadKey) -> Self {
        Self { key, ..self }
    }
}

/// Another log of which some calls go wrong. `append`, `append_expecting` and `load_since` are the provided ones.
pub struct Tampered<S = ()> {
    tamper: Tamper<S>,
    log: Arc<dyn SessionLog>,
}

impl<S> Tampered<S> {
    /// Tampers with `log`.
    #[must_use]
    pub fn new(tamper: Tamper<S>, log: Arc<dyn SessionLog>) -> Self {
        Self { tamper, log }
    }

    fn leave(&self, mut page: Page) -> Page {
        page.events.iter_mut().for_each(self.tamper.out);
        page
    }
}

#[async_trait]
impl<S: Send + Sync + 'static> SessionLog for Tampered<S> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        (t.append)(&t.state, &*self.log, &key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        let page = (t.read)(&t.state, &*self.log, &key, cursor, limit).await?;
        Ok(self.leave(page))
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        let page = (t.read_raw)(&t.state, &*self.log, &key, cursor, limit).await?;
        Ok(self.leave(page))
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        (t.archive)(&t.state, &*self.log, &key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        (t.bounds)(&t.state, &*self.log, &key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let t = &self.tamper;
        (t.list)(&t.state, &*self.log, tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let t = &self.tamper;
        (t.tenants)(&t.state, &*self.log, after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        (t.erase)(&t.state, &*self.log, &key).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let (t, key) = (&self.tamper, (self.tamper.key)(key));
        (t.changed)(&t.state, &*self.log, &key, after, deadline).await
    }
}
