//! A log in memory that fails as it is told to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, LogError, Page, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, async_trait,
};
use tokio::sync::watch;

/// What becomes of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Unavailable,
    /// Written, and then `Unavailable`.
    LandsUnavailable,
    Busy,
    /// Busy, but not at once.
    BusySoon,
    /// Busy, as by a machine that is.
    BusyLate,
    Invalid,
    Corrupt,
    Internal,
    Closed,
    Unsupported,
    Panics,
    /// Written, and then a panic.
    LandsPanics,
    /// Waits for the gate, then goes on as if nothing were.
    Gate,
    /// Written; the answer waits for the gate.
    LandsGate,
}

impl Fault {
    /// True if a retry is no use.
    pub(crate) fn is_for_good(self) -> bool {
        !matches!(
            self,
            Self::None
                | Self::Unavailable
                | Self::LandsUnavailable
                | Self::Busy
                | Self::BusySoon
                | Self::BusyLate
                | Self::Gate
                | Self::LandsGate
        )
    }
}

type Script = Box<dyn FnMut(&ThreadKey, &[Entry]) -> Fault + Send>;

pub(crate) struct ScriptedLog {
    pub(crate) inner: InMemorySessionLog,
    script: Mutex<Script>,
    gate: watch::Sender<bool>,
    down: AtomicBool,
    /// Reads that have begun answer once the gate is open.
    holds_reads: AtomicBool,
    /// Reads and bounds panic.
    panics: AtomicBool,
    /// Appends that have begun.
    appends: AtomicUsize,
}

impl ScriptedLog {
    /// A log that asks `script` at each append.
    pub(crate) fn new(script: impl FnMut(&ThreadKey, &[Entry]) -> Fault + Send + 'static) -> Self {
        quiet_scripted_panics();
        Self {
            inner: InMemorySessionLog::new(),
            script: Mutex::new(Box::new(script)),
            gate: watch::Sender::new(false),
            down: AtomicBool::new(false),
            holds_reads: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            appends: AtomicUsize::new(0),
        }
    }

    pub(crate) fn set_script(
        &self,
        script: impl FnMut(&ThreadKey, &[Entry]) -> Fault + Send + 'static,
    ) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// A log whose first appends fail so, one after the other.
    pub(crate) fn failing(faults: impl IntoIterator<Item = Fault>) -> Self {
        let mut faults = faults.into_iter().collect::<Vec<_>>().into_iter();
        Self::new(move |_, _| faults.next().unwrap_or(Fault::None))
    }

    /// A log that answers everything with `Unavailable` until told otherwise.
    pub(crate) fn down() -> Self {
        let log = Self::new(|_, _| Fault::None);
        log.set_down(true);
        log
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// From now on reads look at once, and answer once the gate is open.
    pub(crate) fn hold_reads(&self) {
        self.holds_reads.store(true, Ordering::SeqCst);
    }

    /// From now on, or no longer, whoever looks into the log makes it panic.
    pub(crate) fn set_panicking(&self, panicking: bool) {
        self.panics.store(panicking, Ordering::SeqCst);
    }

    pub(crate) fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    fn look(&self) -> Result<()> {
        assert!(!self.panics.load(Ordering::SeqCst), "{PANIC}");
        self.up()
    }

    fn up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(LogError::unavailable("down"));
        }
        Ok(())
    }

    async fn pass_gate(&self) {
        let mut gate = self.gate.subscribe();
        gate.wait_for(|open| *open).await.unwrap();
    }
}

const PANIC: &str = "as the script says";

/// Panics of the script are no news.
fn quiet_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(PANIC) {
                usual(info);
            }
        }));
    });
}

#[async_trait]
impl SessionLog for ScriptedLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let fault = (self.script.lock().unwrap())(key, entries);
        if matches!(fault, Fault::Gate) {
            self.pass_gate().await;
        }
        if matches!(fault, Fault::BusySoon) {
            tokio::task::yield_now().await;
        }
        if matches!(fault, Fault::BusyLate) {
            let never = std::future::pending::<()>();
            let _ = tokio::time::timeout(Duration::from_millis(30), never).await;
        }
        let landed = match fault {
            Fault::None
            | Fault::Gate
            | Fault::LandsGate
            | Fault::LandsPanics
            | Fault::LandsUnavailable => self.inner.append_entries(key, expect, entries).await?,
            _ => 0,
        };
        match fault {
            Fault::None | Fault::Gate => Ok(landed),
            Fault::Unavailable | Fault::LandsUnavailable => Err(LogError::unavailable("script")),
            Fault::Busy | Fault::BusySoon | Fault::BusyLate => Err(LogError::busy("script")),
            Fault::Invalid => Err(LogError::invalid("script")),
            Fault::Corrupt => Err(LogError::corrupt("script")),
            Fault::Internal => Err(LogError::internal("script")),
            Fault::Closed => Err(LogError::closed("script")),
            Fault::Unsupported => Err(LogError::unsupported("script")),
            Fault::Panics | Fault::LandsPanics => panic!("{PANIC}"),
            Fault::LandsGate => {
                self.pass_gate().await;
                Ok(landed)
            }
        }
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.look()?;
        // Small pages, so that looking for a batch takes several.
        let page = self.inner.read(key, cursor, limit.min(3)).await;
        if self.holds_reads.load(Ordering::SeqCst) {
            self.pass_gate().await;
        }
        page
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.inner.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.look()?;
        self.inner.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.inner.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.inner.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.inner.erase(key).await
    }
}
