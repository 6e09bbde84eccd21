//! A log that asks before each call what is to become of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, Page, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};
use futures_util::future::BoxFuture;

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    Append(&'a ThreadKey),
    ReadRaw(&'a ThreadKey),
    Archive,
    Bounds,
    Other,
    List(&'a TenantId),
}

type Hook = dyn Fn(Call<'_>) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// A log in memory whose calls first wait for what a hook says: it may fail, hang, panic, or do something.
pub(crate) struct HookedLog {
    log: Arc<InMemorySessionLog>,
    hook: Mutex<Arc<Hook>>,
    calls: AtomicUsize,
}

impl HookedLog {
    /// One that does nothing else yet.
    pub(crate) fn new(log: Arc<InMemorySessionLog>) -> Self {
        let hook: Arc<Hook> = Arc::new(|_| Box::pin(async { Ok(()) }));
        Self {
            log,
            hook: Mutex::new(hook),
            calls: AtomicUsize::new(0),
        }
    }

    /// From now on this comes before each call.
    pub(crate) fn hook(
        &self,
        hook: impl Fn(Call<'_>) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap() = Arc::new(hook);
        self.calls.store(0, Ordering::SeqCst);
    }

    /// No longer.
    pub(crate) fn heal(&self) {
        self.hook(|_| Box::pin(async { Ok(()) }));
    }

    /// Calls since it was last hooked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn ask(&self, call: Call<'_>) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let hook = Arc::clone(&self.hook.lock().unwrap());
        hook(call).await
    }
}

#[async_trait]
impl SessionLog for HookedLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.ask(Call::Append(key)).await?;
        self.log.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.ask(Call::Other).await?;
        self.log.read(key, cursor, limit).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.ask(Call::ReadRaw(key)).await?;
        self.log.read_raw(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.ask(Call::Archive).await?;
        self.log.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.ask(Call::Bounds).await?;
        self.log.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.ask(Call::List(tenant)).await?;
        self.log.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.ask(Call::Other).await?;
        self.log.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.ask(Call::Other).await?;
        self.log.erase(key).await
    }
}
