//! A log that is opened when it is first used.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LogError, LogErrorKind, Page, Recorded, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, async_trait,
};
use futures_util::lock::Mutex;

use crate::LogUrl;

impl LogUrl {
    /// The log, opened when it is first used: for a remote one that may be away while a program starts, as
    /// what a [`ShippingLog`](bus_log::ShippingLog) ships to. Nothing is asked of it before that.
    ///
    /// Until it could be opened, each call tries to, and fails with `Unavailable`, whatever [`open`](Self::open) says: that is
    /// its source. A log that can't be opened, for a wrong password or a database that is not there yet, is away.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use bus_open::{LogUrl, SessionEvent, SessionLog, ShippingLog, TenantId, ThreadKey};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let local = bus_open::open(dir.path().to_str().ok_or("path")?).await?;
    /// // Nobody is there.
    /// let remote = LogUrl::parse("postgres://bus@127.0.0.1:1/agents")?.open_later();
    /// let log = ShippingLog::new(local, remote)?;
    /// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
    /// assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn open_later(&self) -> Arc<dyn SessionLog> {
        Arc::new(Later {
            url: self.clone(),
            log: Mutex::new(None),
        })
    }
}

struct Later {
    url: LogUrl,
    log: Mutex<Option<Arc<dyn SessionLog>>>,
}

impl Later {
    async fn log(&self) -> Result<Arc<dyn SessionLog>> {
        // One opens it, and who comes meanwhile waits for that.
        let mut log = self.log.lock().await;
        if let Some(log) = &*log {
            return Ok(Arc::clone(log));
        }
        let opened = self.url.open().await.map_err(away)?;
        *log = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

/// Of a log that is not open nothing is known, whatever it said.
fn away(error: LogError) -> LogError {
    match error.kind() {
        LogErrorKind::Unavailable => error,
        _ => LogError::unavailable("can't be opened").with_source(error),
    }
}

#[async_trait]
impl SessionLog for Later {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.log().await?.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log().await?.read(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.log().await?.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.log().await?.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.log().await?.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.log().await?.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.log().await?.erase(key).await
    }

    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        self.log().await?.load_since(key, cursor).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log().await?.read_raw(key, cursor, limit).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.log().await?.changed(key, after, deadline).await
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
