//! A thread's raw events page by page, so that no thread is too long.

use bus_log::{LogErrorKind, Recorded, SessionLog, TenantId, ThreadKey, ThreadSummary};

/// Events of one page.
const PAGE: usize = 1024;

/// Threads and tenants of one page.
const NAMES: usize = 1000;

/// A place in a thread, up to where its raw events have been read.
pub(crate) struct Pages<'a> {
    log: &'a dyn SessionLog,
    key: &'a ThreadKey,
    cursor: u64,
    until: u64,
    /// Events of a page; fewer where a page is damaged.
    size: usize,
}

impl<'a> Pages<'a> {
    /// The readable events with ordinals after `cursor`, up to and including `until`.
    pub(crate) fn new(
        log: &'a dyn SessionLog,
        key: &'a ThreadKey,
        cursor: u64,
        until: u64,
    ) -> Self {
        Self {
            log,
            key,
            cursor,
            until,
            size: PAGE,
        }
    }

    /// The next of them; none at the end, and never an empty page.
    pub(crate) async fn next(&mut self) -> bus_log::Result<Option<Vec<Recorded>>> {
        let page = loop {
            if self.cursor >= self.until {
                return Ok(None);
            }
            let left = usize::try_from(self.until - self.cursor).unwrap_or(PAGE);
            let size = left.min(self.size);
            match self.log.read_raw(self.key, self.cursor, size).await {
                // What stands before the damage can be read.
                Err(error) if error.kind() == LogErrorKind::Corrupt && size > 1 => {
                    self.size = size / 2;
                }
                read => break read?,
            }
        };
        let mut events = page.events;
        // The first readable ordinal can be far after the cursor.
        events.retain(|event| event.ordinal <= self.until);
        let Some(last) = events.last() else {
            return Ok(None);
        };
        self.cursor = last.ordinal;
        Ok(Some(events))
    }

    /// After damage: the ordinal of the next event that can be read, if it is not far.
    pub(crate) async fn after_damage(&self) -> Option<u64> {
        /// Ordinals tried: each costs a search in the file.
        const TRIED: u64 = 1000;
        let last = self.until.min(self.cursor.saturating_add(TRIED));
        for cursor in self.cursor + 1..last {
            if let Ok(page) = self.log.read_raw(self.key, cursor, 1).await {
                return page.events.first().map(|event| event.ordinal);
            }
        }
        None
    }
}

/// A place in the list of a tenant's threads.
pub(crate) struct Threads<'a> {
    log: &'a dyn SessionLog,
    tenant: &'a TenantId,
    after: Option<String>,
}

impl<'a> Threads<'a> {
    /// All threads of the tenant, in byte order of their ids.
    pub(crate) const fn new(log: &'a dyn SessionLog, tenant: &'a TenantId) -> Self {
        Self {
            log,
            tenant,
            after: None,
        }
    }

    /// The next of them; none at the end, and never an empty page. Damaged names are told of at the end,
    /// once all others were given.
    pub(crate) async fn next(&mut self) -> bus_log::Result<Option<Vec<ThreadSummary>>> {
        let page = self
            .log
            .list(self.tenant, self.after.as_deref(), NAMES)
            .await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.after = Some(last.key.thread_id().to_owned());
        Ok(Some(page))
    }
}

/// All tenants that can be named, and why others can't.
pub(crate) async fn tenants(log: &dyn SessionLog) -> (Vec<TenantId>, bus_log::Result<()>) {
    let mut all: Vec<TenantId> = Vec::new();
    loop {
        match log.tenants(all.last(), NAMES).await {
            Ok(page) if page.is_empty() => return (all, Ok(())),
            Ok(page) => all.extend(page),
            Err(error) => return (all, Err(error)),
        }
    }
}
